"""Audio -> the tempo, the key and the chords that are heard in it, to be compared with what was asked for.

For clips of 2.5 s and more at 32 kHz. Chosen on composed pieces that no figure is quoted from; how often each is
right on composed music is the ceiling that the benchmark shows beside it. It knows nothing of models.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drawbar.audio_analysis.mel import SAMPLE_RATE_HZ, mel_filters
from drawbar.audio_analysis.music_measures import checked

MODES = ("major", "minor")
TEMPO_TOLERANCE = 0.04
"""As usual for tempo estimates (Gouyon et al. 2006)."""

_ONSET_FFT, _ONSET_HOP = 1024, 256
_BPM = np.exp(np.arange(np.log(50.0), np.log(200.0), 0.004))
_BEATS = ((0.5, 0.5), (1.0, 1.0), (2.0, 1.0), (4.0, 1.0))
"""Where music in four repeats: (lag in beats, weight)."""
_CENTRE_BPM, _WIDTH_OCTAVES = 110.0, 1.2
_FFT, _HOP = 8192, 1024  # fine enough for the semitones of the third octave
_CHROMA_HZ = (65.0, 2100.0)
_CHORD_HZ = (65.0, 1000.0)
_IN_TUNE = 0.25  # semitones
_OPENING_S, _OPENING_WEIGHT = 1.2, 0.5
# Pitch classes over a major and a minor tonic in classical music (Albrecht & Shanahan 2013).
_PROFILES = np.array(
    (
        (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
        (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
    )
)
_TRIADS = np.array([[float(tone in triad) for tone in range(12)] for triad in ((0, 4, 7), (0, 3, 7))])

Chroma = NDArray[np.float64]


def heard_tempo(audio: ArrayLike) -> float:
    """``audio`` [N] -> beats per minute, 50 to 200; 0 where nothing begins.

    The tempo at which the onset curve repeats best after half a beat, one, two and four, under a broad prior.
    """
    samples = checked(audio)
    mel = mel_filters(SAMPLE_RATE_HZ, _ONSET_FFT, 64) @ _magnitude(samples, _ONSET_FFT, _ONSET_HOP) ** 2
    level = np.maximum(10 * np.log10(mel + 1e-8), 10 * np.log10(mel.max() + 1e-8) - 80)
    rises = np.maximum(np.diff(level, axis=1), 0).mean(axis=0)
    around = rises - rises.mean()
    size = around.size
    likeness = np.fft.irfft(np.abs(np.fft.rfft(around, 2 * size)) ** 2)[:size]
    if likeness[0] < 1e-6 * size:
        return 0.0
    beat = 60 * SAMPLE_RATE_HZ / _ONSET_HOP / _BPM
    scores = np.zeros(_BPM.size)
    for beats, weight in _BEATS:
        lags = beats * beat
        scores += weight * np.where(lags < 0.8 * size, np.interp(lags, np.arange(size), likeness), 0.0)
    prior = np.exp(-0.5 * (np.log2(_BPM / _CENTRE_BPM) / _WIDTH_OCTAVES) ** 2)
    return float(_BPM[np.argmax(np.maximum(scores / likeness[0], 1e-6) * prior)])


def tempo_matches(heard_bpm: float, asked_bpm: float, *, octave: bool = False) -> bool:
    """Whether two tempi agree within 4 %; with ``octave`` also at half or twice the tempo."""
    if heard_bpm <= 0:
        return False
    factors = (0.5, 1.0, 2.0) if octave else (1.0,)
    return any(abs(heard_bpm / (asked_bpm * factor) - 1) <= TEMPO_TOLERANCE for factor in factors)


def heard_key(audio: ArrayLike) -> tuple[int, str] | None:
    """``audio`` [N] -> pitch class of the tonic and ``"major"`` or ``"minor"``; None in silence.

    The best correlation of the mean chroma with a key's profile, and half of the opening's with its tonic chord:
    without it a key and its relative are often mistaken for one another, in composed music too.
    """
    chroma = _chroma(checked(audio), _CHROMA_HZ)
    if not chroma.any():
        return None
    opening = chroma[:, : max(1, round(_OPENING_S * SAMPLE_RATE_HZ / _HOP))].mean(axis=1)
    scores = _fit(np.sqrt(chroma).mean(axis=1), _PROFILES) + _OPENING_WEIGHT * _fit(opening, _TRIADS)
    mode, tonic = np.unravel_index(int(scores.argmax()), scores.shape)
    return int(tonic), MODES[int(mode)]


def chroma_in(audio: ArrayLike, spans_s: Sequence[tuple[float, float]]) -> Chroma:
    """Mean chroma of each of ``spans_s``, (start, end) in seconds: [len(spans_s), 12], zeros past the end."""
    chroma = _chroma(checked(audio), _CHORD_HZ)
    frames = [[round(edge * SAMPLE_RATE_HZ / _HOP) for edge in span] for span in spans_s]
    parts = [chroma[:, first : max(last, first + 1)] for first, last in frames]
    return np.array([part.mean(axis=1) if part.shape[1] else np.zeros(12) for part in parts]).reshape(-1, 12)


def chord_fits(chroma: Chroma, root: int, intervals: Sequence[int]) -> bool:
    """Whether a chord fits ``chroma`` [12] better than all that it could be mistaken for.

    Those are its transpositions, its triad's, and both with the other third. The chord's bare triad counts as the
    chord; the triad that a seventh chord shares its upper tones with does not. Chance is 1 in 24, or 1 in 12 for a
    chord without a third.
    """
    if not chroma.any():
        return False
    own = [frozenset(interval % 12 for interval in tones) for tones in (intervals, intervals[:3])]
    others = [frozenset({3: 4, 4: 3}.get(tone, tone) for tone in tones) for tones in own]
    shapes = list(dict.fromkeys([*own, *others]))
    scores = _fit(chroma, np.array([[float(tone in shape) for tone in range(12)] for shape in shapes]))
    shape, at = np.unravel_index(int(scores.argmax()), scores.shape)
    return shapes[int(shape)] in own and int(at) == root % 12


def _fit(chroma: Chroma, shapes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of ``chroma`` [12] with each of ``shapes`` [M, 12] at each of twelve roots: [M, 12]."""
    turned = np.stack([np.roll(shapes, root, axis=1) for root in range(12)], axis=1)
    x, y = chroma - chroma.mean(), turned - turned.mean(axis=-1, keepdims=True)
    lengths = np.linalg.norm(x) * np.linalg.norm(y, axis=-1)
    found: NDArray[np.float64] = y @ x / np.maximum(lengths, 1e-12)
    return found


