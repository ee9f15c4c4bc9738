"""Audio and tokens -> figures of quality: what must hold before an effect counts.

Cross-entropy per codebook under the unsteered model without a prompt, loudness, silence, clipping, repetition and
whether everything is finite. Knows no direction; what counts as broken is decided with the statistics.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.musicgen import Model
from drawbar.musicgen.generation.loops import repeated

_WINDOW_S = 0.1
_SILENT_DB = -60.0
_CLIPPED = 0.999

Floats = NDArray[np.float32]


def guard_names(codebooks: int) -> tuple[str, ...]:
    """The columns of :func:`guards`."""
    cross_entropy = tuple(f"ce_{book}" for book in range(codebooks))
    return (*cross_entropy, "loudness_db", "silent_share", "clipped_share", "repetition", "finite")


@torch.inference_mode()
def guards(model: Model, tokens: Tensor, audio: Floats) -> Floats:
    """Tokens ``[B, K, T]`` and their sound ``[B, N]`` -> ``[B, K + 5]`` (see :func:`guard_names`)."""
    finite = np.isfinite(audio).all(1)
    sound = np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0)
    size = int(_WINDOW_S * model.spec.sample_rate_hz)
    windows = sound[:, : sound.shape[1] // size * size].reshape(len(sound), -1, size)
    power = 10 * np.log10(np.maximum((windows**2).mean(2), 1e-12))
    columns = [
        *_cross_entropy(model, tokens).T,
        10 * np.log10(np.maximum((sound**2).mean(1), 1e-12)),
        (power < _SILENT_DB).mean(1),
        (np.abs(sound) >= _CLIPPED).mean(1),
        _repetition(tokens[:, 0].numpy()),
        finite.astype(np.float32),
    ]
    found: Floats = np.stack(columns, 1).astype(np.float32)
    return found


def _cross_entropy(model: Model, tokens: Tensor) -> Floats:
    """Nats per token ``[B, K]``, over the positions that are valid for every codebook."""
    logits = model.logits(tokens.long(), None).float()
    usable = tokens.shape[2] - model.spec.max_delay
    picked = tokens[:, :, :usable].long()
    found = torch.nn.functional.cross_entropy(
        logits[:, :, :usable].flatten(0, 2), picked.flatten(), reduction="none"
    )
    result: Floats = found.view(picked.shape).mean(2).numpy()
    return result


def _repetition(codes: NDArray[np.int64]) -> Floats:
    """Share of 160 ms stretches of the first codebook ``[B, T]`` that came before in the same clip."""
    return np.array([repeated(clip) for clip in codes], np.float32)
