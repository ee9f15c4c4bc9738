"""What a take becomes, block by block -> arrays that the window may read at any time.

One thread writes, others read copies. Frames that are taken back (a slider moved before they were played) are
overwritten. What is older than 20 seconds is kept in temporary files. Knows nothing of models.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drawbar.live.audio_out.channels import from_codec
from drawbar.live.audio_out.ring import Floats
from drawbar.live.takes.spool import Spool

PEAK_BLOCK = 64
"""Samples per stored minimum and maximum."""
NEWEST_S = 10
"""Seconds that stay in memory at least."""
FRAMES_PER_S = 50


class Trace:
    """One take's audio, tokens and activations as they come."""

    def __init__(
        self, n_q: int = 4, slots: int = 64, sample_rate_hz: int = 32_000, channels: int = 1
    ) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._slots = slots
        self._lock = threading.Lock()
        self._ids: dict[str, int] = {}
        samples, frames = NEWEST_S * sample_rate_hz, NEWEST_S * FRAMES_PER_S
        self._heard, self._steered, self._twin = (Spool(channels, np.float32, samples) for _ in range(3))
        self._peaks = Spool(2, np.float32, samples // PEAK_BLOCK)
        self._tokens, self._twin_tokens = (Spool(n_q, np.uint16, frames) for _ in range(2))
        self._activations = Spool(slots, np.float32, frames)
        self._all = (
            *(self._heard, self._steered, self._twin, self._peaks),
            *(self._tokens, self._twin_tokens, self._activations),
        )
        self.reset()

    def reset(self) -> None:
        """A new take begins; the watched features stay."""
        with self._lock:
            for spool in self._all:
                spool.clear()
            self._shown_from = dict.fromkeys(self._ids.values(), 0)
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
            self._cut(frame)
            self._tokens.put(tokens[:, None])
            if twin is not None:
                self._twin_tokens.put(twin[:, None])
            row = np.zeros(self._slots, np.float32) if activations is None else activations
            self._activations.put(row[:, None])

    def take_back(self, frame: int) -> None:
        """Frames from ``frame`` on will be decided again."""
        with self._lock:
            self._cut(frame)
            self.takes_back += 1

    def _cut(self, frame: int) -> None:
        for spool in (self._tokens, self._twin_tokens, self._activations):
            spool.cut(frame)

    def put_audio(self, heard: Floats, steered: Floats, twin: Floats | None) -> None:
        """Audio that was handed to the output, final."""
        with self._lock:
            self._heard.put(np.atleast_2d(heard.T))
            self._steered.put(np.atleast_2d(steered.T))
            if twin is not None:
                self._twin.put(np.atleast_2d(twin.T))
            done = self._peaks.count
            whole = self._heard.count // PEAK_BLOCK
            if whole > done:
                fresh = self._heard.read(done * PEAK_BLOCK)[:, : (whole - done) * PEAK_BLOCK]
                fresh = fresh.reshape(len(fresh), -1, PEAK_BLOCK)
                self._peaks.put(np.stack([fresh.min((0, 2)), fresh.max((0, 2))]))

    def set_ids(self, ids: dict[str, int]) -> None:
        """Which feature each slot shows; a slot that changes hands starts empty."""
        with self._lock:
            for id, slot in ids.items():
                if self._ids.get(id) != slot:
                    self._shown_from[slot] = self._activations.count
            self._ids = dict(ids)

    # --- readers ------------------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        return self._tokens.count

    @property
    def samples(self) -> int:
        """Samples handed to the output so far."""
        return self._heard.count

    def audio(self, since_sample: int = 0) -> Floats:
        """What was heard (with bypass as it was switched), ``[n]`` or ``[n, 2]`` from ``since_sample`` on."""
        return self._copied(self._heard, since_sample)

    def steered(self, since_sample: int = 0) -> Floats:
        """The steered stream, whatever bypass was, ``[n]``."""
        return self._copied(self._steered, since_sample)

    def twin(self, since_sample: int = 0) -> Floats:
        """The unsteered twin of the same seed, ``[n]``; empty in a take without one."""
        return self._copied(self._twin, since_sample)

    def _copied(self, spool: Spool, since: int) -> Floats:
        with self._lock:
            return from_codec(np.asarray(spool.read(since), np.float32))

    def tokens(self) -> NDArray[np.uint16]:
        """``[K, T]``."""
        with self._lock:
            return np.asarray(self._tokens.read(), np.uint16)

    def twin_tokens(self) -> NDArray[np.uint16]:
        """``[K, T]`` of the unsteered twin; no frames in a take without one."""
        with self._lock:
            return np.asarray(self._twin_tokens.read(), np.uint16)

    def activations(self, since_frame: int = 0) -> tuple[Sequence[str], Floats]:
        """Ids and activations ``[R, T]``, above each feature's own threshold, from ``since_frame`` on."""
        with self._lock:
            slots = list(self._ids.values())
            first = min(max(0, since_frame), self._activations.count)
            shown = np.asarray(self._activations.read(first)[slots], np.float32)
            for row, slot in enumerate(slots):
                shown[row, : max(0, self._shown_from.get(slot, 0) - first)] = 0
            return tuple(self._ids), shown

    def peaks(self, width: int) -> Floats:
        """Minimum and maximum of what was heard, ``[m, 2]`` with m <= ``width``."""
        with self._lock:
            stored = np.asarray(self._peaks.read(), np.float32)
        if stored.shape[1] <= width:
            return np.ascontiguousarray(stored.T)
        edges = np.linspace(0, stored.shape[1], max(1, width) + 1).astype(int)[:-1]
        low = np.minimum.reduceat(stored[0], edges)
        return np.stack([low, np.maximum.reduceat(stored[1], edges)], axis=1)
