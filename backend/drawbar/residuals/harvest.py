"""Clips of codec tokens, teacher-forced -> residuals [N, D] at any layers, one row a frame.

Null text unless a clip brings its prompt. Position 0 (the start step) is dropped, so row t of a clip is
position t + 1: what the model knows once frame t's first code is in. It knows nothing of SAEs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from drawbar.errors import BadInputError


class ResidualModel(Protocol):
    """The part of a model that harvesting needs."""

    def residuals(
        self, tokens: Tensor, prompts: Sequence[str | None] | None = None, *, layers: Sequence[int]
    ) -> dict[int, Tensor]:
        """Tokens [B, K, T] -> {layer: [B, T + 1, D]}; no prompts means null text."""
        ...


@dataclass(frozen=True)
class Clip:
    """Tokens [K, T] and, if the text is to be used, its prompt."""

    tokens: Tensor
    prompt: str | None = None
    valid: Tensor | None = None
    """Bool [T]: False where a frame is padding; None is all of them."""

    @property
    def frames(self) -> int:
        return int(self.tokens.shape[1])

    def mask(self) -> Tensor:
        """Bool [T]."""
        return torch.ones(self.frames, dtype=torch.bool) if self.valid is None else self.valid.bool()


@dataclass(frozen=True)
class ResidualBatch:
    """Rows of several clips, one after the other."""

    rows: dict[int, Tensor]
    """layer -> float32 [N, D]."""
    frames: tuple[int, ...]
    """How many of the rows belong to each clip."""


@torch.no_grad()
def harvest(
    model: ResidualModel, clips: Iterable[Clip | Tensor], layers: Sequence[int], *, batch: int = 8
) -> Iterator[ResidualBatch]:
    """Residuals of all frames of all clips, in order; ``batch`` clips run together.

    Shorter clips are padded at the end, which a causal model cannot see, and the padding is cut off again.

    Raises:
        BadInputError: no layers, a batch below 1, or tokens that are not [K, T].
    """
    if not layers or batch < 1:
        raise BadInputError(
            f"layers={list(layers)}, batch={batch}: name at least one layer and one clip a batch"
        )
    group: list[Clip] = []
    for item in clips:
        clip = item if isinstance(item, Clip) else Clip(item)
        if clip.tokens.ndim != 2 or clip.tokens.shape[1] == 0:
            raise BadInputError(f"a clip's tokens must be [K, T] with T >= 1, not {tuple(clip.tokens.shape)}")
        group.append(clip)
        if len(group) == batch:
            yield _run(model, group, layers)
            group = []
    if group:
        yield _run(model, group, layers)


def _run(model: ResidualModel, group: Sequence[Clip], layers: Sequence[int]) -> ResidualBatch:
    frames = tuple(clip.tokens.shape[1] for clip in group)
    longest = max(frames)
    tokens = torch.stack(
        [functional.pad(clip.tokens.long(), (0, longest - clip.tokens.shape[1])) for clip in group]
    )
    prompts = None if all(clip.prompt is None for clip in group) else [clip.prompt for clip in group]
    found = model.residuals(tokens, prompts, layers=list(layers))
    return ResidualBatch({layer: _cut(x, frames) for layer, x in found.items()}, frames)


def _cut(x: Tensor, frames: Sequence[int]) -> Tensor:
    """[B, S, D] -> the rows of frames only, [N, D] float32."""
    return torch.cat([x[i, 1 : t + 1] for i, t in enumerate(frames)]).float()
