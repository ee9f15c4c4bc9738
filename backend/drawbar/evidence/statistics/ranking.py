"""A candidate's slopes and the pool's -> p by rank, and Benjamini-Hochberg over a whole family.

The pool's directions and the candidate are played with the same pairs, so under the null they are exchangeable and
the rank is exact whatever the noise looks like; where the pool was played with fewer pairs, only those are compared.
Knows no label: what the target is, is said by the caller.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from drawbar.errors import BadInputError
from drawbar.evidence.statistics.responses import Floats, Pool, Responses
from drawbar.evidence.statistics.slopes import location, prompt_weights, slopes

_FEWEST_PAIRS = 4
_BEYOND = 1.05
"""A dose is compared with the pool if its norm is at most this much above the grid."""
_WIDEST = 2.0
"""Mixing two takes at most halves the variance of their noise."""


def shared_pairs(responses: Responses, pool: Pool) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Places of the pairs that both were played with, in the responses and in the pool.

    Raises BadInputError if there are fewer than 4, or the measures or the twins differ.
    """
    if responses.measures != pool.measures:
        raise BadInputError(
            "the candidate and the pool were measured differently: measure both with the same judges"
        )
    there = {pair: place for place, pair in enumerate(zip(pool.prompts, pool.seeds, strict=True))}
    pairs = enumerate(zip(responses.prompts, responses.seeds, strict=True))
    both = np.array([(here, there[pair]) for here, pair in pairs if pair in there], np.int64).reshape(-1, 2)
    if len(both) < _FEWEST_PAIRS:
        raise BadInputError(
            f"{len(both)} pairs are shared with the pool, {_FEWEST_PAIRS} are needed: play both with the same "
            "prompts and seeds"
        )
    ours, theirs = responses.twins[both[:, 0]], pool.twins[both[:, 1]]
    if not np.array_equal(ours, theirs, equal_nan=True):
        raise BadInputError(
            "the candidate's twins are not the pool's: measure the same unsteered takes for both"
        )
    return both[:, 0], both[:, 1]


class Null:
    """What random directions do at a candidate's norms, for the pairs that it shares with the pool.

    Between two norms of the grid a direction's takes are mixed linearly, pair by pair. Mixing two takes averages their
    noise away, and a null that is too narrow proves too much; so the crowd is spread out again, around its centre, to
    the variance that directions have at this norm (interpolated in the square of the norm: what a direction does
    grows with it, noise does not). Below the grid the lowest norm stands in: a stronger push than the candidate's,
    the null is wider than needed.
    """

    def __init__(self, pool: Pool, pairs: npt.NDArray[np.int64] | None = None) -> None:
        self._norms = np.asarray(pool.norms)
        keep = np.arange(len(pool.seeds)) if pairs is None else pairs
        self.prompts = tuple(pool.prompts[place] for place in keep)
        self.weights = prompt_weights(self.prompts)
        twins = np.asarray(pool.twins[keep], np.float64)
        self._differences = pool.values[:, :, keep].astype(np.float64) - twins  # [R, L, P, M]
        self._known: dict[tuple[tuple[float, float], ...], Floats] = {}

    @property
    def directions(self) -> int:
        return int(self._differences.shape[0])

    def reaches(self, norm: float) -> bool:
        """Whether the grid goes as far as this norm."""
        return bool(norm <= _BEYOND * self._norms[-1])

    def differences(self, norm: float) -> Floats:
        """Steered minus twin at one norm, ``[R, P, M]``. Raises BadInputError beyond the grid."""
        return self._played(norm, slice(None))

    def _played(self, norm: float, columns: int | slice) -> Floats:
        if not self.reaches(norm):
            raise BadInputError(
                f"norm {norm:g}: the pool ends at {self._norms[-1]:g}; play it further out, or leave the dose out"
            )
        upper = int(np.clip(np.searchsorted(self._norms, norm), 0, len(self._norms) - 1))
        lower = max(upper - 1, 0)
        if lower == upper or norm >= self._norms[upper]:
            return self._differences[:, upper, :, columns]
        below, above = self._norms[lower], self._norms[upper]
        share = float((norm - below) / (above - below))
        mixed = (1 - share) * self._differences[:, lower, :, columns]
        mixed += share * self._differences[:, upper, :, columns]
        effects = self._effects[:, :, columns]
        spread = _moments((1 - share) * effects[:, lower] + share * effects[:, upper], 0)[1]
        squared = float((norm**2 - below**2) / (above**2 - below**2))
        wanted = (1 - squared) * _moments(effects[:, lower], 0)[1]
        wanted += squared * _moments(effects[:, upper], 0)[1]
        ratio = np.divide(wanted, spread, out=np.ones_like(spread), where=spread > 0)
        centre = _moments(mixed, 0)[0]
        found: Floats = centre + np.sqrt(np.clip(ratio, 1.0, _WIDEST)) * (mixed - centre)
        return found

    @cached_property
    def _effects(self) -> Floats:
        """Every direction at the norms of the grid, ``[R, L, M]``."""
        return location(np.moveaxis(self._differences, 2, -1), self.weights)

    def slopes(self, amounts: Sequence[float], scale: float) -> Floats:
        """Slopes ``[R, M]`` per +1 amount of a slider that adds ``scale`` per amount."""
        key = tuple((abs(a), round(abs(a) * scale, 9)) for a in amounts)
        if key not in self._known:
            played = np.stack([self.differences(norm) for _, norm in key], 1)
            self._known[key] = slopes([amount for amount, _ in key], played, self.weights)
        # A random direction has no side of its own: on the minus side the same push counts downwards.
        return self._known[key] if amounts[0] > 0 else -self._known[key]

    def effects(self, norms: Sequence[float], column: int) -> Floats:
        """Effects ``[N, R]`` of one measure at norms that the grid reaches."""
        if not len(norms):
            return np.zeros((0, self.directions))
        played = np.stack([self._played(norm, column) for norm in norms])
        return location(played, self.weights)

    @cached_property
    def noise_share(self) -> Floats:
        """Share ``[M]`` of the spread between the pool's directions that is noise of the takes, at the largest norm."""
        played = self._differences[:, -1]
        variance = _moments(played, 1)[1]
        within = _moments(variance, 0)[0] / played.shape[1]
        between = _moments(self._effects[:, -1], 0)[1]
        share = np.divide(within, between, out=np.ones(within.shape), where=between > 0)
        return np.clip(share, 0.0, 1.0)


