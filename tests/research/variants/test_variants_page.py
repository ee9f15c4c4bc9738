"""Clips of made-up effects -> the page names the way and the rule that were made to win, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drawbar.evidence.experiment.quality_guards import guard_names
from drawbar.evidence.experiment.trials import Condition, Pair, Plan, Trials
from drawbar.research.variants import report as bench
from drawbar.research.variants.pushes import RECIPES
from drawbar.research.variants.settings import (
    PLAIN_AGAIN,
    TWIN,
    WINNER_AGAIN,
    Choice,
    Combo,
    Played,
    VariantSettings,
)
from drawbar.steering.stacking import STACKING

JUDGED = ("detector:a", "detector:b", "detector:c", "descriptor:x")
MEASURES = (*JUDGED, *guard_names(4), "added_norm")
TARGETS = {"a": "detector:a", "b": "detector:b", "c": "detector:c"}
CONCEPTS = {"2/0": "a", "2/1": "b", "2/2": "c"}
SETTINGS = VariantSettings(sliders=3, amounts=(-0.5, 0.5), choice_amounts=(0.5,), stack_amounts=(0.5,))


def effect(condition: Condition) -> tuple[dict[str, float], float]:
    """What a condition does to the detectors, and by how much it raises the cross-entropy."""
    if condition.kind.startswith("stack "):
        ids, kind = condition.id.split("+"), condition.kind.removeprefix("stack ")
        share, cost = {"mean": (0.8, 0.01)}.get(kind, (1.0, 0.4))
        return {TARGETS[CONCEPTS[id]]: share * 6 * condition.amount for id in ids}, cost
    if condition == TWIN:
        return {}, 0.0
    gain = {"decay": 2.0, "monitor and stop": 0.3}.get(condition.kind, 1.0)
    return {TARGETS[CONCEPTS[condition.id]]: gain * 6 * condition.amount}, 0.1 * abs(condition.amount)


def write(folder: Path, stage: str, conditions: list[Condition], pairs: int) -> Trials:
    prompts = SETTINGS.prompts
    plan = Plan(
        stage,
        4.0,
        32,
        tuple(Pair(prompts[n % 4], 100 + n) for n in range(pairs)),
        tuple(dict.fromkeys(conditions)),
    )
    trials = Trials(folder, plan)
    twins = np.random.default_rng(1).standard_normal((pairs, len(MEASURES))).astype(np.float32)
    noise = np.random.default_rng(2)
    for block in plan.blocks():
        rows = []
        for c, p in block.cells:
            moved, cost = effect(plan.conditions[c])
            row = dict(zip(MEASURES, twins[p] + 0.1 * noise.standard_normal(len(MEASURES)), strict=True))
            if plan.conditions[c] == TWIN:
                row = dict(zip(MEASURES, twins[p], strict=True))
            row |= {name: float(row[name] + change) for name, change in moved.items()}
            row |= {f"ce_{book}": 3.0 * np.exp(cost) for book in range(4)}
            row |= {"loudness_db": -20.0, "silent_share": 0.0, "clipped_share": 0.0, "repetition": 0.0}
            row |= {"finite": 1.0, "added_norm": 10 * abs(plan.conditions[c].amount)}
            rows.append([row[name] for name in MEASURES])
        tokens = np.zeros((len(rows), 4, 8), np.uint16)
        trials.write(block, tokens, np.array(rows, np.float32), MEASURES, 1)
    return trials


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("page")
    by_concept = {concept: id for id, concept in CONCEPTS.items()}
    combos = tuple(Combo(ids, False) for ids in (("2/0", "2/1"), ("2/0", "2/2"), ("2/1", "2/2")))
    scores = {concept: {"2/0": 1.0, "2/1": 0.5, "2/2": 0.0} for concept in by_concept}
    choice = Choice(by_concept, dict.fromkeys(CONCEPTS, 1.0), by_concept, by_concept, scores, combos)
    singles = [Condition("plain", id, 2, a) for id in CONCEPTS for a in (-0.5, 0.5)]
    beside = {"plain": PLAIN_AGAIN, "decay": WINNER_AGAIN}
    ways = [Condition(r.name, id, 2, a) for r in RECIPES for id in CONCEPTS for a in (-0.5, 0.5)]
    more = [Condition(w, id, 2, a) for id in CONCEPTS for w, some in beside.items() for a in some]
    stacks = [Condition(f"stack {rule}", "+".join(c.ids), 0, 0.5) for rule in STACKING for c in combos]
    trials = {
        "takes": write(folder, "takes", [TWIN], 32),
        "screen": write(folder, "screen", [TWIN, *singles], 4),
        "variants": write(folder, "variants", [TWIN, *ways, *singles], 8),
        "specific": write(folder, "specific", [TWIN, *singles], 8),
        "again": write(folder, "again", [TWIN, *more], 8),
        "stacks": write(folder, "stacks", [TWIN, *singles, *stacks], 8),
    }
    return Played(SETTINGS, choice, TARGETS, JUDGED, CONCEPTS, trials)


def verdicts(result: bench.Result) -> dict[str, str]:
    return {one.name: one.verdict for one in result.recipes}


def test_the_way_that_was_made_to_win_wins_and_the_rest_make_no_difference(played: Played) -> None:
    found = verdicts(bench.result_of(played))
    assert found["decay"] == "better"
    assert found["monitor and stop"] == "worse"
    second = bench.result_of(played).again
    assert [one.name for one in second] == ["plain", "decay"]
    assert second[1].added == pytest.approx(0.5 / 1.5)
    others = {name: text for name, text in found.items() if name not in ("decay", "monitor and stop")}
    assert set(others.values()) == {"no difference seen"}


def test_the_rule_that_keeps_combinations_usable_is_named(played: Played) -> None:
    result = bench.result_of(played)
    assert result.stacking == "mean"
    usable = {(row.rule, row.size): row.usable for row in result.stacks}
    assert usable["mean", 2] == 1
    assert usable["none", 2] == 0
    mean = next(row for row in result.stacks if row.rule == "mean" and row.combos)
    assert mean.kept == pytest.approx(0.8, abs=0.05)
    none = replace(result, totals=[total for total in result.totals if total.rule in ("none", "largest")])
    assert none.stacking == "none"


def test_the_page_shows_every_row_and_the_json_is_plain(played: Played) -> None:
    result = bench.result_of(played)
    page = bench.markdown(result)
    rows_of: Callable[[str], int] = lambda name: page.count(f"| {name} |")  # noqa: E731
    assert all(rows_of(recipe.name) >= 1 for recipe in RECIPES)
    assert "**mean**" in page.splitlines()[-1]
    assert result.to_json()["stacking"] == "mean"
