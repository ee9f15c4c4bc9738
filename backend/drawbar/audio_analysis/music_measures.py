"""Audio -> eight numbers that say how musical it is: pulse, chord change, noise, tone, onsets, dynamics, key, spread.

Each is one number for a whole clip, finite also in silence, so that sets of clips can be compared by
:mod:`drawbar.audio_analysis.distances`. Spectra, filters and the onset curve are librosa's, with the usual window
of 2,048 samples: a yardstick that shares nothing with what models and detectors are trained on. A clip of 8 s
takes about 0.2 s on one core. It knows nothing of models.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import median_filter

from drawbar.audio_analysis.mel import SAMPLE_RATE_HZ, mel_filters
from drawbar.audio_analysis.tempo_and_key import key_correlations
from drawbar.errors import BadInputError

MEASURES: Mapping[str, str] = {
    "pulse": "highest autocorrelation of the onset curve at lags of 0.24 to 2 s: 1 a steady beat, 0 none",
    "chord_change": "1 - cosine between the chroma of one half second and of the next, median",
    "noise_share": "share of the energy that is neither harmonic nor percussive",
    "tonal_share": "share of the energy that is harmonic",
    "onset_rate_hz": "onsets a second",
    "dynamics_db": "standard deviation of the level of tenths of a second, above -60 dB",
    "key_clarity": "correlation of the mean chroma with the best of 24 key profiles",
    "spread_hz": "standard deviation of the spectrum around its centre, weighted by energy",
}
"""What :func:`measures` gives, in words."""

FFT, HOP = 2048, 512
FRAME_RATE_HZ = SAMPLE_RATE_HZ / HOP
SHORTEST_S = 2.5
_LAGS_S = (0.24, 2.0)
_HALF_SECOND = round(0.5 * FRAME_RATE_HZ)
_MEDIAN = 31  # frames and bins, as in Fitzgerald 2010
_MARGIN = 2.0  # how many times stronger a part must be than the other to own a bin (Driedger et al. 2014)
_QUIET_DB = -60.0
_LOOPS_S = (0.04, 0.5)
_SAME = 0.12  # mean difference in log10 mel: a factor of 1.3

Samples = NDArray[np.float32]
Spectrum = NDArray[np.float32]


def measures(audio: ArrayLike) -> dict[str, float]:
    """``audio`` [N] at 32 kHz, 2.5 s or longer -> one finite number per name of :data:`MEASURES`.

    Raises:
        BadInputError: audio that is shorter, not mono or not finite.
    """
    samples = checked(audio)
    magnitude = spectrum(samples)
    onsets = onset_curve(magnitude)
    chroma = chroma_of(magnitude)
    noise, tonal = noise_and_tonal_share(magnitude)
    return {
        "pulse": pulse(onsets),
        "chord_change": chord_change(chroma),
        "noise_share": noise,
        "tonal_share": tonal,
        "onset_rate_hz": onset_rate_hz(onsets),
        "dynamics_db": _dynamics_db(samples),
        "key_clarity": float(key_correlations(chroma.mean(axis=1)).max()),
        "spread_hz": _spread_hz(magnitude),
    }


def checked(audio: ArrayLike) -> Samples:
    """``audio`` as float32 [N]; raises BadInputError when it is too short, not mono or not finite."""
    samples = np.asarray(audio, dtype=np.float32)
    if samples.ndim != 1 or samples.size < SHORTEST_S * SAMPLE_RATE_HZ or not np.isfinite(samples).all():
        raise BadInputError(
            f"audio of shape {samples.shape}: this needs finite mono samples at 32 kHz, {SHORTEST_S:g} s or more"
        )
    return samples


def spectrum(samples: Samples) -> Spectrum:
    """Magnitudes [1025, T] at 62.5 frames a second."""
    librosa = _librosa()
    found: Spectrum = np.abs(librosa.stft(samples, n_fft=FFT, hop_length=HOP)).astype(np.float32)
    return found


def onset_curve(magnitude: Spectrum) -> NDArray[np.float32]:
    """How much the mel spectrum in dB rises from frame to frame, mean over the bands: [T]."""
    librosa = _librosa()
    mel = librosa.feature.melspectrogram(S=magnitude**2, sr=SAMPLE_RATE_HZ)
    level = librosa.power_to_db(mel, amin=1e-8)
    curve: NDArray[np.float32] = librosa.onset.onset_strength(S=level, sr=SAMPLE_RATE_HZ, hop_length=HOP)
    return curve


def pulse(onsets: NDArray[np.float32]) -> float:
    """How well the onsets [T] repeat at their best lag between 0.24 and 2 s; 0 where nothing begins."""
    around = onsets.astype(np.float64) - onsets.mean()
    size = around.size
    products = np.fft.irfft(np.abs(np.fft.rfft(around, 2 * size)) ** 2)[:size]
    if products[0] < 1e-6 * size:
        return 0.0
    likeness = products / products[0] * size / (size - np.arange(size))  # as if every lag had as many frames
    first, last = (round(lag * FRAME_RATE_HZ) for lag in _LAGS_S)
    return float(np.clip(likeness[first : last + 1].max(), 0.0, 1.0))


def chroma_of(magnitude: Spectrum) -> NDArray[np.float32]:
    """Energy of the twelve pitch classes, highest 1: [12, T], C first; zeros in silence."""
    librosa = _librosa()
    chroma: NDArray[np.float32] = librosa.feature.chroma_stft(
        S=magnitude**2, sr=SAMPLE_RATE_HZ, n_fft=FFT, hop_length=HOP, tuning=0.0
    )
    return np.where(magnitude.max(axis=0) > 1e-3, chroma, 0.0).astype(np.float32)


def chord_change(chroma: NDArray[np.float32]) -> float:
    """Median of 1 - cosine between successive half seconds' mean chroma [12, T]."""
    count = chroma.shape[1] // _HALF_SECOND
    halves = chroma[:, : count * _HALF_SECOND].reshape(12, count, _HALF_SECOND).mean(axis=2)
    heard = halves.max(axis=0) > 0
    return float(np.median(1 - cosines(halves[:, heard]))) if heard.sum() > 1 else 0.0


