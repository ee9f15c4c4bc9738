"""Tracks and their excerpts -> what every kind of corpus hands to the pipeline, and which tracks are held out."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Track:
    """One piece or one file."""

    id: str
    licence: str
    split: str
    """``train`` or ``held-out``."""
    text: str = ""
    """What it is, in words: a caption or a prompt."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Excerpt:
    """Audio [N] at the model's rate; concepts bool [T, C] for composed music."""

    name: str
    audio: NDArray[np.float32]
    concepts: NDArray[np.bool_] | None = None
    samples: int = 0
    """N, where the audio itself is gone."""

    def without_audio(self) -> "Excerpt":
        return replace(self, audio=np.zeros(0, np.float32), samples=len(self.audio))


class Source(Protocol):
    """A corpus."""

    @property
    def tracks(self) -> list[Track]: ...

    @property
    def concepts(self) -> tuple[str, ...]:
        """Names of the columns of the truth; none for recordings."""
        ...

    def key(self) -> object:
        """A JSON value that changes whenever the audio would."""
        ...

    def seconds(self, track: int) -> float:
        """How long the track is, without reading it. Raises AudioFileError for one that cannot be read."""
        ...

    def excerpts(self, track: int, rate_hz: int) -> Iterator[Excerpt]:
        """The track's excerpts. Raises AudioFileError for one that cannot be read."""
        ...


def _draw(track: str) -> float:
    return int.from_bytes(hashlib.sha256(track.encode()).digest()[:8], "big") / 2**64


def split_of(track: str, held_out: float) -> str:
    """``held-out`` for the given share of the tracks, by their name alone."""
    return "held-out" if _draw(track) < held_out else "train"


def with_splits(tracks: Sequence[Track], held_out: float) -> list[Track]:
    """Every track in a split: the one that it names, else by its name's hash.

    Where that leaves one side of several tracks empty, the track nearest to it changes sides.
    """
    out = [track if track.split else replace(track, split=split_of(track.id, held_out)) for track in tracks]
    free = [number for number, track in enumerate(tracks) if not track.split]
    by_draw = sorted(free, key=lambda number: _draw(tracks[number].id))
    if len(out) > 1 and free:
        splits = {track.split for track in out}
        if "held-out" not in splits:
            out[by_draw[0]] = replace(out[by_draw[0]], split="held-out")
        elif "train" not in splits:
            out[by_draw[-1]] = replace(out[by_draw[-1]], split="train")
    return out


def file_key(path: Path) -> list[object]:
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
