"""Composition root: engine, bank, state and window meet only here -> a running application."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication

from drawbar.paths import user_dir
from drawbar_desktop.controllers.audition import Audition
from drawbar_desktop.controllers.blind_test import BlindTestController
from drawbar_desktop.controllers.builder import Builder
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.controllers.device_and_model_settings import SCANS_MS, DeviceAndModelSettings
from drawbar_desktop.controllers.osc_control import OscControl
from drawbar_desktop.controllers.playback import PlaybackController
from drawbar_desktop.controllers.rack_actions import RackActions
from drawbar_desktop.controllers.restoring import Restoring
from drawbar_desktop.controllers.session import Session, remembered
from drawbar_desktop.controllers.slider_maker import SliderMaker
from drawbar_desktop.controllers.sync import Sync
from drawbar_desktop.controllers.take_actions import TakeActions
from drawbar_desktop.controllers.variations import Variations
from drawbar_desktop.controllers.word_maker import WordMaker
from drawbar_desktop.services.about import about
from drawbar_desktop.services.crashes import RunningMark, catch_crashes, tail
from drawbar_desktop.services.endings import Endings
from drawbar_desktop.services.interfaces import EnginePort, Load
from drawbar_desktop.services.jobs import Jobs
from drawbar_desktop.services.logs import catch_exceptions, start_log
from drawbar_desktop.services.midi_ports import MidiPorts
from drawbar_desktop.services.one_window import FirstWindow, hand_over
from drawbar_desktop.state import Library, Rack, Timeline, Transport, UndoStack
from drawbar_desktop.state.blind_test import BlindTest
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.interfaces import SnapshotLike
from drawbar_desktop.state.presets import Preset
from drawbar_desktop.state.settings import Settings
from drawbar_desktop.state.slider_making import Making
from drawbar_desktop.style.theme import DARK, LIGHT, apply_theme
from drawbar_desktop.widgets.common.accessible import install
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.window import MainWindow

PLOT_MS, TEXT_MS, SAVE_MS, HEAR_MS = 33, 200, 1_000, 2_000
STATES = {
    "idle": "Ready",
    "loading": "Preparing the take",
    "warming": "Warming up",
    "playing": "Playing while it is being generated",
    "finishing": "Generated to the end, still playing",
    "done": "Done. Space plays it again, Shift+Space makes a new take",
    "error": "Stopped",
}


def make_application(argv: list[str] | None = None, settings: Settings | None = None) -> QApplication:
    """The one QApplication, themed and scaled as the settings say."""
    existing = QApplication.instance()
    if existing is None and settings is not None and settings["scale_percent"] != 100:
        os.environ.setdefault("QT_SCALE_FACTOR", f"{settings['scale_percent'] / 100:g}")
    app = existing if isinstance(existing, QApplication) else QApplication(argv or sys.argv[:1])
    app.setApplicationName("Drawbar")
    app.setDesktopFileName("drawbar")
    apply_theme(app, LIGHT if settings is not None and settings["theme"] == "light" else DARK)
    install()
    return app


def run(load: Load | None = None, file: Path | None = None) -> int:
    """Open the window, with a file to begin with, and stay until it is closed; a window that is open takes over."""
    home = user_dir()
    if hand_over(home, file):
        return 0
    desk = Desk(home)
    application = make_application(settings=desk.settings)
    mark = RunningMark(home)
    crashed, log_file = mark.left_behind(), start_log(home)
    app = App(load or remembered(desk.settings), desk, log_file=log_file)
    catch_exceptions(app.tell_uncaught)
    if log_file is not None:
        catch_crashes(log_file)
        with app.links.told():
            mark.set(log_file)
    first = FirstWindow(home, app.come_forward)
    app.window.show()
    app.start()
    if crashed is not None:
        app.offer_log(crashed)
    if file is not None:
        app.listening.open_later(file)
    endings = Endings(app.window.close)
    result = application.exec()
    endings.forget()
    first.close()
    mark.clear()
    return result


class App:
    """Wires gestures to the engine and polls of the engine to the state; no Qt signal crosses threads."""

    def __init__(
        self,
        load: Load,
        desk: Desk | None = None,
        *,
        log_file: Path | None = None,
        ports: MidiPorts | None = None,
    ) -> None:
        self.jobs = Jobs()
        self.desk = desk = desk if desk is not None else Desk()
        self._lost = ""
        self._failure: tuple[int, str] | None = None
        self.links = Links(desk, self.jobs)
        self.playing = PlaybackController(self.links)
        self.restoring = Restoring(self.links, self.playing)
        self.session = Session(self.links, self.playing, self.restoring, load)
        self.listening = Audition(self.links, self.playing, self.restoring.restore)
        self.variations = Variations(self.links, self.listening)
        self.keeping = TakeActions(self.links, self.playing, self.listening.stop)
        self.blind = BlindTestController(self.links, BlindTest())
        self.rack_actions = RackActions(self.links, self.hear_preset)
        self.making = SliderMaker(self.links, Making(), self.rack_actions.add)
        self.word_maker = WordMaker(self.links, self.rack_actions.add)
        self.session.changed.connect(self.word_maker.follow)
        pressed = {
            "play": self.toggle_play,
            "new": self.listening.new_take,
            "bypass": lambda: desk.transport.bypass.set(not desk.transport.bypass.value),
            "ab": desk.slots.toggle,
        }
        self.machinery = DeviceAndModelSettings(self.links, self.session.reload, pressed, ports)
        self.session.changed.connect(self.machinery.refresh)
        self.builder = Builder(self.links, desk.building, self.machinery.open_bank_folder)
        self.sync = Sync(
            self.links, self.machinery.ports,
            {
                "start": lambda _: self.new_take(),
                "continue": lambda _: self.listening.resume(),
                "stop": lambda _: self.listening.pause(),
                "position": self.listening.move_to,
            },
        )  # fmt: skip
        self.machinery.sync = self.sync
        asked = {
            "play": self.toggle_play, "new": self.new_take, "again": self.listening.again,
            "vary": self.variations.make, "end": self.listening.end_take,
        }  # fmt: skip
        self.osc = OscControl(self.links, self.machinery.carry_out, asked)
        self.machinery.osc = self.osc
        self.window = MainWindow(
            desk, self._make_actions(), about(log_file), self.machinery, self.blind, self.making, self.builder
        )
        self.window.restore_places(
            desk.settings["window"], list(desk.settings["splitters"]), list(desk.settings["folded"])
        )
        self._timers = [
            self._timer(ms, call)
            for ms, call in (
                (PLOT_MS, self.poll_plots), (TEXT_MS, self.poll_text), (SAVE_MS, self.save_settings),
                (HEAR_MS, self._keep_hearing), (SCANS_MS, self.machinery.scan_midi), (SCANS_MS, self.sync.scan),
            )
        ]  # fmt: skip

    # -- short names for what tests and scripts touch -------------------------------------------------

    @property
    def undo(self) -> UndoStack:
        return self.desk.undo

    @property
    def rack(self) -> Rack:
        return self.desk.rack

    @property
    def transport(self) -> Transport:
        return self.desk.transport

    @property
    def library(self) -> Library:
        return self.desk.library

    @property
    def timeline(self) -> Timeline:
        return self.desk.timeline

    @property
    def actions(self) -> Actions:
        """What the window can be asked to do."""
        return self.window.commands

    @property
    def failed(self) -> str | None:
        return self.session.failed

    @property
    def _engine(self) -> EnginePort | None:
        return self.links.engine

    # -- the window -----------------------------------------------------------------------------------

    def _make_actions(self) -> Actions:
        listening, keeping, machinery, rack = (
            self.listening, self.keeping, self.machinery, self.rack_actions,
        )  # fmt: skip
        return Actions(
            toggle_play=self.toggle_play,
            new_take=self.new_take,
            again=listening.again,
            vary=self.variations.make,
            end_take=listening.end_take,
            play_something=self.play_something,
            offer_export=keeping.offer_export,
            write_export=keeping.export,
            add=rack.add,
            make_word=self.word_maker.begin,
            stop_word=self.word_maker.cancel,
            add_best=rack.add_best,
            title_of=self.links.title_of,
            listen=listening.listen_example,
            preview=listening.preview,
            seek=listening.seek,
            play_take=listening.play_take,
            stop_take=listening.back_to_live,
            recall=self.restoring.recall,
            delete_take=keeping.delete,
            compare=listening.compare,
            drop_file=listening.drop,
            continue_from=listening.continue_from,
            hear=listening.hear,
            detect_tempo=listening.detect_tempo,
            tap=self.sync.tap,
            keep_loop=listening.keep_loop,
            save_preset=rack.save_preset,
            load_preset=rack.load_preset,
            hear_preset=self.hear_preset,
            choose_device=machinery.choose_device,
            refresh_devices=machinery.refresh,
            set_theme=self._set_theme,
            closing=self.close,
        )

    def _set_theme(self, name: str) -> None:
        self.desk.settings.set("theme", name)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            apply_theme(application, LIGHT if name == "light" else DARK)

    def _timer(self, ms: int, call: Callable[[], object]) -> QTimer:
        timer = QTimer(interval=ms)
        timer.timeout.connect(call)
        return timer

    def tell_uncaught(self, words: str, details: str) -> None:
        """A card for what nobody caught; from any thread."""
        self.jobs.post(lambda: self.desk.notices.broke.emit(words, details))

    def come_forward(self, file: Path | None) -> None:
        """The program was started again: this window is the one, with the file that was asked for."""
        window = self.window
        window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
        window.show()
        window.raise_()
        window.activateWindow()
        if file is not None:
            self.listening.open_later(file)

    def offer_log(self, log_file: Path) -> None:
        """The last window never ended as it should."""
        self.links.ask(
            "crash",
            "Drawbar ended unexpectedly last time. Its log says what happened.",
            ("Show the log", lambda: self.desk.notices.broke.emit(str(log_file), tail(log_file))),
            ("Not now", lambda: None),
            sign="alert-circle-outline",
        )

    # -- from start to end ----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to load on a worker thread; the window stays responsive."""
        self.start_timers()
        self.desk.history.reload()
        self.keeping.offer_recovery()
        self.machinery.scan_midi()
        self.builder.offer()
        self.session.begin()

    def start_timers(self) -> None:
        """Poll engine and devices from now on."""
        for timer in self._timers:
            timer.start()

    def stop_timers(self) -> None:
        """Whoever drives polls by hand."""
        for timer in self._timers:
            timer.stop()

    def load_now(self) -> None:
        """Load on this thread and start no timers: whoever calls polls."""
        self.desk.history.reload()
        self.session.load_now()
        self.poll_text()

    def toggle_play(self) -> None:
        """Play or pause what is shown."""
        self.listening.play_or_pause()
        self.poll_text()

    def new_take(self) -> None:
        """A take with the shown settings."""
        self.listening.new_take()
        self.poll_text()

    def play_something(self) -> None:
        """For who comes for the first time: a prompt and four sliders where there are none, and music."""
        self.rack_actions.invite()
        self.new_take()

    def hear_preset(self, preset: Preset) -> None:
        """A take with a preset's sliders; the rack stays as it is."""
        self.playing.begin(amounts=self.rack_actions.amounts_of(preset))

    def close(self) -> None:
        """Stop the timers and the engine; keep what the user sees."""
        self.stop_timers()
        self.machinery.close()
        self.builder.close()
        self.sync.close()
        self.osc.close()
        self.blind.close()
        self.save_settings(places=True)
        engine = self._engine
        if engine is None:
            return
        engine.close()
        self.playing.keep_take_now()
        self.links.loaded = None
        if self.desk.history.store is not None:
            self.desk.history.store.empty_bin()

    def save_settings(self, *, places: bool = False) -> None:
        """Once a second, and on closing."""
        self.desk.note_settings()
        geometry, sizes = self.window.places()
        if places and self.window.isVisible():
            self.desk.settings.set("window", geometry)
            self.desk.settings.set("splitters", sizes)
        if places:
            with self.links.told():
                self.desk.settings.save()
        elif (write := self.desk.settings.pending()) is not None:
            self.jobs.run(write, self.links.tell_error)

    # -- polling --------------------------------------------------------------------------------------

    def poll_plots(self) -> None:
        """30 Hz: timeline, meters, clock, MIDI."""
        self.jobs.drain()
        self.machinery.poll_midi()
        self.osc.poll()
        engine = self._engine
        if engine is None:
            return
        snapshot = engine.snapshot()
        self.playing.poll_plots(snapshot)
        self.listening.poll()
        self.sync.poll(snapshot)
        sounding = snapshot.state in ("playing", "finishing") and not snapshot.paused
        sounding = sounding or self.transport.player.value
        if sounding:
            at_s = self.timeline.played_s if self.timeline.title else snapshot.played_s
            self.desk.modulation.tick(at_s, self.timeline.level_db, self.timeline.grid.value)
        else:
            self.desk.modulation.rest()
        self.window.rack.show_activations(self.timeline.now() if sounding else {})
        self.window.transport.level.set_db(self.timeline.level_db if sounding else -60.0)
        shown = self.timeline.played_s if self.timeline.title else snapshot.played_s
        self.transport.position_s.set(round(shown, 1))

    def poll_text(self) -> None:
        """5 Hz: read-outs and the status line."""
        engine = self._engine
        if engine is None:
            return
        snapshot = engine.snapshot()
        self.playing.poll_text(snapshot)
        self.restoring.adopt()
        self.listening.adopt()
        self.blind.poll()
        failed = snapshot.state == "error"
        self._tell_failure(snapshot)
        words = STATES.get(snapshot.state, snapshot.state)
        if self.transport.player.value and not self.playing.busy:
            words = "Playing " + (self.timeline.title or "a take")
        words = _waiting_words(snapshot, self.transport) or words
        self.desk.notices.set_phase(f"{words}: {snapshot.message}" if failed else words, failed=failed)
        self.desk.notices.output.set(_output_words(snapshot))
        if snapshot.device_lost and snapshot.device_lost != self._lost:
            self.machinery.device_lost(snapshot.device_lost)
        self._lost = snapshot.device_lost

    def _tell_failure(self, snapshot: SnapshotLike) -> None:
        """A take that ended with an error says so in the middle of the window, once."""
        failure = (snapshot.take_id, snapshot.message) if snapshot.state == "error" else None
        if failure is not None and failure != self._failure:
            self.links.ask(
                "failed", f"The take stopped: {snapshot.message}", ("Play again", self.playing.begin),
                sign="alert-circle-outline",
            )  # fmt: skip
        self._failure = failure

    def _keep_hearing(self) -> None:
        if self.desk.hearing.on.value and (self.playing.busy or self.transport.player.value):
            self.listening.hear(quietly=True)


def _waiting_words(snapshot: SnapshotLike, transport: Transport) -> str:
    """Why it is silent while a take is made; empty when it is not."""
    made_s = snapshot.played_s + snapshot.ready_s
    if snapshot.paused:
        return "Paused. Space goes on"
    if transport.slow.value and snapshot.state == "warming" and transport.seconds.value:
        return f"Making it first: {made_s:.0f} of {transport.seconds.value:.0f} s"
    if snapshot.waits:
        return f"Waiting for more music: {snapshot.ready_s:.1f} s ready"
    return ""


def _output_words(snapshot: SnapshotLike) -> str:
    name, reason = snapshot.output_name, snapshot.output_reason
    return f"{name}: {reason}" if name and reason else name or "The sound device opens with the first take"
