"""Steps [B, K, S] and text states -> logits [B, K, S, card]: the MusicGen decoder's weights.

Pre-norm transformer: self-attention, cross-attention on projected T5 states, GELU feed-forward, one head per
codebook (MusicGen, arXiv 2306.05284). Linear layers have no bias, norms have; weights that are multiplied with
the same input are stored as one. Knows nothing of sampling, delays, prompts or files.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drawbar.musicgen.spec import CHROMA, ModelSpec


def position_table(count: int, d_model: int, clock_periods: tuple[int, ...] = ()) -> Tensor:
    """Positions ``[count, D]``: cosines, then sines (as both released implementations compute them).

    The slowest rates, which hardly move within a window, make room for those of ``clock_periods`` (in positions): no
    geometric row of rates has the periods of a beat and of a bar exactly, and a network cannot keep time without.
    """
    half = d_model // 2
    rates = torch.exp(torch.arange(half, dtype=torch.int64).float() * -(math.log(10000) / max(half - 1, 1)))
    if clock_periods:
        rates[-len(clock_periods) :] = 2 * math.pi / torch.tensor(clock_periods, dtype=torch.float32)
    angles = torch.arange(count, dtype=torch.int64).float().unsqueeze(1) * rates.unsqueeze(0)
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=1)


class _Absent(nn.Linear):
    """A layer that models which read a melody do not have: no weights, nothing to fill."""

    def __init__(self) -> None:
        super().__init__(0, 0, bias=False)

    def reset_parameters(self) -> None: ...


class Block(nn.Module):
    """One pre-norm decoder block."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        d = spec.d_model
        self.heads = spec.n_heads
        self.self_norm = nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.self_out = nn.Linear(d, d, bias=False)
        there = not spec.melody_frames
        self.cross_norm = nn.LayerNorm(d) if there else nn.LayerNorm(0)
        self.cross_q = nn.Linear(d, d, bias=False) if there else _Absent()
        self.cross_kv = nn.Linear(d, 2 * d, bias=False) if there else _Absent()
        self.cross_out = nn.Linear(d, d, bias=False) if there else _Absent()
        self.ff_norm = nn.LayerNorm(d)
        self.ff_in = nn.Linear(d, spec.d_ff, bias=False)
        self.ff_out = nn.Linear(spec.d_ff, d, bias=False)

    def forward(self, x: Tensor, text: tuple[Tensor, Tensor] | None, text_bias: Tensor | None) -> Tensor:
        """Residual ``[B, S, D]`` and cross-attention keys and values ``[B, H, L, D/H]`` -> residual ``[B, S, D]``."""
        b, s, d = x.shape
        q, k, v = self.qkv(self.self_norm(x)).view(b, s, 3, self.heads, d // self.heads).unbind(2)
        mixed = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True
        )
        x = x + self.self_out(mixed.transpose(1, 2).reshape(b, s, d))
        if text is not None:
            q = self.cross_q(self.cross_norm(x)).view(b, s, self.heads, d // self.heads).transpose(1, 2)
            mixed = F.scaled_dot_product_attention(q, *text, attn_mask=text_bias)
            x = x + self.cross_out(mixed.transpose(1, 2).reshape(b, s, d))
        result: Tensor = x + self.ff_out(F.gelu(self.ff_in(self.ff_norm(x))))
        return result

    def text_keys(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Projected text states ``[B, L, D]`` -> keys and values ``[B, H, L, D/H]`` of this block's cross-attention."""
        b, length, d = states.shape
        k, v = self.cross_kv(states).view(b, length, 2, self.heads, d // self.heads).unbind(2)
        return k.transpose(1, 2), v.transpose(1, 2)


class Decoder(nn.Module):
    """The decoder's weights and its full-sequence forward pass (``step.py`` plays them one position at a time)."""

    positions: Tensor
    book_offsets: Tensor

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.embed = nn.Embedding(spec.n_q * (spec.card + 1), spec.d_model)
        self.text_proj = nn.Linear(spec.text_dim, spec.d_model)
        if spec.melody_frames:
            self.melody_proj = nn.Linear(CHROMA, spec.d_model)
        self.layers = nn.ModuleList(Block(spec) for _ in range(spec.n_layers))
        self.norm = nn.LayerNorm(spec.d_model)
        self.head = nn.Linear(spec.d_model, spec.n_q * spec.card, bias=False)
        self.register_buffer("book_offsets", torch.empty(0), persistent=False)
        self.register_buffer("positions", torch.empty(0), persistent=False)
        if self.embed.weight.device.type != "meta":
            self.restore_buffers()
            self.reset_parameters()

    def restore_buffers(self) -> None:
        """Computes what is not stored: the codebooks' offsets and the table of positions."""
        spec, device = self.spec, self.embed.weight.device
        self.book_offsets = (torch.arange(spec.n_q).view(1, spec.n_q, 1) * (spec.card + 1)).to(device)
        self.positions = position_table(spec.max_steps, spec.d_model, spec.clock_periods).to(
            self.embed.weight
        )

    @property
    def blocks(self) -> list[Block]:
        """The blocks in order; block n writes the residual of layer n."""
        return [block for block in self.layers if isinstance(block, Block)]

    def reset_parameters(self) -> None:
        """Truncated normal, standard deviation ``1/sqrt(inputs)``, divided by ``sqrt(2 n)`` in block n (audiocraft)."""

        def fill(weight: Tensor, width: int, depth: float = 0.5) -> None:
            std = 1 / math.sqrt(width * 2 * depth)
            nn.init.trunc_normal_(weight, std=std, a=-3 * std, b=3 * std)

        fill(self.embed.weight, self.spec.d_model)
        fill(self.head.weight, self.spec.d_model)
        fill(self.text_proj.weight, self.spec.text_dim)
        if self.spec.melody_frames:
            fill(self.melody_proj.weight, CHROMA)
        nn.init.zeros_(self.text_proj.bias)
        for number, block in enumerate(self.layers):
            for part in block.modules():
                if isinstance(part, nn.Linear) and part.in_features:
                    fill(part.weight, part.in_features, number + 1)

    def embedded(self, steps: Tensor, start: int = 0) -> Tensor:
        """Steps ``[B, K, S]`` whose first stands at position ``start`` -> the first block's input ``[B, S, D]``.

        What stands before a take (see ``before``) comes in place of steps as ``[B, D, S]``, in floating point.
        """
        given = steps.is_floating_point()
        x = steps.transpose(1, 2) if given else self.embed(steps + self.book_offsets).sum(1)
        if start + steps.shape[2] > self.positions.shape[0]:
            count = start + steps.shape[2]
            self.positions = position_table(count, self.spec.d_model, self.spec.clock_periods).to(
                self.positions
            )
        result: Tensor = x + self.positions[start : start + steps.shape[2]]
        return result

    def before(self, states: Tensor, mask: Tensor, melody: Tensor) -> Tensor:
        """What a melody model reads before a take ``[B, D, M + L]``: its melody, then its prompt.

        Text states ``[B, L, Dt]``, mask ``[B, L]``, pitch classes ``[B, M]`` long. Words that are not there are zero
        *after* the projection; a melody that is not there is all C (as both released implementations have it).
        """
        words = self.text_proj(states) * mask.unsqueeze(-1).to(states.dtype)
        tones = F.embedding(melody, self.melody_proj.weight.t()) + self.melody_proj.bias
        return torch.cat([tones, words], dim=1).transpose(1, 2)

    def text_memory(
        self, states: Tensor | None, mask: Tensor | None
    ) -> tuple[list[tuple[Tensor, Tensor]] | None, Tensor | None]:
        """Text states ``[B, L, Dt]`` and mask ``[B, L]`` (True = a word) -> per-block keys and values, and a bias.

        A row without a word is null text: its states are zero *after* the projection, so it adds exactly nothing.
        """
        if states is None:
            return None, None
        projected = self.text_proj(states)
        bias = None
        if mask is not None:
            seen = mask.to(torch.bool)
            projected = projected * seen.unsqueeze(-1).to(projected.dtype)
            seen = seen | ~seen.any(dim=1, keepdim=True)
            bias = torch.zeros(seen.shape, dtype=projected.dtype, device=projected.device)
            bias = bias.masked_fill(~seen, float("-inf"))[:, None, None, :]
        return [block.text_keys(projected) for block in self.blocks], bias

    def forward(
        self,
        steps: Tensor,
        text_states: Tensor | None = None,
        text_mask: Tensor | None = None,
        start: int = 0,
    ) -> Tensor:
        """Steps ``[B, K, S]`` long, text states ``[B, L, Dt]``, mask ``[B, L]`` -> logits ``[B, K, S, card]``.

        Position s predicts step s + 1; the first step stands at position ``start``. Without text states (or with an
        all-False mask row) the text is null.
        """
        x = self.embedded(steps, start)
        memory, bias = self.text_memory(text_states, text_mask)
        for number, block in enumerate(self.layers):
            x = block(x, None if memory is None else memory[number], bias)
        return self.logits(x)

    def logits(self, x: Tensor) -> Tensor:
        """The last block's residual ``[B, S, D]`` -> logits ``[B, K, S, card]``."""
        b, s, _ = x.shape
        result: Tensor = self.head(self.norm(x)).view(b, s, self.spec.n_q, self.spec.card).transpose(1, 2)
        return result
