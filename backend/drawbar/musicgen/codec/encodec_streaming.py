"""EnCodec's decoder, frame by frame -> the samples that are complete, each computed once.

Every layer carries its own state (the last inputs of a convolution, the overlap of a transposed one, the LSTM's
memory), so nothing is decoded twice and the joints are those of the one-shot decode. Rows are ``[T * B, C]``, time
first: a kernel's taps are then slices. Knows nothing of tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drawbar.errors import NotSupportedError

PRECISIONS = ("float32", "int8")
"""How the three widest matrices (the LSTM's and the first up-sampling's) are kept on a CPU."""
_WIDE = 1 << 22
"""Entries from which a matrix is read from memory for every frame rather than from a cache."""

State = Any
Product = Callable[[Tensor], Tensor]


class Layer(Protocol):
    """One step of the decoder over rows; what it returns as state is never written again."""

    def begin(self, batch: int) -> State:
        """The state before the first row."""
        ...

    def run(self, x: Tensor, state: State, final: bool) -> tuple[Tensor, State]:
        """New rows -> the rows that are complete now, and the state; ``final`` completes all."""
        ...


def _product(weight: Tensor, bias: Tensor, precision: str) -> Product:
    """``weight [in, out]`` -> rows ``[N, in]`` to rows ``[N, out]``."""
    if precision == "int8" and weight.numel() >= _WIDE and weight.device.type == "cpu" and adds_in_32_bits():
        return _int8(weight, bias)
    matrix, offset = weight.contiguous(), bias.contiguous()
    return lambda x: torch.addmm(offset, x, matrix)


def adds_in_32_bits() -> bool:
    """Whether the processor sums products of 8-bit numbers in 32 bits (VNNI).

    Others add pairs in 16 bits, which overflow without a word: a quarter of the sound's power was error. Rows of 7
    bits fit, but miss the bound that verify sets; there the codec stays in float32.
    """
    return bool(torch.cpu._is_vnni_supported())


def _int8(weight: Tensor, bias: Tensor) -> Product:
    """Weights in 8 bits per output row, rows quantised as they come (FBGEMM)."""
    rows = weight.T.contiguous()
    scales = rows.abs().amax(1).clamp_min(1e-12).double() / 127
    zeros = torch.zeros(len(rows), dtype=torch.long)
    packed = torch.ops.quantized.linear_prepack(
        torch.quantize_per_channel(rows, scales, zeros, 0, torch.qint8), bias.contiguous()
    )
    return lambda x: cast(Tensor, torch.ops.quantized.linear_dynamic(x.contiguous(), packed))


@dataclass(frozen=True)
class _Held:
    """The last inputs of a convolution, and whether its left edge is behind it."""

    rows: Tensor
    batch: int
    started: bool = False


class _Window:
    """Rows as they come -> the rows that a kernel of ``left + 1 + right`` taps may see now, edges padded."""

    def __init__(self, left: int, right: int, mode: str, channels: int, device: torch.device) -> None:
        self.left, self.right, self.mode = left, right, mode
        self._channels, self._device = channels, device

    def begin(self, batch: int) -> _Held:
        return _Held(torch.zeros(0, self._channels, device=self._device), batch)

    def seen(self, x: Tensor, held: _Held, final: bool) -> tuple[Tensor, int, _Held]:
        """New rows -> the rows to convolve, how many steps come out of them, and what is held."""
        rows = torch.cat([held.rows, x])
        steps = len(rows) // held.batch
        if not held.started and not final and steps <= max(self.left, self.right):
            return rows, 0, _Held(rows, held.batch)
        left = 0 if held.started else self.left
        right = self.right if final else 0
        if (left or right) and steps:
            rows = self._padded(rows, held.batch, left, right)
        ready = max(0, len(rows) // held.batch - self.left - self.right)
        keep = min(len(rows), (self.left + self.right) * held.batch)
        return rows, ready, _Held(rows[len(rows) - keep :].clone(), held.batch, True)

    def _padded(self, rows: Tensor, batch: int, left: int, right: int) -> Tensor:
        """As EnCodec pads: a sequence too short to be reflected is lengthened by zeros meanwhile."""
        x = rows.view(-1, batch * rows.shape[1]).T[None]
        longest = max(self.left, self.right) if left and right else max(left, right)
        extra = max(0, longest - x.shape[-1] + 1) if self.mode == "reflect" else 0
        padded = F.pad(F.pad(x, (0, extra)), (left, right), self.mode)
        return padded[0, :, : padded.shape[-1] - extra].T.reshape(-1, rows.shape[1])


class _Conv:
    """A convolution of stride 1; ``right`` cuts its look-ahead to so many steps (see `_folded`)."""

    def __init__(self, layer: Any, precision: str, elu: bool = False, right: int | None = None) -> None:
        conv = layer.conv
        if conv.stride[0] != 1 or conv.groups != 1 or layer.norm_type != "weight_norm":
            raise NotSupportedError(
                "an EnCodec whose decoder has strides, groups or group norms is not known"
            )
        exact = _right(layer)
        weight = conv.weight.detach()
        self.dilation, self.elu = conv.dilation[0], elu
        if right is not None and right < exact:
            weight, exact = _folded(weight, exact - right), right
        self.taps = weight.shape[2]
        left = (self.taps - 1) * self.dilation - exact
        self.window = _Window(left, exact, layer.pad_mode, weight.shape[1], weight.device)
        self._single = weight.shape[0] == 1
        if self._single:
            self._bias: Tensor = conv.bias.detach()
            self._columns: Tensor = weight[0].contiguous()
        else:
            matrix = weight.permute(2, 1, 0).reshape(-1, weight.shape[0])
            self._apply = _product(matrix, conv.bias.detach(), precision)

    def begin(self, batch: int) -> State:
        return self.window.begin(batch)

    def run(self, x: Tensor, state: State, final: bool) -> tuple[Tensor, State]:
        rows, steps, after = self.window.seen(x, state, final)
        return self.convolved(F.elu(rows) if self.elu else rows, steps, state.batch), after

    def convolved(self, rows: Tensor, steps: int, batch: int) -> Tensor:
        """The rows of a window -> ``steps`` rows of output."""
        count, hop = steps * batch, self.dilation * batch
        if self._single:
            return self._one_channel(rows, count, hop)
        parts = [rows[tap * hop : tap * hop + count] for tap in range(self.taps)]
        return self._apply(parts[0] if self.taps == 1 else torch.cat(parts, dim=1))

    def _one_channel(self, rows: Tensor, count: int, hop: int) -> Tensor:
        """All taps' products of every row at once, summed along the diagonals."""
        if not count:
            return rows.new_zeros(0, 1)
        products = torch.mm(rows, self._columns)
        diagonal = products.as_strided((count, self.taps), (self.taps, self.taps * hop + 1))
        summed: Tensor = diagonal.sum(1, keepdim=True) + self._bias
        return summed


