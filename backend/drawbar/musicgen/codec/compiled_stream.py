"""Our codecs' tokens -> samples, each frame one call of compiled code, on a CPU.

The arithmetic of ``spectral.SpectralStream``; the tests hold it to it. Knows nothing of training.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from drawbar.musicgen.compiled.codec_kernels import SHORT
from drawbar.musicgen.compiled.program import ADD, GELU, FloatWeights, Program, functions


@dataclass(frozen=True)
class CodecParts:
    """What a codec's synthesis is made of, as its class knows it."""

    tables: Tensor
    """``[K, card, width]``: what every code stands for."""
    widths: Sequence[int]
    """Values of each codebook's entries."""
    beside: bool
    """Whether the codebooks' values stand side by side or are added up."""
    inner: nn.Linear
    blocks: Sequence[nn.Module]
    """Each with depthwise, norm, up, down, gamma and past (``spectral.Block``)."""
    norm: nn.LayerNorm
    tone_head: nn.Linear
    head: nn.Linear
    turns: Tensor
    """Turns of each oscillator per hop, float64."""
    cosine: Tensor
    sine: Tensor
    """``[oscillators, 2 * hop]``."""
    tone_limits: tuple[float, float, float]
    """Least and most of what the tone head says, and what is added to it, before the exponential."""
    base: tuple[Tensor, Sequence[int]] | None
    """``[K, card, width]`` and widths of amplitudes that the codes give themselves; None: the head gives all."""
    gain: Tensor
    """``[bins]``: by what each bin of the spectrum is multiplied."""
    window: Tensor
    """``[4 * hop]``, all factors in it."""
    hop: int
    hops: int


