"""Concepts and their preregistered sliders -> which concepts have a proven slider.

Every slider of every concept is two tests (both signs) of one family, whatever else the sliders were tested for.
Sliders that were not confirmed have p = 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drawbar.evidence.statistics.effects import Slope, slope_of
from drawbar.evidence.statistics.measure_slider import SIGNS, MeasuredSlider, Yardstick
from drawbar.evidence.statistics.ranking import benjamini_hochberg
from drawbar.evidence.statistics.settings import StatisticsSettings


@dataclass(frozen=True)
class ConceptTest:
    """Something a judge hears, and the sliders that should move it."""

    name: str
    measure: str
    sliders: tuple[str, ...]
    """Ids of preregistered candidates."""
    probe_auroc: float
    detector_auroc: float
    second: str | None = None
    """Another judge's measure of the same, which must not say the opposite."""


def concept_rows(
    concepts: Sequence[ConceptTest],
    measured: Mapping[str, MeasuredSlider],
    yard: Yardstick,
    settings: StatisticsSettings,
) -> list[dict[str, object]]:
    """One row per concept, with the slider whose evidence is strongest; JSON values."""
    tests = [(concept, id, sign) for concept in concepts for id in concept.sliders for sign in SIGNS]
    p = [_p(concept, measured.get(id), sign, yard) for concept, id, sign in tests]
    q = benjamini_hochberg(p)
    found = []
    for concept in concepts:
        own = [n for n, test in enumerate(tests) if test[0] is concept]
        own.sort(key=lambda n: (q[n], p[n], -_slope(tests[n], measured, yard, settings).slope))
        proven = [
            n for n in own if q[n] < settings.q and not _contradicted(tests[n], measured, yard, settings)
        ]
        found.append(_row(concept, [*proven, *own], tests, p, q, bool(proven), measured, yard, settings))
    return found


_Test = tuple[ConceptTest, str, int]


def _column(concept: ConceptTest, yard: Yardstick) -> int:
    return yard.measures.index(concept.measure)


def _p(concept: ConceptTest, measured: MeasuredSlider | None, sign: int, yard: Yardstick) -> float:
    column = _column(concept, yard)
    if measured is None or not np.isfinite(yard.sd[column]) or not measured.allowed[column]:
        return 1.0
    return float(measured.sides[sign].p[column])


def _slope(
    test: _Test, measured: Mapping[str, MeasuredSlider], yard: Yardstick, settings: StatisticsSettings
) -> Slope:
    concept, id, sign = test
    one = measured.get(id)
    nothing = Slope(*(float("nan"),) * 4)
    if one is None:
        return nothing
    column = _column(concept, yard)
    return slope_of(one.responses, one.sides[sign].amounts, column, float(yard.sd[column]), settings)


def _contradicted(
    test: _Test, measured: Mapping[str, MeasuredSlider], yard: Yardstick, settings: StatisticsSettings
) -> bool:
    concept, id, sign = test
    one = measured.get(id)
    if concept.second is None or one is None or not one.sides[sign].amounts:
        return False
    column = yard.measures.index(concept.second)
    sd = float(yard.sd[column])
    return slope_of(one.responses, one.sides[sign].amounts, column, sd, settings).high < 0


def _row(
    concept: ConceptTest,
    ranked: list[int],
    tests: Sequence[_Test],
    p: Sequence[float],
    q: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    proven: bool,
    measured: Mapping[str, MeasuredSlider],
    yard: Yardstick,
    settings: StatisticsSettings,
) -> dict[str, object]:
    row: dict[str, object] = {
        "concept": concept.name,
        "measure": concept.measure,
        "probe_auroc": concept.probe_auroc,
        "detector_auroc": concept.detector_auroc,
        "slider": None,
        "side": None,
        "slope": None,
        "interval": None,
        "p": 1.0,
        "q": 1.0,
        "proven": proven,
        "sliders": len(concept.sliders),
    }
    if ranked:
        best = ranked[0]
        slope = _slope(tests[best], measured, yard, settings)
        row |= {
            "slider": tests[best][1],
            "side": "up" if tests[best][2] > 0 else "down",
            "slope": slope.slope,
            "interval": [slope.low, slope.high],
            "p": float(p[best]),
            "q": float(q[best]),
        }
    return row