def _folded(weight: Tensor, missing: int) -> Tensor:
    """Leaves out the last ``missing`` taps of ``[out, in, k]``: what they would see is taken to be half of the last
    frame that is known, between silence (best for frames that have nothing in common) and standstill.
    """
    kept = weight[..., : weight.shape[2] - missing].clone()
    kept[..., -1] += 0.5 * weight[..., weight.shape[2] - missing :].sum(-1)
    return kept


class _Residual:
    """A residual block: its first convolution sees a window, the second one row."""

    def __init__(self, block: Any, precision: str) -> None:
        convs = [layer for layer in block.block if hasattr(layer, "conv")]
        if len(convs) != 2 or convs[1].conv.kernel_size[0] != 1:
            raise NotSupportedError(
                "an EnCodec whose residual blocks are not of two convolutions is not known"
            )
        self.first, self.second = _Conv(convs[0], precision), _Conv(convs[1], precision)
        shortcut = block.shortcut
        self.shortcut = None if isinstance(shortcut, nn.Identity) else _Conv(shortcut, precision)

    def begin(self, batch: int) -> State:
        return self.first.begin(batch)

    def run(self, x: Tensor, state: State, final: bool) -> tuple[Tensor, State]:
        batch = state.batch
        rows, steps, after = self.first.window.seen(x, state, final)
        middle = F.elu(self.first.convolved(F.elu(rows), steps, batch))
        start = self.first.window.left * batch
        past = rows[start : start + steps * batch]
        if self.shortcut is not None:
            past = self.shortcut.convolved(past, steps, batch)
        return past + self.second.convolved(middle, steps, batch), after


@dataclass(frozen=True)
class _Overlap:
    """The last input of a transposed convolution, and how much of its output is still to be trimmed."""

    row: Tensor
    batch: int
    skip: int


