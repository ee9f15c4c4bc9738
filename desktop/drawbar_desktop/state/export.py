"""A take in the history and a choice -> files elsewhere, written whole or not at all, settings inside."""

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from drawbar.errors import BadInputError
from drawbar.files.atomic_write import atomic
from drawbar.files.reading import json_value
from drawbar.live.audio_out.channels import mixed
from drawbar.live.takes import soundfiles
from drawbar.live.takes.finishing import DEPTHS, dithered, resampled, seamless, whole_bars
from drawbar_desktop.state.beat_grid import Grid
from drawbar_desktop.state.takes import Floats, TakeItem, TakeStore

FORMATS = {"wav": "WAV", "flac": "FLAC", "ogg": "Ogg Vorbis, small"}


@dataclass(frozen=True)
class ExportOffer:
    """What can be exported."""

    name: str
    """A file's name without an ending."""
    about: str
    seconds: float
    has_twin: bool
    loop: tuple[float, float] | None = None
    grid: Grid | None = None
    notes: bool = False
    """A transcriber is installed."""
    command: str = ""
    """The command that renders it."""
    untold: str = ""
    """What that command cannot say."""


@dataclass(frozen=True)
class ExportChoice:
    """Where to and in which form."""

    path: Path
    ending: str = "wav"
    bypassed: bool = False
    """Write the unsteered twin beside it."""
    with_gain: bool = False
    """Apply the monitor's gain."""
    rate_hz: int = 0
    """0: the model's own."""
    depth: str = "24"
    """One of `DEPTHS`; Ogg has none."""
    loop: tuple[float, float] | None = None
    """Only this part, in seconds, so that it repeats without a seam."""
    grid: Grid | None = None
    """Whole bars of it."""
    notes: bool = False
    """The notes that are heard in it, as a MIDI file."""
    heat: bool = False
    """The activations of the heat-map, as a table."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What will be written."""
        sound = self.path.with_suffix(f".{self.ending}")
        stem = (sound.with_name(f"{sound.stem}-bypassed{sound.suffix}"),) if self.bypassed else ()
        notes = (sound.with_suffix(".mid"),) if self.notes else ()
        heat = (sound.with_suffix(".csv"),) if self.heat else ()
        return (sound, *stem, *notes, *heat, sound.with_suffix(".json"))

    def numbered(self) -> "ExportChoice":
        """The same under the first name with a number that is free."""
        number, choice = 1, self
        while any(path.exists() for path in choice.files):
            number += 1
            choice = replace(self, path=self.path.with_stem(f"{self.path.stem}-{number}"))
        return choice


def export_take(store: TakeStore, item: TakeItem, choice: ExportChoice, gain_db: float = 0.0) -> list[Path]:
    """Write what was chosen -> the files. Raises BadInputError, MissingDependencyError, OSError."""
    if choice.ending not in FORMATS:
        raise BadInputError(f"format {choice.ending!r}: use one of {', '.join(FORMATS)}")
    if choice.ending == "flac" and choice.depth == "32":
        raise BadInputError("FLAC holds no 32-bit floating point: choose 24 bit, or WAV")
    path = choice.path.with_suffix(f".{choice.ending}")
    gain = 10.0 ** (gain_db / 20) if choice.with_gain else 1.0
    sidecar = item.path.with_suffix(".json").read_text(encoding="utf-8")
    record = json_value(sidecar)
    if item.grid is not None:
        record["grid"] = list(item.grid)
    comment = {k: v for k, v in record.items() if k not in ("tokens", "audio")}
    own_hz = int(soundfile.info(item.path).samplerate)
    rate = choice.rate_hz or own_hz
    written = []
    stems = [("", False)] + ([("-bypassed", True)] if choice.bypassed else [])
    for suffix, twin in stems:
        target = path.with_name(f"{path.stem}{suffix}{path.suffix}")
        if twin and not item.has_twin:
            raise BadInputError("this take has no bypassed twin: switch on “Bypass ready” and play it again")
        audio = _finished(store.audio(item, twin=twin) * np.float32(gain), own_hz, choice, item.settings.seed)
        text = json.dumps(
            {**comment, "stem": "bypassed" if twin else "steered"}, sort_keys=True, separators=(",", ":")
        )
        with atomic(target) as temporary:
            if choice.ending == "ogg":
                _write_ogg(temporary, audio, rate, text)
            else:
                soundfiles.write(temporary, target.suffix, audio, rate, text, DEPTHS[choice.depth])
        written.append(target)
    if choice.notes:
        written.append(_write_notes(path.with_suffix(".mid"), _part(store.audio(item), own_hz, choice), item))
    if choice.heat:
        written.append(_write_heat(path.with_suffix(".csv"), store, item))
    beside = path.with_suffix(".json")
    with atomic(beside) as temporary:
        text = json.dumps({**record, "audio": path.name}, indent=1, sort_keys=True) + "\n"
        temporary.write_text(text, encoding="utf-8")
    return [*written, beside]


def _part(audio: Floats, rate_hz: int, choice: ExportChoice) -> Floats:
    if choice.loop is not None:
        return seamless(audio, rate_hz, *choice.loop)
    if choice.grid is not None and choice.grid.bar_s:
        return whole_bars(audio, rate_hz, choice.grid.bar_s, choice.grid.offset_s)
    return audio


def _finished(audio: Floats, rate_hz: int, choice: ExportChoice, seed: int) -> Floats:
    # The whole take is resampled first: a filter's edge inside a loop would be heard as a seam.
    found = _part(resampled(audio, rate_hz, choice.rate_hz), choice.rate_hz or rate_hz, choice)
    return dithered(found, 16, seed) if choice.depth == "16" and choice.ending != "ogg" else found


def _write_notes(path: Path, audio: Floats, item: TakeItem) -> Path:
    from drawbar.audio_analysis.midi_file import midi_bytes
    from drawbar.audio_analysis.transcriber import Transcriber

    tempo_bpm, _, beats = item.grid or (120.0, 0.0, 4)
    with atomic(path) as temporary:
        temporary.write_bytes(midi_bytes(Transcriber().events(mixed(audio)), tempo_bpm, beats))
    return path


def _write_heat(path: Path, store: TakeStore, item: TakeItem) -> Path:
    """A row a frame: its time, then every feature's activation in units of its 99th percentile."""
    ids, heat = store.heat(item)
    if not ids:
        raise BadInputError("this take kept no heat-map: export it without the table")
    frame_s = item.seconds / heat.shape[1]
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out)
        table.writerow(["time_s", *ids])
        for frame, column in enumerate(heat.T):
            table.writerow([f"{frame * frame_s:.3f}", *(f"{value:.2f}" for value in column)])
    return path


def _write_ogg(path: Path, audio: Floats, rate: int, comment: str) -> None:
    with soundfile.SoundFile(path, "w", rate, audio.ndim, format="OGG", subtype="VORBIS") as out:
        out.comment = comment
        for start in range(0, len(audio), 1 << 16):  # libsndfile overflows its stack on long Vorbis writes
            out.write(np.clip(audio[start : start + (1 << 16)], -1.0, 1.0))
