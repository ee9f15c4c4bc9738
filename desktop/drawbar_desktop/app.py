"""Composition root: engine, bank, state and window meet only here -> a running application."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QFileDialog

from drawbar.errors import DrawbarError
from drawbar_desktop.loading import EnginePort, Jobs, Load, Loaded, load_embedded
from drawbar_desktop.state import Library, Rack, Timeline, Transport, UndoStack
from drawbar_desktop.state.ports import FeatureLike
from drawbar_desktop.state.rack import feature_title
from drawbar_desktop.state.transport import BUSY
from drawbar_desktop.theme import apply_theme
from drawbar_desktop.widgets.window import Actions, MainWindow

__all__ = ["App", "make_application", "run"]

PLOT_MS, TEXT_MS = 33, 200
WATCHED = 10
STATES = {
    "idle": "Ready",
    "loading": "Preparing the take",
    "warming": "Warming up",
    "playing": "Playing while it is being generated",
    "finishing": "Generated to the end, still playing",
    "done": "Done. Press Space for another take",
    "error": "Stopped",
}


def make_application(argv: list[str] | None = None) -> QApplication:
    """The one QApplication, themed."""
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else QApplication(argv or sys.argv[:1])
    app.setApplicationName("Drawbar")
    app.setDesktopFileName("drawbar")
    apply_theme(app)
    return app


def run(load: Load = load_embedded) -> int:
    """Open the window and stay until it is closed."""
    application = make_application()
    app = App(load)
    app.window.show()
    app.start()
    return application.exec()


class App:
    """Wires gestures to the engine and polls of the engine to the state; no Qt signal crosses threads."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._jobs = Jobs()
        self._engine: EnginePort | None = None
        self._loaded: Loaded | None = None
        self._features: dict[str, FeatureLike] = {}
        self._best: tuple[str, ...] = ()
        self.failed: str | None = None
        self.undo = UndoStack()
        self.rack = Rack(self.undo)
        self.transport = Transport()
        self.library = Library()
        self.timeline = Timeline()
        self.window = MainWindow(
            self.transport,
            self.library,
            self.rack,
            self.timeline,
            self.undo,
            Actions(
                toggle_play=self.toggle_play,
                export=self.export,
                add=self.add,
                add_best=self.add_best,
                title_of=self.title_of,
                listen=self.listen,
                closing=self.close,
            ),
        )
        self.rack.effective_changed.connect(self._send_amount)
        self.rack.added.connect(self._send_added)
        self.rack.removed.connect(self._send_removed)
        self.rack.layout_changed.connect(self._watch)
        self.transport.bypass.changed.connect(self._send_bypass)
        self.transport.gain_db.changed.connect(self._send_gain)
        self._plot_timer = QTimer(self.window, interval=PLOT_MS)
        self._plot_timer.timeout.connect(self.poll_plots)
        self._text_timer = QTimer(self.window, interval=TEXT_MS)
        self._text_timer.timeout.connect(self.poll_text)

    # -- loading --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to load on a worker thread; the window stays responsive."""
        self._plot_timer.start()
        self._text_timer.start()
        self._phase("Starting")
        self._jobs.run(
            lambda: self._load(lambda phase: self._jobs.post(lambda: self._phase(phase))), self._have
        )

    def load_now(self) -> None:
        """Load on this thread and start no timers: whoever calls polls."""
        self._have(self._load(self._phase), None)

    def _phase(self, text: str) -> None:
        self.window.status.set_phase(f"{text} \u2026")

    def _have(self, loaded: Loaded | None, error: Exception | None) -> None:
        if loaded is None:
            self.failed = str(error)
            self.window.status.set_phase(f"Drawbar cannot play: {self.failed}", error=True)
            self.window.rack.empty.say("Nothing can be played yet", self.failed)
            self.window.browser.empty.say("No bank is open", "Features appear once a model is loaded.")
            return
        self._loaded, self._engine = loaded, loaded.engine
        self.timeline.frame_rate_hz = loaded.frame_rate_hz
        self.timeline.sample_rate_hz = loaded.sample_rate_hz
        self.transport.set_vocabulary(loaded.unknown_words)
        self.library.open(loaded.bank)
        self._best = tuple(feature.id for feature in self.library.best(WATCHED))
        self._watch()
        self.transport.ready.set(True)
        self.poll_text()
        if loaded.notice:
            self.window.status.notify(loaded.notice)
            self.window.browser.empty.say("No bank is open", loaded.notice)

    # -- what the window asks -------------------------------------------------------------------------

    def toggle_play(self) -> None:
        """Stop what plays, or start a take with the shown settings."""
        if self._engine is None or self._loaded is None:
            return
        if self._engine.snapshot().state in BUSY:
            self._engine.stop()
        else:
            self._play(self._engine, self._loaded)
        self.poll_text()

    def _play(self, engine: EnginePort, loaded: Loaded) -> None:
        transport = self.transport
        settings = loaded.settings(
            prompt=transport.prompt.value,
            seed=transport.take_seed(),
            seconds=transport.seconds.value,
            amounts=self.rack.effective(),
            twin=True,
        )
        self.timeline.start(transport.seconds.value)
        engine.set_bypass(transport.bypass.value)
        with self._told():
            engine.play(settings)

    def add(self, id: str) -> None:
        """Put a feature in the rack and show it in the inspector."""
        if self.library.bank is None:
            return
        feature = self.library.bank.feature(id)
        if not self.rack.add(feature.row, feature.usable_range):
            self.window.status.notify(f"{feature_title(feature.row)} is in the rack already")
        self.library.selected.set(id)

    def add_best(self) -> None:
        """Four good features to begin with: the best of different labels."""
        for feature in self.library.best(4):
            self.add(feature.id)

    def title_of(self, id: str) -> str:
        """A feature's name for the timeline and the inspector."""
        feature = self._feature(id)
        return feature_title(feature) if feature else id

    def listen(self, example: Any) -> None:
        """Play an example, if this engine can."""
        if self._loaded is None or self._loaded.preview is None or self._engine is None:
            return
        if self._engine.snapshot().state in BUSY:
            self.window.status.notify("Examples can be heard when nothing is playing. Space stops the take")
            return
        preview = self._loaded.preview
        self.window.status.notify(f"Playing an example of {example.clip}")
        self._jobs.run(lambda: preview(example.tokens), self._tell_error)

    def export(self) -> None:
        """Ask for a file name and save the take there."""
        if self._engine is None or self._engine.snapshot().state in BUSY:
            self.window.status.notify("The take can be exported when it has ended. Space ends it now")
            return
        take = self._engine.take
        if take is None:
            self.window.status.notify("There is nothing to export yet. Press Space to play a take")
            return
        name = f"drawbar-{self.transport.seed.value}.wav"
        path, _ = QFileDialog.getSaveFileName(
            self.window, "Export the take", str(Path.home() / name), "Sound (*.wav *.flac)"
        )
        if path:
            self.export_to(Path(path))

    def export_to(self, path: Path) -> None:
        """Save the take as WAV or FLAC, off the window's thread."""
        target = path if path.suffix.lower() in (".wav", ".flac") else path.with_suffix(".wav")
        take = self._engine.take if self._engine is not None else None
        if take is None:
            return

        def done(_: Any, error: Exception | None) -> None:
            self.window.status.notify(f"Not saved: {error}" if error else f"Saved {target}")

        self.window.status.notify(f"Saving {target.name}")
        self._jobs.run(lambda: take.save(target), done)

    def close(self) -> None:
        """Stop the timers and the engine."""
        self._plot_timer.stop()
        self._text_timer.stop()
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    # -- polling --------------------------------------------------------------------------------------

    def poll_plots(self) -> None:
        """30 Hz: timeline, meters, clock."""
        self._jobs.drain()
        if self._engine is None:
            return
        snapshot = self._engine.snapshot()
        self.timeline.update(snapshot, self._engine.trace)
        sounding = snapshot.state in ("playing", "finishing")
        self.window.rack.show_activations(self.timeline.now() if sounding else {})
        self.window.transport.level.set_db(self.timeline.level_db)
        self.transport.position_s.set(round(snapshot.played_s, 1))

    def poll_text(self) -> None:
        """5 Hz: read-outs and the status line."""
        if self._engine is None:
            return
        snapshot = self._engine.snapshot()
        self.transport.update(snapshot)
        failed = snapshot.state == "error"
        words = STATES.get(snapshot.state, snapshot.state)
        self.window.status.set_phase(f"{words}: {snapshot.message}" if failed else words, error=failed)
        self.window.status.set_output(self._output_words(snapshot.output_name))

    # -- to the engine --------------------------------------------------------------------------------

    def _send_amount(self, id: str, amount: float) -> None:
        if self._engine is not None:
            self._engine.set_amount(id, amount)

    def _send_added(self, id: str) -> None:
        if self._engine is not None:
            with self._told():
                self._engine.add_feature(id)

    def _send_removed(self, id: str) -> None:
        if self._engine is not None:
            self._engine.remove_feature(id)

    def _send_bypass(self, on: bool) -> None:
        if self._engine is not None:
            self._engine.set_bypass(on)

    def _send_gain(self, db: float) -> None:
        if self._engine is not None:
            self._engine.set_gain_db(db)

    def _watch(self) -> None:
        if self._engine is None:
            return
        in_rack = [strip.id for strip in self.rack.strips]
        ids = [*in_rack, *(id for id in self._best if id not in in_rack)][: max(WATCHED, len(in_rack))]
        self.timeline.set_scales({id: f.p99 for id in ids if (f := self._feature(id)) is not None})
        with self._told():
            self._engine.watch(ids)

    # -- small things ---------------------------------------------------------------------------------

    def _feature(self, id: str) -> FeatureLike | None:
        if id not in self._features and self.library.bank is not None:
            try:
                self._features[id] = self.library.bank.feature(id).row
            except DrawbarError:
                return None
        return self._features.get(id)

    def _output_words(self, name: str) -> str:
        reason = getattr(getattr(self._engine, "output", None), "reason", "")
        return (
            f"{name}: {reason}" if name and reason else name or "The sound device opens with the first take"
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the engine refuses is said in the status line."""
        try:
            yield
        except DrawbarError as error:
            self.window.status.notify(str(error))

    def _tell_error(self, _: Any, error: Exception | None) -> None:
        if error is not None:
            self.window.status.notify(str(error))
