"""Activations and labels -> which (layer, feature) tells an event apart, and the choice of the best few.

Every entry of a ranking carries the feature's layer and its number in the SAE, not its place in a table.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from drawbar.errors import BadInputError
from drawbar.research.horizon.features_at import Units
from drawbar.research.horizon.folds import Ints
from drawbar.research.horizon.horizons import Bools, Floats
from drawbar.research.horizon.logistic import Doubles
from drawbar.residuals.areas import auroc_columns


@dataclass(frozen=True)
class Ranked:
    """One feature, by what it says about training tracks."""

    layer: int
    index: int
    """In the SAE."""
    column: int
    """In the layer's table of activations."""
    auroc: tuple[float, ...]
    """For each horizon; below 0.5 the feature is silent before events."""
    density: float
    """Share of positions where it fires."""

    @property
    def id(self) -> str:
        return f"{self.layer}/{self.index}"

    def strength(self, horizon: int) -> float:
        """Distance from chance."""
        return abs(self.auroc[horizon] - 0.5)

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"id": self.id}


def areas_of(x: Floats, labels: Bools) -> Doubles:
    """Columns [n, F], labels [n, H] -> AUROC [F, H]; 0.5 where a label is of one kind."""
    found: Doubles = (
        auroc_columns(torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(labels))
        .double()
        .nan_to_num(0.5)
        .numpy()
    )
    return found


def best_columns(x: Floats, y: Bools, count: int, *, without: Sequence[int] = ()) -> Ints:
    """The ``count`` columns farthest from chance; ``without`` some."""
    strength = np.abs(areas_of(x, y[:, None])[:, 0] - 0.5)
    strength[list(without)] = -1.0
    if int((strength >= 0).sum()) < count:
        raise BadInputError(
            f"{count} columns of {x.shape[1]}, {len(without)} excluded: there are not so many"
        )
    found: Ints = np.argsort(-strength, kind="stable")[:count]
    return found


def rank(units: Units, activations: Floats, labels: Bools, rows: Bools) -> list[Ranked]:
    """A layer's features over the given rows, in the order of the table."""
    if activations.shape[1] != len(units.index):
        raise BadInputError(
            f"{activations.shape[1]} columns for {len(units.index)} features of layer {units.layer}"
        )
    areas = areas_of(activations[rows], labels[rows])
    density = (activations[rows] > 0).mean(axis=0)
    return [
        Ranked(units.layer, int(index), column, tuple(map(float, areas[column])), float(density[column]))
        for column, index in enumerate(units.index)
    ]
