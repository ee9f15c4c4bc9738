"""A composed track -> its piece, every pair of windows that is one motif, and its recurrence events.

It knows nothing of audio.
"""

from dataclasses import dataclass
from functools import lru_cache

from drawbar.corpus.composer.planting import Planted, plant
from drawbar.errors import BadInputError
from drawbar.research.horizon.events import Event, PieceSettings, Track, Window


@dataclass(frozen=True)
class TruePair:
    """Two times at which a planted motif is heard."""

    early: Window
    late: Window
    kind: str
    """How the later one differs from the earlier: exact, transposed or varied."""
    semitones: int
    """By which the later one is higher."""
    first: bool
    """Whether the earlier one is the original."""


@lru_cache(maxsize=64)
def _planted(settings: PieceSettings) -> Planted:
    return plant(settings.seed, settings.seconds, settings.plant)


def piece_of(track: Track) -> Planted:
    """Compose the track's piece again. Raises BadInputError for a track that was not composed."""
    if track.piece is None:
        raise BadInputError(f"track {track.id!r} is a recording; only composed tracks have a truth")
    return _planted(track.piece)


def true_pairs(track: Track) -> tuple[TruePair, ...]:
    """Every pair of times at which the motif is heard."""
    times = piece_of(track).occurrences
    pairs = []
    for n, early in enumerate(times):
        for late in times[n + 1 :]:
            semitones = late.semitones - early.semitones
            kind = "exact" if late.kind == "transposed" and not semitones else late.kind
            both = Window(early.start_s, early.end_s), Window(late.start_s, late.end_s)
            pairs.append(TruePair(*both, kind, semitones, n == 0))
    return tuple(pairs)


def returns(track: Track) -> tuple[Event, ...]:
    """One verified event a return of the motif, each paired with the original."""
    return tuple(
        Event(track.id, pair.early, pair.late, pair.kind, True) for pair in true_pairs(track) if pair.first
    )
