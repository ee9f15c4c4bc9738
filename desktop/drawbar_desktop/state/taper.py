"""A slider's position -> its amount and back; the detent at zero lives here."""

__all__ = ["AMOUNT_MAX", "AMOUNT_STEP", "DETENT", "clamp_amount", "detent", "to_amount", "to_position"]

AMOUNT_MAX = 2.0
AMOUNT_STEP = 0.05
DETENT = 0.06


def clamp_amount(amount: float) -> float:
    """The nearest amount inside -2..+2, on a grid of a thousandth so that undo and text agree."""
    return round(max(-AMOUNT_MAX, min(AMOUNT_MAX, amount)), 3) + 0.0


def to_amount(position: float) -> float:
    """Position 0 (bottom) .. 1 (top) -> amount."""
    return clamp_amount((position - 0.5) * 2 * AMOUNT_MAX)


def to_position(amount: float) -> float:
    """Amount -> position 0 (bottom) .. 1 (top)."""
    return 0.5 + clamp_amount(amount) / (2 * AMOUNT_MAX)


def detent(amount: float) -> float:
    """Near zero is zero: the slider falls into its notch."""
    return 0.0 if abs(amount) < DETENT else amount
