"""Clips' residuals -> an endless, shuffled, seeded stream of batches [N, D] that can be rewound.

Neighbouring frames are alike, so clips are drawn in random order, a block of them is held in memory, and
its rows are shuffled; what does not fill a batch is mixed into the next block. Padding and outliers are left
out by the source.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonObject
from drawbar.residuals.rows import RowSource


class MixedBatches(Iterator[Tensor]):
    """Pass after pass over a :class:`RowSource` in batches of ``batch`` rows, each pass in another order.

    A block is about ``block_rows`` rows: memory is that many residuals, twice while they are shuffled.
    The stream depends on seed, clips and sizes only; ``state_dict`` holds less than one batch of rows.
    """

    def __init__(
        self,
        source: RowSource,
        batch: int,
        *,
        seed: int = 0,
        block_rows: int = 1 << 17,
        clips: Sequence[int] | None = None,
        passes: int | None = None,
    ) -> None:
        self._source = source
        self._clips = list(range(len(source.frames))) if clips is None else list(clips)
        if batch < 1 or not self._clips or sum(source.frames[c] for c in self._clips) == 0:
            raise BadInputError(
                f"{len(self._clips)} clips in batches of {batch}: nothing to mix; give more audio"
            )
        self._batch, self._seed, self._block_rows, self._passes = batch, seed, block_rows, passes
        self._pass = self._block = self._at = 0
        self._left: Tensor | None = None  # rows carried over from the block before
        self._rows: Tensor | None = None  # this block, shuffled
        self._plan = self._plan_pass()

    def __next__(self) -> Tensor:
        """The next batch [N, D]."""
        while True:
            if self._rows is None:
                self._rows = self._load()
            end = self._at + self._batch
            if end <= len(self._rows):
                out = self._rows[self._at : end]
                self._at = end
                return out
            self._advance()

    def state_dict(self) -> JsonObject:
        """Where the stream is: pass, block, place in the block, and the rows carried into it."""
        return {"pass": self._pass, "block": self._block, "at": self._at, "left": self._left}

    def load_state_dict(self, state: JsonObject) -> None:
        """Go back to where :meth:`state_dict` was called; the block is loaded again when it is needed."""
        self._pass, self._block, self._at = state["pass"], state["block"], state["at"]
        self._left, self._rows = state["left"], None
        self._plan = self._plan_pass()

    def _generator(self, salt: int) -> torch.Generator:
        return torch.Generator().manual_seed(self._seed * 1_000_003 + self._pass * 7919 + salt)

    def _plan_pass(self) -> list[list[int]]:
        """This pass's clips in random order, cut into blocks."""
        if self._passes is not None and self._pass >= self._passes:
            return []
        order = torch.randperm(len(self._clips), generator=self._generator(0)).tolist()
        blocks: list[list[int]] = [[]]
        rows = 0
        for clip in (self._clips[i] for i in order):
            if rows >= self._block_rows:
                blocks.append([])
                rows = 0
            blocks[-1].append(clip)
            rows += self._source.frames[clip]
        return blocks

    def _load(self) -> Tensor:
        if not self._plan:
            raise StopIteration
        fresh = self._source.usable(self._plan[self._block]).cpu()
        rows = fresh if self._left is None else torch.cat([self._left, fresh])
        return rows[torch.randperm(len(rows), generator=self._generator(self._block + 1))]

    def _advance(self) -> None:
        """On to the next block, keeping the rows that did not fill a batch."""
        rows = self._rows
        self._left = rows[self._at :].clone() if rows is not None and self._at < len(rows) else None
        self._rows, self._at = None, 0
        self._block += 1
        if self._block >= len(self._plan):
            self._block = 0
            self._pass += 1
            self._plan = self._plan_pass()
