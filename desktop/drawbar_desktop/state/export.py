"""A take in the history and a choice -> files elsewhere, written whole or not at all, settings inside."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile

from drawbar.errors import BadInputError, MissingDependencyError
from drawbar.files.atomic_write import atomic
from drawbar.files.reading import json_value
from drawbar.live.audio_out.channels import mixed
from drawbar.live.takes import soundfiles
from drawbar.live.takes.finishing import DEPTHS, dithered, resampled, seamless, whole_bars
from drawbar_desktop.state.beat_grid import Grid
from drawbar_desktop.state.takes import Floats, TakeItem, TakeStore
from drawbar_desktop.state.transport import PREPARE_BYPASS

TABLES = {"csv": "CSV", "parquet": "Parquet"}
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
    table: str = "csv"
    """One of `TABLES`: that table's format."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What will be written."""
        sound = self.path.with_suffix(f".{self.ending}")
        stem = (sound.with_name(f"{sound.stem}-bypassed{sound.suffix}"),) if self.bypassed else ()
        notes = (sound.with_suffix(".mid"),) if self.notes else ()
        heat = (sound.with_suffix(f".{self.table}"),) if self.heat else ()
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
    heat = _heat_of(store, item, choice.table) if choice.heat else None
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
            raise BadInputError(
                f"this take has no bypassed stem: switch on “{PREPARE_BYPASS}”, move a slider and play it again"
            )
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
    if heat is not None:
        written.append(_write_heat(path.with_suffix(f".{choice.table}"), *heat))
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


def _heat_of(store: TakeStore, item: TakeItem, table: str) -> tuple[Floats, Sequence[str], Floats]:
    """Times, ids and activations ``[R, T]``, once it is known that they can be written."""
    if table not in TABLES:
        raise BadInputError(f"table format {table!r}: use one of {', '.join(TABLES)}")
    if table == "parquet" and find_spec("pyarrow") is None:
        raise MissingDependencyError(
            "a Parquet table needs pyarrow: pip install 'drawbar[cluster]', or choose CSV"
        )
    ids, heat = store.heat(item)
    if not ids:
        raise BadInputError("this take kept no heat-map: export it without the table")
    return np.arange(heat.shape[1], dtype=np.float32) * (item.seconds / heat.shape[1]), ids, heat


def _write_heat(path: Path, times_s: Floats, ids: Sequence[str], heat: Floats) -> Path:
    """A row a frame: its time, then every feature's activation in units of its 99th percentile."""
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        columns = {"time_s": times_s, **dict(zip(ids, np.asarray(heat, np.float32), strict=True))}
        with atomic(path) as temporary:
            pyarrow.parquet.write_table(pyarrow.table(columns), temporary)
        return path
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out)
        table.writerow(["time_s", *ids])
        for time_s, column in zip(times_s, heat.T, strict=True):
            table.writerow([f"{time_s:.3f}", *(f"{value:.2f}" for value in column)])
    return path


def _write_ogg(path: Path, audio: Floats, rate: int, comment: str) -> None:
    with soundfile.SoundFile(path, "w", rate, audio.ndim, format="OGG", subtype="VORBIS") as out:
        out.comment = comment
        for start in range(0, len(audio), 1 << 16):  # libsndfile overflows its stack on long Vorbis writes
            out.write(np.clip(audio[start : start + (1 << 16)], -1.0, 1.0))
