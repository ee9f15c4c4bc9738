"""Files of JSON lines -> tracks and recurrence events: the words of the long-horizon study, both ways.

It knows nothing of audio, of how events are found, or of models.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from drawbar.errors import BadInputError
from drawbar.files.atomic_write import atomic
from drawbar.files.reading import typed_json

SPLITS = ("train", "valid", "test")
"""70, 15 and 15 of a hundred tracks, by the hash of the track's id alone."""

KINDS = ("exact", "transposed", "varied", "none")
"""How a motif comes back; ``none`` is a matched window in which it does not."""

PLANTS = ("exact", "transposed", "varied", "none", "texture")
"""What a composed piece has planted in it; ``texture`` repeats a loop and has no motif at all."""

_SHARES = (0.70, 0.85)
_Row = TypeVar("_Row")


@dataclass(frozen=True)
class Window:
    """A stretch of a track, in seconds from its beginning."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.end_s) and 0.0 <= self.start_s < self.end_s):
            raise BadInputError(
                f"a window from {self.start_s} s to {self.end_s} s; it must start at 0 or later and end after"
            )

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s

    def overlap(self, other: "Window") -> float:
        """Shared time over joint time, 0 to 1 (intersection over union)."""
        shared = min(self.end_s, other.end_s) - max(self.start_s, other.start_s)
        return max(0.0, shared) / (max(self.end_s, other.end_s) - min(self.start_s, other.start_s))


@dataclass(frozen=True)
class PieceSettings:
    """What the composer needs to write a piece again."""

    seed: int
    seconds: float
    plant: str

    def __post_init__(self) -> None:
        if self.plant not in PLANTS:
            raise BadInputError(f"a piece planted with {self.plant!r}; there are {', '.join(PLANTS)}")


@dataclass(frozen=True)
class Track:
    """One verified track: a file below the manifest's audio folder, or a composed piece."""

    id: str
    split: str
    duration_s: float
    licence: str
    source: str
    """Where it comes from: ``composed``, ``folder`` or the name of the table that lists it."""
    sha256: str
    """Of the file's bytes; of a composed piece's JSON."""
    path: str = ""
    """Relative to the audio folder, with forward slashes; empty for a composed piece."""
    piece: PieceSettings | None = None
    text: str = ""
    """What it is, in words: a caption or a prompt."""

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise BadInputError(f"track {self.id!r} has split {self.split!r}; there are {', '.join(SPLITS)}")
        if not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise BadInputError(f"track {self.id!r} lasts {self.duration_s} s; it must last longer than 0")
        if bool(self.path) == (self.piece is not None):
            raise BadInputError(f"track {self.id!r} must have either a path or a piece's settings")


@dataclass(frozen=True)
class Event:
    """A motif and where it comes back (kind ``none``: a matched window where it does not)."""

    track: str
    motif: Window
    recurrence: Window
    kind: str
    verified: bool

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadInputError(f"an event of kind {self.kind!r}; there are {', '.join(KINDS)}")


def split_of(track: str) -> str:
    """The split of a track, by its id alone: 70 train, 15 valid, 15 test of a hundred."""
    draw = int.from_bytes(hashlib.sha256(f"horizon:{track}".encode()).digest()[:8], "big") / 2**64
    return SPLITS[sum(draw >= share for share in _SHARES)]


def load_tracks(path: Path) -> tuple[Track, ...]:
    """The tracks of a file. Raises BadInputError for a damaged row or two equal ids."""
    tracks = _read(path, Track)
    seen: set[str] = set()
    for track in tracks:
        if track.id in seen:
            raise BadInputError(f"{path}: two tracks are called {track.id!r}; write the manifest again")
        seen.add(track.id)
    return tracks


def save_tracks(path: Path, tracks: Iterable[Track]) -> None:
    """Write tracks, whole or not at all."""
    _write(path, tracks)


def load_events(path: Path, *, verified_only: bool = True) -> tuple[Event, ...]:
    """The events of a file; without ``verified_only`` also those that nobody has verified yet.

    Raises:
        BadInputError: no such file, or a damaged row.
    """
    return tuple(event for event in _read(path, Event) if event.verified or not verified_only)


def save_events(path: Path, events: Iterable[Event]) -> None:
    """Write events, whole or not at all."""
    _write(path, events)


def _read(path: Path, kind: type[_Row]) -> tuple[_Row, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{path} cannot be read ({error}); write it with `drawbar study manifest`"
        ) from error
    rows: list[_Row] = []
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            rows.append(typed_json(kind, text))
        except ValueError as error:
            raise BadInputError(
                f"{path}, line {number}: {error}; correct the row or write the file again"
            ) from error
    return tuple(rows)


def _write(path: Path, rows: Iterable[Track] | Iterable[Event]) -> None:
    with atomic(path) as part, part.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(dataclasses.asdict(row), ensure_ascii=False) + "\n")
