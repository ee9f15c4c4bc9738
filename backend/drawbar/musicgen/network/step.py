"""The next positions' steps [R, K, n] -> their residuals and logits, with what came before in a cache.

The same arithmetic as ``network.Decoder``, over weights laid out for small products and keys written by index.
Knows nothing of sampling, prompts or sliders: steering arrives as vectors to add and functions to apply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.musicgen.network.cache import Cache
from drawbar.musicgen.network.decoder import Decoder

Edit = Callable[[Tensor], Tensor]


@dataclass
class Interventions:
    """What happens to the residual of a layer before the next block reads it."""

    add: dict[int, Tensor] = field(default_factory=dict)
    """Layer -> ``[R * n, D]`` to add; layers that add nothing are absent, so they cost nothing."""
    edit: dict[int, Edit] = field(default_factory=dict)
    """Layer -> a function of the residual ``[R * n, D]``."""

    @property
    def anything(self) -> bool:
        """Whether it changes any residual."""
        return bool(self.add or self.edit)


@dataclass(frozen=True)
class TextMemory:
    """Cross-attention keys and values of one set of prompts, computed once."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    """Per layer ``[R, H, L, D/H]`` each."""
    bias: Tensor | None
    """``[R, 1, 1, L]``: minus infinity at padding; None where nothing is padded."""
    before: Tensor | None = None
    """``[R, D, P]``: what a melody model reads before the take; such a model has no cross-attention (no layers)."""

    @property
    def length(self) -> int:
        """Positions P that stand before the take."""
        return 0 if self.before is None else self.before.shape[2]

    def first(self, rows: int) -> TextMemory:
        """That of the first ``rows`` rows; the memory is the same."""
        layers = tuple((k[:rows], v[:rows]) for k, v in self.layers)
        bias = None if self.bias is None else self.bias[:rows]
        return TextMemory(layers, bias, None if self.before is None else self.before[:rows])

    def to(self, dtype: torch.dtype) -> TextMemory:
        layers = tuple((k.to(dtype), v.to(dtype)) for k, v in self.layers)
        before = None if self.before is None else self.before.to(dtype)
        return TextMemory(layers, None if self.bias is None else self.bias.to(dtype), before)


class Stepper:
    """A decoder that continues sequences position by position. ``R`` rows are parallel sequences."""

    fell_back_from: str | None = None
    """The half precision whose logits were not finite, so that float32 took over."""

    def __init__(self, decoder: Decoder) -> None:
        self._lay_out(decoder)

    def _lay_out(self, decoder: Decoder) -> None:
        self.spec = decoder.spec
        self.decoder = decoder
        weights = []
        for block in decoder.blocks:
            norms = tuple(
                p
                for norm in (block.self_norm, block.cross_norm, block.ff_norm)
                for p in (norm.weight, norm.bias)
            )
            linear = (block.qkv, block.self_out, block.cross_q, block.cross_out, block.ff_in, block.ff_out)
            weights.append((norms, tuple(part.weight.detach().t() for part in linear)))
        self.weights = weights
        """Per layer the norms' weights and biases, and the linear layers' transposed weights."""
        self._head = decoder.head.weight.detach().t().contiguous()
        self._shape = (self.spec.d_model,)

    @property
    def dtype(self) -> torch.dtype:
        return self.decoder.positions.dtype

    @property
    def precision(self) -> str:
        """The dtype's name, or int8 or int4."""
        return str(self.dtype).removeprefix("torch.")

    def become_exact(self) -> bool:
        """Goes on in float32 from here (half-precision weights keep their values); False if it computes in it now.

        Caches and text memories of before are of the old dtype: make new ones.
        """
        if self.precision not in ("float16", "bfloat16"):
            return False
        self.fell_back_from = self.precision
        self._lay_out(self.decoder.float())
        return True

    def cache(self, rows: int, capacity: int) -> Cache:
        """An empty memory of as many rows and positions as this stepper's ``forward`` extends."""
        table = self.decoder.positions
        return Cache(self.spec, rows, capacity, table.device, table.dtype)

    def text(self, states: Tensor, mask: Tensor, melody: Tensor | None = None) -> TextMemory:
        """Text states ``[R, L, Dt]`` and mask ``[R, L]`` -> the cross-attention memory of R rows.

        Of a melody model what stands before the take, with pitch classes ``[R, M]`` (see ``Decoder.before``).
        """
        if melody is not None:
            return TextMemory((), None, self.decoder.before(states.to(self.dtype), mask, melody))
        memory, bias = self.decoder.text_memory(states.to(self.dtype), mask)
        assert memory is not None
        padded = bias is not None and bool(bias.ne(0).any())
        return TextMemory(
            tuple((k.contiguous(), v.contiguous()) for k, v in memory), bias if padded else None
        )

    def forward(
        self,
        steps: Tensor,
        cache: Cache | None,
        text: TextMemory | None,
        interventions: Interventions | None = None,
        watch: Mapping[int, Tensor] | None = None,
        last: int | None = None,
    ) -> Tensor:
        """Steps ``[R, K, n]`` at positions ``cache.length ...`` -> the last residual ``[R * n, D]``; extends the cache.

        Without a cache the positions begin at 0 and nothing is remembered. ``watch`` maps layers to tensors
        ``[R * n, D]`` that receive their residuals (after steering). ``last`` is the last layer computed (all).
        Raises BadInputError when the cache is full.
        """
        rows, _, count = steps.shape
        start = 0 if cache is None else cache.length
        end = start + count
        if cache is not None and end > cache.capacity:
            raise BadInputError(f"position {end - 1} is outside the cache of {cache.capacity} positions")
        spec = self.spec
        heads, width = spec.n_heads, spec.head_dim
        x = self.decoder.embedded(steps, start).reshape(rows * count, spec.d_model)
        bias = None if count == 1 or start == 0 else self._causal(start, count, x)
        first = start == 0 and count > 1
        add = interventions.add if interventions is not None else {}
        edit = interventions.edit if interventions is not None else {}
        for number, (norms, (qkv, self_out, cross_q, cross_out, ff_in, ff_out)) in enumerate(self.weights):
            mixed = torch.mm(F.layer_norm(x, self._shape, norms[0], norms[1]), qkv)
            parts = mixed.view(rows, count, 3, heads, width).permute(2, 0, 3, 1, 4)
            memory = parts[1:]
            if cache is not None:
                cache.layers[number][:, :, :, start:end] = memory
                memory = cache.layers[number][:, :, :, :end]
            out = F.scaled_dot_product_attention(
                parts[0], memory[0], memory[1], attn_mask=bias, is_causal=first
            )
            x = torch.addmm(x, out.transpose(1, 2).reshape(rows * count, -1), self_out)
            if text is not None and text.layers:
                query = torch.mm(F.layer_norm(x, self._shape, norms[2], norms[3]), cross_q)
                query = query.view(rows, count, heads, width).transpose(1, 2)
                out = F.scaled_dot_product_attention(query, *text.layers[number], attn_mask=text.bias)
                x = torch.addmm(x, out.transpose(1, 2).reshape(rows * count, -1), cross_out)
            x = torch.addmm(
                x, F.gelu(torch.mm(F.layer_norm(x, self._shape, norms[4], norms[5]), ff_in)), ff_out
            )
            if number in add:
                x = x + add[number].to(x.dtype)
            if number in edit:
                x = edit[number](x)
            if watch is not None and number in watch:
                watch[number].copy_(x)
            if number == last:
                break
        if cache is not None:
            cache.length = end
        return x

    def logits(self, x: Tensor) -> Tensor:
        """The last block's residual ``[N, D]`` -> logits ``[N, K, card]``."""
        norm = self.decoder.norm
        out = torch.mm(F.layer_norm(x, self._shape, norm.weight, norm.bias), self._head)
        return out.view(x.shape[0], self.spec.n_q, self.spec.card)

    def _causal(self, start: int, count: int, like: Tensor) -> Tensor:
        """Which of ``start + count`` positions each of the last ``count`` may see, ``[n, start + n]``."""
        seen = torch.ones(count, start + count, dtype=torch.bool, device=like.device)
        return seen.tril_(diagonal=start)
