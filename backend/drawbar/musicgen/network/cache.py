"""Keys and values of past positions -> memory preallocated per layer and written by index.

Rows are parallel sequences (guidance branches, clips, the bypass twin). Knows nothing of what is cached.
"""

from __future__ import annotations

import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.musicgen.spec import ModelSpec


class Cache:
    """Self-attention memory: per layer one tensor ``[2, R, H, C, D/H]`` (keys, then values), C positions."""

    def __init__(
        self,
        spec: ModelSpec,
        rows: int,
        capacity: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if rows < 1 or capacity < 1:
            raise BadInputError(f"a cache of {rows} rows and {capacity} positions: both must be at least 1")
        shape = (2, rows, spec.n_heads, capacity, spec.head_dim)
        self.layers: list[Tensor] = [
            torch.zeros(shape, device=device, dtype=dtype) for _ in range(spec.n_layers)
        ]
        self.rows = rows
        self.capacity = capacity
        self.length = 0
        """Positions that hold something; what lies behind them is stale."""
        self._wide: tuple[int, list[Tensor]] | None = None

    def truncate(self, length: int) -> None:
        """Forgets the positions from ``length`` on."""
        if not 0 <= length <= self.length:
            raise BadInputError(f"cannot go back to position {length}: the cache holds {self.length}")
        self.length = length

    def narrow(self, rows: int) -> None:
        """Reads and writes the first ``rows`` rows only, until `widen`; the others cost no time meanwhile."""
        self._wide = self.rows, self._memory()
        share = rows / self.rows
        self._use([part[:, : round(part.shape[1] * share)] for part in self._memory()])
        self.rows = rows

    def widen(self) -> None:
        """Undoes `narrow`: every further row holds what the first ones do."""
        assert self._wide is not None
        rows, whole = self._wide
        for part, first in zip(whole, self._memory(), strict=True):
            count = first.shape[1]
            for begin in range(count, part.shape[1], count):
                self._written(part[:, begin : begin + count]).copy_(self._written(first))
        self._use(whole)
        self.rows, self._wide = rows, None

    def _memory(self) -> list[Tensor]:
        """Everything that has a part per row, along its second dimension."""
        return list(self.layers)

    def _use(self, memory: list[Tensor]) -> None:
        self.layers = memory

    def _written(self, part: Tensor) -> Tensor:
        """The positions of a part that hold something."""
        return part[:, :, :, : self.length]

    @property
    def bytes(self) -> int:
        return sum(layer.numel() * layer.element_size() for layer in self.layers)
