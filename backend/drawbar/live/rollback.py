"""Frames not yet handed to the output -> handed over, or taken back after a slider moved.

What the output holds cannot be recalled, so it is given little and often; the rest of the lead waits here.
Taking back never touches what must be played before the new frames can be ready. Knows nothing of models.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from drawbar.live.audio_out.ring import Floats


@dataclass(frozen=True)
class Block:
    """The samples that one frame's tokens completed (earlier ones, by the codec's look-ahead)."""

    frame: int
    steered: Floats
    twin: Floats | None
    before: object
    """The codec's state before this frame was pushed."""


class Pending:
    """The recallable part of the lead; `drawbar.live.engine` guards it with its lock."""

    def __init__(self) -> None:
        self._blocks: deque[Block] = deque()
        self.samples = 0

    def __len__(self) -> int:
        return len(self._blocks)

    def add(self, block: Block) -> None:
        self._blocks.append(block)
        self.samples += len(block.steered)

    def first(self) -> Block | None:
        return self._blocks[0] if self._blocks else None

    def hand_over(self) -> Block:
        """Take out the oldest block; from now on it cannot be taken back."""
        block = self._blocks.popleft()
        self.samples -= len(block.steered)
        return block

    def recallable(self, queued: int, low_water: int) -> int | None:
        """The first frame that may be decided again when ``queued`` samples are with the output.

        Before it lie at least ``low_water`` samples that play while it is redone; None when nothing may.
        """
        ahead = queued
        for block in self._blocks:
            if ahead >= low_water:
                return block.frame
            ahead += len(block.steered)
        return None

    def take_back(self, frame: int) -> object:
        """Forget the blocks from ``frame`` on (it must be recallable) -> the codec's state before it."""
        state: object = None
        while self._blocks and self._blocks[-1].frame >= frame:
            block = self._blocks.pop()
            self.samples -= len(block.steered)
            state = block.before
        return state

    def clear(self) -> None:
        self._blocks.clear()
        self.samples = 0
