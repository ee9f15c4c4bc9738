"""Composition root: engine, bank, state and window meet only here -> a running application."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QTimer
from PySide6.QtWidgets import QApplication

from drawbar.errors import CancelledError, DrawbarError
from drawbar.paths import assets_dir, user_dir
from drawbar_desktop.controllers.audition import Listening
from drawbar_desktop.controllers.blind_test import BlindListening
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.controllers.device_and_model_settings import SCANS_MS, Machinery
from drawbar_desktop.controllers.playback import Playing
from drawbar_desktop.controllers.slider_maker import MakingLink
from drawbar_desktop.controllers.take_actions import Keeping
from drawbar_desktop.services.logs import start_log
from drawbar_desktop.services.midi_ports import MidiPorts
from drawbar_desktop.services.model_loading import EnginePort, Jobs, Load, Loaded, load, load_embedded
from drawbar_desktop.state import Library, Rack, Timeline, Transport, UndoStack
from drawbar_desktop.state.beat_grid import Grid, track_tempo
from drawbar_desktop.state.blind_test import BlindTest
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.observable import subscriptions
from drawbar_desktop.state.presets import Preset, macros_from, strips_from
from drawbar_desktop.state.rack import feature_title
from drawbar_desktop.state.settings import Settings
from drawbar_desktop.state.slider_making import Making
from drawbar_desktop.style.theme import DARK, LIGHT, apply_theme
from drawbar_desktop.widgets.common.accessible import install
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.sheets.settings_sheet import Managing
from drawbar_desktop.widgets.window import MainWindow

PLOT_MS, TEXT_MS, SAVE_MS, HEAR_MS = 33, 200, 1_000, 2_000
STATES = {
    "idle": "Ready",
    "loading": "Preparing the take",
    "warming": "Warming up",
    "playing": "Playing while it is being generated",
    "finishing": "Generated to the end, still playing",
    "done": "Done. Press Space for another take",
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


def remembered(settings: Settings) -> Load:
    """The model and the bank of the last session; the embedded ones, with a notice, where those are gone."""
    name, folder = settings["model"] or "embedded", settings["bank"]
    if name == "embedded" and not folder:
        return load_embedded

    def again(say: Callable[[str], object]) -> Loaded:
        try:
            return load(name, Path(folder) if folder else None, say)
        except (DrawbarError, OSError) as error:
            loaded = load_embedded(say)
            words = f"{name} of the last session cannot be loaded ({error}): this is the embedded model"
            return replace(loaded, notice=" ".join(filter(None, (words, loaded.notice))))

    return again


def run(load: Load | None = None) -> int:
    """Open the window and stay until it is closed."""
    home = user_dir()
    desk = Desk(home)
    application = make_application(settings=desk.settings)
    app = App(load or remembered(desk.settings), desk, log_file=start_log(home))
    sys.excepthook = app.caught(sys.excepthook)
    app.show()
    app.start()
    return application.exec()


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
        self._load = load
        self.jobs = Jobs()
        self.desk = desk if desk is not None else Desk()
        self.failed: str | None = None
        self._lost = ""
        self._restored = False
        self.links = Links(self.desk, self.jobs, self._tell, self._ask, self._settle)
        self.playing = Playing(self.links)
        self.keeping = Keeping(self.links, self.playing)
        self.listening = Listening(self.links, self.playing, self.keeping.restore)
        self.keeping.stop = self.listening.stop
        self.blind = BlindListening(self.links, BlindTest())
        self.making = MakingLink(self.links, Making(), self.add)
        self.managing = Managing(about=_about(), licences=_licences(), log_file=log_file)
        self.managing.set_theme = self.set_theme
        self.machinery = Machinery(self.links, self.managing, self.reload, ports)
        self.actions = self._make_actions()
        self._connected: list[Any] = []
        self.window: MainWindow = self._build()
        desk = self.desk
        self.machinery.on_press("play", self.toggle_play)
        self.machinery.on_press("bypass", lambda: desk.transport.bypass.set(not desk.transport.bypass.value))
        self.machinery.on_press("ab", desk.slots.toggle)
        self._timers = [
            self._timer(ms, call)
            for ms, call in (
                (PLOT_MS, self.poll_plots), (TEXT_MS, self.poll_text), (SAVE_MS, self.save_settings),
                (HEAR_MS, self._keep_hearing), (SCANS_MS, self.machinery.scan_midi),
            )
        ]  # fmt: skip

    # -- short names for what tests and scripts touch -------------------------------------------------

    @property
    def undo(self) -> UndoStack:
        """The history of gestures."""
        return self.desk.undo

    @property
    def rack(self) -> Rack:
        """The strips."""
        return self.desk.rack

    @property
    def transport(self) -> Transport:
        """The next take's settings."""
        return self.desk.transport

    @property
    def library(self) -> Library:
        """The browser's state."""
        return self.desk.library

    @property
    def timeline(self) -> Timeline:
        """What is shown of the sound."""
        return self.desk.timeline

    @property
    def _engine(self) -> EnginePort | None:
        return self.links.engine

    # -- the window -----------------------------------------------------------------------------------

    def _make_actions(self) -> Actions:
        listening, machinery = self.listening, self.machinery
        return Actions(
            toggle_play=self.toggle_play,
            export=self.export,
            add=self.add,
            add_best=self.add_best,
            title_of=self.links.title_of,
            listen=listening.listen_example,
            preview=listening.preview,
            seek=listening.seek,
            play_take=listening.play_take,
            stop_take=listening.back_to_live,
            recall=self.keeping.recall,
            delete_take=self.keeping.delete,
            compare=listening.compare,
            drop_file=listening.drop,
            continue_from=listening.continue_from,
            hear=listening.hear,
            detect_tempo=self.detect_tempo,
            save_preset=self.save_preset,
            load_preset=self.load_preset,
            choose_device=machinery.choose_device,
            refresh_devices=machinery.refresh,
            open_settings=lambda page="Sound": self.window.settings.open_at(page),
            blind_test=lambda: self.window.blind.open(),
            make_slider=lambda: self.window.making.open(),
            closing=self.close,
        )

    def _build(self) -> MainWindow:
        with subscriptions() as connected:
            window = MainWindow(self.desk, self.actions, self.managing, self.blind, self.making)
        self._connected = connected
        window.write_export = self.write_export
        window.restore_places(self.desk.settings["window"], list(self.desk.settings["splitters"]))
        return window

    def show(self) -> None:
        """Show the window, and the first-run card once."""
        self.window.show()

    def set_theme(self, name: str) -> None:
        """Another theme: the widgets hold no truth, so the window is simply built again."""
        self.desk.settings.set("theme", name)
        application = QApplication.instance()
        if not isinstance(application, QApplication):
            return
        old = self.window
        self.desk.settings.set("window", old.places()[0])
        self.desk.settings.set("splitters", old.places()[1])
        for disconnect in self._connected:
            disconnect()
        old.forget()
        old.close()
        old.deleteLater()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        apply_theme(application, LIGHT if name == "light" else DARK)
        self.window = self._build()
        self.window.show()
        if self.library.bank is not None:
            self.window.browser.show_bank()
        self.window.settings.open_at("Appearance")
        self.poll_text()

    def _timer(self, ms: int, call: Any) -> QTimer:
        timer = QTimer(interval=ms)
        timer.timeout.connect(call)
        return timer

    def _tell(self, text: str) -> None:
        self.window.status.notify(text)

    def _ask(self, key: str, words: str, *answers: Any, sign: str = "information-outline") -> None:
        self.window.banner.ask(key, words, *answers, sign=sign)

    def _settle(self, key: str) -> None:
        self.window.banner.close_for(key)

    def caught(self, before: Any) -> Any:
        """An exception hook that shows what nobody caught, after the log has it."""

        def hook(kind: Any, error: Any, trace: Any) -> None:
            import traceback

            before(kind, error, trace)
            details = "".join(traceback.format_exception(kind, error, trace))
            self.window.errors.tell(f"{kind.__name__}: {error}", details)

        return hook

    # -- loading --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to load on a worker thread; the window stays responsive."""
        self.start_timers()
        self.desk.history.reload()
        self.keeping.offer_recovery()
        self.machinery.scan_midi()
        self._begin_load()

    def start_timers(self) -> None:
        """Poll engine and devices from now on."""
        for timer in self._timers:
            timer.start()

    def stop_timers(self) -> None:
        """Whoever drives polls by hand."""
        for timer in self._timers:
            timer.stop()

    def _begin_load(self) -> None:
        self._phase("Starting")
        self.transport.loading.set(True)
        load = self._load
        self.jobs.run(lambda: load(lambda phase: self.jobs.post(lambda: self._phase(phase))), self._have)

    def load_now(self) -> None:
        """Load on this thread and start no timers: whoever calls polls."""
        self.desk.history.reload()
        self._have(self._load(self._phase), None)

    def reload(self, load: Load) -> None:
        """Another model or bank: the old one goes first, so that both need not fit."""
        self.transport.ready.set(False)
        loaded, self.links.loaded = self.links.loaded, None
        self.links.features.clear()
        self.desk.note_settings()
        self.desk.hearing.heard.set(())
        self.library.open(None)
        self._load = load
        self._phase("Unloading")

        def closed(_: Any, error: Exception | None) -> None:
            self._begin_load()

        self.jobs.run(lambda: loaded.engine.close() if loaded is not None else None, closed)

    def _phase(self, text: str) -> None:
        self.window.status.set_phase(f"{text} \u2026")

    def _have(self, loaded: Loaded | None, error: Exception | None) -> None:
        wanted = self.transport.wanted.value
        self.transport.wanted.set(False)
        self.transport.loading.set(False)
        if loaded is None:
            self._failed(error)
            return
        self.failed = None
        self.links.loaded = loaded
        self.library.open(loaded.bank)
        self.desk.presets.set_bank(loaded.bank)
        self.window.browser.show_bank()
        if loaded.bank is not None:
            missing = self.desk.recall_rack(self.links.resolve)
            if missing:
                self._tell(f"Not in this bank: {', '.join(missing[:5])}")
        self.playing.adopt()
        self.transport.ready.set(True)
        self.keeping.adopt()
        self.machinery.refresh()
        self.poll_text()
        if loaded.notice:
            self.window.status.notify(loaded.notice)
            self.window.browser.empty.say("No bank is open", loaded.notice)
        if wanted:
            self.desk.settings.set("welcomed", True)
            self.playing.begin()
            self.poll_text()
        elif not self.desk.settings["welcomed"] and self.desk.home is not None:
            self._welcome(loaded)

    def _failed(self, error: Exception | None) -> None:
        self.failed = str(error)
        unloaded = isinstance(error, CancelledError)
        words = self.failed if unloaded else f"Drawbar cannot play: {self.failed}"
        self.window.status.set_phase(words, error=not unloaded)
        self.window.rack.empty.say("Nothing can be played yet", self.failed)
        self.window.browser.empty.say("No bank is open", "Features appear once a model is loaded.")
        self.machinery.refresh()
        if error is not None and not isinstance(error, DrawbarError) and self.desk.home is not None:
            self.window.errors.tell("Drawbar could not load its model.", repr(error))

    def _welcome(self, loaded: Loaded) -> None:
        self.desk.settings.set("welcomed", True)
        bank = loaded.bank
        count = (
            f"{bank.count(''):,} features" if bank is not None else "none: the model plays, without sliders"
        )
        output = self._engine.snapshot().output_name if self._engine is not None else ""
        trouble = self.machinery.ports.trouble
        self.window.welcome.show_state(
            (
                (True, "Model", f"{loaded.name}, {loaded.licence}; nothing to download"),
                (bank is not None, "Bank", count),
                (True, "Sound", output or "the system's device, opened with the first take"),
                (not trouble, "MIDI", trouble or "plug a controller in at any time"),
            )
        )
        self.window.welcome.present()

    # -- what the window asks -------------------------------------------------------------------------

    def toggle_play(self) -> None:
        """Stop what plays, or start a take with the shown settings."""
        engine = self._engine
        if engine is None:
            wish = self.transport.loading.value and not self.transport.wanted.value
            self.transport.wanted.set(wish)
            if wish:
                self._tell("Plays as soon as the model is there")
            return
        if self.playing.busy:
            engine.stop()
        elif self.listening.playing or self.transport.player.value:
            self.listening.stop()
        else:
            self.playing.begin()
        self.poll_text()

    def add(self, id: str, at: int | None = None) -> None:
        """Put a feature in the rack and show it in the inspector."""
        found = self.links.resolve(id)
        if found is None:
            return
        if not self.rack.add(*found, at):
            self._tell(f"{feature_title(found[0])} is in the rack already")
        self.library.selected.set(id)

    def add_best(self) -> None:
        """Four good features to begin with: the best of different labels."""
        for feature in self.library.best(4):
            self.add(feature.id)

    def save_preset(self, name: str) -> None:
        """The rack as a preset."""
        with self.links.told():
            path = self.desk.presets.save(name, self.rack.strips, self.desk.macros.all)
            self._tell(f"Saved the preset {name}" if path else "Presets cannot be saved here")

    def load_preset(self, preset: Preset) -> None:
        """The rack becomes a preset's; locked strips stay."""
        strips, missing = strips_from(preset.strips, self.links.resolve)
        self.rack.restore(f"load {preset.name}", strips)
        self.desk.macros.restore(macros_from(preset.macros))
        words = f"Loaded {preset.name}"
        self._tell(f"{words}; not in this bank: {', '.join(missing[:5])}" if missing else words)

    def detect_tempo(self) -> None:
        """Tempo and first beat of what is shown."""
        engine, timeline = self._engine, self.timeline
        if engine is None:
            return
        audio = self.listening._audio if timeline.title else engine.trace.audio(0)
        rate, beats = timeline.sample_rate_hz, timeline.grid.value.beats_per_bar

        def found(tempo: Any, error: Exception | None) -> None:
            if error is not None or not tempo[0]:
                self._tell("No steady beat was found; type the tempo")
            else:
                timeline.grid.set(Grid(tempo[0], tempo[1], beats))
                self._tell(f"{tempo[0]:.1f} beats a minute")

        self.jobs.run(lambda: track_tempo(audio, rate), found)

    def export(self) -> None:
        """Ask how to export the selected take."""
        history = self.desk.history
        if self.playing.busy:
            self._tell("The take can be exported when it has ended. Space ends it now")
            return
        self.playing.keep_take()
        shown = history.shown()
        item = history.get(history.selected.value) or (shown[0] if shown else None)
        if item is None:
            self._tell("There is nothing to export yet. Press Space to play a take")
            return
        history.selected.set(item.id)
        about = f"{item.settings.prompt or 'no prompt'}   \u00b7   seed {item.settings.seed}"
        self.window.export.ask(f"drawbar-{item.settings.seed}", about, item.seconds, has_twin=item.has_twin)

    def write_export(self, choice: Any) -> None:
        """Write the selected take as chosen."""
        item = self.desk.history.get(self.desk.history.selected.value)
        if item is not None:
            self.keeping.export(item, choice)

    def close(self) -> None:
        """Stop the timers and the engine; keep what the user sees."""
        self.stop_timers()
        self.machinery.close()
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
        engine = self._engine
        if engine is None:
            return
        snapshot = engine.snapshot()
        self.playing.poll_plots(snapshot)
        self.listening.poll()
        sounding = snapshot.state in ("playing", "finishing") or self.transport.player.value
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
        self.blind.poll()
        failed = snapshot.state == "error"
        words = STATES.get(snapshot.state, snapshot.state)
        if self.transport.player.value and not self.playing.busy:
            words = "Playing " + (self.timeline.title or "a take")
        if self.transport.trouble.value:
            words = "Too slow for this device: fewer sliders, or switch \u201cBypass ready\u201d off"
        self.window.status.set_phase(f"{words}: {snapshot.message}" if failed else words, error=failed)
        self.window.status.set_output(self._output_words(snapshot.output_name))
        lost = snapshot.message if not failed and "without sound" in snapshot.message else ""
        if lost and lost != self._lost:
            self.machinery.device_lost(lost)
        self._lost = lost

    def _keep_hearing(self) -> None:
        if self.desk.hearing.on.value and (self.playing.busy or self.transport.player.value):
            self.listening.hear(quietly=True)

    def _output_words(self, name: str) -> str:
        reason = getattr(getattr(self._engine, "output", None), "reason", "")
        return (
            f"{name}: {reason}" if name and reason else name or "The sound device opens with the first take"
        )


def _about() -> str:
    try:
        number = version("drawbar")
    except PackageNotFoundError:
        number = "(not installed)"
    return (
        f"Drawbar {number}. Concepts inside music generators, on sliders.\n"
        "Apache-2.0. What the embedded model plays is yours. MusicGen's released weights are CC-BY-NC-4.0, "
        "and so is what they make."
    )


def _licences() -> str:
    try:
        return (assets_dir() / "NOTICES.md").read_text(encoding="utf-8")
    except OSError:
        return "The licences are in assets/NOTICES.md of the source."
