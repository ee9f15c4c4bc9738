"""A direction and a level -> steering that holds the concept there by feedback, instead of pushing by a fixed amount.

A controller reads how strongly the concept stands in the model's own residual, smoothed over half a second, and pushes
by what is missing: in proportion, by what has been missing so far, and by how fast that changes (PID, as arXiv
2510.04309 steers language models). A push that is enough in one take is too much in another; the level is the same in
all. It acts on the conditional branch, at the direction's own layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.musicgen.interfaces import Hold, Lanes
from drawbar.steering.automation import Automation
from drawbar.steering.directions import Direction


@dataclass(frozen=True)
class Gains:
    """Of the controller, per missing scale of the direction. Raises BadInputError for impossible numbers."""

    proportional: float = 0.6
    integral: float = 0.02
    """Per frame."""
    derivative: float = 0.0
    frames: int = 25
    """Over which the reading is smoothed: 0.5 s."""
    most: float = 3.0
    """The largest push, in scales, either way; what has been missing is not counted on while it lasts."""

    def __post_init__(self) -> None:
        if self.frames < 1 or self.most <= 0 or min(self.proportional, self.integral, self.derivative) < 0:
            raise BadInputError(f"{self}: at least 1 frame, a largest push above 0, and no gain below 0")


@dataclass(frozen=True)
class _State:
    """After one position."""

    read: float
    missing: float
    summed: float
    push: float


class Aim:
    """Holds one direction at ``level`` (in its scales above ``rest``). Raises BadInputError without an encoder."""

    def __init__(
        self, direction: Direction, level: float, *, rest: float = 0.0, gains: Gains | None = None
    ) -> None:
        if direction.encoder is None:
            raise BadInputError(f"direction {direction.id} has nothing to be read with: aim at another")
        if not direction.scale > 0 or level != level:
            raise BadInputError(
                f"direction {direction.id}: scale {direction.scale}, level {level} cannot be held"
            )
        self.direction, self.level, self.rest = direction, level, rest
        self.gains = gains or Gains()

    def start(self, lanes: Lanes | None = None, guidance: float | None = None) -> AimRun:
        """The controller of one stream; guidance multiplies its push, so it is divided by it."""
        return AimRun(self, 1 / max(1.0, guidance or 1.0))

    def settled(self, lanes: Lanes | None = None) -> AimRun:
        """For a whole clip at once: the controller walks along its positions."""
        return AimRun(self, 1.0)


class AimRun(Hold):
    """See ``musicgen.interfaces.SteeringRun``."""

    def __init__(self, aim: Aim, alone: float) -> None:
        self._aim, self._alone = aim, alone
        self._states: list[_State] = []
        self._first = 0

    def advance(self, position: int) -> bool:
        """Always: each position has a push of its own."""
        return True

    def added(self, first: int, count: int) -> dict[int, Tensor]:
        return {}

    def holds(self, first: int, count: int) -> dict[int, Hold]:
        self._first = first
        return {self._aim.direction.layer: self}

    def apply(self, x: Tensor, branch: int) -> Tensor:
        """``[N, n, D]`` at the positions that ``holds`` was asked for."""
        if branch == 1:
            return x
        direction = self._aim.direction
        assert direction.encoder is not None  # refused at the door
        vector = direction.vector.to(x)
        readings = (x.float() @ direction.encoder.float() + direction.bias).mean(0).tolist()
        pushes = [self._push(self._first + n, reading) for n, reading in enumerate(readings)]
        return x + torch.tensor(pushes).to(x)[:, None] * (direction.scale * self._alone) * vector

    def _push(self, position: int, reading: float) -> float:
        """What is added there, in scales; a position that was passed before is given what it got."""
        if position < len(self._states):
            return self._states[position].push
        aim, gains = self._aim, self._aim.gains
        now = (reading - aim.rest) / aim.direction.scale
        before = self._states[-1] if self._states else _State(now, aim.level - now, 0.0, 0.0)
        read = before.read + (now - before.read) / gains.frames
        missing = aim.level - read
        summed = before.summed + missing
        wanted = (
            gains.proportional * missing
            + gains.integral * summed
            + gains.derivative * (missing - before.missing)
        )
        push = max(-gains.most, min(gains.most, wanted))
        if push != wanted:
            summed = before.summed
        self._states.append(_State(read, missing, summed, push))
        return push

    def rewind(self, position: int) -> None:
        del self._states[position:]

    def amounts(self) -> dict[str, float]:
        """What is pushed now."""
        return {self._aim.direction.id: self._states[-1].push if self._states else 0.0}

    @property
    def recorded(self) -> Automation:
        """Nothing: what is held is the level, not an amount."""
        return Automation([])

    @property
    def readings(self) -> list[float]:
        """How strongly the concept stood at each position, smoothed, in scales above its rest."""
        return [state.read for state in self._states]
