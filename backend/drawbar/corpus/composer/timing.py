"""Tempo, swing and dynamics -> a grid that turns beats into humanised notes."""

import random
from dataclasses import dataclass, field

from drawbar.corpus.composer.piece import Note, level_at

BEATS_PER_BAR = 4


@dataclass(frozen=True)
class Bar:
    """One bar: its index, what sounds in it, and where it stands in its section."""

    index: int
    roles: frozenset[str]
    first: bool
    last: bool
    chords: tuple[tuple[float, float, int, str], ...]
    """(start beat in the bar, beats, root pitch class, quality)."""


@dataclass
class Grid:
    """Writes notes on musical time; the only place that knows seconds."""

    tempo_bpm: float
    swing: float
    dynamics: str
    curve: str
    seconds: float
    rng: random.Random
    notes: list[Note] = field(default_factory=list)

    def seconds_at(self, beat: float) -> float:
        """Return the time of an absolute beat, swung."""
        whole = int(beat)
        part = beat - whole
        part = part * 2 * self.swing if part < 0.5 else self.swing + (part - 0.5) * 2 * (1 - self.swing)
        return (whole + part) * 60.0 / self.tempo_bpm

    def add(
        self, part: str, beat: float, beats: float, pitch: int, accent: float = 0.0, *,
        ring_s: float = 60.0, late_s: float = 0.0, loose: float = 1.0,
    ) -> None:  # fmt: skip
        """Write a note of `beats` at absolute `beat`; `accent` is added to the velocity."""
        start = self.seconds_at(beat)
        end = min(self.seconds_at(beat + beats), start + ring_s)
        jitter = (self.rng.random() + self.rng.random() - 1.0) * 0.012 * loose
        velocity = level_at(self.dynamics, self.curve, self.seconds, start) + accent
        velocity += (self.rng.random() + self.rng.random() - 1.0) * 8.0
        start = max(0.0, start + jitter + late_s)
        if start < self.seconds - 0.02:
            length = max(0.03, min(end, self.seconds) - start)
            self.notes.append(
                Note(round(start, 4), round(length, 4), pitch, round(min(124.0, max(18.0, velocity))), part)
            )
