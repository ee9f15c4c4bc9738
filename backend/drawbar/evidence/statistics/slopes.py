"""Paired differences over doses -> robust dose-response slopes, their spread between takes, their bootstraps.

The model is ``steered - twin = slope * amount + noise``: what a prompt and a seed bring along cancels in the pair
(prompts and seeds are fixed effects), the line goes through the origin because amount 0 *is* the twin, and one slope
is common to all prompts, each of which has the same weight however many seeds it was played with. Slopes are per +1
amount, so on the minus side too a slider that does what it says has a positive one.
"""

from collections.abc import Sequence

import numpy as np

from drawbar.evidence.statistics.responses import Floats

_HUBER = 1.345
"""Clip at this many scales: 95 % as efficient as the mean on normal noise (Huber 1964)."""
_TO_SD = 1.2533
"""Mean absolute deviation -> standard deviation of a normal law. Unlike the MAD it is not 0 when most are equal."""
_ROUNDS = 8
"""Each takes away about four fifths of the error; what is left is below 1e-4 of the scale."""


def prompt_weights(prompts: Sequence[str]) -> Floats:
    """Weights ``[P]`` that sum to 1, every prompt with the same share."""
    names, of, counts = np.unique(np.asarray(prompts), return_inverse=True, return_counts=True)
    found: Floats = 1.0 / (len(names) * counts[of])
    return found


def take_sd(takes: Floats, prompts: Sequence[str]) -> Floats:
    """Unsteered takes ``[P, M]`` -> standard deviation ``[M]`` between seeds within a prompt, pooled.

    NaN for a measure that does not vary: effects have no unit there.
    """
    takes = np.asarray(takes, np.float64)
    names = np.asarray(prompts)
    squares, freedom = np.zeros(takes.shape[1]), np.zeros(takes.shape[1])
    for name in np.unique(names):
        group = takes[names == name]
        have = np.isfinite(group)
        count = have.sum(0)
        centre = np.where(have, group, 0).sum(0) / np.maximum(count, 1)
        squares += (np.where(have, group - centre, 0) ** 2).sum(0)
        freedom += np.maximum(count - 1, 0)
    sd = np.sqrt(squares / np.maximum(freedom, 1))
    size = np.nanmax(np.abs(np.where(np.isfinite(takes), takes, 0)), axis=0)
    found: Floats = np.where((freedom > 0) & (sd > 1e-6 * size) & (sd > 0), sd, np.nan)
    return found


def pair_slopes(amounts: Sequence[float], differences: Floats) -> Floats:
    """Differences ``[..., D, P, M]`` at D amounts -> least squares through the origin per pair, ``[..., P, M]``.

    A dose that is missing leaves the others; NaN where none is left.
    """
    dose = np.asarray(amounts, np.float64)[:, None, None]
    have = np.isfinite(differences)
    if have.all():
        found: Floats = (dose * differences).sum(-3) / (dose**2).sum()
        return found
    weight = (dose**2 * have).sum(-3)
    total = np.where(have, dose * np.where(have, differences, 0), 0).sum(-3)
    return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)


def location(values: Floats, weights: Floats) -> Floats:
    """Values ``[..., P]`` of pairs -> Huber's M-estimate ``[...]`` of their centre, weights ``[P]`` (or alike).

    The scale is the mean absolute deviation from the median. Missing pairs (NaN) are left out; NaN if all are.
    """
    count, ordered = values.shape[-1], np.sort(values, axis=-1)  # NaN last
    if np.isfinite(ordered[..., -1]).all():
        centre = (ordered[..., (count - 1) // 2] + ordered[..., count // 2]) / 2
        share = weights / weights.sum(-1, keepdims=True)
        residual = values - centre[..., None]
        limit = (_HUBER * _TO_SD / count) * np.abs(residual).sum(-1, keepdims=True)
    else:
        have = np.isfinite(values)
        known = have.sum(-1)
        low = np.take_along_axis(ordered, np.maximum((known - 1) // 2, 0)[..., None], -1)[..., 0]
        high = np.take_along_axis(ordered, np.minimum(known // 2, count - 1)[..., None], -1)[..., 0]
        centre = np.where(known > 0, (low + np.where(known % 2 == 0, high, low)) / 2, np.nan)
        used = weights * have
        total = used.sum(-1, keepdims=True)
        share = np.divide(used, total, out=np.zeros(used.shape), where=total > 0)
        residual = np.where(have, values - centre[..., None], 0.0)
        limit = (_HUBER * _TO_SD) * np.abs(residual).sum(-1, keepdims=True) / np.maximum(known, 1)[..., None]
    shift = np.zeros((*centre.shape, 1))
    low, clipped = -limit, np.empty(residual.shape)
    for _ in range(_ROUNDS):
        np.subtract(residual, shift, out=clipped)
        np.maximum(clipped, low, out=clipped)
        np.minimum(clipped, limit, out=clipped)
        if share.ndim == 1:
            shift[..., 0] += clipped @ share
        else:
            shift[..., 0] += (clipped * share).sum(-1)
    found: Floats = centre + shift[..., 0]
    return found


def slopes(amounts: Sequence[float], differences: Floats, weights: Floats) -> Floats:
    """Differences ``[..., D, P, M]`` -> slopes ``[..., M]`` per +1 amount; NaN without a dose."""
    if not len(amounts):
        return np.full((*differences.shape[:-3], differences.shape[-1]), np.nan)
    return location(np.moveaxis(pair_slopes(amounts, differences), -2, -1), weights)


def bootstrap(values: Floats, prompts: Sequence[str], weights: Floats, *, draws: int, seed: int) -> Floats:
    """Pairs' values ``[K, P]`` -> the estimate on ``draws`` resamples of the seeds within each prompt, ``[draws, K]``.

    Resampling n seeds understates the spread by sqrt((n - 1) / n); the draws are widened by as much around their
    centre (Hesterberg 2015, section 3.2), because n is small here.
    """
    generator = np.random.default_rng(seed)
    names = np.asarray(prompts)
    picks = np.empty((draws, len(names)), np.int64)
    widen = 0.0
    for name in np.unique(names):
        places = np.flatnonzero(names == name)
        picks[:, places] = places[generator.integers(len(places), size=(draws, len(places)))]
        widen += len(places) / max(len(places) - 1, 1) / len(np.unique(names))
    found = location(np.moveaxis(values[:, picks], 0, 1), weights[picks][:, None, :])
    with np.errstate(invalid="ignore"):
        centre = np.median(found, axis=0)
    widened: Floats = centre + (found - centre) * np.sqrt(widen)
    return widened


def interval(draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap draws ``[B]``; NaN where they are."""
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
