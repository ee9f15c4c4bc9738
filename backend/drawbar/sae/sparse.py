"""k (value, index) pairs a row -> products with dense matrices that never touch the other features.

The forward and backward passes of a TopK autoencoder need F features in one product only, the encoder's;
everything else runs on the k that won, as compressed sparse rows. Where the platform has no sparse
kernels the dense products are used. It knows nothing of autoencoders.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_GROUP = 8  # features that stand for one another in the first round of ``largest``
_CACHED = 1 << 20  # entries of the full product that are looked at while they are in a CPU's cache
_FEWEST_ROWS = 256  # but never fewer rows at a time: the matrix is read anew for each lot


def sparse_kernels(device: torch.device) -> bool:
    """Whether compressed-row products exist there (MKL on a CPU; CUDA)."""
    return device.type == "cuda" or (device.type == "cpu" and torch.backends.mkl.is_available())


def largest(pre: Tensor, k: int) -> Tensor:
    """Where the k largest entries of each row [N, F] are: int64 [N, k], in no order.

    Features are put into groups; the k groups with the largest maxima hold all k winners, so only those
    groups' members are compared: three times as fast as ``topk`` alone.
    """
    n, features = pre.shape
    groups = features // _GROUP
    if features % _GROUP or groups < 2 * k or pre.device.type != "cpu":
        return pre.topk(k, dim=1, sorted=False).indices
    grouped = pre.view(n, _GROUP, groups)  # feature i stands in group i % groups
    best = grouped.amax(1).topk(k, dim=1, sorted=False).indices
    members = grouped.gather(2, best[:, None, :].expand(-1, _GROUP, -1)).view(n, -1)
    won = members.topk(k, dim=1, sorted=False).indices
    return torch.div(won, k, rounding_mode="floor") * groups + best.gather(1, won % k)


def winners(x: Tensor, weight: Tensor, bias: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Rows [N, D] -> relu of their k largest ``x @ weight + bias``, and where they are, ascending: [N, k] each.

    On a CPU some rows at a time, so that the full product [N, F] is never in memory.
    """
    lot = max(_FEWEST_ROWS, _CACHED // weight.shape[1]) if x.device.type == "cpu" else len(x)
    buffer = x.new_empty(min(lot, len(x)), weight.shape[1])
    values = x.new_empty(len(x), k)
    indices = torch.empty(len(x), k, dtype=torch.int64, device=x.device)
    for first in range(0, len(x), max(lot, 1)):
        part = x[first : first + lot]
        pre = torch.addmm(bias, part, weight, out=buffer[: len(part)])
        found = largest(pre, k).sort(dim=1).values
        indices[first : first + lot] = found
        values[first : first + lot] = pre.gather(1, found).relu_()
    return values, indices


def autoencode(
    x: Tensor,
    centre: Tensor,
    encoder: tuple[Tensor, Tensor],
    weight: Tensor,
    k: int,
    *,
    centred: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows [N, D] -> their reconstruction [N, D] from the k largest features, and those: values, indices [N, k].

    ``relu(topk((x - centre) @ encoder[0] + encoder[1])) @ weight + centre``; without ``centred`` the encoder
    sees x itself. Gradients flow from the reconstruction to every matrix and bias; none to x.
    """
    guess, values, indices = _Autoencode.apply(x, centre, *encoder, weight, k, centred)  # type: ignore[no-untyped-call]
    return guess, values, indices


def decode_pairs(values: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
    """Pairs [N, k] and a matrix [F, D] -> the weighted sums of its rows [N, D]; gradients flow to both."""
    return _times(values, indices, weight)


def _rows(values: Tensor, indices: Tensor, width: int) -> Tensor:
    """The pairs as a compressed-row matrix [N, width]."""
    n, k = indices.shape
    starts = torch.arange(0, n * k + 1, k, device=indices.device, dtype=torch.int32)
    with warnings.catch_warnings():  # torch announces once that these layouts are in beta
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(starts, indices.reshape(-1).int(), values.reshape(-1), (n, width))


class _ByFeature:
    """The same pairs sorted by feature: what every product with the transpose needs, found once."""

    def __init__(self, indices: Tensor, width: int) -> None:
        flat = indices.reshape(-1)
        short = flat.short() if width < 1 << 15 else flat.int()  # quicker to sort
        self._order = torch.argsort(short, stable=True)
        self._positions = torch.div(self._order, indices.shape[1], rounding_mode="floor").int()
        ends = torch.bincount(flat, minlength=width).cumsum(0)
        self._starts = torch.cat([ends.new_zeros(1), ends]).int()
        self._shape = (width, len(indices))

    def times(self, values: Tensor, rows: Tensor) -> Tensor:
        """[F, N] transposed pairs @ rows [N, D] -> [F, D]."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            matrix = torch.sparse_csr_tensor(
                self._starts, self._positions, values.reshape(-1)[self._order], self._shape
            )
        return matrix @ rows


def _dense(values: Tensor, indices: Tensor, width: int) -> Tensor:
    return values.new_zeros(len(values), width).scatter_(1, indices, values)


def _times(values: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
    """[N, F] pairs @ weight [F, D] -> [N, D]."""
    if sparse_kernels(weight.device):
        return functional.embedding_bag(indices, weight, mode="sum", per_sample_weights=values)
    return _dense(values, indices, len(weight)) @ weight


def _transposed_times(pairs: Sequence[tuple[Tensor, Tensor]], indices: Tensor, width: int) -> list[Tensor]:
    """For each (values [N, k], rows [N, D]): [F, N] transposed pairs @ rows -> [F, D]."""
    if sparse_kernels(indices.device):
        by_feature = _ByFeature(indices, width)
        return [by_feature.times(values, rows) for values, rows in pairs]
    return [_dense(values, indices, width).T @ rows for values, rows in pairs]


def _sampled(left: Tensor, right: Tensor, values: Tensor, indices: Tensor) -> Tensor:
    """The entries of left [N, D] @ right [F, D].T at the pairs' places: [N, k]."""
    if sparse_kernels(left.device):
        pattern = _rows(torch.zeros_like(values), indices, len(right))
        found: Tensor = torch.sparse.sampled_addmm(pattern, left, right.T, beta=0.0).values()
        return found.view_as(values)
    return (left @ right.T).gather(1, indices)


class _Autoencode(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        centre: Tensor,
        encoder: Tensor,
        bias: Tensor,
        weight: Tensor,
        k: int,
        centred: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        seen = x - centre if centred else x
        values, indices = winners(seen, encoder, bias, k)
        ctx.save_for_backward(seen, encoder, weight, values, indices)
        ctx.centred = centred
        ctx.mark_non_differentiable(values, indices)
        ctx.set_materialize_grads(False)
        return _times(values, indices, weight).add_(centre), values, indices

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: object) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 7
        seen, encoder, weight, values, indices = ctx.saved_tensors
        grad = grad.contiguous()
        inner = _sampled(grad, weight, values, indices) * (values > 0)
        features = len(weight)
        grad_weight, grad_encoder = _transposed_times([(values, grad), (inner, seen)], indices, features)
        grad_bias = inner.new_zeros(features).index_add_(0, indices.reshape(-1), inner.reshape(-1))
        grad_centre = grad.sum(0)
        if ctx.centred:
            grad_centre = grad_centre - encoder @ grad_bias
        return None, grad_centre, grad_encoder.T, grad_bias, grad_weight, None, None
