"""A track's foreground -> how much each window resembles the window a lag later, at the best transposition.

Correlation along the diagonals of the self-similarity matrix (Foote, ICME 2000), over all 12 rolls of the
chroma, plus a share of the onset pattern's. A lag at which *everything* resembles itself is a loop's length
and not a motif: what is typical of a lag, beyond what is typical of the lags around it, is subtracted. It
knows nothing of audio.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from drawbar.errors import BadInputError
from drawbar.research.horizon.foreground import FRAME_HZ, Foreground

Array = NDArray[np.float32]
_SHIFTS = 12


@dataclass(frozen=True)
class SimilaritySettings:
    """Which windows are compared."""

    window_s: float = 5.0
    """Length of a window."""
    shortest_lag_s: float = 6.0
    """From one window's beginning to the other's, at least."""
    longest_lag_s: float = 60.0
    rhythm: float = 0.15
    """Share of the onset pattern beside the chroma's 1."""
    loop: float = 1.0
    """How much of a lag's typical resemblance is subtracted; 0 is none."""
    quiet: float = 0.15
    """Windows whose foreground has less than this energy a frame are not blown up."""
    around_s: float = 2.0
    """Lags this much shorter and longer say what is usual."""

    def __post_init__(self) -> None:
        if not 1.0 <= self.window_s <= self.shortest_lag_s < self.longest_lag_s:
            raise BadInputError(
                f"windows of {self.window_s} s with lags of {self.shortest_lag_s} to {self.longest_lag_s} s; "
                "a window must last at least 1 s and no longer than the shortest lag"
            )


@dataclass(frozen=True)
class Likeness:
    """Resemblance of windows: row r is lag ``first_lag + r`` frames, column t the first window's beginning."""

    score: Array
    """[lags, T]: about 0 to 1; -1 where a window would leave the track."""
    shift: NDArray[np.int8]
    """[lags, T]: semitones (0 to 11) by which the later window is higher."""
    first_lag: int
    window: int
    """Frames in a window."""


def likeness_of(foreground: Foreground, settings: SimilaritySettings | None = None) -> Likeness:
    """Compare all windows of a track; empty rows are cut where the track is shorter than the longest lag."""
    settings = settings or SimilaritySettings()
    window = round(settings.window_s * FRAME_HZ)
    first = round(settings.shortest_lag_s * FRAME_HZ)
    frames = foreground.chroma.shape[1]
    last = min(round(settings.longest_lag_s * FRAME_HZ), frames - window)
    columns = frames - window + 1
    if last <= first:
        raise BadInputError(
            f"{frames / FRAME_HZ:.1f} s of audio hold no two windows of {settings.window_s:g} s that begin "
            f"{settings.shortest_lag_s:g} s apart; give longer audio"
        )
    lags = range(first, last)
    score = np.full((len(lags), columns), -1, np.float32)
    shift = np.zeros((len(lags), columns), np.int8)
    typical = np.stack([np.median(row, axis=1) for row in _rows(foreground, settings, window, lags)], axis=1)
    around = 2 * round(settings.around_s * FRAME_HZ) + 1
    excess = np.maximum(typical - median_filter(typical, size=(1, around)), 0)
    for number, row in enumerate(_rows(foreground, settings, window, lags)):
        above = row - settings.loop * excess[:, number : number + 1]
        count = row.shape[1]
        shift[number, :count] = above.argmax(axis=0)
        score[number, :count] = above.max(axis=0)
    return Likeness(score, shift, first, window)


def _rows(foreground: Foreground, settings: SimilaritySettings, window: int, lags: range) -> Iterator[Array]:
    """Per lag: correlation [12, windows] of every window with its later twin, at every transposition."""
    chroma, onsets = foreground.chroma, foreground.onsets
    rolled = np.stack([np.roll(chroma, -k, axis=0) for k in range(_SHIFTS)])
    least, rhythm = settings.quiet * window, settings.rhythm
    size, beat_size = _size(chroma, window, least), _size(onsets, window, least)
    for lag in lags:
        product = np.einsum("pt,kpt->kt", chroma[:, :-lag], rolled[:, :, lag:])
        count = product.shape[1] - window + 1
        row = _windowed(product, window) / (size[:count] * size[lag : lag + count])
        if rhythm:
            beats = _windowed(onsets[:, :-lag] * onsets[:, lag:], window)
            beats = beats / (beat_size[:count] * beat_size[lag : lag + count])
            row = (row + rhythm * beats) / (1 + rhythm)
        yield row.astype(np.float32)


def _windowed(values: Array, window: int) -> NDArray[np.float64]:
    total = np.cumsum(values, axis=1, dtype=np.float64)
    total = np.concatenate([np.zeros((len(values), 1)), total], axis=1)
    out: NDArray[np.float64] = total[:, window:] - total[:, :-window]
    return out


def _size(features: Array, window: int, least: float) -> NDArray[np.float64]:
    """The root of every window's energy, and of `least` where it has less."""
    energy = _windowed((features**2).sum(0, keepdims=True), window)[0]
    out: NDArray[np.float64] = np.sqrt(np.maximum(energy, least))
    return out
