"""A linear layer's weights -> 4 or 8 bits, laid out for the processor's 8-bit dot products, and its product.

32 neighbouring inputs of an output share a half-precision scale; inputs become bytes of their own scale per 32 when
they are multiplied. Knows nothing of layers or models.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from drawbar.errors import BadInputError, NotSupportedError
from drawbar.musicgen.compiled.byte_kernels import GROUP, OUTPUTS
from drawbar.musicgen.quantised.kernels import Kernels, MultiplyJob, kernels

_ROWS = 4
"""Rows that one pass over the weights multiplies."""


@dataclass(frozen=True)
class Packed:
    """Weights ``[out, in]`` of ``bits`` bits."""

    bits: int
    n_out: int
    n_in: int
    weights: Tensor
    """uint8 ``[out/16, in/32, steps, 64]``: 16 outputs x 4 inputs a step; two 4-bit steps share 64 bytes.

    ``byte_kernels`` draws it above ``_multiply``. Stored + 128 (8 bits) or + 8 (4 bits), so that it is unsigned.
    """
    scales: Tensor
    """float16 ``[out/16, in/32, 16]``."""

    @property
    def bytes(self) -> int:
        return self.weights.numel() + 2 * self.scales.numel()


def pack(weight: Tensor, bits: int) -> Packed:
    """Weights ``[out, in]`` -> packed ones, each group's scale chosen for the least squared error.

    Raises BadInputError for other than 4 or 8 bits, and NotSupportedError for sizes that do not divide into blocks.
    """
    if bits not in (4, 8):
        raise BadInputError(f"{bits} bits: weights are packed into 4 or 8")
    n_out, n_in = weight.shape
    if n_out % OUTPUTS or n_in % GROUP:
        raise NotSupportedError(
            f"a linear layer of {n_in} inputs and {n_out} outputs cannot be packed: they must divide by "
            f"{GROUP} and {OUTPUTS}; use precision float32"
        )
    groups = weight.detach().float().reshape(n_out, n_in // GROUP, GROUP)
    values, scales = (_four_bits if bits == 4 else _eight_bits)(groups)
    blocks = values.view(n_out // OUTPUTS, OUTPUTS, n_in // GROUP, GROUP // 4, 4).permute(0, 2, 3, 1, 4)
    if bits == 4:
        blocks = blocks[:, :, 0::2] | (blocks[:, :, 1::2] << 4)
    return Packed(
        bits,
        n_out,
        n_in,
        blocks.reshape(n_out // OUTPUTS, n_in // GROUP, -1, 64).contiguous(),
        scales.view(n_out // OUTPUTS, OUTPUTS, -1).transpose(1, 2).contiguous(),
    )


def _eight_bits(groups: Tensor) -> tuple[Tensor, Tensor]:
    scale = (groups.abs().amax(-1, keepdim=True) / 127).half()
    safe = scale.float().clamp_min(1e-12)
    return ((groups / safe).round().clamp(-127, 127) + 128).to(torch.uint8), scale


def _four_bits(groups: Tensor) -> tuple[Tensor, Tensor]:
    """The value of the greatest size becomes -8 (so one side has a step more), or a little beyond the end.

    Cutting the greatest value off a little makes all other steps finer: of six scales the one with the least squared
    error is taken, group by group.
    """
    place = groups.abs().argmax(-1, keepdim=True)
    whole = groups.gather(-1, place) / -8
    best = torch.full_like(whole, torch.inf)
    values, scales = torch.zeros_like(groups, dtype=torch.uint8), torch.zeros_like(whole, dtype=torch.half)
    for share in (1.0, 0.96, 0.92, 0.88, 0.84, 1.06):
        scale = (whole * share).half()
        safe = scale.float()
        safe = torch.where(safe.abs() < 1e-12, torch.ones_like(safe), safe)
        tried = (groups / safe).round().clamp(-8, 7)
        error = (tried * scale.float() - groups).square().sum(-1, keepdim=True)
        better = error < best
        best = torch.where(better, error, best)
        values = torch.where(better, (tried + 8).to(torch.uint8), values)
        scales = torch.where(better, scale, scales)
    return values, scales


def unpack(packed: Packed) -> Tensor:
    """Packed weights -> what they stand for ``[out, in]``, float32."""
    blocks = packed.weights.view(packed.n_out // OUTPUTS, packed.n_in // GROUP, -1, OUTPUTS, 4)
    if packed.bits == 4:
        blocks = torch.stack([blocks & 15, blocks >> 4], dim=3).flatten(2, 3)
    values = blocks.permute(0, 3, 1, 2, 4).reshape(packed.n_out, packed.n_in // GROUP, GROUP).float()
    scales = packed.scales.transpose(1, 2).reshape(packed.n_out, -1, 1).float()
    return ((values - _middle(packed.bits)) * scales).reshape(packed.n_out, packed.n_in)


def _middle(bits: int) -> int:
    return 8 if bits == 4 else 128


class Workspace:
    """Memory for the bytes of one product's inputs; one product at a time."""

    def __init__(self, rows: int, width: int) -> None:
        found = kernels()
        if found is None:
            raise NotSupportedError(
                "this processor has neither AVX2 nor NEON with dot products: int8 and int4 are slower than float32 "
                "on it; use precision float32"
            )
        self._kernels: Kernels = found
        self.rows, self.width = rows, width
        self._bytes = torch.empty(rows * width, dtype=torch.int8)
        self._scales = torch.empty(rows * width // GROUP)
        self._sums = torch.empty(rows * width // GROUP, dtype=torch.int32)

    def multiply(
        self, x: Tensor, packed: Packed, out: Tensor, *, add: bool = False, threads: int = 1
    ) -> None:
        """Rows ``[M, in]`` by packed weights -> into (or added to) ``out [M, out]``; both float32, contiguous."""
        rows, groups = x.shape[0], packed.n_in // GROUP
        self._kernels.quantise(
            x.data_ptr(), self._bytes.data_ptr(), self._scales.data_ptr(), self._sums.data_ptr(),
            rows * groups, -_middle(packed.bits),
        )  # fmt: skip
        job = MultiplyJob(
            packed.weights.data_ptr(), packed.scales.data_ptr(), 0, 0, 0, 0,
            groups, packed.n_out // OUTPUTS, packed.n_out, int(add), threads,
        )  # fmt: skip
        for first in range(0, rows, _ROWS):
            job.inputs = self._bytes.data_ptr() + first * packed.n_in
            job.input_scales = self._scales.data_ptr() + 4 * first * groups
            job.input_sums = self._sums.data_ptr() + 4 * first * groups
            job.outputs = out.data_ptr() + 4 * first * packed.n_out
            self._kernels.multiply[packed.bits, min(_ROWS, rows - first)](job)
