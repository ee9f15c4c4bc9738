"""Winners -> proven or not: fresh pairs, a pool of random directions of the same norm, controls, one family.

Concept sliders are a family of their own, corrected among themselves. A slider is confirmed on fresh seeds of the
prompts that methods were compared on, and replicated on fresh seeds of prompts that nothing has seen. Norms are
counted in typical scales of their layer, so that sliders of one layer and of several stand beside the same kind of
pool: random directions at the same layers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from drawbar.bank import ConceptSlider, Push
from drawbar.corpus.naming import concept_label
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.trials import Pair
from drawbar.evidence.methods.arms.registry import BASELINE
from drawbar.evidence.methods.compare import NO_CE, Score, as_json, natural_range, step_amount
from drawbar.evidence.methods.contest import Contest
from drawbar.evidence.methods.method import Method, Steer
from drawbar.evidence.methods.owned_axes import owned_axes
from drawbar.evidence.methods.play import KEPT, Played
from drawbar.evidence.statistics.analysis import Analysis, Study, analyse
from drawbar.evidence.statistics.controls import Control, Slider
from drawbar.evidence.statistics.responses import Pool
from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.evidence.statistics.verdict_cards import Finding
from drawbar.evidence.statistics.verdicts import PROVEN
from drawbar.files.json_object import JsonObject

STEP_SD = 1.0
"""What +1 of every concept slider means: one noticeable step, in standard deviations between takes on its target."""
_CONTROLS = ("inactive feature", "wrong layer")
_REACH = 1.05
_SAME_FAMILY = 10_000


@dataclass(frozen=True)
class ConfirmSettings:
    """Sizes. Raises BadInputError for a pool that can show nothing."""

    amounts: tuple[float, ...] = (-4.0, -2.0, -1.0, 1.0, 2.0, 4.0)
    """In steps."""
    pool: int = 300
    """Random directions for every set of layers."""
    pool_again: int = 100
    """The same for the replication, which asks a few proven sliders only."""
    norms: tuple[float, ...] = (0.3, 1.0, 2.5)
    """That they are played at, in typical scales."""
    held_out: int = 20
    """Random directions that are judged like sliders."""
    q: float = 0.05
    seed: int = 70_000

    def __post_init__(self) -> None:
        if (
            min(self.pool, self.pool_again) < 19
            or list(self.norms) != sorted(set(self.norms))
            or self.norms[0] <= 0
        ):
            raise BadInputError(
                f"pools of {self.pool} and {self.pool_again} at norms {self.norms}: at least 19 directions each, and "
                "rising norms above 0"
            )
        if not any(amount > 0 for amount in self.amounts) or 0 in self.amounts:
            raise BadInputError(f"amounts {self.amounts}: give one above 0, and not 0 (that is the twin)")


@dataclass
class Confirmation:
    """Winners of a contest and what was played for them on one set of pairs."""

    contest: Contest
    steers: Mapping[str, Steer]
    """Concept -> its winner, +1 being one step."""
    baselines: Mapping[str, Steer]
    """Concept -> its difference in means."""
    pairs: tuple[Pair, ...]
    settings: ConfirmSettings = field(default_factory=ConfirmSettings)
    analysed: Analysis | None = None

    @cached_property
    def twins(self) -> Played:
        return self.contest.stage.twins(self.pairs)

    def amounts(self, steer: Steer) -> tuple[float, ...]:
        """Those that the pool reaches."""
        reach = _REACH * self.settings.norms[-1]
        return tuple(a for a in self.settings.amounts if abs(a) * self.norm(steer) <= reach)

    def norm(self, steer: Steer) -> float:
        """Of amount 1, in typical scales of the layers."""
        scale = self.contest.material.scale
        return float(np.sqrt(sum((np.linalg.norm(p.vector) / scale(p.layer)) ** 2 for p in steer.pushes)))

    def played(self, steer: Steer) -> Played:
        return self.contest.stage.play(steer, self.pairs, self.amounts(steer))

    def judge(self) -> Analysis:
        """Play what is missing, and analyse: verdicts in the order of the concepts. Raises ControlError."""
        sliders, held_out, places = [], [], dict.fromkeys(_layers(steer) for steer in self.steers.values())
        for number, (concept, steer) in enumerate(self.steers.items()):
            self._tell(f"confirming {concept}", number / len(self.steers))
            sliders.append(self._slider(f"concept/{concept}", steer, concept))
        pools = {}
        for layers in places:
            self._tell(f"random directions at layers {', '.join(map(str, layers))}", 0.5)
            pools[_place(layers)] = self._pool(layers)
        for layers in list(places)[:1]:
            for n in range(self.settings.held_out):
                steer = self._random(layers, _SAME_FAMILY + n)
                held_out.append(self._slider(f"held-out random/{n}", steer, None))
        how = StatisticsSettings(q=self.settings.q, guards=NO_CE, controls=_CONTROLS)
        self.analysed = analyse(Study(tuple(sliders), pools, (), tuple(held_out)), how)
        return self.analysed

    def _slider(self, id: str, steer: Steer, concept: str | None) -> Slider:
        material, stage = self.contest.material, self.contest.stage
        if not self.amounts(
            steer
        ):  # a step takes a push that no random direction is played at: not confirmed
            return Slider(id, _place(_layers(steer)), self.norm(steer), _digest(steer))
        played = self.played(steer)
        kept = self._natural(played, concept)
        return Slider(
            id,
            _place(_layers(steer)),
            self.norm(steer),
            _digest(steer),
            target=None if concept is None else material.target(concept),
            responses=kept.responses(self.twins, material.measures),
            guards=kept.responses(self.twins, stage.guarded),
            controls={} if concept is None else self._controls(steer, concept),
        )

    def _natural(self, played: Played, concept: str | None) -> Played:
        """Only the amounts at which clips stay natural; the first that does not is where the range ends."""
        question = self.contest.question(concept or self.contest.concepts[0])
        edges = natural_range(played, self.twins, question, self.contest.stage.guarded)
        inside = [n for n, a in enumerate(played.amounts) if abs(a) <= edges[1 if a > 0 else -1] + 1e-9]
        if not inside:  # a slider that is never natural keeps its smallest dose, whose guards say so
            inside = [int(np.argmin(np.abs(played.amounts)))]
        amounts = tuple(played.amounts[n] for n in inside)
        return Played(played.measures, played.pairs, amounts, played.values[inside])

    def _controls(self, steer: Steer, concept: str) -> dict[str, Control]:
        base = self.baselines.get(concept)
        found = {
            "wrong layer": self._control(
                "wrong layer", self._moved(steer), self._one(steer), self.norm(steer)
            ),
            "inactive feature": self._control(
                "inactive feature", self._inactive(steer), self._one(steer), self.norm(steer)
            ),
        }
        if base is not None:
            found[BASELINE] = self._control(BASELINE, base, self.amounts(base), self.norm(base))
        return found

    def _one(self, steer: Steer) -> tuple[float, ...]:
        """The strongest amount up to two steps, both signs."""
        most = max((abs(a) for a in self.amounts(steer) if abs(a) <= 2.0), default=1.0)
        return (-most, most)

    def _control(self, kind: str, steer: Steer, amounts: tuple[float, ...], norm: float) -> Control:
        played = self.contest.stage.play(steer, self.pairs, amounts)
        material, stage = self.contest.material, self.contest.stage
        return Control(
            kind,
            steer.pushes[0].layer,
            # A winner may be the baseline itself: then it is compared with what it is, and its card says so.
            f"{kind} {_digest(steer)}",
            norm,
            played.responses(self.twins, material.measures),
            played.responses(self.twins, stage.guarded),
        )

    def _moved(self, steer: Steer) -> Steer:
        """The same pushes half the model away."""
        depth = self.contest.material.model.spec.n_layers
        return Steer(tuple(Push((p.layer + depth // 2) % depth, p.vector) for p in steer.pushes))

    def _inactive(self, steer: Steer) -> Steer:
        """A feature that hardly ever fires, at the same layers and norms."""
        bank = self.contest.material.bank
        pushes = []
        for push in steer.pushes:
            rows = bank.search(layer=push.layer, limit=bank.count() + 1)
            rare = min(rows, key=lambda row: (row.density, row.id))
            vector = np.asarray(bank.vectors([rare.id])["W_dec"][0], np.float64)
            size = np.linalg.norm(push.vector) / np.linalg.norm(vector)
            pushes.append(Push(push.layer, (size * vector).astype(np.float32)))
        return Steer(tuple(pushes))

    def _pool(self, layers: tuple[int, ...]) -> Pool:
        material, settings = self.contest.material, self.settings
        values = []
        for n in range(settings.pool):
            self._tell(f"random direction {n + 1} of {settings.pool}", n / settings.pool)
            played = self.contest.stage.play(self._random(layers, n), self.pairs, settings.norms)
            values.append(played.of(material.measures))
        prompts, seeds = zip(*((pair.prompt, pair.seed) for pair in self.pairs), strict=True)
        twins = self.twins.of(material.measures)[0]
        return Pool(material.measures, prompts, seeds, twins, settings.norms, np.stack(values))

    def _random(self, layers: tuple[int, ...], number: int) -> Steer:
        """Norm 1, the layers in equal parts."""
        generator = np.random.default_rng([self.settings.seed, number, *layers])
        pushes = []
        for layer in layers:
            drawn = generator.standard_normal(self.contest.material.bank.info.d_model)
            size = self.contest.material.scale(layer) / np.sqrt(len(layers)) / np.linalg.norm(drawn)
            pushes.append(Push(layer, (size * drawn).astype(np.float32)))
        return Steer(tuple(pushes))

    def _tell(self, what: str, share: float) -> None:
        if self.contest.told is not None:
            self.contest.told(what, share)


def confirm(
    contest: Contest,
    methods: Sequence[Method],
    scores: Sequence[Score],
    settings: ConfirmSettings | None = None,
) -> tuple[list[ConceptSlider], JsonObject]:
    """Winners -> concept sliders with their cards, and the family's summary. Raises BadInputError without winners."""
    how = settings or ConfirmSettings()
    best = contest.winners(scores)
    if not best:
        raise BadInputError("no method moves any of these concepts the right way: nothing can be published")
    made = {method.name: method.steers for method in methods}
    steers = {
        concept: made[one.method][concept].scaled(step_amount(one, STEP_SD)) for concept, one in best.items()
    }
    baselines = dict(made.get(BASELINE, {}))
    first = Confirmation(contest, steers, baselines, contest.settings.of(contest.settings.prompts, 2000), how)
    fewer = replace(how, pool=how.pool_again)
    again = Confirmation(
        contest, steers, baselines, contest.settings.of(contest.settings.new_prompts, 3000), fewer
    )
    analysis, second = first.judge(), again.judge()
    replicated = {one.id: one.verdict.name == PROVEN for one in second.findings}
    others = {concept: [as_json(one) for one in scores if one.concept == concept] for concept in best}
    sliders = []
    for (concept, steer), finding in zip(steers.items(), analysis.findings, strict=True):
        page: JsonObject = {
            "concept": concept,
            "step_sd": STEP_SD,
            "replicated": replicated[finding.id],
            "robustness": _robustness(second, finding),
            "seconds": steer.seconds,
            "kept": _kept(first.played(steer)) if first.amounts(steer) else {},
            "arms": others[concept],
        }
        sliders.append(
            ConceptSlider(
                concept_label(concept),
                steer.pushes,
                best[concept].method,
                contest.material.target(concept),
                owned_axes(concept),
                steer.features,
                finding.verdict.name,
                finding.proof,
                finding.usable,
                finding.card,
                page,
            )
        )
    return sliders, summary_of(contest, analysis, second)


