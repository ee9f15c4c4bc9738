"""Key, mode and a seeded choice -> chord progressions and voice-led voicings."""

import random

SCALES: dict[str, tuple[int, ...]] = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
QUALITIES: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7), "min": (0, 3, 7), "dim": (0, 3, 6),
    "maj7": (0, 4, 7, 11), "min7": (0, 3, 7, 10), "7": (0, 4, 7, 10), "m7b5": (0, 3, 6, 10),
    "maj9": (0, 4, 7, 11, 14), "min9": (0, 3, 7, 10, 14), "9": (0, 4, 7, 10, 14),
    "sus2": (0, 2, 7), "sus4": (0, 5, 7), "add9": (0, 4, 7, 14), "madd9": (0, 3, 7, 14),
}  # fmt: skip
QUALITY_GROUP: dict[str, str] = {
    "maj": "major", "min": "minor", "dim": "diminished", "maj7": "major seventh", "min7": "minor seventh",
    "7": "dominant seventh", "m7b5": "diminished", "maj9": "ninth", "min9": "ninth", "9": "ninth",
    "sus2": "suspended", "sus4": "suspended", "add9": "added ninth", "madd9": "added ninth",
}  # fmt: skip
_LOOPS: dict[str, tuple[tuple[int, ...], ...]] = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 4, 0), (5, 3, 0, 4), (1, 4, 0, 5), (0, 2, 3, 4),
              (3, 4, 2, 5), (0, 5, 1, 4), (0, 3, 0, 4), (0, 3, 1, 4), (0, 4, 3, 3)),
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 4), (0, 5, 3, 4), (0, 2, 6, 3), (0, 3, 6, 2),
              (0, 6, 5, 6), (5, 6, 0, 0), (0, 1, 4, 0), (0, 3, 5, 4)),
}  # fmt: skip
_TRIADS: dict[str, tuple[str, ...]] = {
    "major": ("maj", "min", "min", "maj", "maj", "min", "dim"),
    "minor": ("min", "dim", "maj", "min", "min", "maj", "maj"),
}
_SEVENTHS: dict[str, tuple[str, ...]] = {
    "major": ("maj7", "min7", "min7", "maj7", "7", "min7", "m7b5"),
    "minor": ("min7", "m7b5", "maj7", "min7", "min7", "maj7", "7"),
}
_NINTHS = {"maj7": "maj9", "min7": "min9", "7": "9", "m7b5": "m7b5"}
_ADDED = {"maj": "add9", "min": "madd9", "dim": "dim"}


def progression(
    rng: random.Random, key: int, mode: str, harmony: str, dominant: bool
) -> list[tuple[int, str]]:
    """Return one loop of (root pitch class, quality); `dominant` makes a minor key's fifth degree major."""
    return [_chord(rng, degree, key, mode, harmony, dominant) for degree in rng.choice(_LOOPS[mode])]


def _chord(
    rng: random.Random, degree: int, key: int, mode: str, harmony: str, dominant: bool
) -> tuple[int, str]:
    root = (key + SCALES[mode][degree]) % 12
    triad, seventh = _TRIADS[mode][degree], _SEVENTHS[mode][degree]
    if dominant and mode == "minor" and degree == 4:
        triad, seventh = "maj", "7"
    roll = rng.random()
    if harmony == "simple":
        quality = triad
        if triad != "dim" and roll < 0.12:
            quality = "sus4" if degree in (0, 1, 4) else "sus2" if mode == "major" and degree == 3 else triad
    elif harmony == "seventh":
        quality = seventh if roll < 0.85 else triad
    else:
        # A ninth above degrees whose second is a semitone would leave the key.
        flat = (SCALES[mode][(degree + 1) % 7] - SCALES[mode][degree]) % 12 == 1
        if flat:
            quality = seventh
        elif roll < 0.45:
            quality = _NINTHS[seventh]
        elif roll < 0.75:
            quality = _ADDED[triad]
        elif roll < 0.9 or triad == "dim" or degree in (3, 5):
            quality = seventh
        else:
            quality = "sus4"
    return root, quality


def chord_pitch_classes(root: int, quality: str) -> set[int]:
    """Return the pitch classes of a chord."""
    return {(root + step) % 12 for step in QUALITIES[quality]}


def voice(root: int, quality: str, center: int, previous: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Return the voicing nearest to `previous` and to the MIDI pitch `center`, and its inversion."""
    steps = sorted(step % 12 for step in QUALITIES[quality])
    best: tuple[float, tuple[int, ...], int] | None = None
    for inversion in range(len(steps)):
        turned = steps[inversion:] + [step + 12 for step in steps[:inversion]]
        for octave in range(1, 8):
            pitches = tuple(12 * octave + root + step for step in turned)
            cost = 0.6 * abs(2 * (sum(pitches) / len(pitches) - center))
            if turned[1] - turned[0] < 3:
                cost += 3.0  # a second at the bottom is muddy
            if previous:
                cost += sum(min(abs(p - q) for q in previous) for p in pitches)
            elif inversion:
                cost += 4.0
            if best is None or cost < best[0]:
                best = (cost, pitches, inversion)
    if best is None:
        raise ValueError(quality)
    tones = [step % 12 for step in QUALITIES[quality]]
    return best[1], tones.index((best[1][0] - root) % 12)
