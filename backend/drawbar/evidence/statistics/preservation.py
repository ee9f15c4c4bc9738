"""Effects at every dose -> effect against what is left of the rest: area under the curve, matched comparison.

After TADA (arXiv 2602.11910): what a method does to its target is compared at equal preservation of everything else,
+ and - apart. Preservation of a dose is ``1 / (1 + movement)``, movement being the mean |effect| over the measures
that are not the target, in standard deviations between takes: 1 at the twin, 0.5 where everything has moved as far
as another seed would move it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drawbar.evidence.statistics.responses import Floats, Responses
from drawbar.evidence.statistics.slopes import location, prompt_weights

_STEPS = 64
_LOWEST = 0.5
"""The area is taken over demands on preservation from here to 1."""


@dataclass(frozen=True)
class Curve:
    """One side's path from the twin outwards."""

    preservation: Floats
    """``[1 + D]``, from 1 at amount 0."""
    effect: Floats
    """``[1 + D]``, positive where the target moves the way the side should move it."""

    def reach(self, least: Floats) -> Floats:
        """The largest effect that some amount has with at least this preservation, for each demand; never below 0."""
        steps = np.linspace(0, len(self.effect) - 1, (len(self.effect) - 1) * _STEPS + 1)
        places = np.arange(len(self.effect))
        preserved = np.interp(steps, places, self.preservation)
        effect = np.interp(steps, places, self.effect)
        meets = preserved[None] >= np.atleast_1d(least)[:, None] - 1e-9
        found: Floats = np.where(meets, np.maximum(effect, 0.0), 0.0).max(1)
        return found


@dataclass(frozen=True)
class Matched:
    """A slider and its baseline where they preserve equally much."""

    preservation: float
    effect: float
    baseline: float


def curve_of(
    responses: Responses,
    sign: int,
    amounts: tuple[float, ...],
    column: int,
    others: npt.NDArray[np.bool_],
    sd: Floats,
    lean: int = 1,
) -> Curve | None:
    """The path over ``amounts`` (outwards from 0) of one sign; None without an amount or another measure.

    ``lean`` is -1 for a measure that the plus side should lower.
    """
    if not amounts or not others.any():
        return None
    played = responses.differences(amounts)
    effects = location(np.moveaxis(played, 1, -1), prompt_weights(responses.prompts)) / sd
    have = np.isfinite(effects[:, others])
    moved = np.where(have, np.abs(effects[:, others]), 0.0).sum(1) / np.maximum(have.sum(1), 1)
    known = np.isfinite(effects[:, column]) & have.any(1)
    if not known.any():
        return None
    return Curve(
        np.concatenate([[1.0], 1.0 / (1.0 + moved[known])]),
        np.concatenate([[0.0], sign * lean * effects[known, column]]),
    )


def area(curve: Curve | None) -> float | None:
    """Mean reach over demands on preservation from 0.5 to 1, in standard deviations between takes."""
    return None if curve is None else float(curve.reach(np.linspace(_LOWEST, 1.0, 101)).mean())


def matched(curve: Curve | None, baseline: Curve | None) -> Matched | None:
    """Both at the lowest preservation that both come down to; None where one is missing."""
    if curve is None or baseline is None:
        return None
    least = max(float(curve.preservation.min()), float(baseline.preservation.min()))
    demand = np.array([least])
    return Matched(least, float(curve.reach(demand)[0]), float(baseline.reach(demand)[0]))