class _Layout:
    """The codec's weights as the kernels read them; one for all streams."""

    def __init__(self, p: CodecParts) -> None:
        self.parts = p
        width = p.inner.out_features
        self.tables = p.tables.detach().float().contiguous()
        self.widths = torch.tensor(p.widths)
        self.inner = FloatWeights(p.inner.weight, p.inner.bias)
        self.blocks = [_block(block, width) for block in p.blocks]
        self.norm = p.norm.weight.detach().clone(), p.norm.bias.detach().clone()
        count = len(p.turns)
        self.oscillators = -(-count // 16) * 16
        self.tone_head, self.head = _linear(p.tone_head), _linear(p.head)
        self.turns = torch.zeros(self.oscillators, dtype=torch.float64)
        self.turns[:count] = p.turns
        self.spread = torch.arange(self.oscillators, dtype=torch.float64) * 0.6180339887
        waves = torch.zeros(2 * p.hop, 2 * self.oscillators)
        waves[:, :count], waves[:, self.oscillators : self.oscillators + count] = p.cosine.T, p.sine.T
        self.waves = FloatWeights(waves)
        self.limits = torch.tensor(p.tone_limits)
        self.base = None if p.base is None else (p.base[0].float().contiguous(), torch.tensor(p.base[1]))
        self.points = 2 * p.hop
        self.bins = self.points + 1
        self.room = -(-self.bins // 16) * 16
        self.gain = torch.zeros(self.room)
        self.gain[: self.bins] = p.gain
        self.window = (p.window.double() / self.points).float()
        k, n = torch.arange(self.points, dtype=torch.float64), torch.arange(SHORT, dtype=torch.float64)
        radix = torch.arange(self.points // SHORT, dtype=torch.float64)
        self.turn = _circle(k / (2 * self.points), 0)
        self.short = _circle(n[:, None] * n / SHORT, 1)
        self.twist = _circle(radix[:, None] * n / self.points, 1)
        self.long = _circle(radix[:, None] * radix / len(radix), 2)


@dataclass(frozen=True)
class _BlockLayout:
    taps: Tensor
    bias: Tensor
    norm: tuple[Tensor, Tensor]
    up: FloatWeights
    down: FloatWeights
    past: int


def _block(block: nn.Module, width: int) -> _BlockLayout:
    convolution, norm = cast(nn.Conv1d, block.depthwise), cast(nn.LayerNorm, block.norm)
    up, down, gamma = (
        cast(nn.Linear, block.up),
        cast(nn.Linear, block.down),
        cast(Tensor, block.gamma).detach(),
    )
    assert convolution.bias is not None
    return _BlockLayout(
        convolution.weight.detach()[:, 0].T.contiguous(),
        convolution.bias.detach().clone(),
        (norm.weight.detach().clone(), norm.bias.detach().clone()),
        _linear(up),
        FloatWeights(down.weight.detach() * gamma[:, None], down.bias.detach() * gamma),
        int(cast(int, block.past)),
    )


def _linear(layer: nn.Linear) -> FloatWeights:
    return FloatWeights(layer.weight, layer.bias)


def _circle(turns: Tensor, dim: int) -> Tensor:
    """e^(2 pi i turns), real and imaginary parts along a new dimension."""
    angles = 2 * math.pi * turns
    return torch.stack([torch.cos(angles), torch.sin(angles)], dim=dim).float().contiguous()


_LAYOUTS: weakref.WeakKeyDictionary[object, tuple[tuple[int, ...], _Layout]] = weakref.WeakKeyDictionary()


def can_compile(p: CodecParts) -> bool:
    """Whether frames of a codec of these parts can be decoded in one call here."""
    width, wide = p.inner.out_features, p.blocks[0].up.out_features  # type: ignore[union-attr]
    fits = not (width % 16 or int(cast(int, wide)) % 16 or p.hop % 16)  # a transform of 2 * hop = 32 R points
    return fits and p.window.device.type == "cpu" and functions() is not None


def _layout(codec: nn.Module, p: CodecParts) -> _Layout:
    """Laid out once, and again after the weights have changed."""
    version = tuple(t._version for t in (*codec.parameters(), *codec.buffers()))
    found = _LAYOUTS.get(codec)
    if found is None or found[0] != version:
        found = version, _Layout(p)
        _LAYOUTS[codec] = found
    return found[1]


_State = tuple[Tensor, int, Tensor | None]


class CompiledCodecStream:
    """Decodes frame by frame; the pushes and the flush, joined, equal ``decode`` of all the tokens."""

    def __init__(self, codec: nn.Module, p: CodecParts, n_q: int, card: int, batch: int) -> None:
        self._layout = _layout(codec, p)
        self._batch, self._n_q, self._card = batch, n_q, card
        sizes = [batch * block.past * p.inner.out_features for block in self._layout.blocks]
        self._state = torch.zeros(sum(sizes) + batch * 3 * p.hop)
        *pasts, self._tail = self._state.split([*sizes, batch * 3 * p.hop])
        self._frame = torch.zeros(1, dtype=torch.int64)
        self._tokens = torch.zeros(batch, n_q, dtype=torch.int64)
        self._out = torch.zeros(batch, p.hops * p.hop)
        self._last: Tensor | None = None
        self._program = Program()
        self._build(pasts)

    @torch.inference_mode()
    def push(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, t]`` -> the samples they complete ``[B, 1, m]``; the first push yields one frame less."""
        parts = [self._decoded(tokens[..., t]) for t in range(tokens.shape[2])]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)

    @torch.inference_mode()
    def flush(self) -> Tensor:
        """The last frame's samples ``[B, 1, samples_per_frame]`` (none if nothing was pushed); ends the stream."""
        if self._last is None:
            return self._out.new_zeros(self._batch, 1, 0)
        last, self._last = self._last, None
        found = self._decoded(last)
        self._last = None
        return found

    def snapshot(self) -> object:
        """The state as it stands."""
        return self._state.clone(), int(self._frame[0]), self._last

    def restore(self, state: object) -> None:
        """Goes back to a ``snapshot``."""
        values, frame, self._last = cast(_State, state)
        self._state.copy_(values)
        self._frame[0] = frame

    def _decoded(self, tokens: Tensor) -> Tensor:
        self._tokens.copy_(tokens)
        self._last = tokens
        self._program.run()
        self._frame += 1
        found = self._out.clone()[:, None]
        return found if self._frame[0] > 1 else found[..., :0]

    def _build(self, pasts: Sequence[Tensor]) -> None:
        layout, program, batch, p = self._layout, self._program, self._batch, self._layout.parts
        width, hops, hop = p.inner.out_features, p.hops, p.hop
        z = torch.zeros(batch, layout.inner.n_in)
        self._gather(layout.tables, layout.widths, z, p.beside)
        x, y = torch.zeros(batch, width), torch.zeros(batch, width)
        program.linear(layout.inner, z, x)

        def norm(source: Tensor, weights: tuple[Tensor, Tensor]) -> None:
            program.job("norm", source, *weights, y, batch, width)

        for block, past in zip(layout.blocks, pasts, strict=True):
            wide = torch.zeros(batch, block.up.width)
            program.job("depthwise", x, block.taps, block.bias, past, y, batch, width, block.past)
            norm(y, block.norm)
            program.linear(block.up, y, wide, GELU)
            program.linear(block.down, wide, x, ADD)
        norm(x, layout.norm)
        levels, head = (
            torch.zeros(batch, layout.tone_head.width + 16),
            torch.zeros(batch, layout.head.width + 16),
        )
        program.linear(layout.tone_head, y, levels)
        program.linear(layout.head, y, head)
        count = layout.oscillators
        base: Tensor | int = 0
        if layout.base is not None:
            base = torch.zeros(batch, count)
            self._gather(*layout.base, base, beside=True)
        coefficients, tones = torch.zeros(batch * hops, 2 * count), torch.zeros(batch * hops, 2 * hop)
        program.job(
            "tones", levels, base, layout.turns, layout.spread, layout.limits, coefficients, self._frame,
            batch, hops, count, levels.stride(0), len(p.turns),
        )  # fmt: skip
        program.linear(layout.waves, coefficients, tones)
        spectra, scratch = torch.zeros(batch * hops, 2, layout.room), torch.zeros(4 * layout.points)
        signals = torch.zeros(batch * hops, 2 * layout.points)
        program.job(
            "spectra", head, layout.gain, spectra, batch, hops, layout.bins, head.stride(0), layout.room
        )
        program.job(
            "inverse", spectra, layout.turn, layout.short, layout.twist, layout.long, scratch, signals,
            batch * hops, layout.points, layout.room,
        )  # fmt: skip
        program.job("overlap", signals, layout.window, tones, self._tail, self._out, batch, hops, hop)
        program.seal()

    def _gather(self, tables: Tensor, widths: Tensor, out: Tensor, beside: bool) -> None:
        self._program.job(
            "gather", tables, widths, self._tokens, out, self._batch, self._n_q, tables.shape[1], tables.shape[2],
            out.shape[1], int(beside),
        )  # fmt: skip
