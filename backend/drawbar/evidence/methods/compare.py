"""What every method's clips measured -> one score per method and concept, a winner per concept, and a table.

Methods are compared where they preserve equally much (TADA, arXiv 2602.11910): the effect that a method reaches while
everything else keeps a given share, as an area over that share, + and - apart. Pure arithmetic on what was played.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drawbar.audio_analysis.kept_of_twin import AXES
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.naturalness import unnatural
from drawbar.evidence.methods.owned_axes import owned_axes
from drawbar.evidence.methods.play import KEPT, SURPRISE, Played
from drawbar.evidence.statistics.effects import Slope, slope_of
from drawbar.evidence.statistics.preservation import Curve, area, curve_of, matched
from drawbar.evidence.statistics.responses import Floats, Measured, Responses
from drawbar.evidence.statistics.settings import GuardLimits, StatisticsSettings
from drawbar.evidence.statistics.slopes import location, pair_slopes, prompt_weights
from drawbar.evidence.statistics.specificity import Specificity, unbiased_specificity
from drawbar.evidence.statistics.usable_range import usable_range

NO_CE = GuardLimits(ce_rise=1e6, ce_fall=1e6)
"""Cross-entropy is not limited here: naturalness takes its place."""


@dataclass(frozen=True)
class Question:
    """One concept, as all methods are asked for it."""

    concept: str
    column: int
    """Of its measure."""
    others: NDArray[np.bool_]
    """``[M]`` measures that would be side effects."""
    spread: Floats
    """``[M]`` standard deviation between takes."""
    natural: float = 0.0
    """Nats of surprise beyond its twin that a clip may have: what composed music has beyond the model's takes."""


@dataclass(frozen=True)
class Score:
    """What one method does for one concept. Effects in standard deviations between takes."""

    method: str
    concept: str
    slope: Slope
    """Per amount, on the plus side, inside the usable range."""
    usable: tuple[float, float]
    area_up: float | None
    area_down: float | None
    anti_steerable: float | None
    """Share of the pairs that the plus side moves the wrong way."""
    specificity: Specificity | None
    kept: Mapping[str, float]
    """Axis -> what is kept of the twin at an effect of one standard deviation (the nearest amount that was played)."""
    surprise: float
    """Nats beyond the twins', there."""
    seconds: float = 0.0
    effect: float | None = None
    """At the preservation that it and the baseline both come down to."""
    baseline: float | None = None
    curve: Curve | None = None

    @property
    def harmed_axis(self) -> str | None:
        """Of the axes that the concept does not own, the one that keeps least."""
        rest = {axis: value for axis, value in self.kept.items() if axis not in owned_axes(self.concept)}
        known = {axis: value for axis, value in rest.items() if np.isfinite(value)}
        return min(known, key=lambda axis: known[axis]) if known else None


def score(
    method: str, played: Played, twins: Played, question: Question, measures: Sequence[str], guarded: Sequence[str],
    *, seconds: float = 0.0, settings: StatisticsSettings | None = None,
) -> Score:  # fmt: skip
    """Judge one block. Raises BadInputError for twins of other pairs."""
    how = settings or StatisticsSettings()
    responses = played.responses(twins, measures)
    usable = natural_range(played, twins, question, guarded)
    inside = {s: tuple(a for a in responses.side(s) if abs(a) <= usable[s] + 1e-9) for s in (1, -1)}
    slope = slope_of(responses, inside[1], question.column, float(question.spread[question.column]), how)
    pairs = _pairs(responses, inside[1] or responses.side(1)[:1], question.spread)
    curves = {s: _curve(responses, s, inside[s], question) for s in (1, -1)}
    near = _nearest(responses, question)
    kept = played.of(KEPT)[near]
    told = {axis: _mean(kept[:, n]) for n, axis in enumerate(AXES)}
    beyond = played.of([SURPRISE])[near, :, 0] - twins.of([SURPRISE])[0, :, 0]
    return Score(
        method,
        question.concept,
        slope,
        (-usable[-1], usable[1]),
        area(curves[1]),
        area(curves[-1]),
        None if pairs is None else float((pairs[:, question.column] < 0).mean()),
        None
        if pairs is None
        else unbiased_specificity(pairs, responses.prompts, question.column, question.others),
        told,
        _mean(beyond),
        seconds,
        curve=curves[1],
    )


def against(scores: Sequence[Score], baseline: str) -> list[Score]:
    """The same with each method's and the baseline's effect where both preserve equally much."""
    base = {one.concept: one.curve for one in scores if one.method == baseline}
    found = []
    for one in scores:
        both = matched(one.curve, base.get(one.concept))
        found.append(one if both is None else replace(one, effect=both.effect, baseline=both.baseline))
    return found


