"""Vectors by layer, and layers to make faint -> steering that never moves, for comparing implementations.

What ``drawbar.steering`` does for a musician without its sliders. Knows nothing of what the vectors mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from torch import Tensor

from drawbar.musicgen.interfaces import Hold, Lanes
from drawbar.musicgen.parity.interface import Edit

FAINT_RMS = 1e-3
"""Size of a faint residual: its variance is a tenth of the norms' epsilon, which then decides what a norm gives."""


def faint(x: Tensor) -> Tensor:
    """Residuals ``[..., D]`` -> the same directions with a root mean square of ``FAINT_RMS``."""
    return x * (FAINT_RMS / x.pow(2).mean(-1, keepdim=True).sqrt())


@dataclass(frozen=True)
class _Faint:
    """See ``ports.Hold``."""

    def apply(self, x: Tensor, branch: int) -> Tensor:
        return faint(x)


@dataclass(frozen=True, eq=False)
class FixedSteering:
    """See ``ports.Steering``, ``ports.SteeringRun`` and ``ports.Lanes``: all three, as nothing moves."""

    add: Mapping[int, Tensor] = field(default_factory=dict)
    """Layer -> ``[2, D]`` to add to the conditional and the null branch."""
    faint: tuple[int, ...] = ()
    """Layers whose residuals are made faint."""

    def edits(self) -> dict[int, Edit]:
        """The same for hooks on a reference whose rows are the conditional and the null branch."""
        result: dict[int, Edit] = {layer: faint for layer in self.faint}
        for layer, vectors in self.add.items():
            result[layer] = lambda x, vectors=vectors: x + vectors[:, None].to(x)  # type: ignore[misc]
        return result

    def start(self, lanes: Lanes | None = None, guidance: float | None = None) -> Self:
        return self

    def settled(self, lanes: Lanes | None = None) -> Self:
        return self

    def advance(self, position: int) -> bool:
        return False

    def added(self, first: int, count: int) -> dict[int, Tensor]:
        return {layer: vectors[:, None].expand(-1, count, -1) for layer, vectors in self.add.items()}

    def holds(self, first: int, count: int) -> dict[int, Hold]:
        return {layer: _Faint() for layer in self.faint}

    def rewind(self, position: int) -> None: ...

    def amounts(self) -> Mapping[str, float]:
        return {}

    @property
    def recorded(self) -> Self:
        return self

    @property
    def ids(self) -> tuple[str, ...]:
        return ()

    def amount(self, id: str, frame: int) -> float:
        return 0.0

    @property
    def kept(self) -> Mapping[tuple[int, int], int]:
        return {}

    def keeping(self, kept: Mapping[tuple[int, int], int]) -> Self:
        return self

    def to_json(self) -> Mapping[str, object]:
        return {}
