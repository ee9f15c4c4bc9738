"""Sampled frames and ways to read them -> the best single unit of each concept, chosen on the training split.

A unit is an SAE feature, a residual dimension or any direction; its sign is chosen too. It knows nothing of where
the frames come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from drawbar.residuals.areas import Pairs, auroc_columns, auroc_each, auroc_pairs
from drawbar.residuals.composed import Rows
from drawbar.residuals.probes import dense_probe, few_columns
from drawbar.sae import SAE

_CHOSEN_ON = 10_000  # training frames that units are ranked on, at most
_CANDIDATES = 64  # features that the readout of a few may choose from
_CHUNK_CELLS = 1 << 24


@dataclass(frozen=True)
class Found:
    """What one way of reading one layer gives in one scope, concept by concept [C]."""

    method: str
    source: str
    """Which SAE, where there are several."""
    layer: int
    scope: str
    unit: list[int]
    """The best unit; for a readout of a few -1."""
    sign: list[int]
    """-1 where the unit is low when the concept is there."""
    train: Tensor
    held_out: Tensor


def directions(method: str, layer: int, matrix: Tensor, train: Rows, test: Rows, scope: str) -> Found:
    """The best column of ``matrix`` [D, n] for each concept."""
    x = _scoped(train, layer, scope)
    rows = _some(len(x))
    truth = train.side(scope).truth
    area = auroc_columns(x[rows] @ matrix, truth[rows])
    best, sign, chosen = _pick(area)
    seen = auroc_each(_scoped(test, layer, scope) @ matrix[:, best], test.side(scope).truth)
    return Found(method, "", layer, scope, best.tolist(), sign.tolist(), chosen, _signed(seen, sign))


def differences(layer: int, train: Rows, test: Rows, scope: str) -> Found:
    """Each concept's own difference of means as its direction."""
    x, truth = _scoped(train, layer, scope), train.side(scope).truth
    hits = truth.float()
    x = x - x.mean(0)
    matrix = x.T @ (hits / hits.sum(0) - (1 - hits) / (1 - hits).sum(0))
    own = auroc_each(x @ matrix, truth)
    seen = auroc_each(_scoped(test, layer, scope) @ matrix, test.side(scope).truth)
    count = len(own)
    return Found("difference in means", "", layer, scope, list(range(count)), [1] * count, own, seen)


def dense(layer: int, train: Rows, test: Rows, scope: str) -> Found:
    """The supervised upper bound: a regularised linear probe on the whole residual."""
    side = train.side(scope)
    probe = dense_probe(_scoped(train, layer, scope), side.truth, side.piece)
    seen = auroc_each(probe(_scoped(test, layer, scope)), test.side(scope).truth)
    count = len(seen)
    return Found("dense probe", "", layer, scope, [-1] * count, [1] * count, probe.trained, seen)


def features(method: str, source: str, sae: SAE, train: Rows, test: Rows, *, few: bool) -> list[Found]:
    """The best feature of each concept in both scopes and, if asked for, a readout of the best eight."""
    sides = [_Activations(sae, rows) for rows in (train, test)]
    out = []
    for scope in ("frame", "clip"):
        own, other = (side.matrix(scope) for side in sides)
        truth, seen_truth = train.side(scope).truth, test.side(scope).truth
        area = own.areas(truth)
        best, sign, chosen = _pick(area)
        seen = auroc_each(other.columns(best.tolist()), seen_truth)
        where = (source, sae.layer, scope)
        out.append(Found(method, *where, best.tolist(), sign.tolist(), chosen, _signed(seen, sign)))
        if few:
            out.append(_eight(where, own, other, truth, seen_truth, area))
    return out


