"""A bank, its model and methods -> the same trials for each of them, and which one wins each concept.

Three sets of pairs that share no seed: what methods are made on (the bank's stored trials, and ``trying`` for the one
that plays), what they are compared on, and what winners are confirmed on (with prompts that nothing has seen).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from drawbar.errors import BadInputError
from drawbar.evidence.experiment.naturalness import excess_surprise
from drawbar.evidence.experiment.preregistration import PROMPTS
from drawbar.evidence.experiment.trials import Pair
from drawbar.evidence.methods.arms.registry import ARMS, BASELINE, WORDS, make
from drawbar.evidence.methods.arms.solved import Try
from drawbar.evidence.methods.compare import Question, Score, against, score, winners
from drawbar.evidence.methods.material import Material
from drawbar.evidence.methods.method import Method, Steer
from drawbar.evidence.methods.play import SURPRISE, Played, Stage
from drawbar.evidence.statistics.responses import Floats
from drawbar.evidence.statistics.slopes import location, pair_slopes, prompt_weights

Told = Callable[[str, float], None]

NEW_PROMPTS = (
    "organ in c major with bass",
    "choir in g minor with trumpet lead",
    "guitar with march drums in d major",
    "accordion in f major with upright bass",
)
"""Prompts that no method was made on and none was compared on."""


@dataclass(frozen=True)
class ContestSettings:
    """Sizes. Raises BadInputError for what could tell nothing."""

    concepts: tuple[str, ...] = ()
    """By the composer's names; none takes all of the bank's preregistration."""
    arms: tuple[str, ...] = ARMS
    prompts: tuple[str, ...] = PROMPTS
    new_prompts: tuple[str, ...] = NEW_PROMPTS
    pairs: int = 8
    amounts: tuple[float, ...] = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
    """In typical scales of the layer while methods are compared, in steps when a winner is confirmed."""
    seed: int = 60_000

    def __post_init__(self) -> None:
        if self.pairs < 4 or not self.amounts or not any(a > 0 for a in self.amounts) or 0 in self.amounts:
            raise BadInputError(
                f"{self.pairs} pairs, amounts {self.amounts}: at least 4 pairs and an amount above 0 (0 is the twin)"
            )

    def of(self, prompts: Sequence[str], offset: int) -> tuple[Pair, ...]:
        """Pairs, the prompts in turn."""
        return tuple(Pair(prompts[n % len(prompts)], self.seed + offset + n) for n in range(self.pairs))

    @property
    def trying(self) -> tuple[Pair, ...]:
        return self.of(self.prompts, 0)

    @property
    def comparing(self) -> tuple[Pair, ...]:
        return self.of(self.prompts, 1000)

    @property
    def confirming(self) -> tuple[Pair, ...]:
        return self.of(self.new_prompts, 2000)


@dataclass
class Contest:
    """One run. Every block that was played stays in the stage's folder."""

    material: Material
    stage: Stage
    settings: ContestSettings = field(default_factory=ContestSettings)
    told: Told | None = None

    @property
    def concepts(self) -> tuple[str, ...]:
        return self.settings.concepts or tuple(one.name for one in self.material.prereg.concepts)

    def methods(self) -> list[Method]:
        """Our own arms."""
        found = []
        for number, name in enumerate(self.settings.arms):
            self._tell(f"making sliders: {name}", number / len(self.settings.arms))
            found.append(make(name, self.material, self.concepts, trial=self._trial))
        return found

    def compare(self, methods: Sequence[Method]) -> list[Score]:
        """All methods on the same pairs, the baseline's effect beside each."""
        twins = self.stage.twins(self.settings.comparing)
        scores = []
        jobs = [
            (method, concept) for method in methods for concept in self.concepts if concept in method.steers
        ]
        for number, (method, concept) in enumerate(jobs):
            self._tell(f"{method.name}: {concept}", number / len(jobs))
            steer = method.steers[concept]
            played = self.stage.play(steer, self.settings.comparing, self.amounts(steer))
            scores.append(self.judge(method.name, steer, concept, played, twins))
        return against(scores, BASELINE)

    def winners(self, scores: Sequence[Score]) -> dict[str, Score]:
        """Concept -> who wins; words are an upper baseline and no slider."""
        return winners(scores, without=(WORDS,))

    def judge(self, name: str, steer: Steer, concept: str, played: Played, twins: Played) -> Score:
        return score(
            name, played, twins, self.question(concept), self.material.measures, self.stage.guarded,
            seconds=steer.seconds,
        )  # fmt: skip

    def amounts(self, steer: Steer) -> tuple[float, ...]:
        """Words have one amount."""
        return (1.0,) if steer.words else self.settings.amounts

    def question(self, concept: str) -> Question:
        column = self.material.measures.index(self.material.target(concept))
        return Question(concept, column, self.material.others(concept), self.material.spread, self._natural)

    @cached_property
    def _natural(self) -> float:
        """How much more surprise composed music has than the model's own takes; 0 where nothing is composed."""
        takes = self.stage.twins(self.settings.comparing).of([SURPRISE])[0, :, 0]
        if not self.material.prereg.settings.concepts:
            return 0.0
        clips = torch.cat([have for have, _ in self.material.examples.values()])[:64].long()
        composed = excess_surprise(self.material.model, clips, [None] * len(clips))
        return max(0.0, float(composed.mean() - takes.mean()))

    def _trial(self, concept: str) -> Try:
        """Plays a solution on pairs of its own -> what amount 1 does, and how sure that is."""

        def trial(steer: Steer) -> tuple[Floats, Floats]:
            pairs, amounts = self.settings.trying, (0.5, 1.0)
            twins, measures = self.stage.twins(pairs), self.material.measures
            responses = self.stage.play(steer, pairs, amounts).responses(twins, measures)
            slopes = pair_slopes(amounts, responses.differences(amounts)) / self.material.spread
            error = np.nanstd(slopes, 0, ddof=1) / np.sqrt(len(pairs))
            return location(slopes.T, prompt_weights(responses.prompts)), error

        return trial

    def _tell(self, what: str, share: float) -> None:
        if self.told is not None:
            self.told(what, share)
