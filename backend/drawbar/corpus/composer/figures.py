"""A scale and a seeded choice -> motifs' notes, as degrees, and how they return: exact, transposed, varied."""

import random
from dataclasses import dataclass

from drawbar.corpus.composer.harmony import SCALES
from drawbar.corpus.composer.instruments import Sound
from drawbar.corpus.composer.timing import BEATS_PER_BAR, Grid

RHYTHMS: dict[str, tuple[tuple[float, ...], ...]] = {
    "sparse": ((2.0, 2.0), (3.0, 1.0), (1.0, 1.0, 2.0), (1.5, 0.5, 2.0), (4.0,)),
    "medium": ((1.0, 1.0, 1.0, 1.0), (1.5, 0.5, 1.0, 1.0), (1.0, 0.5, 0.5, 2.0), (0.5, 0.5, 1.0, 1.5, 0.5),
               (1.0, 0.5, 0.5, 1.0, 1.0)),
    "busy": ((0.5,) * 8, (0.5, 0.5, 0.5, 0.5, 1.0, 0.5, 0.5), (0.5, 0.25, 0.25, 0.5, 0.5, 0.5, 0.5, 1.0),
             (1.0, 0.5, 0.5, 0.25, 0.25, 0.5, 0.5, 0.5)),
}  # fmt: skip
"""By density: how long the notes of a bar are, in beats."""


@dataclass(frozen=True)
class Scale:
    """Degrees of a mode above a MIDI pitch, and the range (MIDI) that the instrument keeps to."""

    base: int
    mode: str
    low: int
    high: int

    def pitch(self, degree: int) -> int:
        """The MIDI pitch of a degree (0 is the base, 7 an octave above it)."""
        steps = SCALES[self.mode]
        return self.base + steps[degree % 7] + 12 * (degree // 7)

    def fits(self, degree: int) -> bool:
        """Whether the degree lies in the range."""
        return self.low <= self.pitch(degree) <= self.high


def scale_of(sound: Sound, key: int, mode: str, center: int) -> Scale:
    """The degrees that an instrument can sing around the MIDI pitch `center`."""
    base = center - 5 + (key - (center - 5)) % 12
    low = max(sound.low, min(center - 12, sound.high - 20))
    high = min(sound.high, max(center + 13, low + 20))
    if base + 7 > high:
        base -= 12
    return Scale(base, mode, low, high)


def sing(grid: Grid, sound: Sound, beat: float, beats: float, pitch: int, accent: float) -> None:
    """Write one note of the lead."""
    grid.add("lead", beat, beats * 0.93, pitch, accent + 4, ring_s=sound.ring_s)


Figure = list[tuple[float, float, int]]
"""Notes of a motif: (beat, beats, degree)."""


def make_figure(density: str, beats: int, scale: Scale, rng: random.Random) -> Figure:
    """Return (beat, beats, degree) of a motif: 4 to 12 notes with a leap that makes it memorable."""
    figure: Figure = []
    degree = rng.choice((0, 2, 4))
    for bar in range(beats // BEATS_PER_BAR):
        rhythm = rng.choice(RHYTHMS["medium" if density == "sparse" else density])
        at = float(bar * BEATS_PER_BAR)
        for length in rhythm:
            figure.append((at, length, degree))
            at += length
            step = rng.choice((-4, -3, 3, 4, 5)) if rng.random() < 0.3 else rng.choice((-2, -1, 1, 2))
            low, high = degree - abs(step), degree + abs(step)
            degree = degree + step if -3 <= degree + step <= 8 else low if low >= -3 else high
    return figure


def transform(figure: Figure, kind: str, steps: int, rng: random.Random) -> Figure:
    """The motif as it returns: ``exact``, ``transposed`` by `steps` degrees, or ``varied`` in its notes."""
    if kind == "exact":
        return list(figure)
    if kind == "transposed":
        return [(at, beats, degree + steps) for at, beats, degree in figure]
    varied: Figure = []
    for i, (at, beats, degree) in enumerate(figure):
        roll = rng.random()
        if i and roll < 0.2:
            varied.append((at, beats, degree + rng.choice((-1, 1))))
        elif beats >= 1.0 and roll < 0.45:
            varied += [(at, beats / 2, degree), (at + beats / 2, beats / 2, degree + rng.choice((-1, 1)))]
        else:
            varied.append((at, beats, degree))
    if varied == figure:
        at, beats, degree = varied[-1]
        varied[-1] = (at, beats, degree + 1)
    return varied


def fitting_figure(density: str, beats: int, scale: Scale, rng: random.Random) -> Figure:
    """A motif of `beats` beats whose notes all lie in the scale's range."""
    figure = make_figure(density, beats, scale, rng)
    while not all(scale.fits(degree) for _, _, degree in figure):
        figure = [(at, beats, degree - 1) for at, beats, degree in figure] if any(
            scale.pitch(degree) > scale.high for _, _, degree in figure
        ) else [(at, beats, degree + 1) for at, beats, degree in figure]  # fmt: skip
        if rng.random() < 0.05:
            figure = make_figure(density, beats, scale, rng)
    return figure
