"""Clips of several ways to do the same thing -> what each does at what cost, beside a baseline, with intervals.

Units are sliders (or concepts) crossed with pairs (prompt and seed); intervals resample both, so that they speak of
other sliders and other takes. Effects are in standard deviations between unsteered takes. Knows no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drawbar.evidence.experiment.trials import Condition, Trials
from drawbar.evidence.statistics.preservation import Curve, area
from drawbar.evidence.statistics.responses import Floats
from drawbar.evidence.statistics.slopes import interval, take_sd
from drawbar.research.variants.pushes import RECIPES
from drawbar.research.variants.settings import PLAIN_AGAIN, TWIN, WINNER_AGAIN, Played

_DRAWS = 1000
_LEVEL = 0.95
_SMALLEST = 1e-9


@dataclass(frozen=True)
class Figure:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where the interval leaves 0 out, else 0."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class Arm:
    """One way, played on S units, at A amounts, with P pairs."""

    amounts: tuple[float, ...]
    effects: Floats
    """``[S, A, P, M]``: steered minus twin in SD between takes."""
    columns: tuple[int, ...]
    """Each unit's target among the M measures."""
    log_ce: Floats
    """``[S, A, P]``: logarithm of the first codebook's cross-entropy over the twin's."""
    added: Floats
    """``[S, A, P]``: norm added per frame."""

    @property
    def target(self) -> Floats:
        """``[S, A, P]``: the target's effect, positive where it moves the way the amount's sign says."""
        own = self.effects[np.arange(len(self.columns)), :, :, np.array(self.columns)]
        found: Floats = own * np.sign(np.array(self.amounts))[:, None]
        return found


@dataclass(frozen=True)
class Compared:
    """One way beside the baseline."""

    name: str
    up: Figure
    """Effect at the largest amount above 0."""
    down: Figure | None
    """The same below 0; None where nothing below 0 was played."""
    ce_ratio: Figure
    """Geometric mean at the largest amount above 0."""
    added: float
    """Norm added there, over the baseline's."""
    area: Figure
    """Effect against preservation above 0."""
    area_gain: Figure
    """Effect less the baseline's, averaged over the demands on preservation that both were pushed to."""
    matched_up: Figure
    """Effect less the baseline's where both have moved the cross-entropy as far as both were pushed to."""
    matched_down: Figure | None

    @property
    def verdict(self) -> str:
        """By the two comparisons that weigh the effect against its cost above 0."""
        signs = {self.matched_up.sign, self.area_gain.sign}
        if signs == {1}:
            return "better"
        if signs == {-1}:
            return "worse"
        if signs == {0}:
            return "no difference seen"
        if signs == {1, -1}:
            return "the two measures disagree"
        return "better by one measure of two" if 1 in signs else "worse by one measure of two"


def arm_of(
    trials: Trials,
    units: Sequence[tuple[str, str, str]],
    amounts: Sequence[float],
    sd: Floats,
    judged: Sequence[str],
) -> Arm:
    """Units (kind, id, target measure) at the amounts that were played."""
    columns = [trials.measures.index(name) for name in judged]
    cross, added = (trials.measures.index(name) for name in ("ce_0", "added_norm"))
    layers = {(c.kind, c.id): c.layer for c in trials.plan.conditions}
    twins = trials.of(TWIN).astype(np.float64)
    effects, log_ce, norms = [], [], []
    for kind, id, _ in units:
        played = np.stack(
            [trials.of(Condition(kind, id, layers[kind, id], amount)) for amount in amounts]
        ).astype(np.float64)
        effects.append((played - twins)[:, :, columns] / sd)
        log_ce.append(np.log(played[:, :, cross] / twins[:, cross]))
        norms.append(played[:, :, added])
    targets = tuple(list(judged).index(target) for _, _, target in units)
    return Arm(tuple(amounts), np.stack(effects), targets, np.stack(log_ce), np.stack(norms))


