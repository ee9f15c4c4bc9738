"""Samples of one channel ``[n]`` or of two ``[n, 2]`` -> gains over time, one channel, as many as a device has.

Every buffer between the codec and the sound card keeps one of the two layouts; its length is that of time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawbar.live.audio_out.ring import Floats


def from_codec(audio: NDArray[np.float32]) -> Floats:
    """A codec's channels ``[C, n]`` -> samples ``[n]`` or ``[n, 2]``."""
    return np.asarray(audio[0] if len(audio) == 1 else np.ascontiguousarray(audio.T), np.float32)


def scaled(samples: Floats, gains: NDArray[Any]) -> Floats:
    """Every channel times gains over time ``[n]``."""
    return np.asarray(samples * (gains if samples.ndim == 1 else gains[:, None]), np.float32)


def mixed(samples: Floats) -> Floats:
    """One channel ``[n]``, the mean: what spectra, loudness and analysis take."""
    return samples if samples.ndim == 1 else np.asarray(samples.mean(1), np.float32)


def spread(samples: Floats, channels: int) -> Floats:
    """As many channels ``[n, channels]`` as a device has."""
    if samples.ndim == 2 and samples.shape[1] == channels:
        return np.ascontiguousarray(samples)
    return np.ascontiguousarray(np.repeat(mixed(samples)[:, None], channels, axis=1))


def like(samples: Floats, count: int) -> Floats:
    """``count`` samples of silence in the same layout."""
    return np.zeros((count, *samples.shape[1:]), np.float32)
