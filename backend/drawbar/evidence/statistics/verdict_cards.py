"""A measured slider and the q of its family -> its verdict and its card.

The second of two passes: what a slider's q is depends on all the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drawbar.evidence.statistics.cards import CardSide, card
from drawbar.evidence.statistics.controls import BASELINE, shown
from drawbar.evidence.statistics.effects import (
    Dose,
    dose_effects,
    noticeable_amount,
    saturation,
    seeds_needed,
    slope_of,
)
from drawbar.evidence.statistics.measure_side import READBACK
from drawbar.evidence.statistics.measure_slider import SIGNS, MeasuredSlider, Yardstick
from drawbar.evidence.statistics.preservation import Curve, Matched, area, curve_of, matched
from drawbar.evidence.statistics.responses import Floats, judge_of
from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.evidence.statistics.side_effects import largest_specificity, other_measures, side_effects
from drawbar.evidence.statistics.slopes import pair_slopes
from drawbar.evidence.statistics.specificity import Specificity, unbiased_specificity
from drawbar.evidence.statistics.usable_range import usable_range
from drawbar.evidence.statistics.verdicts import NOT_SHOWN, UNTESTED, Outcome, SideOutcome, Verdict, judge
from drawbar.files.json_object import JsonMapping, JsonObject

_SHOWN_MOVES = 6
_CROWD = (0.05, 0.95)


@dataclass(frozen=True)
class Finding:
    """What is said about one preregistered slider."""

    id: str
    verdict: Verdict
    some_measure: bool = False
    """Whether it is proven for some measure, whatever its label says."""
    usable: tuple[float, float] | None = None
    """(lowest, highest) usable amount; None where it was not confirmed."""
    proof: float | None = None
    """Lower bound of the better side's slope: sorts sliders within a verdict."""
    card: JsonObject | None = None
    specificity: Specificity | None = None
    anti_steerable: float | None = None
    """Share of the pairs that the better side moves the wrong way."""
    matched: Matched | None = None
    second: JsonMapping | None = None
    """What the second judge says about the better side."""


def unconfirmed(id: str, settings: StatisticsSettings, *, dropped: bool = False) -> Finding:
    """A candidate that was not confirmed: it counts, with p = 1."""
    if dropped:
        return Finding(id, Verdict(UNTESTED, "survived the screening, left out for want of time"))
    return Finding(id, judge(Outcome(False, False, False, ()), settings))


def conclude(
    measured: MeasuredSlider,
    q: Mapping[int, float],
    any_q: Mapping[int, float],
    yard: Yardstick,
    settings: StatisticsSettings,
) -> Finding:
    """Verdict and card, given the q per sign: of the slider's own test, and of any measure."""
    better = measured.better
    unit = float(yard.sd[measured.column])
    second = {s: _second(measured, s, yard, settings) for s in SIGNS}
    doses = dose_effects(measured.responses, measured.column, unit, settings)
    others, near = _others(measured, yard, settings)
    curves = {s: _curve(measured, s, measured.responses.side(s), others, yard) for s in SIGNS}
    baselines = {s: _baseline(measured, s, others, yard, settings) for s in SIGNS}
    inside = _curve(measured, better, measured.sides[better].amounts, others, yard)
    match = matched(inside, baselines[better])
    sides = {
        s: _side(measured, s, q[s], any_q[s], doses, curves[s], baselines[s], yard, settings) for s in SIGNS
    }
    verdict = judge(_outcome(measured, sides, second), settings)
    moved = side_effects(measured.sides[better].slopes, others, yard.measures)
    specific = _specificity(measured, better, others, yard)
    found = card(
        measure=yard.measures[measured.column],
        label_judged=measured.label_judged,
        better=better,
        sides=sides,
        doses=doses,
        controls=_controls(measured, unit, settings),
        moves=_moves(measured, better, yard),
        sides_moved=moved,
        specificity=_told(specific, yard),
        largest_specificity=largest_specificity(measured.slopes[better].slope, moved),
        second=second[better],
        guards=measured.usable.rows,
        matched=match,
        notes=_notes(measured, verdict, near, yard),
    )
    slope = measured.slopes[better]
    low = slope.low if measured.lean > 0 else -slope.high
    return Finding(
        id=measured.slider.id,
        verdict=verdict,
        some_measure=any(any_q[s] < settings.q for s in SIGNS),
        usable=(0.0 - measured.usable.down, measured.usable.up),
        proof=float(low) if np.isfinite(low) else None,
        card=found,
        specificity=specific,
        anti_steerable=sides[better].anti_steerable,
        matched=match,
        second=second[better],
    )


