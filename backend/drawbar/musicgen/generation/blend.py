"""Prompts with weights -> what every row attends to, and at every position how much of each prompt is heard.

All prompts' words stand side by side in one cross-attention memory; a weight is added to the scores of its prompt's
words as its logarithm (attention re-weighting as in Hertz et al. 2022, Prompt-to-Prompt, section 3.2), so weights can
move at every position without computing a key again. Behind the words stand as many silent ones (zero keys and values,
which is what null text is): they take what the weights leave of 1. Wanted prompts are heard by the conditional rows,
unwanted ones by the null rows, so that guidance leads away from them. Knows no tokenizer and no sampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from drawbar.prompts import PromptPart


@runtime_checkable
class Weights(Protocol):
    """Weights that move: steering that also has sliders for prompts, as a mixer's run."""

    def weight(self, place: int, position: int) -> float | None:
        """That of the ``place``-th prompt at a position; None for one that does not move."""
        ...


class Blend:
    """The scores' bias of every row, ``[R, 1, n, L]``."""

    def __init__(
        self,
        parts: Sequence[PromptPart],
        lengths: Sequence[int],
        null_rows: Sequence[bool],
        weights: Weights | None = None,
    ) -> None:
        """``lengths`` are the prompts' words; ``null_rows`` says of every row whether it is of the null branch."""
        self._parts, self._lengths, self._weights = tuple(parts), tuple(lengths), weights
        self._null = torch.tensor(list(null_rows))
        self._last: tuple[float, ...] | None = None

    def write(self, bias: Tensor, position: int) -> None:
        """Writes the bias ``[R, 1, 1, L]`` of one position in its place, if it differs from what was written last."""
        now = self._at(position)
        if now != self._last:
            bias.copy_(self._rows(now)[:, None, None].to(bias))
            self._last = now

    def over(self, first: int, count: int, like: Tensor) -> Tensor:
        """The same for ``count`` positions at once, ``[R, 1, n, L]``."""
        rows = [self._rows(self._at(position)) for position in range(first, first + count)]
        return torch.stack(rows, 1)[:, None].to(like)

    def _at(self, position: int) -> tuple[float, ...]:
        found = []
        for place, part in enumerate(self._parts):
            moved = None if self._weights is None else self._weights.weight(place, position)
            found.append(part.weight if moved is None else min(1.0, max(0.0, moved)))
        return tuple(found)

    def _rows(self, weights: Sequence[float]) -> Tensor:
        """``[R, L]``: the silent word's score first, then every prompt's words'."""
        heard = torch.tensor([self._scores(weights, unwanted=False), self._scores(weights, unwanted=True)])
        return heard[self._null.long()]

    def _scores(self, weights: Sequence[float], *, unwanted: bool) -> list[float]:
        words, left, row = 0, 1.0, []
        for part, length, weight in zip(self._parts, self._lengths, weights, strict=True):
            mine = part.unwanted == unwanted and length > 0
            words += length if mine else 0
            left -= weight if mine else 0.0
            row += [math.log(weight) if mine and weight > 0 else -math.inf] * length
        silent = max(0.0, left) * max(1, words)
        return [math.log(silent) if silent > 1e-6 else -math.inf, *row]