def _moments(values: Floats, axis: int) -> tuple[Floats, Floats]:
    """Mean and unbiased variance of what is known along an axis; 0 where nothing is."""
    have = np.isfinite(values)
    count = have.sum(axis)
    mean = np.where(have, values, 0.0).sum(axis) / np.maximum(count, 1)
    away = np.where(have, values - np.expand_dims(mean, axis), 0.0)
    return mean, (away**2).sum(axis) / np.maximum(count - 1, 1)


def rank_p(value: float, pool: Floats) -> float:
    """One-sided: ``(1 + #pool >= value) / (1 + R)``; what is missing in the pool counts against the candidate."""
    if not np.isfinite(value):
        return 1.0
    return float((1 + np.count_nonzero(~(pool < value))) / (1 + len(pool)))


def standing(candidate: Floats, pool: Floats) -> tuple[Floats, Floats]:
    """Slopes ``[M]`` and ``[R, M]`` -> how far each lies from the crowd, ``[M]`` and ``[R, M]``, in its spread.

    Centre and spread are taken over the candidate *and* the pool, so that all 1 + R stay exchangeable. Measures that
    cannot be compared (constant, or missing for the candidate) are 0.
    """
    everyone = np.concatenate([candidate[None], pool])
    use = np.isfinite(candidate)
    known = np.where(use & np.isfinite(everyone), everyone, np.nan)
    centre = np.zeros(len(candidate))
    if use.any():
        centre[use] = np.nanmedian(known[:, use], axis=0)
    spread = np.sqrt(_moments(known, 0)[1])
    away = np.abs(known - centre)
    found = np.divide(away, spread, out=np.zeros(away.shape), where=spread > 0)
    found = np.where(np.isfinite(found), found, np.where(use, np.inf, 0.0))
    return found[0], found[1:]


def benjamini_hochberg(p: Sequence[float]) -> Floats:
    """p of a whole family -> q, in the same order (Benjamini and Hochberg 1995, step-up, made monotone)."""
    found = np.asarray(p, np.float64)
    if not found.size:
        return found
    if not ((found > 0) & (found <= 1)).all():
        raise BadInputError(f"p {found.min():g} to {found.max():g}: give figures above 0 and up to 1")
    order = np.argsort(found)[::-1]
    ranks = np.arange(len(found), 0, -1)
    q = np.minimum.accumulate(found[order] * len(found) / ranks)
    result = np.empty(len(found))
    result[order] = np.minimum(q, 1.0)
    return result
