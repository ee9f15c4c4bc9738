"""Firings of many clips -> a random sketch of every feature: cosines are correlations in time.

Each 0.1 s of each clip has one random sign per column, the same for every layer: features that fire together
get like sketches, also across layers. 512 columns: the error of one correlation is 0.044.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drawbar.features.firings import Firings

COLUMNS = 512
NOISE = 0.25
"""Below this a correlation may be chance (5.6 times its error): not listed."""
_BIN = 5


class SketchSums:
    """One layer's sketches while they grow."""

    def __init__(self, d_sae: int, seed: int) -> None:
        self._seed = seed
        self.sketch = torch.zeros(d_sae, COLUMNS)
        self.total = torch.zeros(d_sae, dtype=torch.float64)
        self.constant = torch.zeros(COLUMNS)
        self.bins = 0

    @property
    def nbytes(self) -> int:
        return self.sketch.nbytes + self.total.nbytes + self.constant.nbytes

    def add(self, clip: int, firings: Firings) -> None:
        """One clip; its number decides its signs."""
        count = -(-firings.length // _BIN)
        generator = torch.Generator().manual_seed((self._seed << 32) + clip)
        signs = torch.randint(0, 2, (count, COLUMNS), generator=generator, dtype=torch.int8).float() * 2 - 1
        self.constant += signs.sum(0)
        self.bins += count
        if not len(firings.active):
            return
        curves = firings.bins(_BIN)
        # In double precision these sums are exact, so that their order, and what else is multiplied, does not matter.
        self.sketch.index_add_(0, firings.active, (curves.double() @ signs.double()).float())
        self.total.index_add_(0, firings.active, curves.sum(1).double())

    def finish(self) -> NDArray[np.float16]:
        """Unit rows [F, COLUMNS], the mean over time taken out; zeros for what never fires."""
        mean = (self.total / max(self.bins, 1)).float()
        centred = self.sketch - mean[:, None] * self.constant
        found: NDArray[np.float16] = functional.normalize(centred, dim=1).half().numpy()
        return found


def nearest_in_time(
    mine: NDArray[np.float16],
    others: NDArray[np.float16],
    n: int = 8,
    *,
    same: bool = False,
    least: float = NOISE,
) -> list[list[tuple[int, float]]]:
    """Sketches [M, C] and [N, C] -> for each of mine the n rows of others most correlated, strongest first.

    ``same``: both are the same rows; a row is then not its own neighbour.
    """
    right = torch.from_numpy(others).float()
    n = min(n, len(right))
    out: list[list[tuple[int, float]]] = []
    for start in range(0, len(mine), 1024):
        part = torch.from_numpy(mine[start : start + 1024]).float() @ right.T
        if same:
            rows = torch.arange(len(part))
            part[rows, rows + start] = -2.0
        out += _listed(part, n, least)
    return out


def _listed(scores: Tensor, n: int, least: float) -> list[list[tuple[int, float]]]:
    best = scores.topk(n, dim=1)
    pairs: Sequence[tuple[list[int], list[float]]] = list(
        zip(best.indices.tolist(), best.values.tolist(), strict=True)
    )
    return [
        [(i, value) for i, value in zip(rows, values, strict=True) if value >= least]
        for rows, values in pairs
    ]
