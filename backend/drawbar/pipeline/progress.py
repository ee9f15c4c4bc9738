"""How far a stage is -> what a person wants to know: what, how far, how fast, how long still."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """A moment of one stage."""

    stage: str
    done: int
    total: int
    unit: str
    per_s: float
    left_s: float
    note: str = ""


ProgressCallback = Callable[[Progress], None]
"""May raise ``CancelledError``: the build stops and can be continued."""


class Reporter:
    """Counts one stage's work and tells the callback, at most ten times a second."""

    def __init__(self, callback: ProgressCallback | None, stage: str, total: int, unit: str) -> None:
        self._callback, self._stage, self._total, self._unit = callback, stage, total, unit
        self._started = time.perf_counter()
        self._first = 0
        self._told = 0.0

    def start_at(self, done: int) -> None:
        """Work that an earlier run did; it does not count into the rate."""
        self._first = done

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """``done`` of ``total`` is finished."""
        if self._callback is None:
            return
        now = time.perf_counter()
        whole = self._total if total is None else total
        if now - self._told < 0.1 and done < whole:
            return
        self._told = now
        rate = max(done - self._first, 0) / max(now - self._started, 1e-9)
        left = (whole - done) / rate if rate > 0 else float("inf")
        self._callback(Progress(self._stage, done, whole, self._unit, rate, left, note))
