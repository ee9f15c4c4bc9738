"""Clips, from disk, from memory or from the model itself -> their residuals in any order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from drawbar.residuals.harvest import Clip, ResidualModel, harvest
from drawbar.residuals.scale import usable_rows
from drawbar.residuals.shards import ShardSet
from drawbar.residuals.smooth import with_running_mean


class RowSource(Protocol):
    """Clips whose residuals can be had in any order."""

    @property
    def frames(self) -> Sequence[int]: ...

    def rows(self, clips: Sequence[int]) -> Tensor:
        """The rows of these clips, one after the other, float32 [N, D]."""
        ...

    def usable(self, clips: Sequence[int]) -> Tensor:
        """Those of them to train on: neither padding nor outliers."""
        ...


class ShardRows:
    """One layer of a folder of shards; a tensor ``usable`` in them says which rows to train on.

    With ``slow_frames`` the rows to train on have their running mean beside them, [n, 2 D].
    """

    def __init__(self, paths: Iterable[Path], layer: int, *, slow_frames: int = 0) -> None:
        self._name, self._slow = f"layer.{layer}", slow_frames
        self._shards = ShardSet(paths)
        self._shards.require(self._name)
        self.frames: Sequence[int] = self._shards.frames

    def rows(self, clips: Sequence[int]) -> Tensor:
        """The rows of these clips, float32 [N, D]."""
        return torch.cat([self._shards.rows(clip, self._name) for clip in clips]).float()

    def usable(self, clips: Sequence[int]) -> Tensor:
        """Those of them to train on, float32 [n, D]."""
        parts = []
        for clip in clips:
            rows = self._shards.rows(clip, self._name)
            if self._slow:
                rows = with_running_mean(rows.float(), [len(rows)], self._slow)
            has = self._shards.has(clip, "usable")
            parts.append(rows[self._shards.rows(clip, "usable").bool()] if has else rows)
        return torch.cat(parts).float()


class StreamedRows:
    """The same from the model itself, computed each time it is asked for; several layers lie side by side.

    ``limits`` (layer -> the largest norm) say what an outlier is; a position that is one at any of the
    layers is left out at all of them. With ``slow_frames`` the rows to train on have their running mean
    beside them: first all layers' rows, then all layers' means.
    """

    def __init__(
        self,
        model: ResidualModel,
        clips: Sequence[Clip],
        layers: int | Sequence[int],
        *,
        batch: int = 8,
        limits: Mapping[int, float] | None = None,
        slow_frames: int = 0,
    ) -> None:
        self._model, self._clips, self._batch, self._slow = model, clips, batch, slow_frames
        self._layers = [layers] if isinstance(layers, int) else list(layers)
        self._limits = limits or {}
        self.frames: Sequence[int] = [clip.frames for clip in clips]

    def rows(self, clips: Sequence[int]) -> Tensor:
        """The rows of these clips, float32 [N, D]; with several layers [N, layers * D]."""
        return torch.cat([rows for rows, _, _ in self._found(clips)])

    def usable(self, clips: Sequence[int]) -> Tensor:
        """Those of them to train on, float32 [n, ...]."""
        parts = []
        for rows, keep, frames in self._found(clips):
            wide = with_running_mean(rows, frames, self._slow) if self._slow else rows
            parts.append(wide[keep.to(rows.device)])
        return torch.cat(parts)

    def _found(self, clips: Sequence[int]) -> Iterator[tuple[Tensor, Tensor, tuple[int, ...]]]:
        layers = sorted({*self._layers, *self._limits})
        chosen = [self._clips[clip] for clip in clips]
        at = 0
        for part in harvest(self._model, chosen, layers, batch=self._batch):
            count = len(part.frames)
            valid = torch.cat([clip.mask() for clip in chosen[at : at + count]])
            at += count
            keep = usable_rows(part.rows, valid, self._limits)
            yield torch.cat([part.rows[layer] for layer in self._layers], 1), keep, part.frames


class MemoryRows:
    """Rows that are already in memory, one tensor [T, D] a clip."""

    def __init__(self, clips: Sequence[Tensor]) -> None:
        self._clips = clips
        self.frames: Sequence[int] = [len(clip) for clip in clips]

    def rows(self, clips: Sequence[int]) -> Tensor:
        """The rows of these clips, float32 [N, D]."""
        return torch.cat([self._clips[clip] for clip in clips]).float()

    def usable(self, clips: Sequence[int]) -> Tensor:
        return self.rows(clips)


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
