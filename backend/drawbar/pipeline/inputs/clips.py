"""Excerpts -> shards of codec tokens with truth and names, and one view of them as numbered clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.files.atomic_write import write_json
from drawbar.files.json_object import JsonObject
from drawbar.files.reading import json_value
from drawbar.pipeline.inputs.tracks import Excerpt, Track
from drawbar.residuals import Clip, ShardSet, write_shard


@dataclass(frozen=True)
class ClipInfo:
    """One clip's names."""

    name: str
    track: str
    licence: str
    split: str
    frames: int
    text: str = ""
    tags: tuple[str, ...] = ()


def write_tokens(
    path: Path,
    clips: Sequence[tuple[Track, Excerpt, Tensor]],
    failed: Sequence[tuple[str, str]],
    n_q: int,
    samples_per_frame: int,
) -> None:
    """One shard: tokens [N, K], frame mask [N] and truth [N, C] of several clips, then their names.

    The mask is 0 where a frame reaches beyond the excerpt's audio: the codec has filled it up.
    """
    tokens = [codes.T for _, _, codes in clips]
    rows = {"tokens": torch.cat([torch.zeros(0, n_q, dtype=torch.int64), *tokens]).to(torch.uint16)}
    whole = [torch.arange(1, len(codes) + 1) * samples_per_frame for codes in tokens]
    mask = [ends <= e.samples for ends, (_, e, _) in zip(whole, clips, strict=True)]
    rows["mask"] = torch.cat([torch.zeros(0, dtype=torch.bool), *mask]).to(torch.uint8)
    truth = [_fitted(e.concepts, codes.shape[1]) for _, e, codes in clips if e.concepts is not None]
    if truth and len(truth) == len(clips):
        rows["truth"] = torch.from_numpy(np.concatenate(truth))
    write_shard(path, rows, [len(codes) for codes in tokens])
    names = [
        {
            "name": e.name,
            "track": t.id,
            "licence": t.licence,
            "split": t.split,
            "frames": codes.shape[1],
            "text": t.text,
            "tags": list(t.tags),
        }
        for t, e, codes in clips
    ]
    write_json(path.with_suffix(".json"), {"clips": names, "failed": [list(pair) for pair in failed]})


def _fitted(concepts: NDArray[np.bool_], frames: int) -> NDArray[np.uint8]:
    """Exactly as many frames as the tokens have."""
    out = np.zeros((frames, concepts.shape[1]), dtype=np.uint8)
    out[: len(concepts)] = concepts[:frames]
    return out


class ClipStore:
    """All clips of a run, numbered across its shards."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._shards = ShardSet(paths)
        self.clips: list[ClipInfo] = []
        self.failed: list[tuple[str, str]] = []
        for path in self._shards.paths:
            listing: JsonObject = json_value(path.with_suffix(".json").read_text(encoding="utf-8"))
            self.failed += [(name, reason) for name, reason in listing["failed"]]
            self.clips += [ClipInfo(**{**row, "tags": tuple(row["tags"])}) for row in listing["clips"]]
        self.frames: list[int] = self._shards.frames

    @property
    def paths(self) -> list[Path]:
        """Its shards."""
        return self._shards.paths

    def __len__(self) -> int:
        return len(self.clips)

    def tokens(self, clip: int) -> Tensor:
        """[K, T] int64."""
        return self._shards.rows(clip, "tokens").T.long()

    def mask(self, clip: int) -> Tensor:
        """Bool [T]: False where a frame is padding."""
        return self._shards.rows(clip, "mask").bool()

    def clip(self, clip: int, *, text: bool = False) -> Clip:
        """What runs through the model: tokens, mask and, if asked for, the track's text."""
        return Clip(self.tokens(clip), (self.clips[clip].text or None) if text else None, self.mask(clip))

    def truth(self, clip: int) -> Tensor | None:
        """Bool [T, C], or None where nothing is known."""
        return self._shards.rows(clip, "truth").bool() if self._shards.has(clip, "truth") else None

    def of_split(self, split: str) -> list[int]:
        """Clips of ``train`` or ``held-out``."""
        return [number for number, clip in enumerate(self.clips) if clip.split == split]

    def groups(self) -> list[list[int]]:
        return [self._shards.in_shard(number) for number in range(len(self._shards.paths))]
