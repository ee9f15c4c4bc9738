"""A corpus's name -> tracks, and from each its excerpts: audio, and truth where there is any.

Three kinds: ``composed:N`` (composed and rendered on the fly), a folder that ``drawbar compose`` wrote,
and any folder of recordings, which are cut into excerpts. A track is either held out as a whole or not at
all.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drawbar.corpus import CONCEPTS, DEFAULT_SOUNDFONT, Piece, annotate, compose, render_audio
from drawbar.corpus.audio import stream_audio
from drawbar.errors import BadInputError, MissingDependencyError
from drawbar.pipeline.settings import BuildSettings

__all__ = ["AUDIO_SUFFIXES", "Excerpt", "Source", "Track", "open_source", "split_of"]

AUDIO_SUFFIXES = (
    ".wav",
    ".flac",
    ".mp3",
    ".ogg",
    ".oga",
    ".opus",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
    ".caf",
    ".w64",
)
_SILENT = 1e-4  # peak below which an excerpt holds nothing
_MIN_EXCERPT_S = 1.0


@dataclass(frozen=True)
class Track:
    """One piece or one file."""

    id: str
    licence: str
    split: str
    """``train`` or ``held-out``."""


@dataclass(frozen=True)
class Excerpt:
    """Audio [N] at the model's rate; concepts bool [T, C] for composed music."""

    name: str
    audio: NDArray[np.float32]
    concepts: NDArray[np.bool_] | None = None


class Source(Protocol):
    """A corpus."""

    @property
    def tracks(self) -> list[Track]:
        """In a fixed order."""
        ...

    @property
    def concepts(self) -> tuple[str, ...]:
        """Names of the columns of the truth; none for recordings."""
        ...

    def key(self) -> object:
        """A JSON value that changes whenever the audio would."""
        ...

    def excerpts(self, track: int, rate_hz: int) -> Iterator[Excerpt]:
        """The track's excerpts. Raises AudioFileError for one that cannot be read."""
        ...


def split_of(track: str, held_out: float) -> str:
    """``held-out`` for the given share of the tracks, by their name alone."""
    draw = int.from_bytes(hashlib.sha256(track.encode()).digest()[:8], "big") / 2**64
    return "held-out" if draw < held_out else "train"


def open_source(settings: BuildSettings) -> Source:
    """The corpus that the settings name. Raises BadInputError, MissingDependencyError."""
    if settings.corpus.startswith("composed:"):
        return _ComposedSeeds(settings, int(settings.corpus.partition(":")[2]))
    folder = Path(settings.corpus)
    if not folder.is_dir():
        raise BadInputError(
            f"corpus {settings.corpus!r} is no folder; give one with audio files, or composed:N"
        )
    if (folder / "manifest.jsonl").is_file():
        return _ComposedFolder(settings, folder)
    return _Recordings(settings, folder)


class _ComposedSeeds:
    """Pieces composed and rendered when they are asked for."""

    concepts = CONCEPTS

    def __init__(self, settings: BuildSettings, pieces: int) -> None:
        self._settings = settings
        self._soundfont = Path(settings.soundfont or DEFAULT_SOUNDFONT)
        if not self._soundfont.is_file():
            raise MissingDependencyError(
                f"{self._soundfont} is not there: composing needs a General MIDI soundfont "
                "(Debian: apt-get install fluid-soundfont-gm), or name one"
            )
        self._seeds = range(settings.first_seed, settings.first_seed + pieces)
        self.tracks = [
            Track(f"composed-{s}", "CC0-1.0", split_of(f"composed-{s}", settings.held_out))
            for s in self._seeds
        ]

    def key(self) -> object:
        """Seeds, length and soundfont; and one piece, which changes when the composer does."""
        sample = compose(seed=self._seeds[0], seconds=self._settings.piece_s).to_json()
        return [
            list((self._seeds.start, self._seeds.stop)),
            self._settings.piece_s,
            _file_key(self._soundfont),
            sample,
        ]

    def excerpts(self, track: int, rate_hz: int) -> Iterator[Excerpt]:
        """The whole piece."""
        piece = compose(seed=self._seeds[track], seconds=self._settings.piece_s)
        audio = render_audio(piece, str(self._soundfont))
        yield Excerpt(self.tracks[track].id, _at_rate(audio, rate_hz), annotate(piece).concepts)


