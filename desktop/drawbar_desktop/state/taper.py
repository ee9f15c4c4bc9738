"""A slider's position -> its amount and back: linear where it is usable, logarithmic beyond, a notch at zero."""

import math
from dataclasses import dataclass

AMOUNT_MAX = 4.0
AMOUNT_STEP = 0.05
DETENT = 0.06
LINEAR = 2.0
"""How far the linear part reaches where no usable range is known."""
KNEE = 0.72
"""Share of each half of the travel that is linear."""
LEAST_REACH = 0.25


def clamp_amount(amount: float) -> float:
    """The nearest amount inside -4..+4, on a grid of a thousandth so that undo and text agree."""
    return round(max(-AMOUNT_MAX, min(AMOUNT_MAX, amount)), 3) + 0.0


def detent(amount: float) -> float:
    """Near zero is zero: the slider falls into its notch."""
    return 0.0 if abs(amount) < DETENT else amount


@dataclass(frozen=True)
class Taper:
    """Both halves of a slider; `low` and `high` are where the linear part ends (-2 and +2 without evidence)."""

    low: float = -LINEAR
    high: float = LINEAR

    def to_position(self, amount: float) -> float:
        """Amount -> position 0 (bottom) .. 1 (top)."""
        amount = clamp_amount(amount)
        reach = self._reach(amount)
        size = abs(amount)
        if size <= reach:
            travel = KNEE * size / reach
        else:
            travel = KNEE + (1 - KNEE) * math.log(size / reach) / math.log(AMOUNT_MAX / reach)
        return 0.5 + math.copysign(0.5 * travel, amount)

    def to_amount(self, position: float) -> float:
        """Position 0 (bottom) .. 1 (top) -> amount."""
        offset = max(-1.0, min(1.0, 2 * (position - 0.5)))
        reach, travel = self._reach(offset), abs(offset)
        if travel <= KNEE:
            size = reach * travel / KNEE
        else:
            size = reach * (AMOUNT_MAX / reach) ** ((travel - KNEE) / (1 - KNEE))
        return clamp_amount(math.copysign(size, offset))

    def ticks(self) -> tuple[float, ...]:
        """Amounts worth a line and a number beside the track, from bottom to top."""
        steps = (-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0)
        kept = [0.0]
        for tick in sorted(steps, key=abs):
            here = self.to_position(tick)
            if all(abs(here - self.to_position(other)) > 0.055 for other in kept):
                kept.append(tick)
        return tuple(sorted(kept))

    def _reach(self, signed: float) -> float:
        edge = self.high if signed >= 0 else -self.low
        return max(LEAST_REACH, min(edge, AMOUNT_MAX * 0.9))


def taper_for(usable: tuple[float, float] | None) -> Taper:
    """The taper of a feature whose evidence card says this range (or nothing)."""
    return Taper() if usable is None else Taper(*usable)


def to_amount(position: float) -> float:
    """Position -> amount where no usable range is known."""
    return Taper().to_amount(position)


def to_position(amount: float) -> float:
    """Amount -> position where no usable range is known."""
    return Taper().to_position(amount)
