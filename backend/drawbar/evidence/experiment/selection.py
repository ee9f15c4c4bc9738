"""What screening measured -> which candidates are confirmed, and which sliders each concept has.

The rules are those of the preregistration; the choice depends on the screening seeds alone, so that confirmation on
fresh seeds tests it. Knows no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drawbar.evidence.experiment.preregistration import Candidate, Preregistration
from drawbar.evidence.experiment.trials import Condition, Trials

Floats = NDArray[np.float64]
_LEAST_SD = 1e-6


@dataclass(frozen=True)
class Selection:
    """Who goes on."""

    survivors: tuple[str, ...]
    sampled: tuple[str, ...]
    """Confirmed although they did not survive."""
    dropped: tuple[str, ...]
    """Survivors beyond the budget, the weakest; they count as not confirmed."""
    sliders: Mapping[str, tuple[str, ...]]
    """Concept -> its candidates, strongest first."""
    strengths: Mapping[str, float]
    """Candidate -> its largest standardised screening effect."""
    bar: float
    """The median of the same figure over random directions."""

    @property
    def confirmed(self) -> tuple[str, ...]:
        """In the order of the bank."""
        everyone = {*self.survivors, *self.sampled, *(id for ids in self.sliders.values() for id in ids)}
        return tuple(sorted(everyone, key=lambda id: tuple(map(int, id.split("/")))))


def effects(trials: Trials, kind: str, id: str, judged: Sequence[int], spread: Floats) -> dict[float, Floats]:
    """Amount -> mean paired difference from the twins, in standard deviations between takes ``[M]``."""
    twins = trials.of(Condition("unsteered", "", 0, 0.0))[:, judged].astype(np.float64)
    found = {}
    for amount, values in trials.amounts(kind, id).items():
        difference = values[:, judged].astype(np.float64) - twins
        known = np.isfinite(difference).any(0)
        mean = np.full(len(judged), 0.0)
        mean[known] = np.nanmean(difference[:, known], 0)
        found[amount] = mean / spread
    return found


def select(prereg: Preregistration, trials: Trials) -> Selection:
    """Apply the preregistered rules to the screening trials."""
    settings = prereg.settings
    judged = [trials.measures.index(name) for name in prereg.measures]
    twins = trials.of(Condition("unsteered", "", 0, 0.0))[:, judged]
    spread = np.maximum(np.nanstd(twins.astype(np.float64), 0, ddof=1), _LEAST_SD)
    randoms = {(c.kind, c.id) for c in trials.plan.conditions if c.kind == "random"}
    null = [
        float(np.abs(effect).max())
        for kind, id in sorted(randoms)
        for effect in effects(trials, kind, id, judged, spread).values()
    ]
    bar = float(np.median(null))
    strengths: dict[str, float] = {}
    signed: dict[str, Floats] = {}
    for candidate in prereg.candidates:
        found = effects(trials, "feature", candidate.id, judged, spread)
        allowed = _allowed(candidate, prereg.measures)
        strengths[candidate.id] = max(float(np.abs(effect[allowed]).max()) for effect in found.values())
        signed[candidate.id] = np.mean([np.sign(amount) * effect for amount, effect in found.items()], 0)
    order = sorted(strengths, key=lambda id: -strengths[id])
    alive = [id for id in order if strengths[id] > bar]
    rest = [id for id in order if strengths[id] <= bar]
    generator = np.random.default_rng([settings.seed, 1])
    count = round(settings.rest_share * len(rest))
    sampled = tuple(sorted(generator.choice(rest, count, replace=False).tolist())) if count else ()
    most = max(0, settings.confirm_most - len(sampled)) if settings.confirm_most else len(alive)
    sliders = {}
    for concept in prereg.concepts:
        column = prereg.measures.index(concept.measure)
        able = [c.id for c in prereg.candidates if concept.measure.partition(":")[0] not in c.barred]
        ranked = sorted(able, key=lambda id: -signed[id][column])
        sliders[concept.name] = tuple(ranked[: settings.sliders_per_concept])
    return Selection(tuple(alive[:most]), sampled, tuple(alive[most:]), sliders, strengths, bar)


def _allowed(candidate: Candidate, measures: Sequence[str]) -> list[int]:
    return [n for n, name in enumerate(measures) if name.partition(":")[0] not in candidate.barred]
