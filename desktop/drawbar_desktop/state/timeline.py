"""Polls of the engine's trace -> peaks, levels and a heat-map ready to draw, in seconds."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from drawbar_desktop.state.observable import Event
from drawbar_desktop.state.ports import SnapshotLike, TraceLike

__all__ = ["Timeline"]

Floats = NDArray[np.float32]
SILENCE_DB = -60.0


class Timeline:
    """What has been generated and what has been heard of it."""

    def __init__(self, frame_rate_hz: float = 50.0, sample_rate_hz: int = 32_000) -> None:
        self.frame_rate_hz = frame_rate_hz
        self.sample_rate_hz = sample_rate_hz
        self.length_s: float | None = None
        self.generated_s = 0.0
        self.audio_s = 0.0
        self.played_s = 0.0
        self.ids: tuple[str, ...] = ()
        self.heat: Floats = np.zeros((0, 0), np.float32)
        self.peaks: Floats = np.zeros((0, 2), np.float32)
        self.level_db = SILENCE_DB
        self._scales: Mapping[str, float] = {}
        self._seen: tuple[int, int] = (-1, -1)
        self.changed: Event[[]] = Event()
        self.moved: Event[[]] = Event()

    def start(self, length_s: float | None) -> None:
        """A new take begins: everything is empty."""
        self.length_s = length_s
        self.generated_s = self.audio_s = self.played_s = 0.0
        self.heat = np.zeros((0, 0), np.float32)
        self.peaks = np.zeros((0, 2), np.float32)
        self.ids = ()
        self.level_db = SILENCE_DB
        self._seen = (-1, -1)
        self.changed.emit()
        self.moved.emit()

    def set_scales(self, scales: Mapping[str, float]) -> None:
        """Each feature's 99th percentile, in the order of the rows: what 1.0 means there."""
        self._scales = dict(scales)
        self._seen = (-1, -1)

    @property
    def span_s(self) -> float:
        """How many seconds the time axis shows: the whole take, or a growing page of an endless one."""
        if self.length_s is not None:
            return self.length_s
        return max(30.0, 15.0 * math.ceil((self.generated_s + 2.0) / 15.0))

    def update(self, snapshot: SnapshotLike, trace: TraceLike, width: int = 1200) -> None:
        """Take in a poll (30 Hz); redraws only what is new."""
        ids, heat = trace.activations()
        seen = (trace.samples, heat.shape[1] if heat.ndim == 2 else 0)
        if seen != self._seen or set(ids) != set(self.ids):
            self._seen = seen
            self.generated_s = max(snapshot.frame, seen[1]) / self.frame_rate_hz
            self.audio_s = trace.samples / self.sample_rate_hz
            self.ids, self.heat = self._arranged(ids, heat)
            self.peaks = np.asarray(trace.peaks(width), np.float32).reshape(-1, 2)
            self.changed.emit()
        level_db = self._level(snapshot, trace)
        if snapshot.played_s != self.played_s or level_db != self.level_db:
            self.played_s, self.level_db = snapshot.played_s, level_db
            self.moved.emit()

    def now(self) -> dict[str, float]:
        """Each watched feature's activation at the playhead, 1.0 = its 99th percentile."""
        if self.heat.size == 0:
            return {}
        column = min(int(self.played_s * self.frame_rate_hz), self.heat.shape[1] - 1)
        return {id: float(v) for id, v in zip(self.ids, self.heat[:, column], strict=True)}

    def _arranged(self, ids: Sequence[str], heat: Floats) -> tuple[tuple[str, ...], Floats]:
        """Rows in the order of the scales (others last), each divided by its scale."""
        places = {id: place for place, id in enumerate(self._scales)}
        order = sorted(range(len(ids)), key=lambda row: places.get(ids[row], len(places)))
        rows = tuple(ids[row] for row in order)
        if heat.ndim != 2 or heat.size == 0:
            return rows, np.zeros((len(rows), 0), np.float32)
        scale = np.array([self._scales.get(id, 1.0) or 1.0 for id in rows], np.float32)
        return rows, np.asarray(heat, np.float32)[order] / scale[:, None]

    def _level(self, snapshot: SnapshotLike, trace: TraceLike) -> float:
        if snapshot.state not in ("playing", "finishing"):
            return SILENCE_DB
        end = int(snapshot.played_s * self.sample_rate_hz)
        start = max(0, end - self.sample_rate_hz // 20)
        block = trace.audio(start)[: max(0, end - start)]
        peak = float(np.max(np.abs(block))) if block.size else 0.0
        return round(max(SILENCE_DB, 20 * float(np.log10(peak + 1e-9))), 1)
