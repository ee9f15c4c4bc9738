"""What a second implementation of MusicGen must offer -> steps by its own delays, logits and residuals by hooks.

``reference.Reference`` (audiocraft) and ``transformers_reference.TransformersReference`` are the two there are. Knows
neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

Text = tuple[Tensor, Tensor]
"""Text states ``[B, L, Dt]`` and mask ``[B, L]``; a row without a word is null text."""

Edit = Callable[[Tensor], Tensor]
"""The residual ``[B, S, D]`` that a block puts out -> what the next one reads."""


@dataclass(frozen=True)
class Passed:
    """One forward pass."""

    logits: Tensor
    """``[B, K, S, card]``"""
    residuals: dict[int, Tensor]
    """Layer -> ``[B, S, D]``, after the edit."""


class Oracle(Protocol):
    """A second implementation, filled with the same weights."""

    model: nn.Module
    """The network."""

    @property
    def name(self) -> str: ...

    def steps(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, T]`` -> all steps ``[B, K, S]`` by its own delay pattern."""
        ...

    def run(
        self,
        steps: Tensor,
        text: Text | None = None,
        edits: Mapping[int, Edit] | None = None,
        melody: Tensor | None = None,
    ) -> Passed:
        """A full-sequence pass with hooks on every layer; without text every row is null.

        ``melody`` ``[B, M, 12]`` is one-hot, for melody models; residuals and edits are those of the steps alone.
        """
        ...


def with_clock(table: Tensor, positions: Tensor, periods: tuple[int, ...]) -> Tensor:
    """Sinusoids ``[..., D]`` of whole-numbered ``positions [...]`` -> the same with the slowest ones' places taken by
    the model's own periods, which no released implementation has."""
    half, count, table = table.shape[-1] // 2, len(periods), table.clone()
    for number, period in enumerate(periods):
        turns = (positions % period).double() * (2 * torch.pi / period)
        table[..., half - count + number] = torch.cos(turns).to(table)
        table[..., 2 * half - count + number] = torch.sin(turns).to(table)
    return table


@contextmanager
def hooked(
    layers: Iterable[nn.Module], edits: Mapping[int, Edit] | None, seen: dict[int, Tensor], before: int = 0
) -> Iterator[None]:
    """While open, layer n's output is edited and then kept in ``seen[n]``, without the first ``before`` positions."""

    def hook(number: int, edit: Edit | None) -> Any:
        def change(module: nn.Module, inputs: object, output: Any) -> Any:
            whole = output if isinstance(output, Tensor) else output[0]
            changed = whole
            if edit is not None:
                changed = torch.cat([whole[:, :before], edit(whole[:, before:])], dim=1)
            seen[number] = changed[:, before:].detach()
            return changed if isinstance(output, Tensor) else (changed, *output[1:])

        return change

    chosen = edits or {}
    handles = [layer.register_forward_hook(hook(n, chosen.get(n))) for n, layer in enumerate(layers)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
