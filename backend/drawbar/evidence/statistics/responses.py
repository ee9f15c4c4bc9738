"""Measured takes -> responses and pools: what directions did to pairs, beside the unsteered twins.

The unit everywhere is the pair (prompt, seed) and its paired difference from its own twin. Knows no model, no file
and no label; values that are missing (a clip that was not finite) are NaN.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drawbar.errors import BadInputError

Floats = npt.NDArray[np.float64]
Measured = npt.NDArray[np.floating[Any]]
"""As stored: single or double precision."""


def judge_of(measure: str) -> str:
    """``detector:drums`` -> ``detector``."""
    return measure.partition(":")[0]


@dataclass(frozen=True)
class Responses:
    """One direction at several amounts. Raises BadInputError for shapes that do not fit together."""

    measures: tuple[str, ...]
    """Names of the M measures, ``judge:what``."""
    prompts: tuple[str, ...]
    """Prompt of each of the P pairs."""
    seeds: tuple[int, ...]
    """Seed of each pair."""
    twins: Measured
    """The unsteered takes of the same pairs, ``[P, M]``."""
    doses: Mapping[float, Measured]
    """Amount -> steered takes, ``[P, M]``."""

    def __post_init__(self) -> None:
        _check(self.measures, self.prompts, self.seeds, self.twins)
        for amount, values in self.doses.items():
            if not math.isfinite(amount) or values.shape != self.twins.shape:
                raise BadInputError(
                    f"amount {amount}: takes of shape {values.shape} beside twins of {self.twins.shape}; "
                    "give a finite amount and every pair and measure, NaN where one is missing"
                )

    @property
    def amounts(self) -> tuple[float, ...]:
        """The amounts that were played, rising, without 0."""
        return tuple(sorted(amount for amount in self.doses if amount != 0))

    def side(self, sign: int) -> tuple[float, ...]:
        """The amounts of one sign, outwards from 0."""
        return tuple(sorted((a for a in self.amounts if a * sign > 0), key=abs))

    def column(self, measure: str) -> int:
        """Where a measure stands. Raises BadInputError for one that was not measured."""
        if measure not in self.measures:
            raise BadInputError(f"{measure!r} was not measured; there are {', '.join(self.measures)}")
        return self.measures.index(measure)

    def differences(self, amounts: Sequence[float]) -> Floats:
        """Steered minus twin at these amounts, ``[D, P, M]``."""
        twins = np.asarray(self.twins, np.float64)
        if not len(amounts):
            return np.zeros((0, *twins.shape))
        return np.stack([np.asarray(self.doses[amount], np.float64) - twins for amount in amounts])


@dataclass(frozen=True)
class Pool:
    """The null of one layer: R random directions on a grid of residual norms, with the candidates' twins.

    Raises BadInputError for shapes that do not fit together or a grid that does not rise.
    """

    measures: tuple[str, ...]
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    twins: Measured
    """``[P, M]``."""
    norms: tuple[float, ...]
    """The L norms that were added to the residual, rising, above 0."""
    values: Measured
    """``[R, L, P, M]``."""

    def __post_init__(self) -> None:
        _check(self.measures, self.prompts, self.seeds, self.twins)
        rising = all(a < b for a, b in zip((0.0, *self.norms), self.norms, strict=False))
        if not self.norms or not rising or not all(map(math.isfinite, self.norms)):
            raise BadInputError(f"norms {self.norms}: give finite numbers above 0 that rise")
        if self.values.ndim != 4 or self.values.shape[1:] != (len(self.norms), *self.twins.shape):
            raise BadInputError(
                f"pool of shape {self.values.shape}: give [directions, {len(self.norms)} norms, "
                f"{self.twins.shape[0]} pairs, {self.twins.shape[1]} measures]"
            )
        if self.directions < 19:
            raise BadInputError(
                f"{self.directions} random directions cannot show p below {1 / (1 + self.directions):.2f}; "
                "play at least 19, and 200 or more for a list of candidates"
            )

    @property
    def directions(self) -> int:
        return int(self.values.shape[0])


def _check(
    measures: tuple[str, ...],
    prompts: tuple[str, ...],
    seeds: tuple[int, ...],
    twins: Measured,
) -> None:
    pairs = list(zip(prompts, seeds, strict=False))
    if len(prompts) != len(seeds) or len(set(pairs)) != len(pairs) or len(pairs) < 2:
        raise BadInputError(
            f"{len(prompts)} prompts beside {len(seeds)} seeds, {len(set(pairs))} different pairs: "
            "give at least two pairs, each once"
        )
    if len(set(measures)) != len(measures) or not measures:
        raise BadInputError(f"measures {measures}: give at least one, each once")
    if twins.shape != (len(pairs), len(measures)):
        raise BadInputError(
            f"twins of shape {twins.shape}: give [{len(pairs)} pairs, {len(measures)} measures]"
        )
