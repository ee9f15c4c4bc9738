"""A slider's moves -> its amount at every position, ramped over three frames and remembered.

Every move is kept as one ramp, so any earlier position can be computed again and the whole history becomes
automation that replays it. Knows no tensors.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field

from drawbar.steering.automation import Lane

RAMP_FRAMES = 3
"""Frames in which an amount reaches its new value (60 ms)."""


@dataclass
class Ramps:
    """The history of one slider. NaN is off; going on or off is immediate."""

    resting: float
    """The amount before the first move."""
    positions: list[int] = field(default_factory=list)
    """Where each ramp takes its first step."""
    moves: list[tuple[float, float]] = field(default_factory=list)
    """Each ramp's amounts before and after."""

    def amount(self, position: int) -> float:
        if not self.positions or position < self.positions[0]:
            return self.resting
        last = len(self.positions) - 1
        if position < self.positions[last]:
            last = bisect_right(self.positions, position) - 1
        begun = self.positions[last]
        before, after = self.moves[last]
        taken = position - begun + 1
        if taken >= RAMP_FRAMES or math.isnan(before) or math.isnan(after):
            return after
        return before + (after - before) * (taken / RAMP_FRAMES)

    @property
    def target(self) -> float:
        return self.moves[-1][1] if self.moves else self.resting

    def moving(self, position: int) -> bool:
        """Whether the amount at ``position`` can differ from the one before."""
        return bool(self.positions) and self.positions[-1] <= position < self.positions[-1] + RAMP_FRAMES

    def move(self, position: int, target: float) -> None:
        """Begins a ramp to ``target`` at ``position``; one that began there already is replaced."""
        self.forget(position)
        before = self.amount(position - 1)
        self.positions.append(position)
        self.moves.append((before, target))

    def forget(self, position: int) -> None:
        """Drops the ramps that begin at ``position`` or later."""
        while self.positions and self.positions[-1] >= position:
            self.positions.pop()
            self.moves.pop()

    def lane(self, id: str) -> Lane:
        """The history as a lane whose amount at every frame is the one that was applied."""
        points: list[tuple[int, float]] = []

        def at(frame: int) -> None:
            if not points or points[-1][0] < frame:
                points.append((frame, self.amount(frame)))

        for begun in self.positions or [0]:
            if begun > 0:
                at(begun - 1)
            for frame in range(begun, begun + RAMP_FRAMES):
                at(frame)
        return Lane(id, tuple(points))
