"""k (value, index) pairs a row -> products with dense matrices that never touch the other features.

The forward and backward passes of a TopK autoencoder need F features in one product only, the encoder's;
everything else runs on the k that won, as compressed sparse rows. Where the platform has no sparse
kernels the dense products are used. It knows nothing of autoencoders.
"""

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

__all__ = ["decode_pairs", "encode_pairs", "largest", "sparse_kernels"]

_GROUP = 8  # features that stand for one another in the first round of ``largest``


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


def encode_pairs(
    x: Tensor, centre: Tensor | None, weight: Tensor, bias: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Rows [N, D] -> relu of their k largest ``(x - centre) @ weight + bias``: values and indices [N, k].

    Gradients flow through the values, to centre [D], weight [D, F] and bias [F]; none to x.
    """
    values, indices = _Encode.apply(x, centre, weight, bias, k)  # type: ignore[no-untyped-call]
    return values, indices


def decode_pairs(values: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
    """Pairs [N, k] and a matrix [F, D] -> the weighted sums of its rows [N, D]."""
    out: Tensor = _Decode.apply(values, indices, weight)  # type: ignore[no-untyped-call]
    return out


def _rows(values: Tensor, indices: Tensor, width: int) -> Tensor:
    """The pairs as a compressed-row matrix [N, width]."""
    n, k = indices.shape
    starts = torch.arange(0, n * k + 1, k, device=indices.device)
    with warnings.catch_warnings():  # torch announces once that these layouts are in beta
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(starts, indices.reshape(-1), values.reshape(-1), (n, width))


def _columns(values: Tensor, indices: Tensor, width: int) -> Tensor:
    """The transpose of :func:`_rows`, [width, N], without moving a number."""
    n, k = indices.shape
    starts = torch.arange(0, n * k + 1, k, device=indices.device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csc_tensor(starts, indices.reshape(-1), values.reshape(-1), (width, n))


def _dense(values: Tensor, indices: Tensor, width: int) -> Tensor:
    return values.new_zeros(len(values), width).scatter_(1, indices, values)


def _times(values: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
    """[N, F] pairs @ weight [F, D] -> [N, D]."""
    if sparse_kernels(weight.device):
        return _rows(values, indices, len(weight)) @ weight
    return _dense(values, indices, len(weight)) @ weight


def _transposed_times(values: Tensor, indices: Tensor, rows: Tensor, width: int) -> Tensor:
    """[F, N] transposed pairs @ rows [N, D] -> [F, D]."""
    if sparse_kernels(rows.device):
        return _columns(values, indices, width) @ rows
    return _dense(values, indices, width).T @ rows


def _sampled(left: Tensor, right: Tensor, values: Tensor, indices: Tensor) -> Tensor:
    """The entries of left [N, D] @ right [F, D].T at the pairs' places: [N, k]."""
    if sparse_kernels(left.device):
        pattern = _rows(torch.zeros_like(values), indices, len(right))
        found: Tensor = torch.sparse.sampled_addmm(pattern, left, right.T, beta=0.0).values()
        return found.view_as(values)
    return (left @ right.T).gather(1, indices)


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, centre: Tensor | None, weight: Tensor, bias: Tensor, k: int
    ) -> tuple[Tensor, Tensor]:
        x = x if centre is None else x - centre
        pre = torch.addmm(bias, x, weight)
        indices = largest(pre, k).sort(dim=1).values
        values = pre.gather(1, indices).relu_()
        ctx.save_for_backward(x, weight, values, indices)
        ctx.centred = centre is not None
        ctx.mark_non_differentiable(indices)
        ctx.set_materialize_grads(False)
        return values, indices

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor | None, _indices: object
    ) -> tuple[None, Tensor | None, Tensor | None, Tensor | None, None]:
        if grad is None:
            return None, None, None, None, None
        x, weight, values, indices = ctx.saved_tensors
        grad = grad * (values > 0)
        features = weight.shape[1]
        grad_weight = _transposed_times(grad, indices, x, features).T
        grad_bias = grad.new_zeros(features).index_add_(0, indices.reshape(-1), grad.reshape(-1))
        grad_centre = -(weight @ grad_bias) if ctx.centred else None
        return None, grad_centre, grad_weight, grad_bias, None


class _Decode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, values: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(values, indices, weight)
        return _times(values, indices, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, Tensor]:
        values, indices, weight = ctx.saved_tensors
        grad_weight = _transposed_times(values, indices, grad, len(weight))
        return _sampled(grad, weight, values, indices), None, grad_weight
