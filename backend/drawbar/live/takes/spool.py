"""Columns of an endless take -> kept: the newest in memory, the rest in a temporary file.

Playing for hours takes no more memory than playing for a minute. The file has no name, so nothing is left behind.
Knows nothing of what the columns mean.
"""

from __future__ import annotations

import tempfile
import weakref
from typing import IO

import numpy as np

from drawbar.bank.tensors import Array


class Spool:
    """An array ``[rows, count]`` that grows at its end; only the newest columns may be taken back."""

    def __init__(self, rows: int, dtype: type[np.generic], newest: int) -> None:
        """``newest`` columns at least stay in memory."""
        self.rows, self.newest = rows, newest
        self._tail = np.zeros((2 * newest, rows), dtype)
        self._stored = 0
        self._count = 0
        self._file: IO[bytes] | None = None

    @property
    def count(self) -> int:
        return self._count

    def clear(self) -> None:
        self._stored = self._count = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def cut(self, count: int) -> None:
        """Forget the columns from ``count`` on."""
        self._count = min(self._count, max(count, self._stored))

    def put(self, block: Array) -> None:
        """``block [rows, n]`` at the end. Raises OSError when the disk is full."""
        rest = block.T
        while len(rest):
            room = len(self._tail) - (self._count - self._stored)
            if not room:
                self._store()
                continue
            at = self._count - self._stored
            part = rest[:room]
            self._tail[at : at + len(part)] = part
            self._count += len(part)
            rest = rest[room:]

    def _store(self) -> None:
        """The older half goes to the file."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed below)
            weakref.finalize(self, self._file.close)
        self._file.seek(self._stored * self._tail[0].nbytes)
        self._file.write(self._tail[: self.newest].tobytes())
        self._stored += self.newest
        left = self._count - self._stored
        self._tail[:left] = self._tail[self.newest : self.newest + left]

    def read(self, start: int = 0) -> Array:
        """A copy of the columns from ``start`` on ``[rows, n]``."""
        start = min(max(0, start), self._count)
        newest = self._tail[max(0, start - self._stored) : self._count - self._stored]
        if start >= self._stored or self._file is None:
            return newest.T.copy()
        self._file.seek(start * self._tail[0].nbytes)
        data = self._file.read((self._stored - start) * self._tail[0].nbytes)
        older = np.frombuffer(data, self._tail.dtype).reshape(-1, self.rows)
        return np.ascontiguousarray(np.concatenate([older, newest]).T)
