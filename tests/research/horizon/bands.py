"""A melody, an accompaniment and a timbre -> audio at 16 kHz; what the detector's tests listen to."""

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
BEAT_S, STEP_S = 0.5, 0.25
LOOP = ((48, 52, 55), (45, 48, 52), (41, 45, 48), (43, 47, 50))
MOTIF = (72, 0, 76, 74, 79, 0, 77, 72, 0, 81, 79, 79, 74, 0, 76, 83, 0, 71, 72, 0, 84, 79, 77, 0)
"""Twenty-four steps of a quarter of a second; 0 is a rest."""

Floats = NDArray[np.float32]


def tone(midi: int, seconds: float, bright: float) -> Floats:
    """Eight harmonics whose strength falls by `bright` each, with a soft beginning and end."""
    t = np.arange(round(seconds * RATE)) / RATE
    hz = 440 * 2 ** ((midi - 69) / 12)
    sound = sum(bright**n * np.sin(2 * np.pi * hz * (n + 1) * t) for n in range(8) if hz * (n + 1) < RATE / 2)
    edge = np.minimum(1, np.minimum(t, t[::-1]) / 0.01)
    return np.asarray(sound * edge * np.exp(-t), np.float32)


def line(pitches: list[int], seconds: float, bright: float = 0.5) -> Floats:
    """One note a step; 0 is a rest."""
    out = np.zeros(round(seconds * RATE), np.float32)
    for n, midi in enumerate(pitches):
        at = round(n * STEP_S * RATE)
        if midi and at < len(out):
            note = tone(midi, STEP_S, bright)[: len(out) - at]
            out[at : at + len(note)] += note
    return out


def loop(seconds: float) -> Floats:
    """Four chords of four beats each, for ever."""
    out = np.zeros(round(seconds * RATE), np.float32)
    for beat in range(round(seconds / BEAT_S)):
        at = round(beat * BEAT_S * RATE)
        for midi in LOOP[beat // 4 % 4]:
            note = tone(midi, BEAT_S, 0.6)[: len(out) - at]
            out[at : at + len(note)] += 0.4 * note
    return out


def wandering(seed: int, steps: int) -> list[int]:
    """Notes of the scale, and rests, that never come back on purpose."""
    rng = np.random.default_rng(seed)
    scale = [69, 71, 72, 74, 76, 77, 79, 81, 83, 84, 86, 0, 0, 0, 0]
    return [scale[int(i)] for i in rng.integers(0, len(scale), steps)]


def piece(again: list[int] | None, seconds: float = 44.0, first: int = 24, second: int = 102) -> list[int]:
    """A wandering melody with the motif at step `first` and, as `again`, at step `second`."""
    notes = wandering(5, round(seconds / STEP_S))
    notes[first : first + len(MOTIF)] = MOTIF
    if again is not None:
        notes[second : second + len(again)] = again
    return notes