class _ComposedFolder:
    """What ``drawbar compose`` wrote: one manifest line, audio file and event file a piece."""

    concepts = CONCEPTS

    def __init__(self, settings: BuildSettings, folder: Path) -> None:
        self._folder = folder
        lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
        try:
            self._rows: list[dict[str, Any]] = [json.loads(line) for line in lines if line.strip()]
            self.tracks = [
                Track(str(r["id"]), str(r.get("licence", "")), split_of(str(r["id"]), settings.held_out))
                for r in self._rows
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise BadInputError(
                f"{folder / 'manifest.jsonl'} is damaged ({error!r}); compose the folder again"
            ) from error

    def key(self) -> object:
        """The manifest and the audio files."""
        return [self._rows, [_file_key(self._path(row["audio"])) for row in self._rows]]

    def excerpts(self, track: int, rate_hz: int) -> Iterator[Excerpt]:
        """The whole piece, with the truth that follows from its events."""
        row = self._rows[track]
        audio = np.concatenate(list(stream_audio(self._path(row["audio"]), rate_hz)))
        piece_file = self._folder / "pieces" / f"{Path(row['audio']).stem}.json"
        concepts = (
            annotate(Piece.from_json(piece_file.read_text(encoding="utf-8"))).concepts
            if piece_file.is_file()
            else None
        )
        yield Excerpt(self.tracks[track].id, audio, concepts)

    def _path(self, name: str) -> Path:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise BadInputError(
                f"{self._folder / 'manifest.jsonl'} names {name!r}, which lies outside the folder"
            )
        return path


class _Recordings:
    """Every audio file below a folder."""

    concepts: tuple[str, ...] = ()

    def __init__(self, settings: BuildSettings, folder: Path) -> None:
        self._clip_s = settings.clip_s
        self._folder = folder
        self._files = sorted(
            p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file()
        )
        if not self._files:
            raise BadInputError(f"{folder} has no audio files ({', '.join(AUDIO_SUFFIXES[:6])} ...) in it")
        names = [path.relative_to(folder).as_posix() for path in self._files]
        order = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
        held = set(order[: max(1, round(settings.held_out * len(order)))]) if len(order) > 1 else set()
        self.tracks = [Track(name, "unknown", "held-out" if name in held else "train") for name in names]

    def key(self) -> object:
        """Names, sizes and digests of the files, and the excerpts' length."""
        return [
            self._clip_s,
            [[track.id, *_file_key(path)] for track, path in zip(self.tracks, self._files, strict=True)],
        ]

    def excerpts(self, track: int, rate_hz: int) -> Iterator[Excerpt]:
        """Consecutive excerpts, without silent ones and without a remainder below 1 s."""
        name = self.tracks[track].id
        for number, block in enumerate(stream_audio(self._files[track], rate_hz, block_s=self._clip_s)):
            if np.abs(block).max() < _SILENT or (number and len(block) < _MIN_EXCERPT_S * rate_hz):
                continue
            yield Excerpt(f"{name}@{number * self._clip_s:g}s", block)


def _file_key(path: Path) -> list[object]:
    """Size and a digest of the first and last MiB: enough to see a change, quick on large collections."""
    if not path.is_file():
        return [0, "missing"]
    size = path.stat().st_size
    state = hashlib.sha256()
    with path.open("rb") as file:
        state.update(file.read(1 << 20))
        if size > 2 << 20:
            file.seek(-(1 << 20), 2)
        state.update(file.read(1 << 20))
    return [size, state.hexdigest()]


def _at_rate(audio: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    if rate_hz == 32_000:
        return audio
    import soxr

    out: NDArray[np.float32] = soxr.resample(audio, 32_000, rate_hz).astype(np.float32)
    return out
