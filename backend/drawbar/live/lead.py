"""Measured times per frame -> how far ahead of the ear to generate: as little as is safe.

A short lead makes sliders feel immediate, a long one survives hiccups; the lead follows the slowest recent
steps and widens after every under-run. Knows nothing of audio.
"""

from __future__ import annotations

from collections import deque

import numpy as np

__all__ = ["LeadPolicy"]


class LeadPolicy:
    """Times are in seconds; ``frame_s`` is one frame (20 ms)."""

    def __init__(
        self, frame_s: float = 0.02, least_s: float = 0.08, most_s: float = 0.45, window: int = 250
    ) -> None:
        self.frame_s, self.least_s, self.most_s = frame_s, least_s, most_s
        self._costs: deque[float] = deque(maxlen=window)
        self._penalty_s = 0.0
        self._slow_s = self._mean_s = 0.0

    def note(self, cost_s: float) -> None:
        """One frame took ``cost_s`` to generate and decode."""
        self._costs.append(cost_s)
        self._penalty_s *= 0.9995
        if len(self._costs) < 20 or not len(self._costs) % 10:
            recent = np.fromiter(self._costs, np.float64)
            self._slow_s, self._mean_s = float(np.quantile(recent, 0.99)), float(recent.mean())
        else:
            self._slow_s = max(self._slow_s, cost_s)

    def note_underrun(self) -> None:
        """The queue ran dry: stay further ahead for the next half minute."""
        self._penalty_s = min(self.most_s, self._penalty_s + 0.06)

    @property
    def slow_s(self) -> float:
        """What a slow frame takes (99th percentile of the recent ones)."""
        return self._slow_s

    @property
    def real_time_factor(self) -> float:
        """Seconds of music per second of work; 0 before anything was measured."""
        return self.frame_s / self._mean_s if self._mean_s else 0.0

    @property
    def target_s(self) -> float:
        """Generate until this much is ready."""
        jitter = max(0.0, 2.0 * self._slow_s - self.frame_s)
        return min(self.most_s, self.least_s + jitter + self._penalty_s)

    def redo_s(self, positions: int) -> float:
        """What it takes to decide ``positions`` positions again and decode the first frame of them."""
        return positions * (self._slow_s or self.frame_s)
