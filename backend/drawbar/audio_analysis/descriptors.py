"""Audio -> descriptor curves at 50 Hz: loudness, brightness, onsets, bands, pitch and chroma.

Plain numpy, about 10,000 frames per second, bounded memory. Every curve is finite, also in silence. Frame t
describes the window centred on its 20 ms. It knows nothing of models.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from drawbar.audio_analysis.mel import mel_filters
from drawbar.errors import BadInputError

FRAME_RATE_HZ = 50
CHROMA = tuple(f"chroma_{name}" for name in ("c", "c#", "d", "d#", "e", "f", "f#", "g", "g#", "a", "a#", "b"))
DESCRIPTORS = (
    "loudness_db",  # RMS of the frame's window, dB below full scale, never below -100
    "centroid_hz",  # centre of gravity of the power spectrum; 0 in silence
    "rolloff_hz",  # 85 % of the power lies below
    "flatness",  # geometric over arithmetic mean of the spectrum: 0 a tone, towards 1 noise
    "onset_strength",  # mean rise of the log10 mel spectrum since the last frame
    "onset_rate_hz",  # onsets per second around the frame (2 s)
    "low_band_share",  # share of the power below 200 Hz
    "mid_band_share",  # ... between 200 Hz and 2 kHz
    "high_band_share",  # ... above 4 kHz
    "pitch_hz",  # the strongest period (McLeod & Wyvill 2005); 0 where there is none
    "pitch_clarity",  # how periodic the window is, 0 to 1
    *CHROMA,  # share of each pitch class in 65 Hz to 2.1 kHz; 0 in silence
)

_FLOOR = 1e-10  # power: -100 dB
_CHUNK = 1024  # frames at a time
_PITCH_HZ = (50.0, 1200.0)
_CLEAR = 0.6  # below this clarity a window has no pitch

Curve = NDArray[np.float32]


def descriptors(audio: ArrayLike, sample_rate_hz: int = 32_000) -> dict[str, Curve]:
    """``audio`` mono [N] -> one float32 curve [T] per name of :data:`DESCRIPTORS`, T = ceil(N / (rate / 50)).

    Raises:
        BadInputError: audio that is empty, not mono or not finite, or a rate below 8 kHz.
    """
    samples = np.asarray(audio, dtype=np.float32)
    if samples.ndim != 1 or not samples.size or not np.isfinite(samples).all():
        raise BadInputError(
            f"audio of shape {samples.shape}: descriptors need finite mono samples [N], N > 0"
        )
    if sample_rate_hz < 8_000:
        raise BadInputError(
            f"{sample_rate_hz} Hz: descriptors need at least 8000 Hz; resample the audio first"
        )
    parts: dict[str, list[Curve]] = {}
    previous: NDArray[np.float32] | None = None
    for windows in windows_of(samples, sample_rate_hz):
        curves, previous = _describe(windows, sample_rate_hz, previous)
        for name, curve in curves.items():
            parts.setdefault(name, []).append(curve)
    out = {name: np.concatenate(pieces) for name, pieces in parts.items()}
    out["onset_rate_hz"] = _onset_rate(out["onset_strength"])
    return {name: out[name].astype(np.float32) for name in DESCRIPTORS}


def windows_of(samples: NDArray[np.float32], rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """Frames' windows [n, W] of mono samples [N], about 64 ms long, each centred on its 20 ms, a chunk at a time."""
    size = 2 ** int(np.ceil(np.log2(0.05 * rate_hz)))
    hop = rate_hz / FRAME_RATE_HZ
    count = int(np.ceil(samples.size / hop))
    padded = np.pad(samples, (size // 2, size))
    for start in range(0, count, _CHUNK):
        middles = (np.arange(start, min(start + _CHUNK, count)) + 0.5) * hop
        yield padded[np.round(middles).astype(int)[:, None] + np.arange(size)]


def _describe(
    windows: NDArray[np.float32], rate_hz: int, previous: NDArray[np.float32] | None
) -> tuple[dict[str, Curve], NDArray[np.float32]]:
    size = windows.shape[1]
    taper = np.hanning(size).astype(np.float32)
    power = np.abs(fft.rfft(windows * taper, axis=1)) ** 2 / (taper**2).sum() / size
    power[:, 0] = 0.0  # a constant offset is no sound
    hz = np.fft.rfftfreq(size, 1 / rate_hz)
    total = power.sum(axis=1)
    safe = np.maximum(total, _FLOOR)
    heard = total > _FLOOR
    curves = {
        "loudness_db": 10 * np.log10(np.maximum(np.mean(windows**2, axis=1), _FLOOR)),
        "centroid_hz": (power @ hz) / safe * heard,
        "rolloff_hz": hz[np.argmax(np.cumsum(power, axis=1) >= 0.85 * safe[:, None], axis=1)] * heard,
        "flatness": np.exp(np.log(power[:, 1:] + 1e-14).mean(axis=1))
        / (power[:, 1:].mean(axis=1) + 1e-14)
        * heard,
        "low_band_share": power[:, hz < 200].sum(axis=1) / safe,
        "mid_band_share": power[:, (hz >= 200) & (hz < 2000)].sum(axis=1) / safe,
        "high_band_share": power[:, hz >= 4000].sum(axis=1) / safe,
    }
    curves |= _chroma(power, hz)
    curves["pitch_hz"], curves["pitch_clarity"] = _pitch(windows, rate_hz, heard)
    mel = np.log10(np.maximum(power @ mel_filters(rate_hz, size, 40).T, 1e-9)).astype(np.float32)
    before = np.concatenate([mel[:1] if previous is None else previous, mel[:-1]])
    curves["onset_strength"] = np.maximum(mel - before, 0.0).mean(axis=1)
    return curves, mel[-1:]


def _chroma(power: NDArray[np.float32], hz: NDArray[np.float64]) -> dict[str, Curve]:
    inside = (hz >= 65.0) & (hz < 2100.0)
    pitch_class = np.round(12 * np.log2(hz[inside] / 440.0) + 9).astype(int) % 12
    fold = (pitch_class[:, None] == np.arange(12)).astype(np.float32)
    fold /= np.maximum(fold.sum(axis=0), 1.0)  # classes hold unequal numbers of bins
    energy = np.sqrt(power[:, inside]) @ fold
    total = energy.sum(axis=1, keepdims=True)
    share = np.where(total > 1e-5, energy / np.maximum(total, 1e-5), 0.0)
    return {name: share[:, index] for index, name in enumerate(CHROMA)}


def _pitch(
    windows: NDArray[np.float32], rate_hz: int, heard: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The McLeod pitch method: first peak of the normalised square difference near its highest."""
    size = windows.shape[1]
    spectrum = fft.rfft(windows, 2 * size, axis=1)
    correlation = fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :size]
    squares = windows.astype(np.float64) ** 2
    ahead = np.cumsum(squares[:, ::-1], axis=1)[:, ::-1]  # energy of x[tau:]
    behind = np.cumsum(squares, axis=1)[:, ::-1]  # energy of x[:size - tau]
    likeness = 2 * correlation / np.maximum(ahead + behind, 1e-9)
    low, high = int(rate_hz / _PITCH_HZ[1]), min(int(rate_hz / _PITCH_HZ[0]), size // 2)
    inner = likeness[:, low:high]
    peak = (inner > likeness[:, low - 1 : high - 1]) & (inner >= likeness[:, low + 1 : high + 1])
    candidates = np.where(peak, inner, 0.0)
    best = candidates.max(axis=1)
    first = np.argmax(candidates >= 0.93 * np.maximum(best, 1e-6)[:, None], axis=1)
    rows = np.arange(len(inner))
    left, top, right = (likeness[rows, first + low + step] for step in (-1, 0, 1))
    bend = left - 2 * top + right
    shift = np.where(
        np.abs(bend) > 1e-9, 0.5 * (left - right) / np.where(np.abs(bend) > 1e-9, bend, 1.0), 0.0
    )
    clarity = np.clip(best, 0.0, 1.0) * heard
    hz = np.where(clarity >= _CLEAR, rate_hz / (first + low + np.clip(shift, -1, 1)), 0.0)
    return hz, clarity


def _onset_rate(strength: Curve) -> Curve:
    """Peaks of the onset curve that stand out from their surroundings, counted over 2 s."""
    around = np.convolve(strength, np.ones(25) / 25, "full")[12:][: strength.size]
    padded = np.pad(strength, 1)
    peak = (strength > padded[:-2]) & (strength >= padded[2:]) & (strength > 1.5 * around) & (strength > 0.05)
    span = 2 * FRAME_RATE_HZ
    return np.convolve(peak, np.ones(span), "full")[span // 2 :][: strength.size].astype(np.float32) / 2
