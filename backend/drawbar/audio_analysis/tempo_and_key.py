"""Onset and chroma curves at 50 Hz -> tempo, pulse, key strength and mode; knows nothing of models.

Tempo as in librosa.feature.tempo: local autocorrelation of the onset curve over 8 s under a log-normal prior
around 120. Key: correlation with the Krumhansl-Kessler profiles over 4 s.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from drawbar.audio_analysis.descriptors import CHROMA, FRAME_RATE_HZ

MUSICAL = (
    "tempo_bpm",  # local tempo, 30 to 300
    "pulse",  # height of that tempo's autocorrelation, 0 to 1
    "key_strength",  # correlation with the best of 24 key profiles, -1 to 1
    "major",  # best major minus best minor correlation
)

_TEMPO_FRAMES = 400
_KEY_FRAMES = 200
_HOP = 25
_SLOWEST, _FASTEST = 30.0, 300.0
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)

Curve = NDArray[np.float32]


def musical_curves(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """What :func:`descriptors` gave -> one float32 curve [T] per name of MUSICAL, in steps of 0.5 s."""
    bpm, pulse = tempo(curves["onset_strength"])
    strength, major = _key(np.stack([curves[name] for name in CHROMA]))
    frames = len(curves["onset_strength"])
    out = {"tempo_bpm": bpm, "pulse": pulse, "key_strength": strength, "major": major}
    return {name: np.repeat(values, _HOP)[:frames].astype(np.float32) for name, values in out.items()}


def tempo(onsets: Curve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Onset strength [T] -> local tempo in bpm and its pulse, each [ceil(T / 25)]."""
    windows = _around(onsets[None], _TEMPO_FRAMES)[0]
    taper = np.hanning(_TEMPO_FRAMES + 1)[:-1]
    spectrum = np.fft.rfft(windows * taper, 2 * _TEMPO_FRAMES, axis=1)
    r = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :_TEMPO_FRAMES]
    r = r / np.maximum(r.max(axis=1, keepdims=True), 1e-12)
    with np.errstate(divide="ignore"):
        bpm = 60.0 * FRAME_RATE_HZ / np.arange(_TEMPO_FRAMES)
        prior = -0.5 * np.log2(bpm / 120.0) ** 2
    inside = (bpm >= _SLOWEST) & (bpm <= _FASTEST)
    score = np.where(inside, np.log1p(1e6 * np.maximum(r, 0)) + np.where(inside, prior, 0.0), -np.inf)
    best = score.argmax(axis=1)
    pulse = np.clip(r[np.arange(len(r)), best], 0, 1)
    return bpm[best], pulse


def _key(chroma: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    means = _around(chroma, _KEY_FRAMES).mean(axis=2).T  # [steps, 12]
    major, minor = (key_correlations(means)[:, mode].max(axis=1) for mode in (0, 1))
    return np.maximum(major, minor), major - minor


def key_correlations(chroma: NDArray[np.float32]) -> NDArray[np.float64]:
    """Chroma [..., 12] -> its correlation with every key's profile, [..., 2, 12]: major and minor, by tonic."""
    profiles = np.stack([[np.roll(shape, tonic) for tonic in range(12)] for shape in (_MAJOR, _MINOR)])
    x = chroma - chroma.mean(axis=-1, keepdims=True)
    y = profiles - profiles.mean(axis=-1, keepdims=True)
    lengths = np.linalg.norm(x, axis=-1)[..., None, None] * np.linalg.norm(y, axis=-1)
    found: NDArray[np.float64] = np.einsum("...c,mtc->...mt", x, y) / np.maximum(lengths, 1e-9)
    return found


def _around(curves: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Stretches [n, steps, size] centred on every 25th frame, zeros outside."""
    steps = -(-curves.shape[1] // _HOP)
    padded = np.pad(curves, ((0, 0), (size // 2, size)))
    middles = np.arange(steps) * _HOP + _HOP // 2
    found: NDArray[np.float32] = padded[:, middles[:, None] + np.arange(size)]
    return found