def winners(scores: Sequence[Score], *, without: Sequence[str] = ()) -> dict[str, Score]:
    """Concept -> the method with the largest area of effect against preservation that moves it the right way."""
    found: dict[str, Score] = {}
    for one in scores:
        if one.method in without or one.area_up is None or not one.slope.slope > 0:
            continue
        best = found.get(one.concept)
        if best is None or one.area_up > (best.area_up or 0.0):
            found[one.concept] = one
    return found


def natural_range(
    played: Played, twins: Played, question: Question, guarded: Sequence[str]
) -> dict[int, float]:
    """Sign -> how far it can go: loudness, silence, clipping and repetition hold, and it stays natural."""
    held = usable_range(played.responses(twins, guarded), NO_CE)
    before = twins.of([SURPRISE])[0, :, 0].astype(np.float64)
    found = {}
    for sign in (1, -1):
        edge = held.of(sign)
        for amount in sorted((a for a in played.amounts if a * sign > 0), key=abs):
            row = played.of([SURPRISE])[played.amounts.index(amount), :, 0].astype(np.float64)
            if unnatural(row, before, question.natural):
                smaller = [abs(a) for a in played.amounts if a * sign > 0 and abs(a) < abs(amount)]
                edge = min(edge, max(smaller, default=0.0))
                break
        found[sign] = edge
    return found


def table_rows(scores: Sequence[Score]) -> list[tuple[str, ...]]:
    """One row per method, in the order of their first score; medians over concepts."""
    rows: list[tuple[str, ...]] = []
    for name in dict.fromkeys(one.method for one in scores):
        mine = [one for one in scores if one.method == name]
        specific = [one.specificity for one in mine if one.specificity is not None]
        rows.append(
            (
                name,
                str(len(mine)),
                _median([one.effect for one in mine]),
                _median([one.baseline for one in mine]),
                _median([one.area_up for one in mine]),
                _median([one.area_down for one in mine]),
                f"{sum(one.at_least(3) for one in specific)} of {len(specific)}",
                _median([one.anti_steerable for one in mine]),
                _median([one.kept.get("harmony") for one in mine]),
                _median([one.kept.get("rhythm") for one in mine]),
                _median([one.seconds for one in mine]),
            )
        )
    return rows


COLUMNS = (
    "method", "concepts", "effect", "difference in means", "area +", "area -", "specificity >= 3",
    "anti-steerable", "harmony kept", "rhythm kept", "seconds to make",
)  # fmt: skip


def as_json(one: Score) -> dict[str, object]:
    """A score as plain values; what is not known is null."""
    specific = one.specificity
    return {
        "method": one.method,
        "concept": one.concept,
        "slope": _known(one.slope.slope),
        "interval": [_known(one.slope.low), _known(one.slope.high)],
        "usable": list(one.usable),
        "area_up": one.area_up,
        "area_down": one.area_down,
        "effect": one.effect,
        "difference_in_means": one.baseline,
        "specificity": None if specific is None else specific.ratio,
        "specificity_interval": None if specific is None else [specific.low, specific.high],
        "specific": None if specific is None else specific.at_least(3),
        "anti_steerable": one.anti_steerable,
        "kept": {axis: _known(value) for axis, value in one.kept.items()},
        "owned": list(owned_axes(one.concept)),
        "surprise": _known(one.surprise),
        "seconds": one.seconds,
    }


def step_amount(one: Score, step: float) -> float:
    """The amount at which the fitted line reaches ``step`` standard deviations. Raises BadInputError for none."""
    if not one.slope.slope > 0:
        raise BadInputError(f"{one.method} does not raise {one.concept}: it has no step to be scaled to")
    return step / one.slope.slope


def _pairs(responses: Responses, amounts: Sequence[float], spread: Floats) -> Floats | None:
    if not amounts:
        return None
    found: Floats = pair_slopes(amounts, responses.differences(amounts)) / spread
    return found


def _curve(responses: Responses, sign: int, amounts: tuple[float, ...], question: Question) -> Curve | None:
    return curve_of(responses, sign, amounts, question.column, question.others, question.spread)


def _nearest(responses: Responses, question: Question) -> int:
    """The place of the amount whose effect is nearest to one standard deviation up."""
    amounts = tuple(responses.doses)
    effects = location(
        responses.differences(amounts)[:, :, question.column], prompt_weights(responses.prompts)
    )
    away = np.abs(effects / question.spread[question.column] - 1.0)
    return int(np.nanargmin(np.where(np.isfinite(away), away, np.inf)))


def _mean(values: Measured) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _median(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return f"{np.median(known):.2f}" if known else "-"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
