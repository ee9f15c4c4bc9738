"""Bars with chords -> a lead line: free phrases, and a motif that may return after 5 to 25 s."""

import random

from drawbar.corpus.composer.figures import RHYTHMS, Scale, fitting_figure, scale_of, sing, transform
from drawbar.corpus.composer.harmony import chord_pitch_classes
from drawbar.corpus.composer.instruments import Sound
from drawbar.corpus.composer.piece import Motif
from drawbar.corpus.composer.timing import BEATS_PER_BAR, Bar, Grid

_SHORTEST_GAP_S, _LONGEST_GAP_S = 5.0, 25.0


def play_lead(
    grid: Grid, bars: list[Bar], sound: Sound, key: int, mode: str, density: str, center: int,
    recurring: bool, rng: random.Random,
) -> list[Motif]:  # fmt: skip
    """Write the lead part; return the motif's occurrences (none in a through-composed piece)."""
    scale = scale_of(sound, key, mode, center)
    motifs: list[Motif] = []
    taken: set[int] = set()
    if recurring:
        motifs, taken = _place_motif(grid, bars, sound, scale, density, rng)
    free_line(
        grid, [b for b in bars if "lead" in b.roles and b.index not in taken], sound, scale, density, rng
    )
    return motifs


def free_line(
    grid: Grid, bars: list[Bar], sound: Sound, scale: Scale, density: str, rng: random.Random
) -> None:
    """Write phrases that never come back on purpose, in the given bars."""
    degree = rng.choice((0, 2, 4))
    left = 0
    for bar in bars:
        if left <= 0:
            left = rng.choice((2, 3, 4))
        left -= 1
        beat = float(bar.index * BEATS_PER_BAR)
        rhythm = rng.choice(RHYTHMS[density])
        if left == 0:  # a phrase ends: fewer notes, then air
            rhythm = rhythm[: max(1, len(rhythm) // 2)]
        at = 0.0
        for i, beats in enumerate(rhythm):
            tones = chord_pitch_classes(*_chord_at(bar, at))
            degree = _next_degree(degree, at, tones, scale, rng)
            if not (i and rng.random() < 0.06):
                length = beats if left or i + 1 < len(rhythm) else max(beats, min(2.0, 3.5 - at))
                pitch = scale.pitch(degree)
                if (pitch + 1) % 12 in tones and pitch % 12 not in tones and scale.mode == "minor":
                    raised = (pitch + 1 - scale.base) % 12 == 11
                    pitch += 1 if raised else 0
                sing(grid, sound, beat + at, length, pitch, 6 if at in (0.0, 2.0) else 0)
            at += beats


def _chord_at(bar: Bar, at: float) -> tuple[int, str]:
    for begin, beats, root, quality in bar.chords:
        if begin <= at < begin + beats:
            return root, quality
    return bar.chords[-1][2], bar.chords[-1][3]


def _next_degree(degree: int, at: float, tones: set[int], scale: Scale, rng: random.Random) -> int:
    step = rng.choice((-2, -1, -1, 1, 1, 2)) if rng.random() < 0.85 else rng.choice((-4, -3, 3, 4))
    wanted = degree + step
    if at in (0.0, 2.0):
        options = [d for d in range(wanted - 3, wanted + 4) if scale.pitch(d) % 12 in tones and scale.fits(d)]
        if options:
            return min(options, key=lambda d: (abs(d - wanted) + (0.6 if d == degree else 0.0), d))
    if not scale.fits(wanted):
        wanted = degree - step
    while not scale.fits(wanted):
        wanted += 1 if scale.pitch(wanted) < scale.low else -1
    return wanted


def _place_motif(
    grid: Grid, bars: list[Bar], sound: Sound, scale: Scale, density: str, rng: random.Random
) -> tuple[list[Motif], set[int]]:
    length = 1 if grid.tempo_bpm < 96 else 2
    bar_s = BEATS_PER_BAR * 60.0 / grid.tempo_bpm
    usable = {b.index: b for b in bars if "lead" in b.roles and (b.index + 1) * bar_s <= grid.seconds}
    starts = [i for i in sorted(usable) if all(i + j in usable for j in range(length))]
    figure = fitting_figure(density, length * BEATS_PER_BAR, scale, rng)
    motifs: list[Motif] = []
    taken: set[int] = set()
    if not starts:
        return motifs, taken
    start, kind, steps = rng.choice(starts[:2]), "original", 0
    first_root = usable[start].chords[0][2]
    while True:
        line = figure if kind == "original" else transform(figure, kind, steps, rng)
        for at, beats, degree in line:
            sing(grid, sound, start * BEATS_PER_BAR + at, beats, scale.pitch(degree), 6 if at % 2 == 0 else 2)
        taken.update(range(start, start + length))
        end_s = (start + length) * bar_s
        motifs.append(Motif(round(start * bar_s, 4), round(end_s, 4), kind, steps))
        gaps = [
            i for i in starts
            if _SHORTEST_GAP_S <= (i - start) * bar_s <= _LONGEST_GAP_S and i >= start + length + 1
        ]  # fmt: skip
        if not gaps:
            return motifs, taken
        same = [i for i in gaps if usable[i].chords[0][2] == first_root]
        start = rng.choice(same[:2] or gaps[:4]) if rng.random() < 0.7 else rng.choice(gaps)
        kind = rng.choice(("exact", "exact", "transposed", "varied"))
        steps = 0
        if kind == "transposed":
            moves = [s for s in (-3, -2, -1, 1, 2, 3) if all(scale.fits(d + s) for _, _, d in figure)]
            kind, steps = ("transposed", rng.choice(moves)) if moves else ("exact", 0)