def _chroma(samples: NDArray[np.float32], range_hz: tuple[float, float]) -> Chroma:
    """Magnitudes of the spectrum folded to pitch classes, [12, T]; what is out of tune counts less."""
    magnitude = _magnitude(samples, _FFT, _HOP)
    hz = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE_HZ)
    bins = np.flatnonzero((hz >= range_hz[0]) & (hz < range_hz[1]))
    pitch = 12 * np.log2(hz[bins] / 440.0) + 9
    nearest = np.round(pitch)
    fold = np.zeros((12, bins.size))
    fold[nearest.astype(int) % 12, np.arange(bins.size)] = np.exp(-0.5 * ((pitch - nearest) / _IN_TUNE) ** 2)
    chroma: Chroma = fold @ magnitude[bins]
    return np.where(magnitude.max(axis=0) > 1e-2, chroma, 0.0)


def _magnitude(samples: NDArray[np.float32], fft: int, hop: int) -> NDArray[np.float64]:
    """Magnitudes [fft // 2 + 1, T] under a Hann window, frames centred on their time."""
    padded = np.pad(samples, fft // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, fft)[::hop]
    found: NDArray[np.float64] = np.abs(np.fft.rfft(windows * np.hanning(fft + 1)[:-1], axis=1)).T
    return found
