"""What is compared -> records: the settings, what was chosen, and everything that was measured.

Knows no model, no file and no statistics.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from drawbar.errors import BadInputError
from drawbar.evidence.experiment.preregistration import PROMPTS
from drawbar.evidence.experiment.trials import Condition, Trials
from drawbar.research.variants.output import most_specific

TWIN = Condition("unsteered", "", 0, 0.0)

PLAIN_AGAIN = (-1.5, -1.0, -0.5, 0.5, 1.0, 1.5)
WINNER_AGAIN = (-0.5, -0.25, 0.25, 0.5)
"""Amounts of the second comparison: three times as far for the plain slider, because a guidance of 3 takes a push of
the conditional branch threefold and one of both branches once."""


@dataclass(frozen=True)
class VariantSettings:
    """How ways to steer are compared. Raises BadInputError for fewer than 2 of anything."""

    model: str = "embedded"
    prompts: tuple[str, ...] = PROMPTS
    sliders: int = 12
    """Of as many concepts: for each the labelled feature that moved the concept's detector most while screening."""
    screen_pairs: int = 4
    pairs: int = 8
    """Fresh prompts and seeds that every variant is played with."""
    takes: int = 32
    """Unsteered takes that give the unit of all effects."""
    amounts: tuple[float, ...] = (-0.5, 0.25, 0.5)
    """Where sliders are used: beyond, most break the first guard."""
    choice_amounts: tuple[float, ...] = (0.25, 0.5)
    seconds: float = 4.0
    pieces: int = 64
    """Composed pieces that say which tokens are typical of a concept."""
    listened: int = 6
    """Of them, how many are played through the model to see what a feature does to the next token."""
    stack_sizes: tuple[int, ...] = (2, 4, 8)
    stack_amounts: tuple[float, ...] = (0.25, 0.5)
    """Of every slider in a combination."""
    unlike: int = 4
    """Combinations per size without a near-collinear pair."""
    alike: int = 2
    """Combinations per size that are made of near-collinear pairs."""
    alike_cos: float = 0.9
    stack_pairs: int = 8
    guidance: float | None = 3.0
    temperature: float = 1.0
    top_k: int = 250
    batch: int = 32
    seed: int = 40_000

    def __post_init__(self) -> None:
        counts = (self.sliders, self.screen_pairs, self.pairs, self.stack_pairs, self.pieces, self.listened)
        if min(counts) < 2 or self.takes < 2 * len(self.prompts):
            raise BadInputError(
                f"{self}: at least 2 of everything, and two unsteered takes per prompt ({2 * len(self.prompts)})"
            )
        if not any(a > 0 for a in self.amounts) or not all(a and math.isfinite(a) for a in self.amounts):
            raise BadInputError(f"amounts {self.amounts}: finite, not 0, and one above 0 at least")


@dataclass(frozen=True)
class Combo:
    """Sliders that push together."""

    ids: tuple[str, ...]
    alike: bool


@dataclass(frozen=True)
class Choice:
    """What the screening and the teacher-forced passes chose, before anything else is played."""

    sliders: Mapping[str, str]
    """Concept -> slider."""
    screened: Mapping[str, float]
    """Labelled feature -> what +1 did to its own detector while screening, mean over both signs, in SD."""
    by_label: Mapping[str, str]
    """Concept -> the feature whose activation tells the concept best (held-out AUROC)."""
    by_output: Mapping[str, str]
    """Concept -> the feature that makes its typical tokens most likely."""
    output_effect: Mapping[str, Mapping[str, float]]
    """Concept -> feature -> nats per frame."""
    combos: tuple[Combo, ...]

    @property
    def by_specific(self) -> dict[str, str]:
        """Concept -> the feature with the largest effect on its tokens times the concept's share of all it does.

        Concepts are counted in units of what features do to them on average (root mean square).
        """
        return most_specific(self.output_effect)


@dataclass(frozen=True)
class Played:
    """Everything that was measured."""

    settings: VariantSettings
    choice: Choice
    targets: Mapping[str, str]
    """Concept -> the detector's measure."""
    judged: tuple[str, ...]
    """Measures of judges, guards left out."""
    concepts: Mapping[str, str]
    """Labelled feature -> its concept."""
    trials: Mapping[str, Trials] = field(default_factory=dict)
