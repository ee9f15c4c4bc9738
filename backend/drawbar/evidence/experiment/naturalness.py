"""Tokens, prompts and the unsteered model -> how unlikely each clip is beyond what the model itself finds hard.

Cross-entropy alone calls a slider harmful for bringing in drums, because drums are harder to foresee than a held
chord. So each token's surprise is counted beyond the *entropy* of the model's own prediction at its place, with the
clip's own prompt, teacher-forced: 0 on average for what the model would write, whatever it is, and more for what it
would not (the distance from typical text of Meister et al. 2023, arXiv 2202.00666). Composed pieces of the same prompt
say how much real music has of it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.musicgen import Model

Floats = NDArray[np.float64]


@torch.inference_mode()
def excess_surprise(model: Model, tokens: Tensor, prompts: Sequence[str | None]) -> Floats:
    """Tokens ``[B, K, T]`` -> nats per token beyond the entropy ``[B]``, over the steps that all codebooks have."""
    usable = tokens.shape[2] - model.spec.max_delay
    picked = tokens[:, :, :usable].long()
    logits = model.logits(tokens.long(), list(prompts))[:, :, :usable].float()
    log_p = torch.log_softmax(logits, -1)
    surprise = -log_p.gather(-1, picked[..., None])[..., 0]
    entropy = -(log_p.exp() * log_p).sum(-1)
    found: Floats = (surprise - entropy).mean((1, 2)).double().numpy()
    return found


def unnatural(steered: Floats, twins: Floats, allowed: float, *, errors: float = 1.0) -> bool:
    """Whether paired clips ``[P]`` are ``errors`` standard errors further from typical than ``allowed``.

    ``allowed`` is how much more than their twins a random direction of the same norm has, or composed music against
    the model's own takes, whichever is more: what happens anyway, or in real music, is no harm.
    """
    away = steered - twins
    away = away[np.isfinite(away)]
    if len(away) < 2:
        return False
    return bool(away.mean() - errors * away.std(ddof=1) / np.sqrt(len(away)) > allowed)
