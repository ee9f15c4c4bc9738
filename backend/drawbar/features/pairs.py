"""Residuals of clips through an SAE -> (activation, feature) pairs per frame, kept small.

The k pairs of a frame are all that later steps need: 4 bytes each (half-precision value, 16-bit index
where F allows).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from drawbar.residuals import ShardSet, to_half, write_shard
from drawbar.sae import SAE

_ROWS = 8192  # residuals encoded at a time


class PairSource(Protocol):
    """Clips whose feature activations can be had in any order."""

    @property
    def frames(self) -> Sequence[int]: ...

    def pairs(self, clip: int) -> tuple[Tensor, Tensor]:
        """One clip's activations float32 [T, k] and feature indices int64 [T, k]."""
        ...


@torch.no_grad()
def encode_pairs(sae: SAE, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Residuals [N, D] -> activations float32 [N, k], indices int64 [N, k], on the CPU."""
    parts = [sae.top(part.to(sae.W_dec.device, torch.float32)) for part in torch.split(rows, _ROWS)]
    return torch.cat([values.cpu() for values, _ in parts]), torch.cat(
        [indices.cpu() for _, indices in parts]
    )


def write_pairs(path: Path, values: Tensor, indices: Tensor, frames: Sequence[int], d_sae: int) -> None:
    """Write the pairs [N, k] of one group of clips, atomically."""
    index_type = torch.uint16 if d_sae <= 1 << 16 else torch.int32
    write_shard(path, {"values": to_half(values), "indices": indices.to(index_type)}, frames)


class ShardPairs:
    """The pairs in a folder of shards; one clip is read at a time."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._shards = ShardSet(paths)
        self.frames: Sequence[int] = self._shards.frames

    def pairs(self, clip: int) -> tuple[Tensor, Tensor]:
        """One clip's activations float32 [T, k] and feature indices int64 [T, k]."""
        return self._shards.rows(clip, "values").float(), self._shards.rows(clip, "indices").long()


class MemoryPairs:
    """Pairs that are already in memory, one (values, indices) a clip."""

    def __init__(self, clips: Sequence[tuple[Tensor, Tensor]]) -> None:
        self._clips = clips
        self.frames: Sequence[int] = [len(values) for values, _ in clips]

    def pairs(self, clip: int) -> tuple[Tensor, Tensor]:
        """One clip's activations float32 [T, k] and feature indices int64 [T, k]."""
        return self._clips[clip]


def window_means(values: Tensor, indices: Tensor, d_sae: int, window: int) -> Tensor:
    """Mean activation of every feature in whole windows of frames: [T // window, F]."""
    count = len(values) // window
    used = count * window
    flat = (torch.arange(used) // window * d_sae)[:, None] + indices[:used]
    sums = torch.zeros(count * d_sae).index_add_(0, flat.reshape(-1), values[:used].reshape(-1))
    return sums.view(count, d_sae) / window
