"""Clips of several sliders at once under every rule -> which share stays usable, and what is left of each effect.

The unit is the combination; intervals resample combinations. The rule with the larger usable effect wins: the mean
effect of the members, counted as 0 where the combination breaks a guard. Knows no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from drawbar.evidence.experiment.quality_guards import guard_names
from drawbar.evidence.experiment.trials import Condition, Trials
from drawbar.evidence.statistics.responses import Floats, Responses
from drawbar.evidence.statistics.settings import GuardLimits
from drawbar.evidence.statistics.slopes import interval
from drawbar.evidence.statistics.usable_range import usable_range
from drawbar.research.variants.results import Arm, Compared, Figure, arm_of, compare, unit_of
from drawbar.research.variants.settings import TWIN, Combo, Played
from drawbar.steering.stacking import STACKING

_DRAWS = 2000


@dataclass(frozen=True)
class StackRow:
    """One rule on the combinations of one size and kind, at one amount of every slider."""

    rule: str
    size: int
    alike: bool
    amount: float
    combos: int
    usable: float
    """Share of the combinations that break no guard."""
    effect: float
    """Mean effect of a member on its own detector, in SD between takes."""
    kept: float
    """Of the mean effect of the same members alone at the same amount."""
    ce_ratio: float
    """First codebook, geometric mean."""


@dataclass(frozen=True)
class RuleTotal:
    """One rule over everything, beside the plain sum."""

    rule: str
    usable: float
    effect: float
    usable_effect: Figure
    """Effect of the members, 0 where the combination is not usable."""
    gain: Figure
    """Less that of the plain sum, on the same combinations."""


@dataclass(frozen=True)
class _Outcome:
    usable: bool
    effect: float
    alone: float
    log_ce: float


def stack_rows(played: Played) -> list[StackRow]:
    """The members alone, then by size, kind and amount every rule."""
    found = _outcomes(played)
    rows = [_alone(played, amount) for amount in played.settings.stack_amounts]
    for size in played.settings.stack_sizes:
        for alike in (False, True):
            combos = [c for c in played.choice.combos if len(c.ids) == size and c.alike == alike]
            if not combos:
                continue
            for amount in played.settings.stack_amounts:
                rows += [
                    _row(rule, size, alike, amount, [found[rule, c.ids, amount] for c in combos])
                    for rule in STACKING
                ]
    return rows


def rule_totals(played: Played) -> list[RuleTotal]:
    """Every rule over all combinations and amounts."""
    found = _outcomes(played)
    combos, amounts = played.choice.combos, played.settings.stack_amounts
    score = {
        rule: np.array([np.mean([o.effect * o.usable for o in _of(found, rule, c, amounts)]) for c in combos])
        for rule in STACKING
    }
    drawn = np.random.default_rng(played.settings.seed).integers(len(combos), size=(_DRAWS, len(combos)))
    totals = []
    for rule in STACKING:
        outcomes = [o for c in combos for o in _of(found, rule, c, amounts)]
        totals.append(
            RuleTotal(
                rule,
                float(np.mean([o.usable for o in outcomes])),
                float(np.mean([o.effect for o in outcomes])),
                _figure(score[rule], drawn),
                _figure(score[rule] - score["none"], drawn),
            )
        )
    return totals


def rules_compared(played: Played) -> list[Compared]:
    """Every rule beside the plain sum, as ways to steer are compared: the target is the mean effect of the members."""
    sd = unit_of(played)
    arms: dict[str, Arm] = {rule: _arm(played, rule, sd) for rule in STACKING}
    return compare(arms, "none", seed=played.settings.seed)


def _arm(played: Played, rule: str, sd: Floats) -> Arm:
    combos = played.choice.combos
    target = {id: played.targets[concept] for id, concept in played.concepts.items()}
    units = [(f"stack {rule}", "+".join(combo.ids), target[combo.ids[0]]) for combo in combos]
    arm = arm_of(played.trials["stacks"], units, played.settings.stack_amounts, sd, played.judged)
    members = np.full(arm.effects.shape[:3], np.nan)
    for place, combo in enumerate(combos):
        own = [played.judged.index(target[id]) for id in combo.ids]
        members[place] = arm.effects[place][:, :, own].mean(2)
        arm.effects[place][:, :, own] = np.nan  # no side effects of this combination
    last = (len(played.judged),) * len(combos)
    return replace(arm, effects=np.concatenate([arm.effects, members[..., None]], 3), columns=last)


def _row(rule: str, size: int, alike: bool, amount: float, found: Sequence[_Outcome]) -> StackRow:
    effect, alone = (float(np.mean([getattr(o, name) for o in found])) for name in ("effect", "alone"))
    return StackRow(
        rule,
        size,
        alike,
        amount,
        len(found),
        float(np.mean([o.usable for o in found])),
        effect,
        effect / alone if abs(alone) > 0.1 else float("nan"),
        float(np.exp(np.mean([o.log_ce for o in found]))),
    )


def _alone(played: Played, amount: float) -> StackRow:
    trials = played.trials["stacks"]
    singles = [c for c in trials.plan.conditions if c.kind == "plain" and c.amount == amount]
    sd = dict(zip(played.judged, unit_of(played), strict=True))
    outcomes = []
    for one in singles:
        effect = _effect(trials, one, played.targets[played.concepts[one.id]], sd)
        log_ce = float(_difference(trials, one, "ce_0", np.log).mean())
        outcomes.append(_Outcome(_holds(trials, {amount: one})[amount], effect, effect, log_ce))
    return _row("alone", 1, False, amount, outcomes)


_Found = Mapping[tuple[str, tuple[str, ...], float], _Outcome]


def _of(found: _Found, rule: str, combo: Combo, amounts: Sequence[float]) -> list[_Outcome]:
    return [found[rule, combo.ids, amount] for amount in amounts]


def _outcomes(played: Played) -> _Found:
    trials, amounts = played.trials["stacks"], played.settings.stack_amounts
    sd = dict(zip(played.judged, unit_of(played), strict=True))
    layers = {c.id: c.layer for c in trials.plan.conditions if c.kind == "plain"}
    target = {id: played.targets[concept] for id, concept in played.concepts.items()}
    found: dict[tuple[str, tuple[str, ...], float], _Outcome] = {}
    for combo in played.choice.combos:
        for rule in STACKING:
            stacked = {a: Condition(f"stack {rule}", "+".join(combo.ids), 0, a) for a in amounts}
            holds = _holds(trials, stacked)
            for amount, condition in stacked.items():
                alone = [Condition("plain", id, layers[id], amount) for id in combo.ids]
                found[rule, combo.ids, amount] = _Outcome(
                    holds[amount],
                    float(np.mean([_effect(trials, condition, target[id], sd) for id in combo.ids])),
                    float(
                        np.mean(
                            [
                                _effect(trials, one, target[id], sd)
                                for one, id in zip(alone, combo.ids, strict=True)
                            ]
                        )
                    ),
                    float(_difference(trials, condition, "ce_0", np.log).mean()),
                )
    return found


def _holds(trials: Trials, stacked: Mapping[float, Condition]) -> dict[float, bool]:
    books = sum(name.startswith("ce_") for name in trials.measures)
    names = guard_names(books)
    columns = [trials.measures.index(name) for name in names]
    pairs = trials.plan.pairs
    responses = Responses(
        names,
        tuple(pair.prompt for pair in pairs),
        tuple(pair.seed for pair in pairs),
        trials.of(TWIN)[:, columns],
        {amount: trials.of(condition)[:, columns] for amount, condition in stacked.items()},
    )
    return {row.amount: row.holds for row in usable_range(responses, GuardLimits()).rows}


def _effect(trials: Trials, condition: Condition, measure: str, sd: Mapping[str, float]) -> float:
    return float(np.nanmean(_difference(trials, condition, measure)) / sd[measure])


def _difference(trials: Trials, condition: Condition, measure: str, law: np.ufunc | None = None) -> Floats:
    column = trials.measures.index(measure)
    steered, twin = (trials.of(c)[:, column].astype(np.float64) for c in (condition, TWIN))
    found: Floats = steered - twin if law is None else law(steered) - law(twin)
    return found


def _figure(values: Floats, drawn: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Figure:
    low, high = interval(values[drawn].mean(1))
    return Figure(float(values.mean()), low, high)
