"""Slopes of every pair on every measure -> how specific a slider is, without the bias of "the largest of many".

The largest of about 40 noisy slopes is large even where nothing moves. So the worst side effect is *chosen* on all
pairs but one and *estimated* on that one, which did not choose it; every pair takes its turn (choosing on one half
and estimating on the other is the same idea, and finds the worst less often). What comes out is right on average for
the measure that is chosen: nothing for null side effects, the effect of a real one. The interval is Fieller's (1954)
for a ratio, from a jackknife over pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drawbar.evidence.statistics.responses import Floats
from drawbar.evidence.statistics.slopes import location, prompt_weights

MOST = 20.0
"""A specificity is told up to here: with no side effect to speak of the ratio has no end."""
_FEWEST = 4
_STUDENT = {3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228, 11: 2.201}
"""97.5 % quantiles of Student's t by degrees of freedom; 1.96 + 2.7 / n is within 1 % beyond."""


@dataclass(frozen=True)
class Specificity:
    """A slider's effect beside its worst side effect, both per +1 in standard deviations between takes."""

    ratio: float
    """Target over worst side effect; MOST where that is nothing, or less than nothing, on average."""
    low: float
    high: float
    target: float
    worst: float
    """Of the worst side effect, in the direction in which the choosing pairs saw it move."""
    error: float
    """Standard error of ``worst``."""
    measure: int
    """The measure that was chosen most often."""

    def at_least(self, times: float) -> bool:
        """Whether the target is estimated to move ``times`` as far; a difference, so nothing is divided by noise."""
        return bool(self.target >= times * self.worst)


def unbiased_specificity(
    pairs: Floats, prompts: Sequence[str], target: int, others: npt.NDArray[np.bool_]
) -> Specificity | None:
    """Slopes ``[P, M]`` of pairs in standard deviations -> specificity of the measure ``target``.

    None with fewer than 4 pairs that are known, without other measures, or where the target is not known.
    """
    known = np.isfinite(pairs[:, target]) & np.isfinite(pairs[:, others]).any(1)
    if known.sum() < _FEWEST or not others.any():
        return None
    rows, names = pairs[known], [name for name, keep in zip(prompts, known, strict=True) if keep]
    columns = np.flatnonzero(others)
    found, chosen = _estimate(rows, names, target, columns)
    count = len(rows)
    left = np.array(
        [
            _estimate(np.delete(rows, n, 0), [*names[:n], *names[n + 1 :]], target, columns)[0]
            for n in range(count)
        ]
    )
    away = left - left.mean(0)
    covariance = (count - 1) / count * away.T @ away
    size, worst = abs(found[0]), found[1]
    sign = 1.0 if found[0] >= 0 else -1.0
    covariance[0, 1] = covariance[1, 0] = sign * covariance[0, 1]
    low, high = _fieller(size, worst, covariance, _STUDENT.get(count - 1, 1.96 + 2.7 / (count - 1)))
    ratio = MOST if worst * MOST <= size else size / worst
    return Specificity(
        ratio,
        min(max(low, 0.0), ratio),
        max(high, ratio),
        size,
        worst,
        float(np.sqrt(covariance[1, 1])),
        int(columns[chosen]),
    )


def _estimate(
    rows: Floats, prompts: Sequence[str], target: int, columns: npt.NDArray[np.int64]
) -> tuple[Floats, int]:
    """``[2]``: the target's slope and the worst side effect; and which one was chosen most often."""
    weights = prompt_weights(prompts)
    own = float(location(rows[:, target], weights))
    sides = rows[:, columns]
    have = np.isfinite(sides)
    weighted = np.where(have, weights[:, None] * sides, 0.0)
    share = weights[:, None] * have
    rest = share.sum(0) - share
    without = np.divide(weighted.sum(0) - weighted, rest, out=np.zeros(rest.shape), where=rest > 1e-12)
    chosen = np.where(have, np.abs(without), -1.0).argmax(1)
    turns = np.arange(len(rows))
    told = have[turns, chosen]
    estimates = np.sign(without[turns, chosen]) * np.where(told, sides[turns, chosen], 0.0)
    worst = float((weights * estimates)[told].sum() / weights[told].sum()) if told.any() else 0.0
    return np.array([own, worst]), int(np.bincount(chosen, minlength=len(columns)).argmax())


def _fieller(target: float, worst: float, covariance: Floats, quantile: float) -> tuple[float, float]:
    """Ratios r with ``|target - r worst| <= quantile * error``; open above (MOST) where ``worst`` may be nothing."""
    t2 = quantile**2
    a = worst**2 - t2 * covariance[1, 1]
    b = worst * target - t2 * covariance[0, 1]
    c = target**2 - t2 * covariance[0, 0]
    if c <= 0:  # the target itself may be nothing
        return 0.0, MOST
    root = np.sqrt(max(b**2 - a * c, 0.0))
    if a <= 0:
        # The set is what lies outside of two roots; the part above 0 begins at the positive one.
        return (float(c / (b + root)) if b + root > 0 else MOST), MOST
    return float(min((b - root) / a, MOST)), float(min((b + root) / a, MOST))
