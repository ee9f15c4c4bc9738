"""Slopes of every measure and the unsteered takes -> what else moves, and how specific a slider is.

Measures that say nearly the same as the target (by their correlation over unsteered takes) are no side effect; they
are listed instead.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from drawbar.evidence.statistics.responses import Floats


def take_correlations(takes: Floats, prompts: Sequence[str]) -> Floats:
    """Unsteered takes ``[P, M]`` -> correlation ``[M, M]`` between seeds within prompts; 0 where it is undefined."""
    rows = np.array(takes, np.float64)
    names = np.asarray(prompts)
    for name in np.unique(names):
        group = rows[names == name]
        count = np.maximum(np.isfinite(group).sum(0), 1)
        rows[names == name] = group - np.nansum(group, 0) / count
    rows = np.nan_to_num(rows)
    size = np.sqrt((rows**2).sum(0))
    unit = np.divide(rows, size, out=np.zeros(rows.shape), where=size > 1e-12)
    found: Floats = unit.T @ unit
    return found


def other_measures(
    target: int, correlations: Floats, comparable: npt.NDArray[np.bool_], same: Sequence[int], limit: float
) -> tuple[npt.NDArray[np.bool_], list[int]]:
    """``[M]`` measures that would be side effects of the target, and its near-synonyms.

    ``comparable`` are the measures that have a unit and a judge, ``same`` those that mean the target by name (its
    second judge).
    """
    near = np.abs(correlations[target]) > limit
    near[target] = False
    others = comparable & ~near
    others[[target, *same]] = False
    return others, [int(place) for place in np.flatnonzero(near & comparable)]


def side_effects(slopes: Floats, others: npt.NDArray[np.bool_], measures: Sequence[str]) -> dict[str, float]:
    """Measure -> standardised slope, largest first."""
    places = [place for place in np.flatnonzero(others) if np.isfinite(slopes[place])]
    return {measures[place]: float(slopes[place]) for place in sorted(places, key=lambda n: -abs(slopes[n]))}


def largest_specificity(slope: float, sides: dict[str, float]) -> float | None:
    """Target over the largest side effect; None without either. Noise in many measures makes it too small: see
    ``specificity``, which replaced it; told beside it for comparison with older runs."""
    largest = max((abs(value) for value in sides.values()), default=0.0)
    if not np.isfinite(slope) or largest <= 0:
        return None
    return abs(slope) / largest