def summary_of(contest: Contest, analysis: Analysis, second: Analysis) -> JsonObject:
    """The family's counts. The denominator is every concept that was asked for, whether something moved it or not."""
    proven = [one for one in analysis.findings if one.verdict.name == PROVEN]
    again = {one.id for one in second.findings if one.verdict.name == PROVEN}
    specific = [one.specificity for one in proven if one.specificity is not None]
    wrong = [one.anti_steerable for one in proven if one.anti_steerable is not None]
    medians = analysis.summary["medians"]
    return {
        "concepts": len(contest.concepts),
        "sliders": len(analysis.findings),
        "proven": len(proven),
        "median_effect": medians["effect"],
        "median_effect_difference_in_means": medians["difference_in_means"],
        "specific": {"at_least_3": sum(one.at_least(3) for one in specific), "of": len(specific)},
        "specificity": medians["specificity"],
        "anti_steerable": float(np.mean(wrong)) if wrong else None,
        "replicated": {"again": sum(one.id in again for one in proven), "of": len(proven)},
        "null": analysis.summary["null"],
        "resolution": analysis.summary["resolution"],
    }


def _kept(played: Played) -> JsonObject:
    """Axis -> what is kept of the twin at +1; None where it was not played or the twin has nothing of the kind."""
    if 1.0 not in played.amounts:
        return {}
    row = played.of(KEPT)[played.amounts.index(1.0)]
    return {
        name.partition(":")[2]: float(np.nanmean(row[:, n])) if np.isfinite(row[:, n]).any() else None
        for n, name in enumerate(KEPT)
    }


def _robustness(second: Analysis, finding: Finding) -> float | None:
    """Slope on prompts that nothing has seen over the slope on the others."""
    other = next(one for one in second.findings if one.id == finding.id)
    if finding.card is None or other.card is None:
        return None
    here, there = finding.card["up"]["slope"], other.card["up"]["slope"]
    return None if not here or there is None else float(there / here)


def _layers(steer: Steer) -> tuple[int, ...]:
    return tuple(sorted(push.layer for push in steer.pushes))


def _place(layers: tuple[int, ...]) -> int:
    """A number for a set of layers: 2 -> 2, {2, 4} -> 3004."""
    found = 0
    for layer in layers:
        found = found * 1000 + layer + (1 if len(layers) > 1 else 0)
    return found


def _digest(steer: Steer) -> str:
    return ConceptSlider("x", steer.pushes).fingerprint
