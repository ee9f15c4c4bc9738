"""Residuals or activations and what is true -> supervised readouts: a dense probe, and one on few columns.

Ridge regression on +-1, whose strength is chosen by cross-validation over whole pieces. It knows nothing of SAEs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from drawbar.residuals.areas import auroc_each

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # in units of the mean variance
_FOLDS = 3
_FEW_STRENGTH = 1e-2


@dataclass(frozen=True)
class Probe:
    """A linear readout of C concepts."""

    weight: Tensor
    """[D, C]."""
    bias: Tensor
    """[C]."""
    trained: Tensor
    """AUROC [C] on the training pieces, each read by a probe that has not seen it."""

    def __call__(self, x: Tensor) -> Tensor:
        """[N, D] -> scores [N, C]."""
        return x.float() @ self.weight + self.bias


def dense_probe(x: Tensor, truth: Tensor, piece: Tensor) -> Probe:
    """Fit all concepts at once: x [N, D], truth bool [N, C], the piece of each row [N]."""
    mean, spread = x.mean(0), x.std(0).clamp_min(1e-6)
    z = (x - mean) / spread
    y = truth.float() * 2 - 1
    fold = piece.unique(return_inverse=True)[1] % _FOLDS
    guesses = torch.zeros(len(_STRENGTHS), *y.shape)
    for number in range(_FOLDS):
        inside = fold != number
        if bool(inside.any()) and not bool(inside.all()):
            fits = _ridge(z[inside], y[inside])
            for i, (weight, bias) in enumerate(fits):
                guesses[i, ~inside] = z[~inside] @ weight + bias
    scores = torch.stack([auroc_each(guess, truth) for guess in guesses]).nan_to_num(0.0)
    best = scores.argmax(0)
    fits = _ridge(z, y)
    weight = torch.stack([fits[int(i)][0][:, c] for c, i in enumerate(best)], 1) / spread[:, None]
    bias = torch.stack([fits[int(i)][1][c] for c, i in enumerate(best)]) - mean @ weight
    return Probe(weight, bias, scores.amax(0))


def _ridge(z: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(weight [D, C], bias [C]) at every strength, from one eigendecomposition of the smaller Gram matrix."""
    centre, level = z.mean(0), y.mean(0)
    z, y = z - centre, y - level
    wide = z.shape[1] > len(z)  # fewer rows than columns: the weights are sums of rows
    gram = (z @ z.T if wide else z.T @ z).double() / len(z)
    unit = z.square().mean(0).mean().double().clamp_min(1e-12)
    values, vectors = torch.linalg.eigh(gram)
    along = vectors.T @ (y if wide else z.T @ y).double() / len(z)
    out = []
    for strength in _STRENGTHS:
        weight = (vectors @ (along / (values.clamp_min(0) + strength * unit)[:, None])).float()
        if wide:
            weight = z.T @ weight
        out.append((weight, level - centre @ weight))
    return out


def few_columns(x: Tensor, truth: Tensor, candidates: Tensor, count: int = 8) -> tuple[Tensor, Tensor, float]:
    """A ridge readout of one concept [N] on ``count`` of the candidate columns of x [N, F], chosen greedily.

    Returns:
        the columns [count], their weights [count], the bias.
    """
    z = x[:, candidates].double()
    mean, spread = z.mean(0), z.std(0).clamp_min(1e-9)
    z = (z - mean) / spread
    y = truth.double() * 2 - 1
    gram, along = z.T @ z / len(z), z.T @ (y - y.mean()) / len(z)
    chosen = _greedy(gram.clone(), along.clone(), min(count, len(candidates)))
    some = gram[chosen][:, chosen] + _FEW_STRENGTH * torch.eye(len(chosen), dtype=torch.float64)
    weight = torch.linalg.solve(some, along[chosen]) / spread[chosen]
    return candidates[chosen], weight.float(), float(y.mean() - mean[chosen] @ weight)


def _greedy(gram: Tensor, along: Tensor, count: int) -> list[int]:
    """Forward selection: each time the column that explains most of what is left over."""
    chosen: list[int] = []
    for _ in range(count):
        left = gram.diagonal().clamp_min(1e-6)
        gain = along.square() / left
        gain[chosen] = -1.0
        gain[gram.diagonal() < 1e-3] = -1.0  # what the chosen ones hold already
        best = int(gain.argmax())
        if float(gain[best]) < 0:
            break
        chosen.append(best)
        column, pivot = gram[:, best].clone(), float(left[best])
        along = along - column * (along[best] / pivot)
        gram = gram - torch.outer(column, column) / pivot
    return chosen