def recipes(played: Played) -> list[Compared]:
    sd = unit_of(played)
    arms = {
        recipe.name: arm_of(
            played.trials["variants"],
            [(recipe.name, id, played.targets[concept]) for concept, id in played.choice.sliders.items()],
            played.settings.amounts,
            sd,
            played.judged,
        )
        for recipe in RECIPES
    }
    return compare(arms, "plain", seed=played.settings.seed)


def winners(compared: Sequence[Compared]) -> list[str]:
    """Ways that were better than the first by both comparisons."""
    return [one.name for one in compared[1:] if one.verdict == "better"]


def again(played: Played, names: Sequence[str]) -> list[Compared]:
    """The winners beside the plain slider on fresh seeds, where the plain one was pushed further."""
    sd = unit_of(played)
    arms = {
        name: arm_of(
            played.trials["again"],
            [(name, id, played.targets[concept]) for concept, id in played.choice.sliders.items()],
            PLAIN_AGAIN if name == "plain" else WINNER_AGAIN,
            sd,
            played.judged,
        )
        for name in ("plain", *names)
    }
    return compare(arms, "plain", seed=played.settings.seed)


def choices(played: Played) -> tuple[list[str], list[Compared]]:
    """Ways to choose a concept's feature beside the choice by activation; the concepts that were compared."""
    sd, choice = unit_of(played), played.choice
    concepts = [name for name in choice.by_label if name in choice.sliders]
    ways = {
        "by activation": ("variants", choice.by_label),
        "by output": ("variants", choice.by_output),
        "by output, specific": ("specific", choice.by_specific),
        "by a trial": ("variants", choice.sliders),
    }
    arms = {
        name: arm_of(
            played.trials[stage],
            [("plain", chosen[concept], played.targets[concept]) for concept in concepts],
            played.settings.choice_amounts,
            sd,
            played.judged,
        )
        for name, (stage, chosen) in ways.items()
    }
    return concepts, compare(arms, "by activation", seed=played.settings.seed)


def unit_of(played: Played) -> Floats:
    """Standard deviation ``[M]`` of every judged measure between unsteered takes."""
    takes = played.trials["takes"]
    columns = [takes.measures.index(name) for name in played.judged]
    values = takes.of(TWIN)[:, columns].astype(np.float64)
    return take_sd(values, [pair.prompt for pair in takes.plan.pairs])


def compare(arms: Mapping[str, Arm], baseline: str, *, seed: int, draws: int = _DRAWS) -> list[Compared]:
    """Every arm beside the baseline, resampled together: the same units and pairs for all."""
    base = arms[baseline]
    units, pairs = base.effects.shape[0], base.effects.shape[2]
    generator = np.random.default_rng(seed)
    chosen = np.concatenate([np.arange(units)[None], generator.integers(units, size=(draws, units))])
    drawn = generator.integers(pairs, size=(draws, pairs))
    weights = np.stack([np.bincount(row, minlength=pairs) for row in drawn]) / pairs
    weights = np.concatenate([np.full((1, pairs), 1 / pairs), weights])
    sums = {name: _Sums.of(arm, weights, chosen) for name, arm in arms.items()}
    beside = sums[baseline]
    return [_compared(name, arms[name], one, base, beside) for name, one in sums.items()]


