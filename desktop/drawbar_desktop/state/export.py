"""A take in the history and a choice -> files elsewhere, written whole or not at all, settings inside."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from drawbar.errors import BadInputError
from drawbar.files.atomic_write import atomic
from drawbar.live.takes import soundfiles
from drawbar_desktop.state.takes import TakeItem, TakeStore

FORMATS = {"wav": "WAV, 24 bit", "flac": "FLAC, 24 bit", "ogg": "Ogg Vorbis, small"}


@dataclass(frozen=True)
class ExportOffer:
    """What can be exported."""

    name: str
    """A file's name without an ending."""
    about: str
    seconds: float
    has_twin: bool


@dataclass(frozen=True)
class ExportChoice:
    """Where to and in which form."""

    path: Path
    ending: str = "wav"
    bypassed: bool = False
    """Write the unsteered twin beside it."""
    with_gain: bool = False
    """Apply the monitor's gain."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What will be written."""
        sound = self.path.with_suffix(f".{self.ending}")
        stem = (sound.with_name(f"{sound.stem}-bypassed{sound.suffix}"),) if self.bypassed else ()
        return (sound, *stem, sound.with_suffix(".json"))


def export_take(store: TakeStore, item: TakeItem, choice: ExportChoice, gain_db: float = 0.0) -> list[Path]:
    """Write what was chosen -> the files. Raises BadInputError, OSError."""
    if choice.ending not in FORMATS:
        raise BadInputError(f"format {choice.ending!r}: use one of {', '.join(FORMATS)}")
    path = choice.path.with_suffix(f".{choice.ending}")
    gain = 10.0 ** (gain_db / 20) if choice.with_gain else 1.0
    sidecar = item.path.with_suffix(".json").read_text(encoding="utf-8")
    record = json.loads(sidecar)
    comment = {k: v for k, v in record.items() if k not in ("tokens", "audio")}
    written = []
    stems = [("", False)] + ([("-bypassed", True)] if choice.bypassed else [])
    for suffix, twin in stems:
        target = path.with_name(f"{path.stem}{suffix}{path.suffix}")
        if twin and not item.has_twin:
            raise BadInputError("this take has no bypassed twin: switch on “Bypass ready” and play it again")
        audio = store.audio(item, twin=twin) * np.float32(gain)
        rate = int(soundfile.info(item.path).samplerate)
        text = json.dumps(
            {**comment, "stem": "bypassed" if twin else "steered"}, sort_keys=True, separators=(",", ":")
        )
        with atomic(target) as temporary:
            if choice.ending == "ogg":
                _write_ogg(temporary, audio, rate, text)
            else:
                soundfiles.write(temporary, target.suffix, audio, rate, text)
        written.append(target)
    beside = path.with_suffix(".json")
    with atomic(beside) as temporary:
        text = json.dumps({**record, "audio": path.name}, indent=1, sort_keys=True) + "\n"
        temporary.write_text(text, encoding="utf-8")
    return [*written, beside]


def _write_ogg(path: Path, audio: np.ndarray, rate: int, comment: str) -> None:  # type: ignore[type-arg]
    with soundfile.SoundFile(path, "w", rate, audio.ndim, format="OGG", subtype="VORBIS") as out:
        out.comment = comment
        for start in range(0, len(audio), 1 << 16):  # libsndfile overflows its stack on long Vorbis writes
            out.write(np.clip(audio[start : start + (1 << 16)], -1.0, 1.0))
