"""A bank, its model and its trials -> what methods make sliders of: effects, contrasts, examples, concepts.

Everything here was measured on pairs that the comparison does not play. Made when first asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.bank import Bank
from drawbar.contrast.concept_contrasts import (
    ConceptContrast,
    ConceptSettings,
    bank_contrasts,
    concept_contrasts,
    concept_examples,
)
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.judges import second_measure, target_measure
from drawbar.evidence.experiment.preregistration import Preregistration, of_bank
from drawbar.evidence.methods.effect_map import EffectMap, fit_map
from drawbar.evidence.methods.effect_table import EffectTable, effect_tables, take_spread
from drawbar.evidence.statistics.responses import Floats, Measured
from drawbar.evidence.statistics.side_effects import other_measures, take_correlations
from drawbar.musicgen import Model

_SYNONYM = 0.9


@dataclass
class Material:
    """One bank's."""

    bank: Bank
    model: Model
    folder: Path
    """Keeps composed pieces and contrasts."""
    contrasting: ConceptSettings = field(default_factory=ConceptSettings)
    told: Callable[[str, float], None] | None = None

    @cached_property
    def prereg(self) -> Preregistration:
        """Of the run whose trials the bank keeps. Raises BadInputError for a bank without evidence."""
        return of_bank(self.bank)

    @cached_property
    def tables(self) -> dict[int, EffectTable]:
        """Layer -> measured effects."""
        return effect_tables(self.bank, self.prereg)

    @cached_property
    def maps(self) -> dict[int, EffectMap]:
        return {layer: fit_map(table) for layer, table in self.tables.items()}

    @property
    def layers(self) -> tuple[int, ...]:
        return tuple(sorted(int(layer) for layer in self.prereg.scales))

    def scale(self, layer: int) -> float:
        """The norm of a typical slider."""
        return float(self.prereg.scales[str(layer)])

    @property
    def measures(self) -> tuple[str, ...]:
        return self.prereg.measures

    def target(self, concept: str) -> str:
        """The measure that hears a concept. Raises BadInputError where no judge does."""
        found = target_measure(concept, self.measures)
        if found is None and f"clap:{concept}" in self.measures:
            found = f"clap:{concept}"
        if found is None:
            raise BadInputError(f"no judge hears {concept!r}: there are {', '.join(self.measures[:30])}")
        return found

    @cached_property
    def _correlations(self) -> Floats:
        known = list(self.bank.evidence("measures"))
        rows = [one for one in self.bank.trials(kind="unsteered") if one.stage == "reference"]
        columns = [known.index(name) for name in self.measures]
        values = np.stack([one.values[columns] for one in rows]).astype(float)
        return take_correlations(values, [one.prompt for one in rows])

    @cached_property
    def spread(self) -> Floats:
        """``[M]`` standard deviation between unsteered takes."""
        return take_spread(self.bank, self.measures)

    def others(self, concept: str) -> NDArray[np.bool_]:
        """``[M]`` measures that would be side effects of a concept's slider.

        What the target means by name is none: its second judge, and the kinds of it (who pulls drums up hears rock
        drums or jazz drums come in).
        """
        target = self.target(concept)
        second = second_measure(concept, target, self.measures)
        same = [n for n, name in enumerate(self.measures) if name == second or kin(name, target)]
        column = self.measures.index(target)
        found, _ = other_measures(column, self._correlations, np.isfinite(self.spread), same, _SYNONYM)
        return found

    @cached_property
    def contrasts(self) -> Mapping[str, Sequence[ConceptContrast]]:
        """Concept -> its difference in means at each layer; from composed music, else from the bank's examples."""
        if self.prereg.settings.concepts:
            rows = concept_contrasts(
                self.model, self.layers, self.folder, settings=self.contrasting, progress=self.told
            )
        else:
            rows = bank_contrasts(self.model, self.bank, self.layers, progress=self.told)
        found: dict[str, list[ConceptContrast]] = {}
        for one in rows:
            found.setdefault(one.name, []).append(one)
        return found

    def contrast(self, concept: str) -> ConceptContrast | None:
        """At the layer where the difference in means tells best; None for one that is too rare."""
        return max(self.contrasts.get(concept, ()), key=lambda one: one.auroc_difference, default=None)

    @cached_property
    def examples(self) -> Mapping[str, tuple[Tensor, Tensor]]:
        """Concept -> clips ``[N, K, T]`` that have it throughout, and clips that lack it throughout."""
        if not self.prereg.settings.concepts:
            raise BadInputError(
                "this bank's concepts are not composed: learning by gradient needs composed pieces"
            )
        return concept_examples(self.model, self.folder, settings=self.contrasting, progress=self.told)


def kin(one: str, other: str) -> bool:
    """Whether one measure's name is a kind of the other's: ``detector:drums`` and ``detector:drums:jazz``."""
    return one != other and (one.startswith(f"{other}:") or other.startswith(f"{one}:"))


def unit(vector: Measured) -> Floats:
    """The same direction, length 1."""
    row = np.asarray(vector, np.float64)
    found: Floats = row / max(float(np.linalg.norm(row)), 1e-12)
    return found


def as_tensor(vector: Measured) -> Tensor:
    return torch.from_numpy(np.array(vector, np.float32))
