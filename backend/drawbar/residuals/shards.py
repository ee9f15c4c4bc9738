"""Rows of many clips <-> safetensors shards on disk, written whole or not at all, read by clip.

Residuals on disk are optional: a small model's are cheaper to read than to compute again; a large model's
are streamed.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from drawbar.errors import BadInputError, CheckpointError
from drawbar.files.atomic_write import atomic

HALF_MAX = 65504.0
"""The largest finite half-precision number; what lies beyond is clipped to it."""


def to_half(x: Tensor) -> Tensor:
    """Half precision, clipped to what is finite there."""
    return x.clamp(-HALF_MAX, HALF_MAX).half()


def write_shard(path: Path, rows: Mapping[str, Tensor], frames: Sequence[int]) -> None:
    """Write tensors [N, ...] of one group of clips, N the sum of their frames, atomically."""
    tensors = {name: value.contiguous() for name, value in rows.items()}
    tensors["frames"] = torch.tensor(frames, dtype=torch.int64)
    with atomic(path) as temporary:
        save_file(tensors, temporary)


class ShardSet:
    """The clips of several shards, numbered across them; only what is asked for is read."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = list(paths)
        self._files: list[Any] = [_opened(path) for path in self.paths]
        self._where: list[tuple[int, int, int]] = []  # (shard, first row, last row + 1) of each clip
        for number, file in enumerate(self._files):
            start = 0
            for frames in file.get_tensor("frames").tolist():
                self._where.append((number, start, start + frames))
                start += frames
        self.frames: list[int] = [end - start for _, start, end in self._where]
        """Rows of each clip."""

    def require(self, name: str) -> None:
        """Raises BadInputError where a shard lacks this tensor."""
        for path, file in zip(self.paths, self._files, strict=True):
            if name not in set(file.keys()):
                raise BadInputError(f"{path} has no {name}: run the stage that makes it")

    def rows(self, clip: int, name: str) -> Tensor:
        """One clip's rows of one tensor, as stored."""
        shard, start, end = self._where[clip]
        part: Tensor = self._files[shard].get_slice(name)[start:end]
        return part

    def has(self, clip: int, name: str) -> bool:
        """Whether the clip's shard holds this tensor."""
        return name in set(self._files[self._where[clip][0]].keys())

    def in_shard(self, shard: int) -> list[int]:
        return [clip for clip, (number, _, _) in enumerate(self._where) if number == shard]


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): delete it and run the stage again") from error
