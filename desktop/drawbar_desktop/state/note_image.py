"""A clip's audio -> an image with two rows a semitone, so that a melody is seen as steps and not as a smear."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
COLUMNS_PER_S = 50.0
FLOOR_DB = -48.0
_LOWEST, _HIGHEST = 48, 103
"""MIDI: C3 to G7, where melodies and what is heard of their overtones lie."""
_PER_SEMITONE = 2
ROWS = (_HIGHEST - _LOWEST) * _PER_SEMITONE
_WINDOW = 6144


def note_image(audio: Floats, rate_hz: int) -> Floats:
    """Decibels below the loudest point [ROWS, T], low notes first; T = seconds * 50."""
    hop = round(rate_hz / COLUMNS_PER_S)
    columns = len(audio) // hop
    if not columns:
        return np.full((ROWS, 1), FLOOR_DB, np.float32)
    padded = np.pad(np.asarray(audio, np.float32), _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::hop][:columns]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32), axis=1)) ** 2
    midi = _LOWEST + np.arange(ROWS) / _PER_SEMITONE
    bins = 440.0 * 2.0 ** ((midi - 69.0) / 12.0) * _WINDOW / rate_hz
    low = np.floor(bins).astype(int)
    share = bins - low
    rows = power[:, low] * (1 - share) + power[:, low + 1] * share
    decibels = 10 * np.log10(rows.T + 1e-12)
    return np.asarray(np.maximum(decibels - decibels.max(), FLOOR_DB), np.float32)


def octave_ticks() -> list[tuple[float, str]]:
    """The Cs, with their place on the rows' axis."""
    notes = range(-(-_LOWEST // 12) * 12, _HIGHEST, 12)
    return [((midi - _LOWEST + 0.5) * _PER_SEMITONE - 0.5, f"C{midi // 12 - 1}") for midi in notes]
