"""Bars with chords -> the notes of chord, bass and drum parts."""

import random

from drawbar.corpus.composer.harmony import QUALITIES, voice
from drawbar.corpus.composer.instruments import Sound
from drawbar.corpus.composer.timing import BEATS_PER_BAR, Bar, Grid

_LOWEST_BASS = 33  # A1: lower notes drown in small loudspeakers
_STRUMS: dict[str, tuple[tuple[float, ...], ...]] = {
    "sparse": ((0.0, 2.0), (0.0, 2.5), (1.0, 3.0)),
    "medium": ((0.0, 1.0, 2.0, 3.0), (0.0, 1.5, 2.0, 3.0), (0.0, 1.0, 1.5, 2.5, 3.0), (0.0, 1.5, 3.0)),
    "busy": (
        (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5), (0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5),
        (0.0, 0.5, 1.5, 2.0, 2.5, 3.5),
    ),
}  # fmt: skip
_ARPEGGIOS: tuple[tuple[int, ...], ...] = ((0, 1, 2, 3), (3, 2, 1, 0), (0, 1, 2, 3, 2, 1), (0, 2, 1, 2))
_BASS: dict[str, tuple[tuple[tuple[float, float, int], ...], ...]] = {
    "sparse": (((0.0, 3.6, 0),), ((0.0, 1.9, 0), (2.0, 1.9, 0)), ((0.0, 2.4, 0), (2.5, 1.4, 1))),
    "medium": (
        ((0.0, 1.4, 0), (1.5, 0.4, 0), (2.0, 1.4, 1), (3.5, 0.4, 0)),
        ((0.0, 0.9, 0), (1.0, 0.9, 0), (2.0, 0.9, 0), (3.0, 0.9, 1)),
        ((0.0, 1.4, 0), (1.5, 1.4, 0), (3.0, 0.9, 1)),
        ((0.0, 0.9, 0), (1.5, 0.4, 2), (2.0, 0.9, 0), (3.0, 0.9, 1)),
    ),
    "busy": (
        tuple((0.5 * i, 0.45, 0) for i in range(8)),
        tuple((0.5 * i, 0.4, 2 if i % 2 else 0) for i in range(8)),
        ((0.0, 0.4, 0), (0.5, 0.4, 0), (1.0, 0.2, 2), (1.5, 0.4, 0), (2.0, 0.4, 1), (2.5, 0.4, 1),
         (3.0, 0.2, 2), (3.5, 0.4, 0)),
    ),
}  # fmt: skip


def play_chords(
    grid: Grid, bars: list[Bar], sound: Sound, pattern: str, density: str, center: int, rng: random.Random
) -> list[tuple[float, float, int, str, int]]:
    """Write the chord part; return (start beat, beats, root, quality, inversion) of every chord."""
    strum = rng.choice(_STRUMS[density])
    shape = rng.choice(_ARPEGGIOS)
    step = {"sparse": 1.0, "medium": 0.5, "busy": 0.25}[density]
    if density == "busy" and (grid.tempo_bpm > 124 or sound.name in ("strings", "choir", "accordion")):
        step = 0.5
    previous: tuple[int, ...] = ()
    told: list[tuple[float, float, int, str, int]] = []
    counter = 0
    for bar in bars:
        for begin, beats, root, quality in bar.chords:
            voicing, inversion = voice(root, quality, center, previous)
            previous = voicing
            beat = bar.index * BEATS_PER_BAR + begin
            told.append((beat, beats, root, quality, inversion))
            if "chords" not in bar.roles:
                continue
            if pattern == "held":
                pieces = 2 if density == "busy" and beats >= 2 else 1
                for i in range(pieces):
                    length = beats / pieces
                    for pitch in voicing:
                        grid.add("chords", beat + i * length, length * 0.96, pitch, -4, ring_s=sound.ring_s)
            elif pattern == "strummed":
                hits = [h - begin for h in strum if begin <= h < begin + beats] or [0.0]
                for i, hit in enumerate(hits):
                    until = hits[i + 1] if i + 1 < len(hits) else beats
                    order = voicing if i % 2 == 0 else voicing[::-1]
                    for j, pitch in enumerate(order):
                        grid.add(
                            "chords", beat + hit, min(1.5, until - hit) * 0.8, pitch, 4 if hit == 0 else -4,
                            ring_s=sound.ring_s, late_s=0.016 * j, loose=0.3,
                        )  # fmt: skip
            else:
                tones = (*voicing[:4], voicing[0] + 12)[:4]
                for i in range(round(beats / step)):
                    pitch = tones[shape[counter % len(shape)]]
                    counter += 1
                    held = step * (1.6 if sound.ring_s < 10 else 0.95)
                    grid.add("chords", beat + i * step, held, pitch, 6 if i == 0 else 0, ring_s=sound.ring_s)
    return told


def play_bass(
    grid: Grid, bars: list[Bar], sound: Sound, density: str, walking: bool, rng: random.Random
) -> None:
    """Write the bass part: a pattern of roots, fifths and octaves, or a walking line."""
    shape = rng.choice(_BASS[density])
    for n, bar in enumerate(bars):
        if "bass" not in bar.roles:
            continue
        for begin, beats, root, quality in bar.chords:
            low = _LOWEST_BASS + (root - _LOWEST_BASS) % 12
            fifth = QUALITIES[quality][2] % 12
            tones = (low, low + fifth if low + fifth < 48 else low + fifth - 12, low + 12)
            beat = bar.index * BEATS_PER_BAR + begin
            if walking:
                following = bars[n + 1].chords[0][2] if n + 1 < len(bars) else root
                goal = _LOWEST_BASS + (following - _LOWEST_BASS) % 12
                line = [low, low + QUALITIES[quality][1] % 12, tones[1], goal + rng.choice((-1, 1, 2, -2))]
                if beats < 4:
                    line = [low, line[3] if begin + beats >= 4 else tones[1]]
                for i, pitch in enumerate(line):
                    grid.add("bass", beat + i, 0.92, pitch, 4, ring_s=sound.ring_s)
                continue
            for at, length, tone in shape:
                if begin <= at < begin + beats:
                    length = min(length, begin + beats - at)
                    grid.add("bass", beat + at - begin, length, tones[tone], 5, ring_s=sound.ring_s)
