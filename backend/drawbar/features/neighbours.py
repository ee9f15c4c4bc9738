"""Decoder rows [F, D] -> for each feature the others that point the same way."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


@torch.no_grad()
def nearest_by_cosine(
    decoder: Tensor, among: Sequence[int], n: int = 8
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The n nearest ``among`` themselves: features [len(among), n] and cosines, nearest first."""
    chosen = torch.tensor(list(among), dtype=torch.int64)
    rows = functional.normalize(decoder[chosen].float().cpu(), dim=1)
    n = min(n, max(len(rows) - 1, 0))
    found, cosines = [], []
    for start in range(0, len(rows), 1024):
        part = rows[start : start + 1024] @ rows.T
        part[torch.arange(len(part)), torch.arange(start, start + len(part))] = -2.0  # not itself
        best = part.topk(n, dim=1)
        found.append(chosen[best.indices])
        cosines.append(best.values)
    if not found:
        return np.zeros((0, 0), np.int64), np.zeros((0, 0), np.float32)
    return torch.cat(found).numpy(), torch.cat(cosines).numpy()
