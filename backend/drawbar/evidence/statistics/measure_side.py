"""One slider, one sign -> its slopes on every measure and where they stand among random directions.

Only doses inside the usable range count, and only those that the pool reaches are compared with it. A slope is per
+1 amount in standard deviations between unsteered takes, so a slider that does what it says has a positive one on
both sides: + raises, - lowers.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drawbar.evidence.statistics.ranking import Null, rank_p, standing
from drawbar.evidence.statistics.responses import Floats, Responses, judge_of
from drawbar.evidence.statistics.slopes import prompt_weights, slopes

READBACK = "readback"
"""What the SAE itself reads in the result: reported, never proof."""
_CRITICAL = 0.95


@dataclass(frozen=True)
class Side:
    """What one sign of one slider does."""

    sign: int
    amounts: tuple[float, ...]
    """Doses that count, outwards from 0."""
    tested: tuple[float, ...]
    """Those of them that were compared with the pool."""
    slopes: Floats
    """``[M]``; NaN where nothing could be measured."""
    p: Floats
    """``[M]``, one-sided: random directions that move the measure at least as far the same way."""
    moved_p: Floats
    """``[M]``, two-sided: that move it at least as far from the crowd, either way."""
    any_p: float
    """Of the largest movement over the allowed measures, against the pool's own largest."""
    any_column: int | None
    """The measure that moved most."""
    null_centre: Floats
    """``[M]`` median slope of the pool."""
    null_critical: Floats
    """``[M]`` how far above it the pool's 95 % quantile lies."""
    any_critical: Floats
    """``[M]`` the same for the largest movement over the allowed measures."""


def allowed_measures(measures: tuple[str, ...], sd: Floats, barred: frozenset[str]) -> npt.NDArray[np.bool_]:
    """``[M]``: measures that may prove something about a slider whose label came from ``barred``."""
    judges = np.array([judge_of(name) not in barred | {READBACK} for name in measures])
    found: npt.NDArray[np.bool_] = judges & np.isfinite(sd)
    return found


def measure_side(
    responses: Responses,
    null: Null,
    shared: npt.NDArray[np.int64],
    *,
    sign: int,
    amounts: tuple[float, ...],
    scale: float,
    sd: Floats,
    allowed: npt.NDArray[np.bool_],
) -> Side:
    """Measure one sign at ``amounts`` (outwards from 0, all usable; none is a side that proves nothing).

    ``shared`` are the places of the pairs that the pool was played with, ``scale`` the norm per amount, ``sd``
    ``[M]`` the unit of every measure.
    """
    count = len(responses.measures)
    nothing = np.full(count, np.nan)
    found = nothing
    if amounts:
        found = slopes(amounts, responses.differences(amounts), prompt_weights(responses.prompts)) / sd
    tested = tuple(a for a in amounts if null.reaches(abs(a) * scale))
    if not tested:
        ones = np.ones(count)
        return Side(sign, amounts, tested, found, ones, ones.copy(), 1.0, None, nothing, nothing, nothing)
    pool = null.slopes(tested, scale) / sd
    mine = slopes(tested, responses.differences(tested)[:, shared], null.weights) / sd
    known = np.isfinite(mine)
    p = np.where(known, (1 + (~(pool < mine)).sum(0)) / (1 + len(pool)), 1.0)
    away, others = standing(mine, pool)
    moved = np.where(away > 0, (1 + (~(others < away)).sum(0)) / (1 + len(pool)), 1.0)
    any_p, column, bar = 1.0, None, np.nan
    if (allowed & known).any():
        best, crowd = np.where(allowed, away, 0.0), np.where(allowed, others, 0.0).max(1)
        any_p, column = rank_p(float(best.max()), crowd), int(best.argmax())
        bar = float(np.quantile(crowd, _CRITICAL))
    with np.errstate(invalid="ignore"):
        centre, spread = np.median(pool, 0), np.std(pool, 0)
        critical = np.quantile(pool, _CRITICAL, axis=0) - centre
    return Side(sign, amounts, tested, found, p, moved, any_p, column, centre, critical, bar * spread)
