"""Paired outcomes of a candidate and of its random twins -> effects with intervals, and selectivity at matched quality.

An intervention that degrades everything also changes what returns. So a candidate's effect on recurrence is compared
with what random twins do *at the same loss of quality*: a line through the twins, each judged by the others' line.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import ControlError
from drawbar.evidence.statistics.slopes import bootstrap, interval, location, prompt_weights

Doubles = NDArray[np.float64]

FEWEST_TWINS = 5
_BEYOND = 0.1  # of the twins' range of quality: farther out nothing is comparable
_DRAWS = 2000


def effect(acted: Doubles, bypass: Doubles, names: Sequence[str], seed: int = 0) -> dict[str, float]:
    """One outcome of each pair, acted on and not, [P] each -> robust mean difference and its 95 % interval."""
    differences = np.asarray(acted - bypass, np.float64)
    weights = prompt_weights(["one"] * len(names))
    value = float(location(differences, weights))
    draws = bootstrap(differences[None], ["one"] * len(names), weights, draws=_DRAWS, seed=seed)[:, 0]
    low, high = interval(draws)
    return {"value": value, "low": low, "high": high}


def selectivity(
    candidate: Mapping[str, float], twins: Sequence[Mapping[str, float]], *, sense: float
) -> dict[str, object]:
    """Effects on ``recurrence`` and ``quality`` (its loss) of a candidate and of its twins.

    ``sense`` +1 asks whether recurrence rises, -1 whether it falls. The result's ``p`` is the share of twins, and the
    candidate, that move it as far at their own quality (one-sided, by rank). Raises ControlError for too few twins.
    """
    if len(twins) < FEWEST_TWINS:
        raise ControlError(
            f"{len(twins)} random features: at least {FEWEST_TWINS} are needed to compare with"
        )
    lost = np.array([one["quality"] for one in twins])
    moved = np.array([one["recurrence"] for one in twins])
    spread = max(float(np.ptp(lost)), 1e-9)
    inside = bool(lost.min() - _BEYOND * spread <= candidate["quality"] <= lost.max() + _BEYOND * spread)
    own = candidate["recurrence"] - _line(lost, moved, candidate["quality"])
    others = np.array(
        [moved[i] - _line(np.delete(lost, i), np.delete(moved, i), lost[i]) for i in range(len(twins))]
    )
    p = (1 + int((sense * others >= sense * own).sum())) / (1 + len(twins))
    return {
        "beyond_quality": own,
        "twins": others.tolist(),
        "comparable": inside,
        "p": p if inside else 1.0,
        "quality": candidate["quality"],
        "twins_quality": lost.tolist(),
    }


def _line(x: Doubles, y: Doubles, at: float) -> float:
    """A line through points (Theil and Sen: the median of slopes), read at one place."""
    one, other = np.triu_indices(len(x), 1)
    apart = x[other] - x[one]
    far = np.abs(apart) > 1e-9
    slope = float(np.median((y[other] - y[one])[far] / apart[far])) if far.any() else 0.0
    return float(np.median(y - slope * x) + slope * at)
