"""Activations and what is true in the same windows -> AUROC of every feature for every concept.

Which concept suits a feature is chosen on training windows; the score that is reported comes from held-
out ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.residuals.areas import auroc_columns, auroc_each

_MIN_EXAMPLES = 8  # windows of either kind, below which an AUROC means nothing


def auroc(activation: Tensor, truth: Tensor, valid: Tensor | None = None) -> Tensor:
    """Area under the ROC curve, ties counted half, for all features and concepts.

    Args:
        activation: [W, F].
        truth: bool [W, C].
        valid: bool [W, C]; windows to leave out for a concept (None = none).

    Returns:
        float32 [F, C]; NaN where a concept has fewer than 8 positive or negative windows.
    """
    if len(activation) != len(truth):
        raise BadInputError(f"{len(activation)} windows of activation but {len(truth)} of truth")
    if valid is None or bool(valid.all()):
        return _auroc(activation, truth)
    out = torch.empty(activation.shape[1], truth.shape[1])
    masks, group = valid.T.unique(dim=0, return_inverse=True)
    for number, keep in enumerate(masks):  # concepts that leave out the same windows are ranked together
        columns = group == number
        out[:, columns] = _auroc(activation[keep], truth[keep][:, columns])
    return out


def _auroc(activation: Tensor, truth: Tensor) -> Tensor:
    return _rich(auroc_columns(activation, truth), truth)


def paired_auroc(scores: Tensor, truth: Tensor) -> Tensor:
    """Column by column: scores [W, F] against truth bool [W, F] -> float32 [F]; NaN as in :func:`auroc`."""
    return _rich(auroc_each(scores, truth), truth)


def _rich(areas: Tensor, truth: Tensor) -> Tensor:
    positives = truth.sum(0)
    poor = torch.minimum(positives, len(truth) - positives) < _MIN_EXAMPLES
    return torch.where(poor, torch.nan, areas)


@dataclass(frozen=True)
class FeatureBest:
    """The concept that suits a feature best."""

    feature: int
    concept: str
    train: float
    held_out: float
    runner_up: str
    runner_up_train: float


@dataclass(frozen=True)
class ConceptBest:
    """The feature that suits a concept best."""

    concept: str
    feature: int
    train: float
    held_out: float


@dataclass(frozen=True)
class Scores:
    """AUROC [F, C] on training and on held-out windows."""

    names: tuple[str, ...]
    train: Tensor
    held_out: Tensor

    def per_feature(self, among: Sequence[int] | None = None) -> list[FeatureBest]:
        """Best concept of each feature, chosen on the training windows."""
        filled = self.train.nan_to_num(0.0)
        best, order = filled.topk(min(2, filled.shape[1]), dim=1)
        rows = range(len(filled)) if among is None else among
        out = []
        for f in rows:
            first, second = int(order[f, 0]), int(order[f, -1])
            held = float(self.held_out[f, first])
            out.append(
                FeatureBest(
                    f, self.names[first], float(best[f, 0]), held, self.names[second], float(best[f, -1])
                )
            )
        return out

    def per_concept(self, among: Sequence[int] | None = None) -> list[ConceptBest]:
        """Best feature of each concept, chosen on the training windows; not for concepts that never vary."""
        out = []
        rows = (
            torch.arange(len(self.train)) if among is None else torch.tensor(list(among), dtype=torch.int64)
        )
        for c, name in enumerate(self.names):
            column = self.train[rows, c]
            if bool(column.isnan().all()):
                continue
            f = int(rows[column.nan_to_num(0.0).argmax()])
            out.append(ConceptBest(name, f, float(self.train[f, c]), float(self.held_out[f, c])))
        return out


def score(
    names: Sequence[str],
    train: tuple[Tensor, Tensor],
    held_out: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor] | None = None,
) -> Scores:
    """(activation [W, F], truth [W, C]) of both splits -> all scores."""
    masks: tuple[Tensor | None, Tensor | None] = valid if valid is not None else (None, None)
    return Scores(tuple(names), auroc(*train, masks[0]), auroc(*held_out, masks[1]))
