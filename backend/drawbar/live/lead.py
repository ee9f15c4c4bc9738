"""Measured times per frame -> how far ahead of the ear to generate: as little as is safe.

A short lead makes sliders feel immediate, a long one survives hiccups; the lead follows the slowest recent
steps and widens after every under-run. Knows nothing of audio.
"""

from __future__ import annotations

from collections import deque

MOST_SPARE_S = 0.18
JUMP_S = 2.0
"""No frame takes as long: the machine slept, and its clock went on."""


class LeadPolicy:
    """Times are in seconds; ``frame_s`` is one frame (20 ms)."""

    def __init__(
        self, frame_s: float = 0.02, least_s: float = 0.1, most_s: float = 0.45, window: int = 250
    ) -> None:
        self.frame_s, self.least_s, self.most_s = frame_s, least_s, most_s
        self.fill_s = 0.04
        """What the output itself must hold."""
        self._costs: deque[float] = deque(maxlen=window)
        self._penalty_s = 0.0

    def note(self, cost_s: float) -> None:
        """One frame took ``cost_s`` to generate and decode."""
        if cost_s > JUMP_S:
            return
        self._costs.append(cost_s)
        self._penalty_s *= 0.9995

    def note_underrun(self) -> None:
        """The queue ran dry: stay further ahead for the next half minute."""
        self._penalty_s = min(self.most_s, self._penalty_s + 0.06)

    @property
    def spare_s(self) -> float:
        """What the output holds beyond its least: nothing until it ran dry, more after every time, less with time.

        The thread that fills it may be held up as well, by a window that paints.
        """
        return min(MOST_SPARE_S, self._penalty_s)

    @property
    def mean_s(self) -> float:
        """What a frame takes; one frame's length before anything was measured."""
        return sum(self._costs) / len(self._costs) if self._costs else self.frame_s

    @property
    def worst_s(self) -> float:
        """What the slowest recent frame took."""
        return max(self._costs, default=self.frame_s)

    @property
    def real_time_factor(self) -> float:
        """Seconds of music per second of work; 0 before anything was measured."""
        return self.frame_s / self.mean_s if self._costs and self.mean_s else 0.0

    @property
    def target_s(self) -> float:
        """Generate until this much is ready: a frame as slow as the slowest recent one must not be heard."""
        return min(self.most_s, max(self.least_s, self.fill_s + 1.25 * self.worst_s) + self._penalty_s)

    def redo_s(self, positions: int) -> float:
        """What it takes to decide ``positions`` positions again, one of them slow; longer after under-runs."""
        return positions * self.mean_s + min(self.worst_s, 2 * self.frame_s) + self._penalty_s
