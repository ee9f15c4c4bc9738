"""Audio [N] -> its pitch class every 4,096 samples (0 = C ... 11 = B): the melody that a melody model is given.

The loudest of twelve classes in a spectrum of 16,384 samples, as audiocraft's ``ChromaExtractor`` and transformers'
``MusicgenMelodyFeatureExtractor`` compute it (class filters after librosa's ``filters.chroma``). The models were
trained on the voices and "other" stems that demucs cuts out; here the whole sound is heard: give a melody without drums
or bass.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from drawbar.errors import BadInputError
from drawbar.musicgen.spec import CHROMA

CHROMA_WINDOW = 16_384
CHROMA_HOP = CHROMA_WINDOW // 4
_CENTRE_OCTAVE, _OCTAVE_WIDTH, _A0_HZ = 5.0, 2.0, 27.5
_SHIFT = 3
"""Classes from A to C: librosa's begin at C."""


def chroma_frames(samples: int) -> int:
    """How many classes so many samples have."""
    return max(samples, CHROMA_WINDOW) // CHROMA_HOP + 1


def pitch_classes(audio: NDArray[np.float32], rate_hz: int) -> tuple[int, ...]:
    """Mono audio ``[N]`` at the model's rate -> one class per hop. Raises BadInputError for none, or not finite."""
    if audio.ndim != 1 or not len(audio) or not np.isfinite(audio).all():
        raise BadInputError(f"a melody of shape {audio.shape}: give finite mono samples [N], N > 0")
    wave = torch.from_numpy(np.ascontiguousarray(audio, np.float32))
    short = max(0, CHROMA_WINDOW - len(wave))
    wave = F.pad(wave, (short // 2, short - short // 2))
    spectrum = torch.stft(
        wave,
        CHROMA_WINDOW,
        CHROMA_HOP,
        window=torch.hann_window(CHROMA_WINDOW),
        center=True,
        return_complex=True,
    )
    classes = (_filters(rate_hz) @ spectrum.abs().square()).argmax(0)
    return tuple(int(number) for number in classes)


def _filters(rate_hz: int) -> torch.Tensor:
    """How much each bin of the spectrum belongs to each class ``[12, bins]``."""
    frequencies = np.linspace(0, rate_hz, CHROMA_WINDOW, endpoint=False)[1:]
    octaves = np.log2(frequencies / _A0_HZ)  # A = 0
    bins = CHROMA * octaves
    bins = np.concatenate([[bins[0] - 1.5 * CHROMA], bins])
    widths = np.concatenate([np.maximum(bins[1:] - bins[:-1], 1.0), [1.0]])
    away = np.subtract.outer(bins, np.arange(0, CHROMA, dtype="d")).T
    away = np.remainder(away + CHROMA / 2 + 10 * CHROMA, CHROMA) - CHROMA / 2
    weights = np.exp(-0.5 * (2 * away / np.tile(widths, (CHROMA, 1))) ** 2)
    weights /= np.maximum(np.sqrt((weights**2).sum(0, keepdims=True)), np.finfo(float).tiny)
    weights *= np.tile(np.exp(-0.5 * (((bins / CHROMA - _CENTRE_OCTAVE) / _OCTAVE_WIDTH) ** 2)), (CHROMA, 1))
    weights = np.roll(weights, -_SHIFT, axis=0)
    return torch.from_numpy(np.ascontiguousarray(weights[:, : CHROMA_WINDOW // 2 + 1], np.float32))
