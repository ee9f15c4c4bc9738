"""Clips, from disk, from memory or from the model itself -> their residuals in any order."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from drawbar.residuals.harvest import Clip, ResidualModel, harvest
from drawbar.residuals.shards import ShardSet

__all__ = ["MemoryRows", "RowSource", "ShardRows", "StreamedRows", "in_order"]


class RowSource(Protocol):
    """Clips whose residuals can be had in any order."""

    @property
    def frames(self) -> Sequence[int]:
        """Rows of each clip."""
        ...

    def rows(self, clips: Sequence[int]) -> Tensor:
        """The rows of these clips, one after the other, float32 [N, D]."""
        ...


class ShardRows:
    """One layer of a folder of shards."""

    def __init__(self, paths: Iterable[Path], layer: int) -> None:
        self._name = f"layer.{layer}"
        self._shards = ShardSet(paths)
        self._shards.require(self._name)
        self.frames: Sequence[int] = self._shards.frames

    def rows(self, clips: Sequence[int]) -> Tensor:
        """The rows of these clips, float32 [N, D]."""
        return torch.cat([self._shards.rows(clip, self._name) for clip in clips]).float()


class StreamedRows:
    """The same from the model itself, computed each time it is asked for."""

    def __init__(self, model: ResidualModel, clips: Sequence[Clip], layer: int, *, batch: int = 8) -> None:
        self._model, self._clips, self._layer, self._batch = model, clips, layer, batch
        self.frames: Sequence[int] = [clip.tokens.shape[1] for clip in clips]

    def rows(self, clips: Sequence[int]) -> Tensor:
        """The rows of these clips, float32 [N, D]."""
        chosen = (self._clips[clip] for clip in clips)
        found = harvest(self._model, chosen, [self._layer], batch=self._batch)
        return torch.cat([part.rows[self._layer] for part in found])


class MemoryRows:
    """Rows that are already in memory, one tensor [T, D] a clip."""

    def __init__(self, clips: Sequence[Tensor]) -> None:
        self._clips = clips
        self.frames: Sequence[int] = [len(clip) for clip in clips]

    def rows(self, clips: Sequence[int]) -> Tensor:
        """The rows of these clips, float32 [N, D]."""
        return torch.cat([self._clips[clip] for clip in clips]).float()


def in_order(source: RowSource, batch_rows: int) -> Iterator[Tensor]:
    """All rows of a source, clip after clip, in batches of whole clips."""
    group: list[int] = []
    count = 0
    for clip, frames in enumerate(source.frames):
        group.append(clip)
        count += frames
        if count >= batch_rows:
            yield source.rows(group)
            group, count = [], 0
    if group:
        yield source.rows(group)
