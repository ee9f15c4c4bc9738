"""The desk's settings -> takes from the engine; the engine's polls -> timeline, meters, history, loudness."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from drawbar.live.takes.take import Stored, Take, TakeSettings
from drawbar.prompts import weight_id
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.controllers.evidence_marks import EvidenceMarks
from drawbar_desktop.services.interfaces import Tokens
from drawbar_desktop.services.loudness import loudness_lufs, matching_gains_db
from drawbar_desktop.state.beat_grid import Grid, track_tempo
from drawbar_desktop.state.interfaces import Floats, SnapshotLike
from drawbar_desktop.state.takes import TakeItem
from drawbar_desktop.state.transport import BUSY

WATCHED = 10
SOUNDING = ("playing", "finishing")
MEASURED_S = 8.0
SILENT_DB = -120.0
POLL_S = 0.033
FAST_AGAIN = 1.1
"""From this speed on takes are heard while they are made again."""


@dataclass(frozen=True)
class Recalled:
    """What makes the next take the restored one, as long as the desk says what it said then."""

    fingerprint: str
    automation: Stored | None
    stacking: str
    branch: str
    twin: bool


@dataclass(frozen=True)
class Coming:
    """A take that was asked for and does not play yet."""

    seconds: float | None


class PlaybackController:
    """Between the desk and the engine while music is made."""

    def __init__(self, links: Links) -> None:
        self._links, self.desk = links, links.desk
        self._calibration = EvidenceMarks(links)
        self._best: tuple[str, ...] = ()
        self._saved: Take | None = None
        self._spooled_at_s = 0.0
        self._slot_since = 0
        self._twin_gains_db = (0.0, 0.0)
        self._measuring = self._hushed = False
        self._looping = False
        self._coming: Coming | None = None
        self.recalled: Recalled | None = None
        """The take that was restored last."""
        desk = self.desk
        desk.rack.effective_changed.connect(self._send_amount)
        desk.rack.mode_changed.connect(self._send_mode)
        desk.rack.added.connect(self._send_added)
        desk.rack.removed.connect(self._send_removed)
        desk.rack.layout_changed.connect(self.watch)
        desk.timeline.pinned.changed.connect(lambda _: self.watch())
        desk.hearing.heard.changed.connect(lambda _: self.watch())
        desk.transport.bypass.changed.connect(self._send_bypass)
        desk.transport.gain_db.changed.connect(lambda _: self.send_gain())
        desk.transport.match_loudness.changed.connect(lambda _: self.send_gain())
        desk.blending.moved.connect(lambda place, share: self._send_amount(weight_id(place), share))
        desk.slots.switched.connect(self._slot_switched)
        desk.slots.match.changed.connect(lambda _: self.send_gain())

    # -- taking over ----------------------------------------------------------------------------------

    def adopt(self) -> None:
        """Something was loaded: give the engine what the desk says."""
        desk, loaded = self.desk, self._links.loaded
        if loaded is None:
            return
        self._saved = loaded.engine.take
        desk.timeline.set_rates(loaded.frame_rate_hz, loaded.sample_rate_hz)
        desk.timeline.start(None)
        desk.transport.set_vocabulary(loaded.unknown_words, loaded.vocabulary)
        self._best = tuple(feature.id for feature in desk.library.best(WATCHED))
        for id in desk.rack.ids():
            self._send_added(id)
        self.watch()
        self.send_gain()
        if desk.transport.device.value:
            with self._links.told():
                loaded.engine.set_output(desk.transport.device.value)
        with self._links.told():
            loaded.engine.set_buffer(desk.transport.buffer_ms.value or None)
        loaded.engine.measure_buffer()

    # -- takes ----------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a take is being made or played."""
        engine = self._links.engine
        return engine is not None and engine.snapshot().state in BUSY

    def begin(self, prefix: Tokens | None = None, amounts: Mapping[str, float] | None = None) -> None:
        """A take with the shown settings, from nothing or from tokens `[K, P]`; `amounts` for the rack's."""
        loaded, desk = self._links.loaded, self.desk
        if loaded is None:
            return
        transport = desk.transport
        seconds = transport.seconds.value
        if prefix is not None and seconds is not None:
            seconds += prefix.shape[1] / loaded.frame_rate_hz
        fingerprint = self.fingerprint()
        settings = TakeSettings(
            prompt=transport.prompt.value,
            seed=transport.take_seed(),
            seconds=seconds,
            guidance=transport.guidance.value,
            temperature=transport.temperature.value,
            top_k=transport.top_k.value,
            melody=transport.melody.value if loaded.read_melody is not None else (),
            amounts=desk.rack.effective() if amounts is None else dict(amounts),
            modes=desk.rack.modes() if amounts is None else {},
            blend=desk.blending.of(transport.prompt.value),
            twin=transport.twin.value,
        )
        recalled = self.recalled
        exact = recalled is not None and recalled.fingerprint == fingerprint
        if recalled is not None and exact:
            settings = replace(
                settings, stacking=recalled.stacking, branch=recalled.branch, twin=recalled.twin
            )
        played = recalled.automation if recalled is not None and exact else None
        stored = played if played is not None else self._lanes(loaded.frame_rate_hz)
        automation = loaded.automation(stored) if stored is not None else None
        self._slot_since, self._twin_gains_db = 0, (0.0, 0.0)
        desk.slots.loudness.clear()
        desk.quantiser.flush()
        self.hush(transport.player.value)
        loaded.engine.set_bypass(transport.bypass.value)
        loaded.engine.make_first(transport.slow.value)
        self._links.settle("slow")
        self.send_gain()
        transport.remember_prompt()
        with self._links.told():
            loaded.engine.play(settings, automation, prefix)
            desk.blending.begin(settings.blend)
            self._coming = Coming(seconds)
            self._links.settle("failed")
            if desk.recorder is not None:
                bank = desk.library.bank
                about = {
                    "sample_rate_hz": loaded.sample_rate_hz, "channels": loaded.channels,
                    "frame_rate_hz": loaded.frame_rate_hz,
                    "bank": str(getattr(getattr(bank, "info", None), "name", "")), "site": loaded.site,
                }  # fmt: skip
                desk.recorder.begin(settings, about)

    def _lanes(self, frame_rate_hz: float) -> Stored | None:
        """The lanes that play: of strips that are there, heard, and not being recorded anew."""
        rack = self.desk.rack
        lanes = {}
        for id, points in self.desk.lanes.frames(frame_rate_hz).items():
            if id in rack and not rack.strip(id).armed and not rack.silenced(rack.strip(id)):
                lanes[id] = [list(point) for point in points]
        return {"lanes": lanes, "kept": []} if lanes else None

    def fingerprint(self) -> str:
        """All that decides the next take, as text: equal after a restore means the very same take."""
        t, desk = self.desk.transport, self.desk
        lanes = {id: desk.lanes.points(id) for id in desk.lanes.ids() if id in desk.rack}
        parts = [
            t.prompt.value, t.seed.value, t.seconds.value, t.guidance.value, t.temperature.value, t.top_k.value,
            t.melody.value,
            desk.rack.effective(), desk.rack.modes(), lanes, t.twin.value,
            [asdict(part) for part in desk.blending.of(t.prompt.value)],
        ]  # fmt: skip
        return json.dumps(parts, sort_keys=True)

    def keep_take(self) -> None:
        """A take has ended since the last poll: write it into the history, off the window's thread."""
        engine, desk = self._links.engine, self.desk
        if engine is None:
            return
        take = engine.take
        if take is None or take is self._saved:
            return
        self._saved = take
        recorded = desk.lanes.recorded()
        if recorded:
            self._links.tell(f"Recorded automation of {', '.join(map(self._links.title_of, recorded))}")
        store = desk.history.store
        if store is None:
            return
        recorder = desk.recorder
        spool = recorder.detach() if recorder is not None else None
        heat, grid = self._heat(), desk.timeline.grid.value

        def save() -> TakeItem:
            item = store.add(take, heat=heat, grid=_grid_of(take, grid))
            if recorder is not None and spool is not None:
                recorder.discard(spool)
            return item

        def saved(item: TakeItem | None, error: Exception | None) -> None:
            if item is None:
                self._links.ask(
                    "unsaved",
                    f"The take could not be saved: {error}. It is offered again at the next start.",
                    ("Try again", lambda: self._links.jobs.run(save, saved)),
                    sign="content-save-alert-outline",
                )
            else:
                self._links.settle("unsaved")
                desk.history.put(item)
                desk.history.selected.set(item.id)

        self._links.jobs.run(save, saved)

    def keep_take_now(self) -> None:
        """The window closes: write what was just heard before it is gone."""
        engine, desk = self._links.engine, self.desk
        take = engine.take if engine is not None else None
        if take is None or take is self._saved or desk.history.store is None:
            if desk.recorder is not None:
                desk.recorder.end()
            return
        self._saved = take
        with self._links.told():
            desk.history.store.add(take, heat=self._heat())
            if desk.recorder is not None:
                desk.recorder.end()

    def _heat(self) -> tuple[tuple[str, ...], Floats]:
        """The heat-map of the take that has just ended, whatever the timeline shows meanwhile."""
        engine, timeline = self._links.engine, self.desk.timeline
        if engine is None or not timeline.title:
            return timeline.ids, np.array(timeline.heat)
        return timeline.heat_of(engine.trace)

    # -- polling --------------------------------------------------------------------------------------

    def poll_plots(self, snapshot: SnapshotLike) -> None:
        """30 Hz: timeline and automation."""
        engine, desk = self._links.engine, self.desk
        if engine is None:
            return
        self._send_due(snapshot)
        self._show_coming(snapshot)
        if not desk.timeline.title and self._coming is None:
            desk.timeline.update(snapshot, engine.trace)
        if snapshot.state in SOUNDING:
            for id in desk.lanes.ids():
                amount = desk.lanes.amount(id, snapshot.played_s)
                if amount is not None and id in desk.rack and not desk.rack.strip(id).armed:
                    desk.rack.follow(id, amount)

    def _send_due(self, snapshot: SnapshotLike) -> None:
        """Moves that waited for their beat or bar; all of them when nothing sounds any more."""
        engine, quantiser = self._links.engine, self.desk.quantiser
        if engine is None or not quantiser.waiting:
            return
        wanted = snapshot.state in SOUNDING and quantiser.step.value
        due = (
            quantiser.due(snapshot.played_s, snapshot.latency_ms / 1000, POLL_S)
            if wanted
            else quantiser.flush()
        )
        for id, amount in due.items():
            with self._links.told():
                engine.set_amount(id, amount)

    def poll_text(self, snapshot: SnapshotLike) -> None:
        """5 Hz: read-outs, spool, finished takes."""
        engine, desk = self._links.engine, self.desk
        if engine is None:
            return
        self._show_coming(snapshot)
        desk.transport.update(snapshot)
        if desk.recorder is not None and desk.recorder.recording and snapshot.state in SOUNDING:
            self._spool(snapshot)
        self._keep_up(snapshot)
        self._offer_nudge(snapshot)
        self.keep_take()
        if snapshot.state in ("done", "error") and desk.recorder is not None and desk.recorder.recording:
            desk.recorder.end()

    def _keep_up(self, snapshot: SnapshotLike) -> None:
        """A machine that is too slow: takes are made first from now on, this one if that is wanted."""
        engine, transport, factor = self._links.engine, self.desk.transport, snapshot.real_time_factor
        if engine is None or snapshot.state not in BUSY or not factor:
            return
        if factor >= FAST_AGAIN and transport.slow.value:
            transport.slow.set(False)
            self._links.settle("slow")
        elif transport.trouble.value and factor < 1 and not transport.slow.value:
            transport.slow.set(True)
            if transport.seconds.value is not None and snapshot.state == "playing":
                self._links.ask(
                    "slow", f"This machine makes {factor:.2g} s of music a second, so the take has to wait for it.",
                    ("Make it first, then play", lambda: engine.make_first(True)),
                    ("Go on as it is", lambda: None), sign="timer-sand",
                )  # fmt: skip

    def _offer_nudge(self, snapshot: SnapshotLike) -> None:
        """Music that repeats itself: said once, until it does not any more; nothing happens by itself."""
        engine = self._links.engine
        if engine is None or snapshot.loops == self._looping:
            return
        self._looping = snapshot.loops
        if not snapshot.loops:
            self._links.settle("loop")
            return
        self._links.ask(
            "loop", "The music repeats itself.", ("Nudge it", engine.nudge), ("Leave it", lambda: None),
            sign="repeat",
        )  # fmt: skip

    def _show_coming(self, snapshot: SnapshotLike) -> None:
        """A take that was asked for takes the timeline when it plays; one that fails before leaves what is there."""
        coming = self._coming
        if coming is None:
            return
        if snapshot.state in (*SOUNDING, "done"):
            self._coming = None
            self.desk.timeline.start(coming.seconds)
        elif snapshot.state in ("idle", "error"):
            self._coming = None

    def _spool(self, snapshot: SnapshotLike) -> None:
        now, recorder, engine = time.monotonic(), self.desk.recorder, self._links.engine
        if engine is not None and recorder is not None and now - self._spooled_at_s >= 1.0:
            self._spooled_at_s = now
            with self._links.told():
                recorder.feed(engine.trace, snapshot.amounts)

    # -- loudness -------------------------------------------------------------------------------------

    def hush(self, on: bool) -> None:
        """Fade the take that is being made out (an old one is heard) or in again; it goes on either way."""
        if on != self._hushed:
            self._hushed = on
            self.send_gain()

    def send_gain(self) -> None:
        """The monitor's gain, with what makes the comparison equally loud."""
        engine, desk = self._links.engine, self.desk
        if engine is None:
            return
        if self._hushed:
            engine.set_gain_db(SILENT_DB)
            return
        offset = 0.0
        if desk.transport.match_loudness.value:
            offset = self._twin_gains_db[1 if desk.transport.bypass.value else 0] + desk.slots.offset_db()
        engine.set_gain_db(desk.transport.gain_db.value + offset)

    def _send_bypass(self, on: bool) -> None:
        engine = self._links.engine
        if engine is None:
            return
        engine.set_bypass(on)
        self.measure_twin()
        self.send_gain()

    def measure_twin(self) -> None:
        """How loud the steered and the bypassed take have been, off the window's thread."""
        engine, desk, loaded = self._links.engine, self.desk, self._links.loaded
        if engine is None or loaded is None or self._measuring or not desk.transport.match_loudness.value:
            return
        rate = loaded.sample_rate_hz
        since = max(0, engine.trace.samples - round(MEASURED_S * rate))
        steered, twin = engine.trace.steered(since), engine.trace.twin(since)
        if len(twin) < rate:
            return
        self._measuring = True

        def measured(gains: tuple[float, float] | None, error: Exception | None) -> None:
            self._measuring = False
            if gains is not None:
                self._twin_gains_db = gains
                self.send_gain()

        self._links.jobs.run(lambda: matching_gains_db(steered, twin, rate), measured)

    def _slot_switched(self, name: str) -> None:
        engine, loaded, desk = self._links.engine, self._links.loaded, self.desk
        if engine is None or loaded is None or not self.busy:
            return
        rate, since = loaded.sample_rate_hz, self._slot_since
        audio = engine.trace.steered(since)
        self._slot_since += len(audio)
        before = "B" if name == "A" else "A"
        if len(audio) < rate:
            return

        def measured(value: float | None, error: Exception | None) -> None:
            if value is not None:
                desk.slots.note_loudness({before: value})
                self.send_gain()

        self._links.jobs.run(lambda: loudness_lufs(audio[-round(MEASURED_S * rate) :], rate), measured)

    # -- to the engine --------------------------------------------------------------------------------

    def _send_amount(self, id: str, amount: float) -> None:
        engine, desk = self._links.engine, self.desk
        if engine is None:
            return
        snapshot = engine.snapshot()
        live = snapshot.state in SOUNDING and not snapshot.paused and not desk.timeline.title
        ahead_s = snapshot.latency_ms / 1000
        if not live or not desk.quantiser.hold(
            id, amount, desk.timeline.grid.value, snapshot.played_s, ahead_s
        ):
            with self._links.told():
                engine.set_amount(id, amount)

    def _send_mode(self, id: str, mode: str) -> None:
        engine = self._links.engine
        if engine is not None:
            with self._links.told():
                engine.set_mode(id, mode)

    def _send_added(self, id: str) -> None:
        engine, rack = self._links.engine, self.desk.rack
        if engine is None:
            return
        with self._links.told():
            engine.add_feature(id)
            mode = rack.modes().get(id, "add")
            if mode != "add":
                engine.set_mode(id, mode)
            amount = rack.effective().get(id, 0.0)
            if amount:
                engine.set_amount(id, amount)

    def _send_removed(self, id: str) -> None:
        engine = self._links.engine
        if engine is not None:
            engine.remove_feature(id)

    def watch(self) -> None:
        """Which activations are traced: the rack's, the pinned, what was heard, then the bank's best."""
        engine, desk = self._links.engine, self.desk
        if engine is None:
            return
        wanted = [*desk.rack.ids(), *desk.timeline.pinned.value]
        wanted += [h.feature.id for h in desk.hearing.heard.value[:8]]
        wanted += [id for id in self._best if len(set(wanted)) < WATCHED]
        ids = list(dict.fromkeys(wanted))[:64]
        for id in self._best:
            if len(ids) < WATCHED and id not in ids:
                ids.append(id)
        rows = {id: f.p99 for id in ids if (f := self._links.feature(id)) is not None}
        desk.timeline.set_scales(rows)
        with self._links.told():
            engine.watch(list(rows))
        self._calibration.follow()


def _grid_of(take: Take, shown: Grid) -> tuple[float, float, int] | None:
    """The tempo that was set, or the one that is heard; None where nothing beats."""
    if shown.tempo_bpm:
        return shown.tempo_bpm, shown.offset_s, shown.beats_per_bar
    tempo_bpm, offset_s = track_tempo(take.audio, take.sample_rate_hz)
    return (tempo_bpm, offset_s, shown.beats_per_bar) if tempo_bpm else None
