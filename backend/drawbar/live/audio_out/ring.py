"""Float32 samples in from one thread -> the same samples out to another, without a lock between them.

One writer and one reader. The counters only grow, each is written by one side, and samples are copied before
the counter says so: a side that reads the other's counter a moment too early sees less than there is, never a
sample that is not there. (Under the interpreter's lock a counter is replaced as a whole.) Knows nothing of sound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import BadInputError

Floats = NDArray[np.float32]


class Ring:
    """A bounded first-in first-out buffer of ``capacity`` samples, ``[n]`` or ``[n, channels]``."""

    def __init__(self, capacity: int, channels: int | None = None) -> None:
        """``channels`` None: samples without a second axis."""
        if capacity < 1:
            raise BadInputError(f"a ring of {capacity} samples: it must hold at least one")
        self.capacity = capacity
        self._samples = np.zeros(capacity if channels is None else (capacity, channels), np.float32)
        self._written = 0
        self._read = 0

    @property
    def layout(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self._samples.shape[1:]

    @property
    def readable(self) -> int:
        return self._written - self._read

    @property
    def writable(self) -> int:
        return self.capacity - self.readable

    def write(self, samples: Floats) -> int:
        """Put in as many as fit -> how many. Only the writer's thread may call this."""
        count = min(len(samples), self.writable)
        start = self._written % self.capacity
        first = min(count, self.capacity - start)
        self._samples[start : start + first] = samples[:first]
        self._samples[: count - first] = samples[first:count]
        self._written += count
        return count

    def read(self, count: int) -> Floats:
        """Take out up to ``count`` samples, oldest first. Only the reader's thread may call this."""
        count = max(0, min(count, self.readable))
        start = self._read % self.capacity
        first = min(count, self.capacity - start)
        out = np.empty((count, *self._samples.shape[1:]), np.float32)
        out[:first] = self._samples[start : start + first]
        out[first:] = self._samples[: count - first]
        self._read += count
        return out

    def clear(self) -> int:
        """Throw away what waits -> how many samples. Only the reader's thread may call this."""
        dropped = self.readable
        self._read += dropped
        return dropped