def _eight(
    where: tuple[str, int, str], own: "_Matrix", other: "_Matrix", truth: Tensor, seen: Tensor, area: Tensor
) -> Found:
    strength = (area - 0.5).abs().nan_to_num(0.0)
    inside, outside = [], []
    for concept in range(truth.shape[1]):
        candidates = strength[:, concept].topk(min(_CANDIDATES, len(strength))).indices
        table = own.columns(candidates.tolist())
        chosen, weight, _ = few_columns(table, truth[own.rows, concept], torch.arange(len(candidates)))
        inside.append(table[:, chosen] @ weight)
        outside.append(other.columns(candidates[chosen].tolist()) @ weight)
    train = auroc_each(torch.stack(inside, 1), truth[own.rows])
    held = auroc_each(torch.stack(outside, 1), seen)
    count = len(train)
    return Found("8 features", *where, [-1] * count, [1] * count, train, held)


def _scoped(rows: Rows, layer: int, scope: str) -> Tensor:
    return rows.in_scope(rows.residuals[layer].float(), scope)


def _some(count: int) -> Tensor:
    """At most 10,000 rows, always the same ones."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return order[:_CHOSEN_ON].sort().values


def _pick(area: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """AUROC [F, C] -> best unit, its sign, its AUROC with that sign, [C] each."""
    best = (area - 0.5).abs().nan_to_num(0.0).argmax(0)
    value = area.gather(0, best[None])[0]
    sign = torch.where(value < 0.5, -1, 1)
    return best, sign, _signed(value, sign)


def _signed(area: Tensor, sign: Tensor) -> Tensor:
    return torch.where(sign < 0, 1 - area, area)


class _Matrix:
    """Activations of some rows, read by column."""

    rows: Tensor

    def areas(self, truth: Tensor) -> Tensor:
        """[F, C] on the rows it has of ``truth`` [N, C]."""
        raise NotImplementedError

    def columns(self, which: Sequence[int]) -> Tensor:
        """[rows, len(which)]."""
        raise NotImplementedError


class _Dense(_Matrix):
    def __init__(self, values: Tensor) -> None:
        self._values, self.rows = values, torch.arange(len(values))

    def areas(self, truth: Tensor) -> Tensor:
        return auroc_columns(self._values, truth)

    def columns(self, which: Sequence[int]) -> Tensor:
        return self._values[:, list(which)]


class _Sparse(_Matrix):
    """Only what is above zero, ordered by column."""

    def __init__(self, pairs: Pairs, features: int, rows: Tensor) -> None:
        values, row, column = pairs
        order = column.argsort(stable=True)
        self._pairs: Pairs = (values[order], row[order], column[order])
        self._starts = torch.cat(
            [torch.zeros(1, dtype=torch.int64), torch.bincount(column, minlength=features).cumsum(0)]
        ).tolist()
        self.rows = rows

    def areas(self, truth: Tensor) -> Tensor:
        return auroc_pairs(self._pairs, len(self._starts) - 1, truth[self.rows])

    def columns(self, which: Sequence[int]) -> Tensor:
        out = torch.zeros(len(self.rows), len(which))
        for place, column in enumerate(which):
            mine = slice(self._starts[column], self._starts[column + 1])
            out[self._pairs[1][mine], place] = self._pairs[0][mine]
        return out


class _Activations:
    """One SAE over one split: pairs of the frames, means of the clips; one pass, chunk by chunk."""

    @torch.no_grad()
    def __init__(self, sae: SAE, rows: Rows) -> None:
        x = rows.residuals[sae.layer]
        means = torch.zeros(len(rows.clips.piece), sae.d_sae)
        parts: list[Pairs] = []
        step = max(1, _CHUNK_CELLS // sae.d_sae)
        for start in range(0, len(x), step):
            a = sae.encode(x[start : start + step].float())
            means.index_add_(0, rows.clip[start : start + step], a)
            at = a.nonzero()
            parts.append((a[at[:, 0], at[:, 1]], at[:, 0] + start, at[:, 1]))
        self._means = means / torch.bincount(rows.clip)[:, None]
        self._pairs: Pairs = tuple(torch.cat(column) for column in zip(*parts, strict=True))  # type: ignore[assignment]
        self._count, self._features = len(x), sae.d_sae

    def matrix(self, scope: str) -> _Matrix:
        """All frames, or the means over clips."""
        if scope == "clip":
            return _Dense(self._means)
        return _Sparse(self._pairs, self._features, torch.arange(self._count))
