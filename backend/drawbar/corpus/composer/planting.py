"""Seed, length and kind -> a Piece with a lead motif that comes back so (or not), and a record of where.

The motif is 4 to 8 s long and returns 8 to 25 s after it began: ``exact``, ``transposed`` (every note by
the same number of semitones, over the piece's own chords), ``varied`` (notes moved or split), or not at
all (``none``). A ``texture`` piece repeats one loop from its first bar to its last and has no motif: the
lead is silent, plays on freely, or repeats the same bar for ever. What ``compose`` writes stays as it is.
"""

import random
from dataclasses import dataclass

from drawbar.corpus.composer.compose import Casting, compose
from drawbar.corpus.composer.figures import Figure, Scale, fitting_figure, sing, transform
from drawbar.corpus.composer.harmony import SCALES
from drawbar.corpus.composer.instruments import Sound
from drawbar.corpus.composer.melody import free_line
from drawbar.corpus.composer.piece import Motif, Piece
from drawbar.corpus.composer.timing import BEATS_PER_BAR, Bar, Grid
from drawbar.errors import BadInputError

PLANTS = ("exact", "transposed", "varied", "none", "texture")
"""What can be planted."""

_SHORTEST_PIECE_S = 24.0
_SHORTEST_GAP_S, _LONGEST_GAP_S = 8.0, 25.0
_FASTEST_IN_TWO_BARS_BPM = 124
_SEMITONES = (-7, -5, -4, -3, -2, 2, 3, 4, 5, 7)


@dataclass(frozen=True)
class Occurrence:
    """One time that the motif is heard; ``kind`` is original, exact, transposed or varied."""

    start_s: float
    end_s: float
    kind: str
    semitones: int
    """Above the original; 0 unless it is transposed."""


@dataclass(frozen=True)
class Planted:
    """A piece, what was planted in it, and where; the original stands first."""

    piece: Piece
    plant: str
    occurrences: tuple[Occurrence, ...]


def plant(seed: int, seconds: float, kind: str) -> Planted:
    """Compose the piece of `seed` with a motif of the given kind.

    Raises:
        BadInputError: an unknown kind, or a piece too short for a motif and its return.
    """
    if kind not in PLANTS:
        raise BadInputError(f"{kind!r} cannot be planted; there are {', '.join(PLANTS)}")
    if not seconds >= _SHORTEST_PIECE_S:
        raise BadInputError(
            f"a motif and its return do not fit into {seconds:g} s; ask for {_SHORTEST_PIECE_S:g} s or more"
        )
    writer = _Writer(kind, ("free", "ostinato", "silent")[seed % 3] if kind == "texture" else "free")
    silent = kind == "texture" and writer.texture == "silent"
    always = frozenset({"chords"} if silent else {"chords", "lead"})
    never = frozenset({"lead"} if silent else ())
    piece = compose(seed, seconds, Casting(writer, always, never, steady=kind == "texture"))
    return Planted(piece, kind, tuple(writer.occurrences))


class _Writer:
    """Writes the lead of one piece and remembers where the motif stands."""

    def __init__(self, kind: str, texture: str) -> None:
        self.kind, self.texture = kind, texture
        self.occurrences: list[Occurrence] = []

    def __call__(
        self, grid: Grid, bars: list[Bar], sound: Sound, scale: Scale, density: str, rng: random.Random
    ) -> list[Motif]:
        """Write the part; return the occurrences as a piece records them."""
        bar_s = BEATS_PER_BAR * 60.0 / grid.tempo_bpm
        length = 2 if grid.tempo_bpm <= _FASTEST_IN_TWO_BARS_BPM else 4
        whole = sum((b.index + 1) * bar_s <= grid.seconds for b in bars)
        if self.texture == "ostinato":
            figure = fitting_figure(density, BEATS_PER_BAR, scale, rng)
            for bar in bars:
                _play(grid, sound, bar.index, figure, scale, 0)
            return []
        taken: set[int] = set()
        if self.kind != "texture":
            figure = fitting_figure(density, length * BEATS_PER_BAR, scale, rng)
            for start, kind in self._places(whole, length, bar_s, rng):
                line, semitones = figure, 0
                if kind == "transposed":
                    semitones = _interval(figure, scale, rng)
                elif kind == "varied":
                    line = transform(figure, kind, 0, rng)
                _play(grid, sound, start, line, scale, semitones)
                taken.update(range(start, start + length))
                self.occurrences.append(
                    Occurrence(round(start * bar_s, 4), round((start + length) * bar_s, 4), kind, semitones)
                )
        free_line(grid, [b for b in bars if b.index not in taken], sound, scale, density, rng)
        return [Motif(o.start_s, o.end_s, o.kind, round(o.semitones * 7 / 12)) for o in self.occurrences]

    def _places(self, whole: int, length: int, bar_s: float, rng: random.Random) -> list[tuple[int, str]]:
        """(first bar, kind) of the original and of its returns; a second return where there is room."""
        latest = max(0, min(whole // 4, whole - length - round(_SHORTEST_GAP_S / bar_s) - length))
        start = rng.randint(0, latest)
        places = [(start, "original")]
        while self.kind != "none" and len(places) < 3:
            at = places[-1][0]
            near, far = -(-_SHORTEST_GAP_S // bar_s), _LONGEST_GAP_S // bar_s
            room = [i for i in range(at + int(near), at + int(far) + 1) if i + length <= whole]
            room = [i for i in room if i >= at + length + 1]
            if not room or (len(places) == 2 and rng.random() < 0.5):
                break
            places.append((rng.choice(room), self.kind))
        return places


def _play(grid: Grid, sound: Sound, bar: int, figure: Figure, scale: Scale, semitones: int) -> None:
    for at, beats, degree in figure:
        pitch = scale.pitch(degree) + semitones
        sing(grid, sound, bar * BEATS_PER_BAR + at, beats, pitch, 6 if at % 2 == 0 else 2)


def _interval(figure: Figure, scale: Scale, rng: random.Random) -> int:
    """Semitones to move the figure by: inside the range, and among those that stay closest to the key."""
    pitches = [scale.pitch(degree) for _, _, degree in figure]
    in_key = {(scale.base + step) % 12 for step in SCALES[scale.mode]}
    fitting = [s for s in _SEMITONES if scale.low <= min(pitches) + s and max(pitches) + s <= scale.high] or [
        s for s in _SEMITONES if abs(s) < 3
    ]
    foreign = {s: sum((p + s) % 12 not in in_key for p in pitches) for s in fitting}
    return rng.choice(sorted(fitting, key=lambda s: (foreign[s], abs(s)))[:4])
