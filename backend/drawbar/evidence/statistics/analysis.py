"""Preregistered sliders, pools and concepts -> verdicts, cards, usable ranges and the summary.

The order: refuse what lacks its controls, measure every confirmed slider, correct over *all* preregistered sliders and
signs (who was not confirmed counts with p = 1), then write the cards. Held-out random directions go the same way, as
if each were one more candidate. Pure arithmetic: no file, no model.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from drawbar.errors import BadInputError
from drawbar.evidence.statistics.concept_tests import ConceptTest, concept_rows
from drawbar.evidence.statistics.controls import Slider, check_controls
from drawbar.evidence.statistics.measure_slider import (
    SIGNS,
    MeasuredSlider,
    Nulls,
    Takes,
    Yardstick,
    measure_slider,
    yardstick,
)
from drawbar.evidence.statistics.ranking import benjamini_hochberg
from drawbar.evidence.statistics.responses import Pool
from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.evidence.statistics.summary import summarise
from drawbar.evidence.statistics.usable_range import Reference
from drawbar.evidence.statistics.verdict_cards import Finding, conclude, unconfirmed
from drawbar.files.json_object import JsonMapping, JsonObject

Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class Study:
    """Everything that was preregistered and played."""

    sliders: tuple[Slider, ...]
    """All candidates, confirmed or not: the denominator."""
    pools: Mapping[int, Pool]
    """Layer -> random directions."""
    concepts: tuple[ConceptTest, ...] = ()
    held_out: tuple[Slider, ...] = ()
    """Random directions that were played like candidates, to see whether the null works."""
    takes: Takes | None = None
    """Unsteered takes beyond the twins; more of them make the unit of every effect surer."""
    guard_levels: Reference | None = None
    """Unsteered cross-entropies by prompt, from takes beyond the twins."""
    about: JsonMapping = field(default_factory=dict)
    """What only the run knows and the summary repeats."""


@dataclass(frozen=True)
class Analysis:
    """What a study shows."""

    findings: tuple[Finding, ...]
    """One per preregistered slider, in their order."""
    summary: JsonObject


def analyse(
    study: Study, settings: StatisticsSettings | None = None, *, progress: Tell | None = None
) -> Analysis:
    """Do all of it.

    Raises:
        ControlError: a confirmed slider lacks a control, or one is the slider itself or of another norm.
        BadInputError: no sliders or pools, an id twice, a concept's slider that was not preregistered.
    """
    how = settings or StatisticsSettings()
    tell = progress or (lambda _what, _share: None)
    _check(study)
    for slider in study.sliders:
        if slider.responses is not None:
            check_controls(slider, how)
    yard, nulls = _yardstick(study), Nulls(study.pools)
    confirmed = [slider for slider in study.sliders if slider.responses is not None]
    measured = {}
    for number, slider in enumerate(confirmed):
        tell(f"measuring slider {slider.id}", 0.6 * number / len(confirmed))
        measured[slider.id] = measure_slider(slider, nulls, yard, how)
    q, any_q = _corrected(study.sliders, measured)
    findings = []
    for number, slider in enumerate(study.sliders):
        tell(f"judging slider {slider.id}", 0.6 + 0.4 * number / len(study.sliders))
        one = measured.get(slider.id)
        findings.append(
            unconfirmed(slider.id, how, dropped=slider.dropped)
            if one is None
            else conclude(one, q[slider.id], any_q[slider.id], yard, how)
        )
    rows = concept_rows(study.concepts, measured, yard, how)
    null = _null_rate(study, [_own(study.sliders, measured), _any(study.sliders, measured)], nulls, yard, how)
    return Analysis(tuple(findings), summarise(findings, rows, null, _resolution(study, how), study.about))


def _check(study: Study) -> None:
    ids = [slider.id for slider in study.sliders]
    if not ids or not study.pools:
        raise BadInputError(f"{len(ids)} sliders and {len(study.pools)} pools: there is nothing to compare")
    if len(set(ids)) != len(ids):
        raise BadInputError("a slider comes twice: preregister each once")
    unknown = sorted({id for concept in study.concepts for id in concept.sliders} - set(ids))
    if unknown:
        raise BadInputError(
            f"sliders {', '.join(unknown)} of concepts were not preregistered: add them as candidates"
        )


def _yardstick(study: Study) -> Yardstick:
    pool = next(iter(study.pools.values()))
    if any(other.measures != pool.measures for other in study.pools.values()):
        raise BadInputError("the pools were measured differently: use the same judges at every layer")
    takes = [Takes(pool.prompts, pool.twins)]
    if study.takes is not None:
        takes.append(study.takes)
    return replace(yardstick(pool.measures, takes), guard_levels=study.guard_levels)


_Signed = dict[str, dict[int, float]]


def _own(sliders: Sequence[Slider], measured: Mapping[str, MeasuredSlider]) -> list[float]:
    return [measured[s.id].p(sign) if s.id in measured else 1.0 for s in sliders for sign in SIGNS]


def _any(sliders: Sequence[Slider], measured: Mapping[str, MeasuredSlider]) -> list[float]:
    return [measured[s.id].sides[sign].any_p if s.id in measured else 1.0 for s in sliders for sign in SIGNS]


def _corrected(sliders: Sequence[Slider], measured: Mapping[str, MeasuredSlider]) -> tuple[_Signed, _Signed]:
    found = []
    for p in (_own(sliders, measured), _any(sliders, measured)):
        q = benjamini_hochberg(p).reshape(-1, len(SIGNS))
        found.append(
            {s.id: dict(zip(SIGNS, map(float, row), strict=True)) for s, row in zip(sliders, q, strict=True)}
        )
    return found[0], found[1]


def _resolution(study: Study, settings: StatisticsSettings) -> JsonObject:
    """A pool of R shows no p below 1 / (1 + R): so many tests must reach it together before any is proven."""
    smallest = 1 / (1 + min(pool.directions for pool in study.pools.values()))
    tests = len(SIGNS) * len(study.sliders)
    return {
        "smallest_p": smallest,
        "tests": tests,
        "needed_together": math.ceil(round(smallest * tests / settings.q, 9)),
    }


def _null_rate(
    study: Study, families: Sequence[list[float]], nulls: Nulls, yard: Yardstick, settings: StatisticsSettings
) -> JsonObject:
    """Held-out random directions, each added to the candidates' families as one more: how many come out as proven."""
    proven = some = below = tests = 0
    own, anything = families
    for slider in study.held_out:
        if slider.responses is None:
            raise BadInputError(f"{slider.id} is held out but was not played: play it like a candidate")
        one = measure_slider(slider, nulls, yard, settings)
        mine = [one.p(sign) for sign in SIGNS]
        moved = [one.sides[sign].any_p for sign in SIGNS]
        proven += bool((benjamini_hochberg([*mine, *own])[: len(SIGNS)] < settings.q).any())
        some += bool((benjamini_hochberg([*moved, *anything])[: len(SIGNS)] < settings.q).any())
        below += sum(p < settings.weak_p for p in mine)
        tests += len(mine)
    count = len(study.held_out)
    return {
        "directions": count,
        "proven": proven,
        "rate": proven / count if count else None,
        "proven_some_measure": some,
        "p_below": settings.weak_p,
        "p_below_rate": below / tests if tests else None,
        "nominal": settings.q,
    }
