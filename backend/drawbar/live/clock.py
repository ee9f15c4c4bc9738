"""Time and waiting as one small object, so that tests can play minutes without a sleep."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What the engine and the null output know of time."""

    def now(self) -> float: ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Until ``event`` is set or ``timeout_s`` have passed -> whether it is set."""
        ...


class RealClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        return time.perf_counter()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Until ``event`` is set or ``timeout_s`` have passed -> whether it is set."""
        return event.wait(timeout_s)
