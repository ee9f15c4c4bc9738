"""Sound figures and activations of the same windows -> how well the sound alone predicts each feature.

A ridge regression on training windows, judged by AUROC on held-out ones: 0.5 is chance. A feature may be
consistent without a name; such features are grouped by when they fire.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.features.scoring import paired_auroc

_RIDGE = 10.0
_ALIKE = 0.5  # correlation in time above which two features stand in one group


@dataclass(frozen=True)
class Consistency:
    """Arrays over the F features."""

    auroc: Tensor
    """Float32 [F]; NaN where a feature fires too rarely or everywhere."""
    shuffled: Tensor
    """The same when each feature is predicted by another one's regression: the control."""


def high_windows(activation: Tensor) -> Tensor:
    """Bool [W, F]: the windows where a feature is high: where it fires at all, or above its median."""
    fires = activation > 0
    common = fires.float().mean(0) > 0.5
    middle = activation.median(dim=0).values
    return torch.where(common, activation > middle, fires)


def consistency(train: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor], seed: int = 0) -> Consistency:
    """(activation [W, F], figures [W, n]) of both splits -> scores on the held-out windows."""
    figures = train[1]
    middle = figures.nanmean(0).nan_to_num(0.0)
    spread = (figures - middle).nan_to_num(0.0).pow(2).mean(0).sqrt().clamp_min(1e-6)

    def inputs(values: Tensor) -> Tensor:
        z = ((values - middle) / spread).nan_to_num(0.0).clamp(-4, 4)
        return torch.cat([z, z**2 - 1, torch.ones(len(z), 1)], dim=1).double()

    x, target = inputs(train[1]), train[0].double()
    target = (target - target.mean(0)) / target.std(0).clamp_min(1e-9)
    penalty = _RIDGE * torch.eye(x.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(x.T @ x + penalty, x.T @ target)
    predicted, high = (inputs(held_out[1]) @ weights).float(), high_windows(held_out[0])
    alive = torch.nonzero(train[0].amax(0) > 0)[:, 0]
    other = torch.arange(predicted.shape[1])
    if len(alive) > 1:
        order = torch.randperm(len(alive), generator=torch.Generator().manual_seed(seed))
        other[alive[order]] = alive[order.roll(1)]
    return Consistency(paired_auroc(predicted, high), paired_auroc(predicted[:, other], high))


def groups(sketch: NDArray[np.float16], among: Sequence[int]) -> dict[int, int]:
    """Features, best first -> the leader of the group that each joins; features that are alone lead themselves.

    A feature joins the first leader that it correlates with in time by 0.5 or more.
    """
    leaders: list[int] = []
    rows = np.zeros((0, sketch.shape[1]), np.float32)
    found: dict[int, int] = {}
    for feature in among:
        mine = sketch[feature].astype(np.float32)
        likeness = rows @ mine
        if len(leaders) and likeness.max() >= _ALIKE:
            found[feature] = leaders[int(likeness.argmax())]
        else:
            found[feature] = feature
            leaders.append(feature)
            rows = np.concatenate([rows, mine[None]])
    return found