@dataclass(frozen=True)
class _Sums:
    """Every resample's figures; the first row is the sample itself."""

    effect: Floats
    """``[1 + draws, A]``"""
    moved: Floats
    """``[1 + draws, A]``: mean over units of how far the cross-entropy moved, either way."""
    log_ce: Floats
    """``[1 + draws, A]``"""
    curves: list[list[Curve]]
    """Draws of units: effect against preservation above 0."""
    chosen: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    """``[1 + draws, S]``: the units of each resample."""

    @classmethod
    def of(
        cls, arm: Arm, weights: Floats, chosen: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    ) -> "_Sums":
        target = np.einsum("sap,dp->dsa", np.nan_to_num(arm.target), weights)
        cross = np.einsum("sap,dp->dsa", arm.log_ce, weights)
        rows = np.arange(len(weights))[:, None]
        return cls(
            target[rows, chosen].mean(1),
            np.abs(cross)[rows, chosen].mean(1),
            cross[rows, chosen].mean(1),
            _curves(arm, weights),
            chosen,
        )

    def area(self) -> Floats:
        """``[1 + draws]``"""
        areas = np.array([[area(curve) for curve in units] for units in self.curves])
        found: Floats = areas[np.arange(len(areas))[:, None], self.chosen].mean(1)
        return found

    def above(self, other: "_Sums") -> Floats:
        """``[1 + draws]``: difference of what both reach, over the demands that both come down to."""
        gains = np.array(
            [
                [_gain(one, two) for one, two in zip(*units, strict=True)]
                for units in zip(self.curves, other.curves, strict=True)
            ]
        )
        found: Floats = gains[np.arange(len(gains))[:, None], self.chosen].mean(1)
        return found


def _gain(one: Curve, other: Curve) -> float:
    lowest = max(float(one.preservation.min()), float(other.preservation.min()))
    demands = np.linspace(lowest, 1.0, 51)
    return float((one.reach(demands) - other.reach(demands)).mean())


def _curves(arm: Arm, weights: Floats) -> list[list[Curve]]:
    side = _side(arm.amounts, 1)
    found: list[list[Curve]] = [[] for _ in weights]
    for unit, column in enumerate(arm.columns):
        moved = np.einsum("apm,dp->dam", arm.effects[unit][side], weights)
        others = np.delete(np.abs(moved), column, axis=2)
        preservation = 1 / (1 + np.nanmean(others, axis=2))
        for draw in range(len(weights)):
            effect = np.concatenate([[0.0], moved[draw, :, column]])
            found[draw].append(Curve(np.concatenate([[1.0], preservation[draw]]), effect))
    return found


def _side(amounts: Sequence[float], sign: int) -> list[int]:
    """Places of one sign's amounts, outwards from 0."""
    return sorted((n for n, a in enumerate(amounts) if a * sign > 0), key=lambda n: abs(amounts[n]))


def _figure(values: Floats) -> Figure:
    low, high = interval(values[1:], _LEVEL)
    return Figure(float(values[0]), low, high)


def _compared(name: str, arm: Arm, sums: _Sums, base: Arm, beside: _Sums) -> Compared:
    up, down = _side(arm.amounts, 1), _side(arm.amounts, -1)
    base_up, base_down = _side(base.amounts, 1), _side(base.amounts, -1)
    top = up[-1]
    ratio = _figure(sums.log_ce[:, top])
    return Compared(
        name,
        _figure(sums.effect[:, top]),
        _figure(sums.effect[:, down[-1]]) if down else None,
        Figure(*(float(np.exp(part)) for part in (ratio.value, ratio.low, ratio.high))),
        float(arm.added[:, top].mean() / max(base.added[:, base_up[-1]].mean(), _SMALLEST)),
        _figure(sums.area()),
        _figure(sums.above(beside)),
        _figure(_matched(sums, up, beside, base_up)),
        _figure(_matched(sums, down, beside, base_down)) if down and base_down else None,
    )


def _matched(one: _Sums, side: list[int], other: _Sums, beside: list[int]) -> Floats:
    """Difference of effects per resample at the largest movement of the cross-entropy that both paths reach."""
    demand = np.minimum(one.moved[:, side].max(1), other.moved[:, beside].max(1))
    return _reach(one, side, demand) - _reach(other, beside, demand)


def _reach(sums: _Sums, side: list[int], most: Floats) -> Floats:
    found = [
        Curve(-np.concatenate([[0.0], moved[side]]), np.concatenate([[0.0], effect[side]])).reach(
            -limit[None]
        )
        for moved, effect, limit in zip(sums.moved, sums.effect, most, strict=True)
    ]
    return np.concatenate(found)
