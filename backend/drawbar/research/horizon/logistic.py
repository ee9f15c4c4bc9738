"""Columns and a yes or no per row -> a regularised logistic regression: one probability per row.

Mean log-loss plus ``strength / 2`` times the squared weights, on standardised columns; the bias is free. Solved to a
small gradient, by Newton's method for few columns and by L-BFGS for many, along a path of strengths from the strongest
down. Knows nothing of tracks or music.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from drawbar.errors import BadInputError
from drawbar.research.horizon.horizons import Reals

Doubles = NDArray[np.float64]

STRENGTHS = (10.0, 1.0, 0.1, 0.01, 0.001)
"""Tried by default; 10 leaves hardly more than the mean, 0.001 hardly holds back."""

_GRADIENT = 1e-5  # largest entry of the gradient at which the fit is done
_ROUNDS = 500
_FEW = 64  # columns up to which a Newton step, which is exact, costs less than what it saves


@dataclass(frozen=True, eq=False)
class Logistic:
    """A fitted readout."""

    weight: Doubles
    """[m], on columns as they are given."""
    bias: float
    strength: float

    def scores(self, x: Reals) -> Doubles:
        """Columns [n, m] -> log-odds [n]."""
        found: Doubles = x.astype(np.float64) @ self.weight + self.bias
        return found

    def chances(self, x: Reals) -> Doubles:
        """Columns [n, m] -> probabilities [n]."""
        found: Doubles = expit(self.scores(x))
        return found


def fit_path(x: Reals, y: NDArray[np.bool_], strengths: Sequence[float] = STRENGTHS) -> list[Logistic]:
    """Columns [n, m], truth [n] -> one fit a strength, in the given order. Raises BadInputError for one class only."""
    if x.ndim != 2 or len(x) != len(y) or not np.isfinite(x).all():
        raise BadInputError(f"columns of shape {x.shape} for {len(y)} rows: give finite numbers, [n, m]")
    share = float(y.mean()) if len(y) else 0.0
    if not 0 < share < 1:
        raise BadInputError(f"{len(y)} rows of which {100 * share:.0f} % are true: a readout needs both")
    if min(strengths) <= 0:
        raise BadInputError(f"strengths {list(strengths)}: each must be above 0")
    mean, spread = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    # A column that hardly varies is left out instead of being blown up.
    scale = np.where(spread > 1e-8 * (1 + np.abs(mean)), 1 / np.maximum(spread, 1e-300), 0.0)
    z = (x - mean) * scale
    at = np.concatenate([np.zeros(x.shape[1]), [np.log(share / (1 - share))]])
    found: dict[float, Logistic] = {}
    for strength in sorted(set(strengths), reverse=True):
        at = _solved(z, y.astype(np.float64), strength, at)
        weight = at[:-1] * scale
        found[strength] = Logistic(weight, float(at[-1] - mean @ weight), strength)
    return [found[strength] for strength in strengths]


def _solved(z: Doubles, y: Doubles, strength: float, start: Doubles) -> Doubles:
    def loss(at: Doubles) -> tuple[float, Doubles]:
        odds = z @ at[:-1] + at[-1]
        error = (expit(odds) - y) / len(y)
        value = float(np.mean(np.logaddexp(0, odds) - y * odds)) + strength / 2 * float(at[:-1] @ at[:-1])
        return value, np.concatenate([z.T @ error + strength * at[:-1], [error.sum()]])

    if z.shape[1] <= _FEW:
        return _newton(z, y, strength, start, loss)
    result = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"gtol": _GRADIENT, "ftol": 1e-12, "maxiter": _ROUNDS},
    )
    best: Doubles = result.x
    return best


def _newton(
    z: Doubles, y: Doubles, strength: float, at: Doubles, loss: Callable[[Doubles], tuple[float, Doubles]]
) -> Doubles:
    """Newton's method; a step that does not lower the loss is halved (the loss is convex, so one does)."""
    columns = np.column_stack([z, np.ones(len(z))])
    ridge = np.diag(np.append(np.full(z.shape[1], strength), 1e-12))
    value, slope = loss(at)
    for _ in range(_ROUNDS):
        if float(np.abs(slope).max()) < _GRADIENT:
            break
        chance = expit(columns @ at)
        curve = columns.T @ (columns * (chance * (1 - chance) / len(y))[:, None]) + ridge
        step, share = np.linalg.solve(curve, slope), 1.0
        new, new_slope = loss(at - step)
        while new > value + 1e-12 and share > 1e-6:
            share /= 2
            new, new_slope = loss(at - share * step)
        at, value, slope = at - share * step, new, new_slope
    return at
