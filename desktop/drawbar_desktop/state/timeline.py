"""Polls of the engine's trace -> waveform, spectrogram and heat-map ready to draw, in seconds.

Only what is new since the last poll is fetched, so that a long take costs no more than a short one.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from drawbar.live.audio_out.channels import mixed
from drawbar_desktop.state.beat_grid import Grid
from drawbar_desktop.state.growing_array import Growing, Peaks
from drawbar_desktop.state.interfaces import SnapshotLike, TraceLike
from drawbar_desktop.state.observable import Event, Value
from drawbar_desktop.state.spectrum import MelImage

Floats = NDArray[np.float32]
SILENCE_DB = -60.0
LEAST_VIEW_S = 0.25
LEVEL_S = 0.05


class Timeline:
    """What has been generated and what has been heard of it; or a take or a file that was opened."""

    def __init__(self, frame_rate_hz: float = 50.0, sample_rate_hz: int = 32_000) -> None:
        self.set_rates(frame_rate_hz, sample_rate_hz)
        self.length_s: float | None = None
        self.title = ""
        """What is shown when it is not the take that is being played."""
        self.ids: tuple[str, ...] = ()
        self.level_db = SILENCE_DB
        self.view: Value[tuple[float, float] | None] = Value(None)
        """What part is in sight; None = everything."""
        self.follow = Value(True)
        """Keep the playhead in sight while zoomed in."""
        self.loop: Value[tuple[float, float] | None] = Value(None)
        self.grid = Value(Grid())
        self.pinned: Value[tuple[str, ...]] = Value(())
        """Features whose activation is drawn as a curve."""
        self.changed: Event[[]] = Event()
        self.moved: Event[[]] = Event()
        self._scales: dict[str, float] = {}
        self._empty()

    def set_rates(self, frame_rate_hz: float, sample_rate_hz: int) -> None:
        self.frame_rate_hz = frame_rate_hz
        self.sample_rate_hz = sample_rate_hz
        self.mel = MelImage(sample_rate_hz, frame_rate_hz)

    def _empty(self) -> None:
        self.generated_s = self.audio_s = self.played_s = 0.0
        self.peaks = Peaks()
        self.mel.reset()
        self._heat = Growing(0)
        self._samples = 0
        self._order: list[int] = []
        self.version = 0
        """Goes up when columns that were drawn may have changed."""

    def start(self, length_s: float | None, title: str = "") -> None:
        """A new take begins: everything is empty."""
        self.length_s, self.title = length_s, title
        self.ids = ()
        self._empty()
        self.view.set(None)
        self.level_db = SILENCE_DB
        self.changed.emit()
        self.moved.emit()

    def load(self, audio: Floats, title: str, ids: Sequence[str] = (), heat: Floats | None = None) -> None:
        """Show a finished sound with activations `[R, T]`, in units of each row's 99th percentile."""
        self.start(len(audio) / self.sample_rate_hz, title)
        self._take_in(np.asarray(audio, np.float32))
        if heat is not None and len(ids):
            self.set_heat(ids, heat)
        self.generated_s = self.audio_s
        self.changed.emit()

    def set_heat(self, ids: Sequence[str], heat: Floats) -> None:
        """Activations of what `load` showed have become known."""
        self.ids = tuple(ids)
        self._heat = Growing(len(ids))
        self._heat.append(np.asarray(heat, np.float32))
        self.version += 1
        self.changed.emit()

    def set_scales(self, scales: Mapping[str, float]) -> None:
        """Each feature's 99th percentile, in the order of the rows: what 1.0 means there."""
        if dict(scales) != self._scales:
            self._scales = dict(scales)
            if not self.title:
                self.ids, self._order, self._heat = (), [], Growing(0)

    @property
    def heat(self) -> Floats:
        """Activations `[R, T]` in the order of `ids`; 1.0 = the 99th percentile. A view."""
        return self._heat.values

    @property
    def span_s(self) -> float:
        """How many seconds there are to see: the whole take, or a growing page of an endless one."""
        if self.length_s is not None:
            return max(self.length_s, self.audio_s, 0.1)
        return max(30.0, 15.0 * math.ceil((self.generated_s + 2.0) / 15.0))

    def in_view(self) -> tuple[float, float]:
        return self.view.value or (0.0, self.span_s)

    # -- polling --------------------------------------------------------------------------------------

    def update(self, snapshot: SnapshotLike, trace: TraceLike) -> None:
        """Take in a poll (30 Hz); fetches and announces only what is new."""
        if trace.samples < self._samples:
            return  # another take has begun; `start` will say so
        fresh = trace.audio(self._samples)
        changed = bool(len(fresh))
        if changed:
            self._take_in(fresh)
        changed = self._take_heat(snapshot, trace) or changed
        generated_s = max(snapshot.frame / self.frame_rate_hz, self.audio_s)
        if generated_s != self.generated_s:
            self.generated_s, changed = generated_s, True
        if changed:
            self.changed.emit()
        self._move(snapshot.played_s, self._level(snapshot))

    def show_position(self, played_s: float, level_db: float | None = None) -> None:
        self._move(played_s, self.level_at(played_s) if level_db is None else level_db)

    def _move(self, played_s: float, level_db: float) -> None:
        if played_s != self.played_s or level_db != self.level_db:
            self.played_s, self.level_db = played_s, level_db
            self._scroll_along()
            self.moved.emit()

    def _take_in(self, audio: Floats) -> None:
        self.peaks.push(audio)
        self.mel.push(mixed(audio))
        self._samples += len(audio)
        self.audio_s = self._samples / self.sample_rate_hz

    def heat_of(self, trace: TraceLike) -> tuple[tuple[str, ...], Floats]:
        """The heat-map of a take that is not shown, as it would be: rows and activations `[R, T]`."""
        ids, raw = trace.activations(0)
        scale = np.array([self._scales.get(id, 0.0) or 1.0 for id in ids], np.float32)
        return tuple(ids), np.asarray(raw, np.float32).reshape(len(ids), -1) / scale[:, None]

    def _take_heat(self, snapshot: SnapshotLike, trace: TraceLike) -> bool:
        known = self._heat.count
        # Frames that were not heard yet may have been decided again.
        since = max(0, min(known, int(snapshot.played_s * self.frame_rate_hz) - 2))
        ids, raw = trace.activations(since)
        if raw.ndim != 2 or set(ids) != set(self.ids) or len(self._order) != len(ids):
            since = 0
            ids, raw = trace.activations(0)
            self._arrange(ids)
        total = since + raw.shape[1]
        if total == known and since and not raw.shape[1]:
            return False
        rows = np.asarray(raw, np.float32)[self._order] / self._scale()[:, None]
        if total == known and np.array_equal(rows, self._heat.values[:, since:]):
            return False
        self._heat.put(since, rows)
        return True

    def _arrange(self, ids: Sequence[str]) -> None:
        """Rows in the order of the scales, others last."""
        places = {id: place for place, id in enumerate(self._scales)}
        self._order = sorted(range(len(ids)), key=lambda row: places.get(ids[row], len(places)))
        self.ids = tuple(ids[row] for row in self._order)
        self._heat = Growing(len(ids))
        self.version += 1

    def _scale(self) -> Floats:
        return np.array([self._scales.get(id, 1.0) or 1.0 for id in self.ids], np.float32)

    def now(self) -> dict[str, float]:
        """Each watched feature's activation at the playhead, 1.0 = its 99th percentile."""
        heat = self._heat.values
        if not heat.size:
            return {}
        column = min(int(self.played_s * self.frame_rate_hz), heat.shape[1] - 1)
        return {id: float(v) for id, v in zip(self.ids, heat[:, column], strict=True)}

    def row(self, id: str) -> Floats | None:
        """One feature's activations over time; None when it is not watched."""
        return self._heat.values[self.ids.index(id)] if id in self.ids else None

    def _level(self, snapshot: SnapshotLike) -> float:
        if snapshot.state not in ("playing", "finishing"):
            return SILENCE_DB
        return self.level_at(snapshot.played_s)

    def level_at(self, time_s: float) -> float:
        """Peak level of the 50 ms before a time, in dB; of stereo that of the louder channel."""
        end = int(time_s * self.sample_rate_hz)
        start = max(0, end - int(LEVEL_S * self.sample_rate_hz))
        pairs, _, _ = self.peaks.between(start, end, 64)
        peak = float(np.abs(pairs).max()) if len(pairs) else 0.0
        return round(max(SILENCE_DB, 20 * math.log10(peak + 1e-9)), 1)

    # -- looking --------------------------------------------------------------------------------------

    def zoom(self, factor: float, at_s: float) -> None:
        """Show more (`factor` > 1) or less around a time that stays where it is on screen."""
        left, right = self.in_view()
        width = min(self.span_s, max(LEAST_VIEW_S, (right - left) * factor))
        share = (at_s - left) / (right - left) if right > left else 0.5
        self.look(at_s - share * width, width)

    def scroll(self, by_s: float) -> None:
        left, right = self.in_view()
        self.follow.set(False)
        self.look(left + by_s, right - left)

    def look(self, left_s: float, width_s: float) -> None:
        """Show a stretch; the whole take when it is at least as wide."""
        if width_s >= self.span_s * 0.999:
            self.view.set(None)
            return
        left = max(0.0, min(left_s, self.span_s - width_s))
        self.view.set((left, left + width_s))

    def _scroll_along(self) -> None:
        view = self.view.value
        if view is None or not self.follow.value:
            return
        left, right = view
        if not left <= self.played_s <= right - 0.05 * (right - left):
            self.look(self.played_s - 0.1 * (right - left), right - left)
