"""Slider moves at any rate -> the newest amounts, handed to the engine at most once per interval.

The window writes, the engine's worker reads. Of several moves of one slider only the last counts, so a drag
costs no more than its end points. Knows nothing of models.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping

from drawbar.errors import BadInputError

MAX_AMOUNT = 100.0
"""Beyond any use: a typing slip, not a setting."""


def checked_amount(id: str, amount: float) -> float:
    """A usable amount. Raises BadInputError with the feature and the value."""
    value = float(amount)
    if not math.isfinite(value) or abs(value) > MAX_AMOUNT:
        raise BadInputError(
            f"amount {amount} for feature {id}: use a number from {-MAX_AMOUNT:g} to {MAX_AMOUNT:g}"
        )
    return value


class Controls:
    """The amounts as the user sees them, and which of them the engine has not taken over yet."""

    def __init__(self, interval_s: float = 0.02) -> None:
        self.interval_s = interval_s
        self.moved = threading.Event()
        """Set by every change; the engine clears it when it takes the changes over."""
        self.bypass = False
        """Where the bypass switch stands; `set_bypass` moves it."""
        self.nudged = False
        """A nudge was asked for and not given yet."""
        self._lock = threading.Lock()
        self._amounts: dict[str, float] = {}
        self._pending: dict[str, float] = {}
        self._taken_at = -math.inf

    def set(self, id: str, amount: float) -> None:
        """Move one slider. Raises BadInputError for an amount that is not finite or absurd."""
        value = checked_amount(id, amount)
        with self._lock:
            if self._amounts.get(id) == value:
                return
            self._amounts[id] = value
            self._pending[id] = value
        self.moved.set()

    def set_bypass(self, on: bool) -> None:
        """Hear the unsteered twin, or let go of the sliders in a take without one."""
        self.bypass = on
        self.moved.set()

    def nudge(self) -> None:
        """Ask for a second that is drawn a little hotter."""
        self.nudged = True
        self.moved.set()

    def reset(self, amounts: Mapping[str, float]) -> None:
        """A new set of sliders, as a take begins; nothing is pending afterwards."""
        checked = {id: checked_amount(id, amount) for id, amount in amounts.items()}
        with self._lock:
            self._amounts = checked
            self._pending.clear()
            self._taken_at = -math.inf
        self.nudged = False
        self.moved.clear()

    def forget(self, id: str) -> None:
        with self._lock:
            self._amounts.pop(id, None)
            self._pending.pop(id, None)

    def amounts(self) -> dict[str, float]:
        with self._lock:
            return dict(self._amounts)

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until `take` would hand something over; 0 = at once, None = nothing has moved."""
        with self._lock:
            return max(0.0, self._taken_at + self.interval_s - now_s) if self._pending else None

    def take(self, now_s: float) -> dict[str, float]:
        """What moved since the last time; empty before the interval is over."""
        with self._lock:
            if not self._pending or now_s < self._taken_at + self.interval_s:
                return {}
            taken, self._pending = self._pending, {}
            self._taken_at = now_s
            self.moved.clear()
            return taken