class _Upsample:
    """ELU, then a transposed convolution whose kernel is two strides long."""

    def __init__(self, layer: Any, precision: str) -> None:
        conv = layer.conv
        self.stride = conv.stride[0]
        if conv.kernel_size[0] != 2 * self.stride or layer.norm_type != "weight_norm":
            raise NotSupportedError(
                "an EnCodec whose up-sampling kernels are not two strides long is not known"
            )
        self.trims = _trims(layer)
        weight = conv.weight.detach()
        self.channels, self._device = weight.shape[0], weight.device
        early, late = (weight[..., n * self.stride : (n + 1) * self.stride] for n in (0, 1))
        matrix = torch.cat([part.permute(0, 2, 1).flatten(1) for part in (late, early)])
        self._apply = _product(matrix, conv.bias.detach().repeat(self.stride), precision)

    def begin(self, batch: int) -> State:
        return _Overlap(torch.zeros(batch, self.channels, device=self._device), batch, self.trims[0])

    def run(self, x: Tensor, state: State, final: bool) -> tuple[Tensor, State]:
        batch = state.batch
        rows = torch.cat([state.row, F.elu(x)])
        if final:
            rows = torch.cat([rows, rows.new_zeros(batch, self.channels)])
        out = self._apply(torch.cat([rows[:-batch], rows[batch:]], dim=1))
        if batch > 1:
            out = out.view(-1, batch, self.stride, out.shape[1] // self.stride).transpose(1, 2)
        out = out.reshape(-1, out.shape[-1] if batch > 1 else out.shape[1] // self.stride)
        end = len(out) - (self.trims[1] * batch if final else 0)
        skip = min(state.skip * batch, end)
        return out[skip:end], _Overlap(rows[-batch:].clone(), batch, state.skip - skip // batch)


class _Memory:
    """The LSTM with its skip connection."""

    def __init__(self, lstm: nn.LSTM, precision: str) -> None:
        self.width = lstm.hidden_size
        self._device = cast(Tensor, lstm.weight_hh_l0).device
        self._layers: list[Product] = []
        for n in range(lstm.num_layers):
            named = {name: getattr(lstm, f"{name}_l{n}").detach() for name in _LSTM_NAMES}
            matrix = torch.cat([named["weight_ih"], named["weight_hh"]], dim=1).T
            self._layers.append(_product(matrix, named["bias_ih"] + named["bias_hh"], precision))

    def begin(self, batch: int) -> State:
        zeros = torch.zeros(batch, self.width, device=self._device)
        return tuple((zeros, zeros) for _ in self._layers)

    def run(self, x: Tensor, state: State, final: bool) -> tuple[Tensor, State]:
        memories = list(state)
        batch = len(memories[0][0])
        given = []
        for now in x.split(batch) if len(x) else ():
            passed = now
            for n, product in enumerate(self._layers):
                hidden, cell = memories[n]
                gates = product(torch.cat([passed, hidden], dim=1))
                opened, kept, new, shown = gates.chunk(4, dim=1)
                cell = torch.sigmoid(kept) * cell + torch.sigmoid(opened) * torch.tanh(new)
                passed = torch.sigmoid(shown) * torch.tanh(cell)
                memories[n] = (passed, cell)
            given.append(passed + now)
        return torch.cat(given) if given else x, tuple(memories)


_LSTM_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def delay_samples(layers: Sequence[object]) -> int:
    """Samples by which the exact output of these layers lags behind the end of their last input."""
    delay = 0
    for layer in layers:
        if hasattr(layer, "block"):
            delay += max(_right(inner) for inner in layer.block if hasattr(inner, "conv"))
        elif hasattr(layer, "conv") and isinstance(layer.conv, nn.ConvTranspose1d):
            delay = delay * layer.conv.stride[0] + _trims(layer)[0]
        elif hasattr(layer, "conv"):
            delay += _right(layer)
    return delay


def _right(layer: Any) -> int:
    """The look-ahead of a convolution."""
    conv = layer.conv
    return 0 if layer.causal else (conv.kernel_size[0] - 1) * conv.dilation[0] // 2


def _trims(layer: Any) -> tuple[int, int]:
    """What a transposed convolution leaves out on either side."""
    conv = layer.conv
    total = conv.kernel_size[0] - conv.stride[0]
    right = math.ceil(total * layer.trim_right_ratio) if layer.causal else total // 2
    return total - right, right


class StreamedDecoder:
    """EnCodec's decoder with its weights laid out for streaming, weight normalisation folded in."""

    def __init__(
        self, layers: Sequence[object], *, right: int | None = None, precision: str = "float32"
    ) -> None:
        """``right`` cuts the first convolution's look-ahead, in frames: None is exact.

        Raises NotSupportedError for layers that released EnCodecs do not have.
        """
        self.layers: list[Layer] = []
        elu = False
        for layer in layers:
            if isinstance(layer, nn.ELU):
                elu = True
                continue
            self.layers.append(self._streamed(layer, elu, right if not self.layers else None, precision))
            elu = False

    def _streamed(self, layer: Any, elu: bool, right: int | None, precision: str) -> Layer:
        if hasattr(layer, "lstm"):
            return _Memory(layer.lstm, precision)
        if hasattr(layer, "block"):
            return _Residual(layer, precision)
        if isinstance(layer.conv, nn.ConvTranspose1d):
            return _Upsample(layer, precision)
        return _Conv(layer, precision, elu, right)

    def begin(self, batch: int) -> State:
        """The state before the first frame of ``batch`` signals."""
        return tuple(layer.begin(batch) for layer in self.layers)

    def run(self, vectors: Tensor, state: State, final: bool = False) -> tuple[Tensor, State]:
        """Quantised vectors ``[B, C, t]`` (t may be 0) -> samples ``[B, 1, m]`` and the state after them."""
        batch = vectors.shape[0]
        x = vectors.permute(2, 0, 1).reshape(-1, vectors.shape[1])
        after = []
        for layer, before in zip(self.layers, state, strict=True):
            x, kept = layer.run(x, before, final)
            after.append(kept)
        return x.view(-1, batch, 1).permute(1, 2, 0), tuple(after)
