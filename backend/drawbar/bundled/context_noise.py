"""Codec tokens -> the same as a take of the model's own may have gone wrong: stretches that are held or misplaced.

A network that was trained on true pasts only believes what it has just played: a take that begins a little too quietly
is taken for a piece in which little happens, and freezes. Trained to go on rightly from such pasts, it recovers.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SHORTEST, LONGEST = 4, 384
"""Frames of a stretch; all lengths between are as likely by octave. A take can freeze for good, so some are long."""


def gone_wrong(tokens: NDArray[np.int64], rate: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Tokens ``[K, T]`` -> a copy of which about ``rate`` of the codes lie in spoilt stretches.

    In a stretch a codebook keeps the code that it begins with (two times of three), or has what stands elsewhere in the
    clip. Half of the clips are spoilt in all codebooks at once, the others in each by itself.
    """
    spoilt = tokens.copy()
    books, length = tokens.shape
    together = rng.random() < 0.5
    groups = [slice(None)] if together else [slice(k, k + 1) for k in range(books)]
    for group in groups:
        left = rate * length
        while left > 0:
            size = min(round(SHORTEST * (LONGEST / SHORTEST) ** rng.random()), length)
            left -= size
            start = int(rng.integers(0, length - size + 1))
            if rng.random() < 2 / 3:
                spoilt[group, start : start + size] = spoilt[group, start : start + 1]
            else:
                other = int(rng.integers(0, length - size + 1))
                spoilt[group, start : start + size] = tokens[group, other : other + size]
    return spoilt


def from_there(tokens: Tensor, pasts: Tensor) -> Tensor:
    """What should come next ``[B, K, T]`` where ``pasts`` was played instead of ``tokens`` (both ``[B, K, T]``).

    Where the music changes, its new code; where it stays, the code that is there, even if it is a wrong one. Asked for
    the right code at once, a network learns to jump at any time, and loses the beat.
    """
    stays = torch.zeros_like(tokens, dtype=torch.bool)
    stays[..., 1:] = tokens[..., 1:] == tokens[..., :-1]
    return torch.where(stays, pasts.roll(1, dims=-1), tokens)
