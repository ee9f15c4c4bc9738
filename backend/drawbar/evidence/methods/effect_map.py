"""Measured effects of many directions -> a map from direction to effect, and the direction that does one thing.

After SAE-TS (arXiv 2411.02193) and FGAA (2501.09929), on effects that judges heard instead of features' activations.
Solving such a map naively (target up, everything else to zero) gave weak sliders: it trusts the map where it knows
nothing. So the map carries its uncertainty, only side effects that are real are constrained, and the answer stays
within reach of a direction that is known to work.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import BadInputError
from drawbar.evidence.methods.effect_table import EffectTable
from drawbar.evidence.statistics.responses import Floats

_STRENGTHS = 10.0 ** np.arange(-1, 4)
_FOLDS = 5
_LEAST_ROWS = 20


@dataclass(frozen=True)
class EffectMap:
    """``effect = direction @ weight + offset``, by ridge regression; its posterior covariance per unit of noise."""

    table: EffectTable
    weight: Floats
    """``[D, M]``."""
    offset: Floats
    """``[M]`` what any push does."""
    covariance: Floats
    """``[D, D]``: of every column of ``weight``, times its residual variance."""
    noise: Floats
    """``[M]`` residual variance."""
    skill: Floats
    """``[M]`` correlation of predicted and measured effects, on directions that were left out."""

    def predict(self, vectors: Floats) -> Floats:
        """Unit vectors ``[N, D]`` -> effects ``[N, M]`` per the layer's scale."""
        found: Floats = vectors @ self.weight + self.offset
        return found

    def error(self, vector: Floats) -> Floats:
        """``[M]`` standard error of what is predicted for a unit vector."""
        found: Floats = np.sqrt(float(vector @ self.covariance @ vector) * self.noise)
        return found

    @cached_property
    def typical(self) -> Floats:
        """``[M]`` how far directions of the table move each measure (median of the absolute)."""
        found: Floats = np.median(np.abs(self.table.effects - self.offset), 0)
        return found

    def solve(
        self,
        target: int,
        start: Floats,
        others: NDArray[np.bool_],
        *,
        penalty: float = 1.0,
        nearness: float = 0.5,
        sure: float = 1.0,
    ) -> Floats:
        """A unit vector that moves ``target`` and not the ``others``.

        Args:
            target: the measure's column.
            start: a unit vector that is known to work, the middle of the trust region.
            others: ``[M]`` measures that would be side effects.
            penalty: how much a side effect counts beside the target.
            nearness: least cosine with ``start``.
            sure: a side effect of ``start`` is real if it lies this many standard errors (of the map) from nothing.
        """
        told, error = self.predict(start[None])[0], self.error(start)
        real = others & (np.abs(told) > sure * error)
        wanted = self.weight[:, target]
        # Weights of side effects: all on one scale, that of the target.
        sides = self.weight[:, real]
        gram = penalty * sides @ sides.T
        doubt = self.covariance * self.noise[target] * self.table.vectors.shape[1]
        unit = np.trace(doubt) / len(doubt)
        found = np.linalg.solve(gram + doubt + 1e-3 * unit * np.eye(len(doubt)), wanted)
        found /= max(float(np.linalg.norm(found)), 1e-12)
        return near(found, start, nearness)


def near(vector: Floats, start: Floats, cosine: float) -> Floats:
    """The unit vector on the arc from ``start`` to ``vector`` whose cosine with ``start`` is at least ``cosine``."""
    along = float(vector @ start)
    if along >= cosine:
        return vector
    rest = vector - along * start
    size = float(np.linalg.norm(rest))
    if size < 1e-9:
        return start
    found: Floats = cosine * start + np.sqrt(1 - cosine**2) * rest / size
    return found


def fit_map(table: EffectTable, *, shuffled: int | None = None) -> EffectMap:
    """Ridge regression with the strength that predicts left-out directions best.

    ``shuffled`` is a seed: effects are dealt out to other directions, for the control that must prove nothing.
    Raises BadInputError for a table of fewer than 20 rows.
    """
    x, y, errors = table.vectors, table.effects, table.errors
    if len(x) < _LEAST_ROWS:
        raise BadInputError(
            f"{len(x)} directions were played at layer {table.layer}: at least {_LEAST_ROWS} are needed"
        )
    if shuffled is not None:
        order = np.random.default_rng(shuffled).permutation(len(x))
        y, errors = y[order], errors[order]
    y = np.nan_to_num(y)
    weight = _precision(errors)
    owner = np.array(
        [hash_of(id.rstrip("+-")) % _FOLDS for id in table.ids]
    )  # both signs of a feature together
    guesses = np.zeros((len(_STRENGTHS), *y.shape))
    for fold in range(_FOLDS):
        out = owner == fold
        if not out.any() or out.all():
            continue
        for n, strength in enumerate(_STRENGTHS):
            fitted, offset, _ = _ridge(x[~out], y[~out], weight[~out], strength)
            guesses[n, out] = x[out] @ fitted + offset
    misses = [(weight[:, None] * (guess - y) ** 2 / np.maximum(y.var(0), 1e-12)).sum() for guess in guesses]
    best = int(np.argmin(misses))
    fitted, offset, covariance = _ridge(x, y, weight, _STRENGTHS[best])
    residual = y - x @ fitted - offset
    noise = (weight[:, None] * residual**2).sum(0) / weight.sum()
    skill = np.array([_correlation(guesses[best][:, m], y[:, m]) for m in range(y.shape[1])])
    return EffectMap(table, fitted, offset, covariance, noise, skill)


def hash_of(text: str) -> int:
    """A number that is the same in every process."""
    return int.from_bytes(text.encode()[-6:], "little")


def _precision(errors: Floats) -> Floats:
    """``[N]``: rows that were measured surely count more, at most four times as much as the median."""
    size = np.nanmedian(errors / np.maximum(np.nanmedian(errors, 0), 1e-12), axis=1)
    found: Floats = np.clip(1 / np.maximum(np.nan_to_num(size, nan=1.0), 1e-3) ** 2, 0.25, 4.0)
    return found


def _ridge(x: Floats, y: Floats, weight: Floats, strength: float) -> tuple[Floats, Floats, Floats]:
    share = weight / weight.sum()
    centre, level = share @ x, share @ y
    z = np.sqrt(weight)[:, None] * (x - centre)
    gram = z.T @ z + strength * np.eye(x.shape[1])
    inverse = np.linalg.inv(gram)
    fitted = inverse @ (z.T @ (np.sqrt(weight)[:, None] * (y - level)))
    return fitted, level - centre @ fitted, inverse


def _correlation(a: Floats, b: Floats) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 1e-12 and b.std() > 1e-12 else 0.0
