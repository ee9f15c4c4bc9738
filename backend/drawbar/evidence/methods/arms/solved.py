"""The effect map -> the direction that moves one measure: solved near a direction that works, played, solved again."""

from collections.abc import Callable

import numpy as np

from drawbar.bank import Push
from drawbar.evidence.methods.arms import contrasts, features
from drawbar.evidence.methods.effect_map import EffectMap, fit_map
from drawbar.evidence.methods.effect_table import EffectTable
from drawbar.evidence.methods.material import Material, unit
from drawbar.evidence.methods.method import Steer
from drawbar.evidence.statistics.responses import Floats

Try = Callable[[Steer], tuple[Floats, Floats]]
"""Plays 8 pairs that the comparison does not use -> effects ``[M]`` per amount, and their standard errors."""


def solved(
    material: Material,
    concept: str,
    *,
    rounds: int = 0,
    trial: Try | None = None,
    shuffled: int | None = None,
    nearness: float = 0.5,
) -> Steer | None:
    """Of the starts (best feature, difference in means) the one whose solution is predicted best.

    ``rounds`` of sequential design: the solution is played, its effects join the table with their errors, and the map
    is solved again around what has proved best so far. ``shuffled`` is the control whose map knows nothing.
    """
    best: tuple[float, EffectMap, Floats] | None = None
    for start in (features.by_trial(material, concept), contrasts.difference_in_means(material, concept)):
        if start is None or start.pushes[0].layer not in material.tables:
            continue
        layer = start.pushes[0].layer
        fitted = (
            material.maps[layer] if shuffled is None else fit_map(material.tables[layer], shuffled=shuffled)
        )
        vector = _solve(material, concept, fitted, unit(start.pushes[0].vector), nearness)
        best = max(
            best or (-np.inf, fitted, vector),
            (_worth(material, concept, fitted, vector), fitted, vector),
            key=_first,
        )
    if best is None:
        return None
    _, fitted, vector = best
    for number in range(rounds if trial is not None else 0):
        vector, fitted = _again(material, concept, fitted, vector, trial, number, nearness)
    table = fitted.table
    names = _nearest(table, vector)
    return Steer((Push(table.layer, (table.scale * vector).astype(np.float32)),), features=names)


def _first(row: tuple[float, EffectMap, Floats]) -> float:
    return row[0]


def _solve(material: Material, concept: str, fitted: EffectMap, start: Floats, nearness: float) -> Floats:
    """Over a few strengths of the penalty, the solution that is predicted best."""
    column = material.measures.index(material.target(concept))
    tried = [start] + [
        fitted.solve(column, start, material.others(concept), penalty=penalty, nearness=nearness)
        for penalty in (0.1, 0.3, 1.0, 3.0)
    ]
    return max(tried, key=lambda vector: _worth(material, concept, fitted, vector))


def _worth(material: Material, concept: str, fitted: EffectMap, vector: Floats) -> float:
    """Predicted effect for what else moves, less a standard error of what is not known of it."""
    column = material.measures.index(material.target(concept))
    told, error = fitted.predict(vector[None])[0], fitted.error(vector)
    return float((told[column] - error[column]) / (1 + np.abs(told[material.others(concept)]).mean()))


def _again(
    material: Material,
    concept: str,
    fitted: EffectMap,
    vector: Floats,
    trial: Try | None,
    number: int,
    nearness: float,
) -> tuple[Floats, EffectMap]:
    assert trial is not None  # asked for rounds only with one
    table = fitted.table
    effects, errors = trial(Steer((Push(table.layer, (table.scale * vector).astype(np.float32)),)))
    grown: EffectTable = table.with_rows([f"{concept}/{number}+"], vector[None], effects[None], errors[None])
    fitted = fit_map(grown)
    # The middle of the trust region is what was measured best: the played solution stays if nothing beats it.
    return _solve(material, concept, fitted, vector, max(nearness, 0.8)), fitted


def _nearest(table: EffectTable, vector: Floats, count: int = 5) -> tuple[tuple[str, float], ...]:
    """The features most like the solution, with their cosine: what its page says it is made of."""
    cosines = table.vectors @ vector
    order = [n for n in np.argsort(-cosines) if not table.ids[n].startswith("random") and "/" in table.ids[n]]
    return tuple(
        (table.ids[n][:-1], float(cosines[n]) * (1 if table.ids[n].endswith("+") else -1))
        for n in order[:count]
    )
