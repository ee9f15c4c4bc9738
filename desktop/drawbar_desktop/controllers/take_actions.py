"""Takes of the history -> deleted, exported, recovered after a crash."""

from collections.abc import Callable
from pathlib import Path

from drawbar_desktop.controllers.context import Links
from drawbar_desktop.controllers.playback import PlaybackController
from drawbar_desktop.state.beat_grid import Grid
from drawbar_desktop.state.command_line import command_line, left_out
from drawbar_desktop.state.export import ExportChoice, ExportOffer, export_take
from drawbar_desktop.state.recording import Leftover, leftovers, recovered_take
from drawbar_desktop.state.takes import TakeItem, TakeStore
from drawbar_desktop.state.undo import Step


class TakeActions:
    """What can be done with a take besides hearing it and restoring it."""

    def __init__(self, links: Links, playing: PlaybackController, stop: Callable[[], object]) -> None:
        """`stop` makes silence when the take that is heard is deleted."""
        self._links, self._playing, self._stop, self.desk = links, playing, stop, links.desk

    def delete(self, id: str) -> None:
        """Out of the history; undo brings it back."""
        history = self.desk.history
        item, store = history.get(id), history.store
        if item is None or store is None:
            return
        if history.playing.value == id:
            self._stop()
        back = store.delete(item)
        history.drop(id)

        def undo() -> None:
            back()
            history.put(item)

        def redo() -> None:
            store.delete(item)
            history.drop(id)

        self.desk.undo.push(Step(f"delete the take {item.settings.prompt or item.id}", undo, redo))
        self._links.tell("Deleted. Ctrl+Z brings it back until Drawbar is closed")

    def offer_export(self) -> ExportOffer | None:
        """The selected take, or the last one, as something to export; None, with a reason, while there is none."""
        history = self.desk.history
        if self._playing.busy:
            self._links.tell("The take can be exported when it has ended. Space ends it now")
            return None
        self._playing.keep_take()
        every = history.shown()
        item = history.get(history.selected.value) or (every[0] if every else None)
        if item is None:
            self._links.tell("There is nothing to export yet. Press Space to play a take")
            return None
        history.selected.set(item.id)
        about = f"{item.settings.prompt or 'no prompt'}   \u00b7   seed {item.settings.seed}"
        shown = history.playing.value == item.id or not self.desk.timeline.title
        loop = (self.desk.timeline.loop.value if shown else None) or item.loop
        from drawbar.audio_analysis.transcriber import has_transcriber  # brings SciPy, which no start needs

        settings = item.settings
        return ExportOffer(
            f"drawbar-{settings.seed}",
            about,
            item.seconds,
            item.has_twin,
            loop,
            None if item.grid is None else Grid(*item.grid),
            has_transcriber(),
            command_line(settings),
            left_out(settings, moved=dict(item.sliders) != {i: a for i, a in settings.amounts.items() if a}),
        )

    def export(self, choice: ExportChoice) -> None:
        """Write the selected take elsewhere, off the window's thread."""
        store, item = self.desk.history.store, self.desk.history.get(self.desk.history.selected.value)
        if store is None or item is None:
            return

        def done(paths: list[Path] | None, error: Exception | None) -> None:
            self._links.tell(f"Saved {paths[0]}" if paths else f"Not saved: {error}")

        self._links.tell(f"Saving {choice.path.name}")
        gain_db = self.desk.transport.gain_db.value
        self._links.jobs.run(lambda: export_take(store, item, choice, gain_db), done)

    def offer_recovery(self) -> None:
        """What a crash left: back into the history, or away."""
        store = self.desk.history.store
        if store is None:
            return
        if store.damaged:
            count, kept = len(store.damaged), store.damaged[0].parent
            what = "1 damaged take is" if count == 1 else f"{count} damaged takes are"
            self._links.tell(f"{what} not shown, but kept in {kept}")
        found = leftovers(store.folder)
        if found:
            self._ask_recovery(found)

    def _ask_recovery(self, found: list[Leftover]) -> None:
        total = sum(left.seconds for left in found)
        count = f"{len(found)} takes were" if len(found) > 1 else "A take was"
        store = self.desk.history.store
        assert store is not None

        def keep() -> None:
            def done(items: list[TakeItem] | None, error: Exception | None) -> None:
                for item in items or ():
                    self.desk.history.put(item)
                self._links.tell(f"Not recovered: {error}" if error else "Recovered: see Takes")

            self._links.jobs.run(lambda: [_recover(store, left) for left in found], done)

        self._links.ask(
            "recovery",
            f"{count} being played when Drawbar ended unexpectedly: {total:.0f} s can be recovered.",
            ("Recover", keep),
            ("Discard", lambda: _discard(found)),
            sign="backup-restore",
        )


def _discard(found: list[Leftover]) -> None:
    for left in found:
        left.discard()


def _recover(store: TakeStore, left: Leftover) -> TakeItem:
    notes = "Recovered after a crash" + ("; its settings were damaged" if left.damaged else "")
    item = store.add(recovered_take(left), recovered=True, notes=notes)
    left.discard()
    return item
