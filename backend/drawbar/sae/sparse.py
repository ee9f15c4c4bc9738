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

__all__ = ["decode_pairs", "encode_pairs", "sparse_kernels"]


def sparse_kernels(device: torch.device) -> bool:
    """Whether compressed-row products exist there (MKL on a CPU; CUDA)."""
    return device.type == "cuda" or (device.type == "cpu" and torch.backends.mkl.is_available())


def encode_pairs(x: Tensor, weight: Tensor, bias: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows [N, D] -> relu of their k largest ``x @ weight + bias``: values, indices [N, k] and all [N, F].

    Gradients flow through the values only; the full product is returned detached, for the dead features.
    """
    values, indices, pre = _Encode.apply(x, weight, bias, k)  # type: ignore[no-untyped-call]
    return values, indices, pre


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
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
        pre = torch.addmm(bias, x, weight)
        indices = pre.topk(k, dim=1, sorted=False).indices.sort(dim=1).values
        values = pre.gather(1, indices).relu_()
        ctx.save_for_backward(x, weight, values, indices)
        ctx.mark_non_differentiable(indices, pre)
        ctx.set_materialize_grads(False)
        return values, indices, pre

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor | None, _indices: object, _pre: object
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        if grad is None:
            return None, None, None, None
        x, weight, values, indices = ctx.saved_tensors
        grad = grad * (values > 0)
        features = weight.shape[1]
        grad_x = _times(grad, indices, weight.T.contiguous()) if ctx.needs_input_grad[0] else None
        grad_weight = _transposed_times(grad, indices, x, features).T
        grad_bias = grad.new_zeros(features).index_add_(0, indices.reshape(-1), grad.reshape(-1))
        return grad_x, grad_weight, grad_bias, None


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
