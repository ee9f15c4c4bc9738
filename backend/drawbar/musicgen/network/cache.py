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

    def truncate(self, length: int) -> None:
        """Forgets the positions from ``length`` on."""
        if not 0 <= length <= self.length:
            raise BadInputError(f"cannot go back to position {length}: the cache holds {self.length}")
        self.length = length

    @property
    def bytes(self) -> int:
        return sum(layer.numel() * layer.element_size() for layer in self.layers)
