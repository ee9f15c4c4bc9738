"""What a take becomes, block by block -> arrays that the window may read at any time.

One thread writes, others read copies. Frames that are taken back (a slider moved before they were played) are
overwritten. Knows nothing of models.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drawbar.live.ring import Floats

__all__ = ["Trace"]

PEAK_BLOCK = 64
"""Samples per stored minimum and maximum."""


class _Growing:
    """An array ``[rows, n]`` whose n grows by doubling."""

    def __init__(self, rows: int, dtype: type[np.generic]) -> None:
        self.data = np.zeros((rows, 1024), dtype)
        self.count = 0

    def put(self, at: int, block: NDArray[np.generic]) -> None:
        end = at + block.shape[1]
        if end > self.data.shape[1]:
            grown = np.zeros((self.data.shape[0], max(end, 2 * self.data.shape[1])), self.data.dtype)
            grown[:, : self.count] = self.data[:, : self.count]
            self.data = grown
        self.data[:, at:end] = block
        self.count = end


class Trace:
    """One take's audio, tokens and activations as they come."""

    def __init__(self, n_q: int = 4, slots: int = 64, sample_rate_hz: int = 32_000) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._n_q, self._slots = n_q, slots
        self._lock = threading.Lock()
        self._ids: dict[str, int] = {}
        self.reset()

    def reset(self) -> None:
        """A new take begins; the watched features stay."""
        with self._lock:
            self._heard, self._steered, self._twin = (_Growing(1, np.float32) for _ in range(3))
            self._peaks = _Growing(2, np.float32)
            self._tokens, self._twin_tokens = (_Growing(self._n_q, np.uint16) for _ in range(2))
            self._activations = _Growing(self._slots, np.float32)
            self.takes_back = 0

    # --- the writer ---------------------------------------------------------------------------------------

    def put_frame(
        self,
        frame: int,
        tokens: NDArray[np.uint16],
        twin: NDArray[np.uint16] | None,
        activations: Floats | None,
    ) -> None:
        """Frame ``frame``'s tokens ``[K]`` and activations ``[slots]``; later frames are forgotten."""
        with self._lock:
            self._tokens.put(frame, tokens[:, None])
            if twin is not None:
                self._twin_tokens.put(frame, twin[:, None])
            row = np.zeros(self._slots, np.float32) if activations is None else activations
            self._activations.put(frame, row[:, None])

    def take_back(self, frame: int) -> None:
        """Frames from ``frame`` on will be decided again."""
        with self._lock:
            for grown in (self._tokens, self._twin_tokens, self._activations):
                grown.count = min(grown.count, frame)
            self.takes_back += 1

    def put_audio(self, heard: Floats, steered: Floats, twin: Floats | None) -> None:
        """Audio that was handed to the output, final."""
        with self._lock:
            self._heard.put(self._heard.count, heard[None])
            self._steered.put(self._steered.count, steered[None])
            if twin is not None:
                self._twin.put(self._twin.count, twin[None])
            done = self._peaks.count
            whole = self._heard.count // PEAK_BLOCK
            if whole > done:
                fresh = self._heard.data[0, done * PEAK_BLOCK : whole * PEAK_BLOCK].reshape(-1, PEAK_BLOCK)
                self._peaks.put(done, np.stack([fresh.min(1), fresh.max(1)]))

    def set_ids(self, ids: dict[str, int]) -> None:
        """Which feature each slot shows; a slot that changes hands starts empty."""
        with self._lock:
            for id, slot in ids.items():
                if self._ids.get(id) != slot:
                    self._activations.data[slot, : self._activations.count] = 0
            self._ids = dict(ids)

    # --- readers ------------------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        """Frames decided so far."""
        return self._tokens.count

    @property
    def samples(self) -> int:
        """Samples handed to the output so far."""
        return self._heard.count

    def audio(self, since_sample: int = 0) -> Floats:
        """What was heard (with bypass as it was switched), ``[n]`` from ``since_sample`` on."""
        return self._copied(self._heard, since_sample)

    def steered(self, since_sample: int = 0) -> Floats:
        """The steered stream, whatever bypass was, ``[n]``."""
        return self._copied(self._steered, since_sample)

    def twin(self, since_sample: int = 0) -> Floats:
        """The unsteered twin of the same seed, ``[n]``; empty in a take without one."""
        return self._copied(self._twin, since_sample)

    def _copied(self, grown: _Growing, since: int) -> Floats:
        with self._lock:
            return np.array(grown.data[0, max(0, since) : grown.count], np.float32)

    def tokens(self) -> NDArray[np.uint16]:
        """``[K, T]``."""
        with self._lock:
            return np.array(self._tokens.data[:, : self._tokens.count], np.uint16)

    def twin_tokens(self) -> NDArray[np.uint16]:
        """``[K, T]`` of the unsteered twin; no frames in a take without one."""
        with self._lock:
            return np.array(self._twin_tokens.data[:, : self._twin_tokens.count], np.uint16)

    def activations(self, since_frame: int = 0) -> tuple[Sequence[str], Floats]:
        """Ids and activations ``[R, T]``, above each feature's own threshold, from ``since_frame`` on."""
        with self._lock:
            slots = list(self._ids.values())
            grown = self._activations
            return tuple(self._ids), np.array(
                grown.data[slots, max(0, since_frame) : grown.count], np.float32
            )

    def peaks(self, width: int) -> Floats:
        """Minimum and maximum of what was heard, ``[m, 2]`` with m <= ``width``."""
        with self._lock:
            stored = np.array(self._peaks.data[:, : self._peaks.count], np.float32)
        if stored.shape[1] <= width:
            return np.ascontiguousarray(stored.T)
        edges = np.linspace(0, stored.shape[1], max(1, width) + 1).astype(int)[:-1]
        low = np.minimum.reduceat(stored[0], edges)
        return np.stack([low, np.maximum.reduceat(stored[1], edges)], axis=1)
