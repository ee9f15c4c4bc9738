"""A loader -> a model, a bank and an engine that the desk plays with: loading, unloading, and what is said of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from drawbar.bank.search import Query
from drawbar.errors import CancelledError, DrawbarError
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.controllers.playback import PlaybackController
from drawbar_desktop.controllers.restoring import Restoring
from drawbar_desktop.services.interfaces import Load, Loaded
from drawbar_desktop.services.model_loading import load, load_embedded
from drawbar_desktop.state.observable import Event
from drawbar_desktop.state.settings import Settings


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


class Session:
    """What is loaded, from the first phase to the last."""

    def __init__(self, links: Links, playing: PlaybackController, restoring: Restoring, load: Load) -> None:
        self._links, self._playing, self._restoring = links, playing, restoring
        self.desk, self.load = links.desk, load
        self.failed: str | None = None
        """Why nothing is loaded."""
        self.changed: Event[[]] = Event()
        """Something was loaded, or could not be."""

    def begin(self) -> None:
        """Load on a worker thread; the window stays responsive."""
        self._phase("Starting")
        self.desk.transport.loading.set(True)
        load, jobs = self.load, self._links.jobs
        jobs.run(lambda: load(lambda phase: jobs.post(lambda: self._phase(phase))), self._have)

    def load_now(self) -> None:
        self._have(self.load(self._phase), None)

    def reload(self, load: Load) -> None:
        """Another model or bank: the old one goes first, so that both need not fit."""
        desk = self.desk
        desk.transport.ready.set(False)
        loaded, self._links.loaded = self._links.loaded, None
        self._links.features.clear()
        desk.note_settings()
        desk.hearing.heard.set(())
        desk.library.open(None)
        self.load = load
        self._phase("Unloading")

        def unload() -> None:
            if loaded is not None:
                loaded.engine.close()

        self._links.jobs.run(unload, lambda _, error: self.begin())

    def _phase(self, text: str) -> None:
        self.desk.notices.set_phase(f"{text} \u2026")
        self.desk.library.coming.set(text)

    def _have(self, loaded: Loaded | None, error: Exception | None) -> None:
        desk, transport = self.desk, self.desk.transport
        wanted = transport.wanted.value
        transport.wanted.set(False)
        transport.loading.set(False)
        if loaded is None:
            self._failed(error)
            return
        self.failed = None
        desk.notices.unplayable.set("")
        self._links.loaded = loaded
        desk.library.coming.set("")
        desk.library.open(loaded.bank, loaded.notice)
        desk.presets.set_bank(loaded.bank)
        if loaded.bank is not None:
            missing = desk.recall_rack(self._links.resolve)
            if missing:
                self._links.tell(f"Not in this bank: {', '.join(missing[:5])}")
        self._playing.adopt()
        transport.ready.set(True)
        self._restoring.adopt()
        self.changed.emit()
        if loaded.notice:
            self._links.tell(loaded.notice)
        if wanted:
            desk.settings.set("welcomed", True)
            self._playing.begin()
        elif not desk.settings["welcomed"] and desk.home is not None:
            self.welcome(loaded)

    def _failed(self, error: Exception | None) -> None:
        self.failed = str(error)
        self.desk.library.coming.set("")
        desk, unloaded = self.desk, isinstance(error, CancelledError)
        words = self.failed if unloaded else f"Drawbar cannot play: {self.failed}"
        desk.notices.set_phase(words, failed=not unloaded)
        desk.notices.unplayable.set(self.failed)
        desk.library.open(None, "Features appear once a model is loaded.")
        self.changed.emit()
        if error is not None and not isinstance(error, DrawbarError) and desk.home is not None:
            desk.notices.broke.emit("Drawbar could not load its model.", repr(error))

    def welcome(self, loaded: Loaded) -> None:
        """The first start: what is installed, and on which device it plays."""
        self.desk.settings.set("welcomed", True)
        bank = loaded.bank
        count = (
            f"{bank.find(Query(), limit=0).total:,} features"
            if bank is not None
            else "none: the model plays, without sliders"
        )
        output = loaded.engine.snapshot().output_name
        trouble = self.desk.machine.midi_trouble.value
        self.desk.notices.welcomed.emit(
            (
                (True, "Model", f"{loaded.name}, {loaded.licence}; nothing to download"),
                (bank is not None, "Bank", count),
                (True, "Sound", output or "the system's device, opened with the first take"),
                (not trouble, "MIDI", trouble or "plug a controller in at any time"),
            )
        )
