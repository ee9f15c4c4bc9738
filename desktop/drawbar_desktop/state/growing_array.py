"""Blocks that arrive at the end -> one array that grows by doubling; reading gives a view, not a copy."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Growing:
    """An array `[rows, n]`; `put` writes from a column on and cuts what lay behind."""

    def __init__(self, rows: int) -> None:
        self._data = np.zeros((rows, 1024), np.float32)
        self.count = 0

    @property
    def values(self) -> Floats:
        """`[rows, count]`."""
        return self._data[:, : self.count]

    def put(self, at: int, block: Floats) -> None:
        """Write `block [rows, m]` from column `at` on; it becomes the end."""
        end = at + block.shape[1]
        if end > self._data.shape[1]:
            grown = np.zeros((self._data.shape[0], max(end, 2 * self._data.shape[1])), np.float32)
            grown[:, : self.count] = self._data[:, : self.count]
            self._data = grown
        self._data[:, at:end] = block
        self.count = end

    def append(self, block: Floats) -> None:
        self.put(self.count, block)


class Peaks:
    """Samples as they come -> minimum and maximum of every block of 128, and of any stretch at any width.

    Of two channels ``[n, 2]`` the outermost of both.
    """

    BLOCK = 128

    def __init__(self) -> None:
        self._pairs = Growing(2)
        self._rest = np.zeros(0, np.float32)

    def push(self, audio: Floats) -> None:
        if self._rest.ndim != audio.ndim:
            self._rest = audio[:0]
        line = np.concatenate([self._rest, audio])
        count = len(line) // self.BLOCK
        self._rest = line[count * self.BLOCK :]
        if count:
            blocks = line[: count * self.BLOCK].reshape(count, -1)
            self._pairs.append(np.stack([blocks.min(1), blocks.max(1)]).astype(np.float32))

    @property
    def loudest(self) -> float:
        """The largest sample so far, 0 without any."""
        return float(np.abs(self._pairs.values).max()) if self._pairs.count else 0.0

    def between(self, first: int, last: int, width: int) -> tuple[Floats, int, int]:
        """Pairs `[m, 2]`, m <= `width`, of the samples `first..last` -> with the samples that they really span."""
        low = max(0, first // self.BLOCK)
        high = min(self._pairs.count, -(-last // self.BLOCK))
        if high <= low:
            return np.zeros((0, 2), np.float32), 0, 0
        pairs = self._pairs.values[:, low:high]
        if pairs.shape[1] > width:
            step = -(-pairs.shape[1] // width)
            # Steps are aligned with the take, not with the view: scrolling does not make the picture flicker.
            begin = low // step * step
            pairs = self._pairs.values[:, begin:high]
            edges = np.arange(0, pairs.shape[1], step)
            pairs = np.stack([np.minimum.reduceat(pairs[0], edges), np.maximum.reduceat(pairs[1], edges)])
            low, high = begin, begin + pairs.shape[1] * step
        return np.ascontiguousarray(pairs.T), low * self.BLOCK, high * self.BLOCK
