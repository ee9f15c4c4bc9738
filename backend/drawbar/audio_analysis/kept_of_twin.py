"""A steered clip and its unsteered twin -> how much of its harmony, rhythm, melody and structure is kept.

The four axes on which TADA (arXiv 2602.11910) asks what an edit leaves alone, each 1 where both are the same:
harmony is the correlation of chroma, rhythm the F-measure of beats, melody the share of sung frames with the same
pitch, structure the correlation of chroma self-similarities. Knows nothing of models; what two unsteered takes of
one prompt share is for the caller to compare with.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from drawbar.audio_analysis.descriptors import CHROMA, FRAME_RATE_HZ, descriptors

AXES = ("harmony", "rhythm", "melody", "structure")
_BLOCK = 12
"""Frames: chroma is compared over 240 ms."""
_TOLERANCE_S = 0.07
"""Of a beat, as mir_eval and MIREX have it."""
_SEMITONE = 0.5
_FASTEST, _SLOWEST = 15, 60
"""Frames between beats: 200 to 50 a minute."""
_TIGHTNESS = 100.0
"""Of the path to its tempo, Ellis's figure."""
_BUMP = np.exp(-0.5 * (np.arange(-3, 4) / 1.0) ** 2)

Curves = Mapping[str, NDArray[np.float32]]


def curves_of(audio: NDArray[np.float32], rate_hz: int) -> Curves:
    """What is compared, computed once per clip."""
    return descriptors(audio, rate_hz)


def kept(clip: Curves, twin: Curves) -> NDArray[np.float32]:
    """``[4]`` in the order of AXES; NaN where the twin has nothing of the kind (no beat, no pitch)."""
    a, b = _chroma(clip), _chroma(twin)
    count = min(a.shape[1], b.shape[1])
    a, b = a[:, :count], b[:, :count]
    return np.array(
        [
            _correlation(a.ravel(), b.ravel()),
            beat_f_measure(beats_s(clip), beats_s(twin)),
            pitch_agreement(clip["pitch_hz"], twin["pitch_hz"]),
            _correlation(_similarities(a), _similarities(b)),
        ],
        np.float32,
    )


def beats_s(curves: Curves) -> NDArray[np.float64]:
    """Times of the beats: the tempo by autocorrelation, then the path that meets most onsets (Ellis 2007)."""
    onsets = curves["onset_strength"].astype(np.float64)
    if onsets.size < 2 * _SLOWEST or float(onsets.std()) < 1e-9:
        return np.zeros(0)
    smooth = np.convolve(onsets / onsets.std(), _BUMP, "same")
    period = _period(smooth)
    best, before = smooth.copy(), np.full(len(smooth), -1)
    steps = np.arange(-2 * period, -(period // 2))
    cost = -_TIGHTNESS * np.log(-steps / period) ** 2
    for frame in range(period // 2 + 1, len(smooth)):
        places = frame + steps
        here = np.where(places >= 0, best[np.maximum(places, 0)] + cost, -np.inf)
        step = int(here.argmax())
        if here[step] > 0:
            best[frame] += here[step]
            before[frame] = places[step]
    frame = len(best) - period + int(best[-period:].argmax())
    path = []
    while frame >= 0:
        path.append(frame)
        frame = int(before[frame])
    found: NDArray[np.float64] = np.array(path[::-1]) / FRAME_RATE_HZ
    return found


def _period(onsets: NDArray[np.float64]) -> int:
    """Frames between beats: the strongest lag from 0.3 to 1.2 s, near half a second by preference."""
    around = onsets - onsets.mean()
    lags = np.arange(_FASTEST, _SLOWEST + 1)
    likeness = np.array([float(around[lag:] @ around[:-lag]) for lag in lags])
    return int(lags[(np.exp(-0.5 * np.log2(lags / (0.5 * FRAME_RATE_HZ)) ** 2) * likeness).argmax()])


def beat_f_measure(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """Harmonic mean of precision and recall within 70 ms, every beat used once; NaN without beats in ``theirs``."""
    if not len(theirs):
        return float("nan")
    hits, place = 0, 0
    for beat in np.sort(ours):
        while place < len(theirs) and theirs[place] < beat - _TOLERANCE_S:
            place += 1
        if place < len(theirs) and theirs[place] <= beat + _TOLERANCE_S:
            hits, place = hits + 1, place + 1
    return 2 * hits / (len(ours) + len(theirs))


def pitch_agreement(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Share of the frames in which ``theirs`` has a pitch where ``ours`` lies within a quarter tone of it."""
    count = min(len(ours), len(theirs))
    a, b = ours[:count], theirs[:count]
    sung = b > 0
    if not sung.any():
        return float("nan")
    both = sung & (a > 0)
    away = np.full(count, np.inf)
    away[both] = np.abs(12 * np.log2(a[both] / b[both]))
    return float((away[sung] <= _SEMITONE).mean())


def _chroma(curves: Curves) -> NDArray[np.float32]:
    """Chroma ``[12, B]``, mean over blocks."""
    rows = np.stack([curves[name] for name in CHROMA])
    count = rows.shape[1] // _BLOCK
    found: NDArray[np.float32] = rows[:, : count * _BLOCK].reshape(12, count, _BLOCK).mean(2)
    return found


def _similarities(chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of every two blocks, each pair once."""
    unit = chroma / np.maximum(np.linalg.norm(chroma, axis=0), 1e-9)
    found: NDArray[np.float32] = (unit.T @ unit)[np.triu_indices(chroma.shape[1], 2)]
    return found


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    if a.size < 2 or float(a.std()) < 1e-9 or float(b.std()) < 1e-9:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
