"""A slider's responses -> effect per dose with its interval, saturation, noticeable amount, seeds needed.

Effects are steered minus twin in standard deviations between unsteered takes.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from drawbar.evidence.statistics.responses import Floats, Responses
from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.evidence.statistics.slopes import bootstrap, interval, location, pair_slopes, prompt_weights

_MOST_SEEDS = 4096
_SMALL = 0.1
"""Effects below this many standard deviations have no shape to speak of."""


@dataclass(frozen=True)
class Dose:
    """What one amount does to one measure."""

    amount: float
    effect: float
    low: float
    high: float
    """Bootstrap interval over seeds."""


@dataclass(frozen=True)
class Slope:
    """A slope, what it is worth and how noisy it is."""

    slope: float
    low: float
    high: float
    error: float
    """Standard error: the spread of the bootstrap."""


def dose_effects(responses: Responses, column: int, sd: float, settings: StatisticsSettings) -> list[Dose]:
    amounts = responses.amounts
    if not amounts:
        return []
    values = responses.differences(amounts)[:, :, column] / sd
    weights = prompt_weights(responses.prompts)
    effects = location(values, weights)
    draws = bootstrap(values, responses.prompts, weights, draws=settings.draws, seed=settings.seed)
    found = []
    for place, amount in enumerate(amounts):
        low, high = interval(draws[:, place], settings.level)
        found.append(Dose(amount, float(effects[place]), low, high))
    return found


def slope_of(
    responses: Responses, amounts: tuple[float, ...], column: int, sd: float, settings: StatisticsSettings
) -> Slope:
    """One measure's slope at these amounts with its interval; NaN without an amount."""
    if not amounts:
        return Slope(*(float("nan"),) * 4)
    values = pair_slopes(amounts, responses.differences(amounts)[:, :, column, None])[:, 0] / sd
    weights = prompt_weights(responses.prompts)
    drawn = bootstrap(values[None], responses.prompts, weights, draws=settings.draws, seed=settings.seed)[
        :, 0
    ]
    low, high = interval(drawn, settings.level)
    known = drawn[np.isfinite(drawn)]
    error = float(known.std()) if len(known) else float("nan")
    return Slope(float(location(values, weights)), low, high, error)


def noticeable_amount(slope: float, usable: float, settings: StatisticsSettings) -> float | None:
    """Where the fitted line reaches a noticeable effect; None where it does not inside the usable range."""
    if not slope > 0 or settings.noticeable / slope > usable:
        return None
    return settings.noticeable / slope


def saturation(doses: list[Dose], sign: int) -> float | None:
    """Effect at 2 over twice the effect at 1: 1 is a straight line, 0.5 a plateau. None where it is unknown."""
    effects = {dose.amount: dose.effect for dose in doses}
    one, two = effects.get(1.0 * sign), effects.get(2.0 * sign)
    if one is None or two is None or not abs(one) > _SMALL or not np.isfinite(two):
        return None
    return two / (2 * one)


def seeds_needed(
    slope: float, error: float, pairs: int, critical: float, noise_share: float, settings: StatisticsSettings
) -> int | None:
    """Pairs (a prompt and a seed each) for ``settings.power`` to pass the pool's 95 % quantile; None if none suffice.

    ``slope`` and ``critical`` are counted from the pool's median, ``error`` is the slope's with ``pairs`` pairs. A
    slope's error shrinks as one over the root of the pairs; so does the share of the pool's spread that is noise
    of its takes, while what random directions really do stays.
    """
    if not np.isfinite([slope, error, critical, noise_share]).all():
        return None
    counts = np.arange(2, _MOST_SEEDS + 1)
    shrink: Floats = pairs / counts
    bar = critical * np.sqrt(1 - noise_share + noise_share * shrink)
    enough = slope - NormalDist().inv_cdf(settings.power) * error * np.sqrt(shrink) >= bar
    return int(counts[enough.argmax()]) if enough.any() else None
