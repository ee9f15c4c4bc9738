"""Audio -> log10 mel spectrogram, and the distance between two of them.

The settings are the project's one yardstick for codecs (80 mels, n_fft 1024, hop 256, floor 1e-5, at
32 kHz), the convention of HiFi-GAN (Kong et al. 2020): a magnitude spectrogram, Slaney mel filters, clamped,
then the logarithm. Differentiable, so a codec can be trained on exactly what it is judged by. It knows
nothing of models or files.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SAMPLE_RATE_HZ = 32_000
N_MELS = 80
N_FFT = 1024
HOP = 256
EPS = 1e-5

_MEL_PER_HZ = 3.0 / 200.0  # Slaney's scale: linear below 1 kHz ...
_BREAK_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0  # ... and logarithmic above


def _hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = hz * _MEL_PER_HZ
    above = _BREAK_HZ * _MEL_PER_HZ + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, linear, above)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    break_mel = _BREAK_HZ * _MEL_PER_HZ
    return np.where(
        mel < break_mel,
        mel / _MEL_PER_HZ,
        _BREAK_HZ * np.exp(_LOG_STEP * (mel - break_mel)),
    )


@lru_cache(maxsize=16)
def mel_filters(
    sample_rate_hz: int = SAMPLE_RATE_HZ,
    n_fft: int = N_FFT,
    n_mels: int = N_MELS,
    low_hz: float = 0.0,
) -> NDArray[np.float32]:
    """Triangular filters of equal area on Slaney's mel scale: [n_mels, n_fft // 2 + 1] (read only)."""
    bins_hz = np.linspace(0.0, sample_rate_hz / 2, n_fft // 2 + 1)
    ends = _hz_to_mel(np.array([low_hz, sample_rate_hz / 2]))
    edges_hz = _mel_to_hz(np.linspace(ends[0], ends[1], n_mels + 2))
    rising = (bins_hz - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    falling = (edges_hz[2:, None] - bins_hz) / np.diff(edges_hz)[1:, None]
    area = 2.0 / (edges_hz[2:] - edges_hz[:-2])
    filters: NDArray[np.float32] = (np.clip(np.minimum(rising, falling), 0.0, None) * area[:, None]).astype(
        np.float32
    )
    filters.setflags(write=False)
    return filters


@lru_cache(maxsize=16)
def _tables(sample_rate_hz: int, n_fft: int, n_mels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):  # the cache outlives the caller's mode: training may use it later
        filters = torch.from_numpy(mel_filters(sample_rate_hz, n_fft, n_mels).copy()).to(device)
        return torch.hann_window(n_fft, device=device), filters


def log_mel(
    audio: Tensor,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
    *,
    n_fft: int = N_FFT,
    hop: int = HOP,
    n_mels: int = N_MELS,
    eps: float = EPS,
) -> Tensor:
    """``audio`` [..., N] in -1..1 -> log10 mel magnitudes [..., n_mels, 1 + N // hop], >= log10(eps)."""
    window, filters = _tables(sample_rate_hz, n_fft, n_mels, audio.device)
    flat = audio.reshape(-1, audio.shape[-1]).float()
    spectrum = torch.stft(
        flat,
        n_fft,
        hop,
        window=window,
        center=True,
        pad_mode="constant",
        return_complex=True,
    )  # zero padding: works for clips shorter than a window
    power = spectrum.real.square() + spectrum.imag.square()
    magnitude = (power + 1e-12).sqrt()  # the small constant keeps the gradient finite in silence
    mel = filters @ magnitude
    out = mel.clamp_min(eps).log10()
    return out.reshape(*audio.shape[:-1], n_mels, out.shape[-1])


def log_mel_distance(a: Tensor, b: Tensor, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Tensor:
    """Mean absolute difference of the log10 mel spectrograms of ``a`` and ``b`` ([..., N] each): a scalar.

    The longer one is cut to the other's length. 0.3 is a factor of two in magnitude, on average.
    """
    length = min(a.shape[-1], b.shape[-1])
    left, right = (
        log_mel(a[..., :length], sample_rate_hz),
        log_mel(b[..., :length], sample_rate_hz),
    )
    return (left - right).abs().mean()