def _outcome(
    measured: MeasuredSlider, sides: Mapping[int, CardSide], second: Mapping[int, JsonMapping | None]
) -> Outcome:
    return Outcome(
        confirmed=True,
        label_judged=measured.label_judged,
        any_usable=any(measured.sides[s].amounts for s in SIGNS),
        sides=tuple(
            SideOutcome(
                p=sides[s].p,
                q=sides[s].q,
                any_p=sides[s].moved_p,
                noticeable=sides[s].noticeable,
                contradicted=bool((second[s] or {}).get("contradicts")),
                beyond=measured.beyond[s],
            )
            for s in SIGNS
        ),
    )


def _side(
    measured: MeasuredSlider,
    sign: int,
    q: float,
    any_q: float,
    doses: list[Dose],
    curve: Curve | None,
    baseline: Curve | None,
    yard: Yardstick,
    settings: StatisticsSettings,
) -> CardSide:
    side, slope, column = measured.sides[sign], measured.slopes[sign], measured.column
    critical = side.null_critical if measured.label_judged else side.any_critical
    needed = seeds_needed(
        measured.lean * (slope.slope - float(side.null_centre[column])),
        slope.error,
        len(measured.responses.seeds),
        float(critical[column]),
        float(measured.null.noise_share[column]),
        settings,
    )
    return CardSide(
        slope=slope,
        p=measured.p(sign),
        q=q,
        usable=measured.usable.of(sign),
        noticeable=noticeable_amount(measured.lean * slope.slope, measured.usable.of(sign), settings),
        saturation=saturation(doses, sign),
        seeds_needed=needed,
        moved=None if side.any_column is None else yard.measures[side.any_column],
        moved_p=side.any_p,
        moved_q=any_q,
        area=area(curve),
        baseline_area=area(baseline),
        anti_steerable=anti_steerable(measured, sign),
    )


def _pairs(measured: MeasuredSlider, sign: int, yard: Yardstick) -> Floats | None:
    """Slopes ``[P, M]`` of the pairs inside the usable range, in standard deviations between takes."""
    amounts = measured.sides[sign].amounts
    if not amounts:
        return None
    return pair_slopes(amounts, measured.responses.differences(amounts)) / yard.sd


def anti_steerable(measured: MeasuredSlider, sign: int) -> float | None:
    """Share of pairs whose target moves against the slider (arXiv 2407.12404); None where nothing was played."""
    amounts = measured.sides[sign].amounts
    if not amounts:
        return None
    played = measured.responses.differences(amounts)[:, :, measured.column, None]
    slopes = measured.lean * pair_slopes(amounts, played)[:, 0]
    known = np.isfinite(slopes)
    return float((slopes[known] < 0).mean()) if known.any() else None


def _specificity(
    measured: MeasuredSlider, sign: int, others: npt.NDArray[np.bool_], yard: Yardstick
) -> Specificity | None:
    pairs = _pairs(measured, sign, yard)
    if pairs is None:
        return None
    return unbiased_specificity(pairs, measured.responses.prompts, measured.column, others)


def _told(found: Specificity | None, yard: Yardstick) -> JsonObject | None:
    if found is None:
        return None
    return {
        "ratio": found.ratio,
        "interval": [found.low, found.high],
        "at_least_3": bool(found.at_least(3)),
        "worst": {"measure": yard.measures[found.measure], "slope": found.worst, "error": found.error},
    }


def _others(
    measured: MeasuredSlider, yard: Yardstick, settings: StatisticsSettings
) -> tuple[npt.NDArray[np.bool_], list[int]]:
    second = measured.slider.second
    same = [] if second is None else [measured.responses.column(second)]
    readback = np.array([judge_of(name) == READBACK for name in yard.measures])
    comparable = np.isfinite(yard.sd) & ~readback
    return other_measures(measured.column, yard.correlations, comparable, same, settings.synonym)


