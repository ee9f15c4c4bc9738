"""Scores of thousands of columns and what is true -> areas under the ROC curve, by ranks, ties counted half.

It knows nothing of features, layers or music.
"""

import torch
from torch import Tensor

_CELLS = 1 << 24  # numbers ranked at a time

Pairs = tuple[Tensor, Tensor, Tensor]
"""What is above zero: values [P], rows [P], columns [P]."""


def auroc_columns(scores: Tensor, truth: Tensor) -> Tensor:
    """Every column against every concept: scores [N, F], truth bool [N, C] -> [F, C].

    NaN for a concept that is always or never true.
    """
    hits = truth.float()
    positives = hits.sum(0)
    width = max(1, _CELLS // max(len(scores), 1))
    parts = [_centred_ranks(part.T) @ hits for part in torch.split(scores, width, dim=1)]
    above = torch.cat(parts) if parts else hits.new_zeros(0, hits.shape[1])
    return 0.5 + above / (positives * (len(truth) - positives))


def auroc_each(scores: Tensor, truth: Tensor) -> Tensor:
    """Column c against concept c: scores [N, C], truth bool [N, C] -> [C]."""
    hits = truth.T.float()
    positives = hits.sum(1)
    above = (_centred_ranks(scores.T) * hits).sum(1)
    return 0.5 + above / (positives * (len(truth) - positives))


def auroc_pairs(pairs: Pairs, columns: int, truth: Tensor) -> Tensor:
    """:func:`auroc_columns` of a matrix [N, F] that is zero but for ``pairs``; only they are sorted."""
    values, rows, places = pairs
    order = values.argsort()
    order = order[places[order].argsort(stable=True)]
    values, rows, places = values[order], rows[order], places[order]
    count = torch.bincount(places, minlength=columns)
    zeros = len(truth) - count
    rank = torch.arange(len(values)) - (count.cumsum(0) - count)[places] + zeros[places] + 1
    ranks = _shared(rank.float(), values, places) - (len(truth) + 1) / 2
    hits = truth.float()
    positives = hits.sum(0)
    above, fired = hits.new_zeros(columns, hits.shape[1]), hits.new_zeros(columns, hits.shape[1])
    for part in torch.split(torch.arange(len(values)), 1 << 20):
        true = hits[rows[part]]
        above.index_add_(0, places[part], true * ranks[part, None])
        fired.index_add_(0, places[part], true)
    low = (zeros.float() + 1) / 2 - (len(truth) + 1) / 2
    above += (positives - fired) * low[:, None]
    return 0.5 + above / (positives * (len(truth) - positives))


def _centred_ranks(rows: Tensor) -> Tensor:
    """Ranks of each row [n, N] less their mean, equal values sharing one."""
    ordered, order = rows.float().contiguous().sort(dim=1)
    n = ordered.shape[1]
    place = torch.arange(n, dtype=torch.float32).expand_as(ordered)
    same = ordered[:, 1:] == ordered[:, :-1]
    if bool(same.any()):
        edge = torch.ones_like(ordered, dtype=torch.bool)
        edge[:, 1:] = ~same
        first = torch.where(edge, place, 0.0).cummax(dim=1).values
        edge[:, 1:], edge[:, 0] = True, True
        edge[:, :-1] = ~same
        last = torch.where(edge, place, float(n)).flip(1).cummin(dim=1).values.flip(1)
        place = (first + last) / 2
    return torch.empty_like(ordered).scatter_(1, order, place - (n - 1) / 2)


def _shared(ranks: Tensor, values: Tensor, places: Tensor) -> Tensor:
    """Equal values of one column, which stand side by side, get the mean of their ranks."""
    if len(values) < 2:
        return ranks
    same = (values[1:] == values[:-1]) & (places[1:] == places[:-1])
    if not bool(same.any()):
        return ranks
    group = torch.cat([torch.zeros(1, dtype=torch.int64), (~same).long().cumsum(0)])
    size = torch.bincount(group)
    mean = torch.zeros(len(size), dtype=torch.float64).index_add_(0, group, ranks.double()) / size
    return mean[group].float()