def cosines(columns: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine of each column [D, T] with the next: [T - 1]."""
    return paired_cosines(columns[:, :-1], columns[:, 1:])


def paired_cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine of the columns of ``a`` and ``b`` [D, T]: [T]."""
    lengths = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    found: NDArray[np.float64] = (a * b).sum(axis=0, dtype=np.float64) / np.maximum(lengths, 1e-9)
    return np.clip(found, -1.0, 1.0)


def noise_and_tonal_share(magnitude: Spectrum) -> tuple[float, float]:
    """Shares of the energy: what is neither harmonic nor percussive, and what is harmonic.

    Median filters along time and along frequency, soft masks with a margin of 2 (Driedger et al. 2014, "Extending
    harmonic-percussive separation"): what neither mask holds is the residual.
    """
    total = float(np.sum(magnitude**2))
    if total <= 0:
        return 0.0, 0.0
    steady = _running_median(magnitude) ** 2
    sudden = _running_median(magnitude.T).T ** 2
    harmonic = magnitude * (steady / (steady + _MARGIN**2 * sudden + 1e-12))
    percussive = magnitude * (sudden / (sudden + _MARGIN**2 * steady + 1e-12))
    rest = magnitude - harmonic - percussive
    return float(np.sum(rest**2)) / total, float(np.sum(harmonic**2)) / total


def _running_median(rows: Spectrum) -> Spectrum:
    """Median over 31 columns, edges mirrored; one long row, because scipy has a fast filter only for that."""
    edge = _MEDIAN // 2
    padded = np.pad(rows, ((0, 0), (edge, edge)), mode="symmetric")
    flat = median_filter(np.ascontiguousarray(padded).ravel(), size=_MEDIAN, mode="nearest")
    found: Spectrum = flat.reshape(padded.shape)[:, edge:-edge]
    return found


def onset_rate_hz(onsets: NDArray[np.float32]) -> float:
    """Peaks of the onset curve [T] that stand out from their half second, per second."""
    around = np.convolve(onsets, np.ones(_HALF_SECOND) / _HALF_SECOND, "same")
    before, after = np.pad(onsets, 1)[:-2], np.pad(onsets, 1)[2:]
    peaks = (onsets > before) & (onsets >= after) & (onsets > 1.5 * around) & (onsets > 1.0)
    return float(peaks.sum() / (onsets.size / FRAME_RATE_HZ))


def _dynamics_db(samples: Samples) -> float:
    size = SAMPLE_RATE_HZ // 10
    blocks = samples[: samples.size // size * size].reshape(-1, size)
    level = 10 * np.log10(np.mean(np.square(blocks, dtype=np.float64), axis=1) + 1e-12)
    return float(np.std(np.maximum(level, _QUIET_DB)))


def _spread_hz(magnitude: Spectrum) -> float:
    power = np.square(magnitude, dtype=np.float64).sum(axis=1)
    if power.sum() <= 0:
        return 0.0
    hz = np.linspace(0, SAMPLE_RATE_HZ / 2, power.size)
    share = power / power.sum()
    return float(np.sqrt(share @ (hz - share @ hz) ** 2))


def standstill_s(audio: ArrayLike) -> float:
    """For how long, in seconds, a clip at most stands still or stutters: repeats within half a second.

    Composed music holds a chord or strikes a chord in even eighths for up to about 3 s; longer is a stuck loop.

    Raises:
        BadInputError: audio that is shorter than 2.5 s, not mono or not finite.
    """
    mel = np.log10(np.maximum(mel_filters(SAMPLE_RATE_HZ, FFT, 80) @ spectrum(checked(audio)), 1e-3))
    longest = 0
    for lag in range(*(round(edge * FRAME_RATE_HZ) for edge in _LOOPS_S)):
        same = np.abs(mel[:, lag:] - mel[:, :-lag]).mean(axis=0) < _SAME
        changes = np.flatnonzero(np.diff(np.concatenate([[0], same, [0]])))
        longest = max(longest, int((changes[1::2] - changes[::2]).max(initial=0)))
    return longest / FRAME_RATE_HZ


def _librosa() -> Any:
    """Imported when first used: it takes a second, and most of the instrument does without it."""
    import librosa

    return librosa