def _curve(
    measured: MeasuredSlider,
    sign: int,
    amounts: tuple[float, ...],
    others: npt.NDArray[np.bool_],
    yard: Yardstick,
) -> Curve | None:
    return curve_of(measured.responses, sign, amounts, measured.column, others, yard.sd, measured.lean)


def _baseline(
    measured: MeasuredSlider,
    sign: int,
    others: npt.NDArray[np.bool_],
    yard: Yardstick,
    settings: StatisticsSettings,
) -> Curve | None:
    """The difference in means of the same label, inside its own usable range where it has guards."""
    control = measured.slider.controls.get(BASELINE)
    if control is None or not measured.label_judged:
        return None
    amounts = control.responses.side(sign)
    if control.guards is not None:
        edge = usable_range(control.guards, settings.guards, yard.guard_levels).of(sign)
        amounts = tuple(a for a in amounts if abs(a) <= edge + 1e-9)
    return curve_of(control.responses, sign, amounts, measured.column, others, yard.sd)


def _second(
    measured: MeasuredSlider, sign: int, yard: Yardstick, settings: StatisticsSettings
) -> JsonObject | None:
    """Another judge on the same side: it agrees if its slope has the same sign, and contradicts if its whole interval
    has the other."""
    measure = measured.slider.second
    if measure is None or not measured.label_judged or not measured.sides[sign].amounts:
        return None
    column = measured.responses.column(measure)
    if not np.isfinite(yard.sd[column]):
        return None
    slope = slope_of(
        measured.responses, measured.sides[sign].amounts, column, float(yard.sd[column]), settings
    )
    return {
        "judge": judge_of(measure),
        "measure": measure,
        "slope": slope.slope,
        "interval": [slope.low, slope.high],
        "agrees": slope.slope > 0,
        "contradicts": slope.high < 0,
    }


def _controls(measured: MeasuredSlider, unit: float, settings: StatisticsSettings) -> JsonObject:
    slider = measured.slider
    amounts = [a for a in measured.responses.amounts if measured.null.reaches(abs(a) * slider.scale)]
    norms = sorted({abs(a) * slider.scale for a in amounts})
    effects = measured.null.effects(norms, measured.column) / unit
    levels = {norm: _quantiles(row) for norm, row in zip(norms, effects, strict=True)}
    crowd = [
        dict(zip(("amount", "effect", "low", "high"), (a, *levels[abs(a) * slider.scale]), strict=True))
        for a in amounts
    ]
    found: JsonObject = {"random directions": {"directions": measured.null.directions, "doses": crowd}}
    for kind, control in slider.controls.items():
        if kind != BASELINE or measured.label_judged:
            found[kind] = shown(slider, control, measured.column, unit, settings)
    return found


def _quantiles(effects: Floats) -> list[float]:
    known = effects[np.isfinite(effects)]
    return np.quantile(known, (0.5, *_CROWD)).tolist() if len(known) else [float("nan")] * 3


def _moves(measured: MeasuredSlider, better: int, yard: Yardstick) -> list[JsonObject]:
    """What the slider does: the measures that moved most against random directions, each with its own bare p."""
    side = measured.sides[better]
    places = [
        n for n in np.flatnonzero(measured.allowed) if np.isfinite(side.slopes[n]) and side.moved_p[n] < 1
    ]
    places.sort(key=lambda n: (side.moved_p[n], -abs(side.slopes[n])))
    return [
        {"measure": yard.measures[n], "slope": float(side.slopes[n]), "p": float(side.moved_p[n])}
        for n in places[:_SHOWN_MOVES]
    ]


def _notes(measured: MeasuredSlider, verdict: Verdict, near: list[int], yard: Yardstick) -> list[str]:
    notes = [verdict.why] if verdict.why else []
    if verdict.name == NOT_SHOWN and not any(measured.sides[s].amounts for s in SIGNS):
        notes.append("tested at no dose")
    left = [a for s in SIGNS for a in measured.sides[s].amounts if a not in measured.sides[s].tested]
    if left:
        listed = ", ".join(f"{amount:+g}" for amount in left)
        notes.append(f"stronger than the random pool at {listed}: not compared there")
    if near:
        notes.append("no side effect, nearly the same measure: " + ", ".join(yard.measures[n] for n in near))
    if measured.slider.target is not None and not measured.label_judged:
        notes.append(f"{measured.slider.target} never varies between unsteered takes: judged by any measure")
    return notes
