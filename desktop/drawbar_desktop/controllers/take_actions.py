"""Takes of the history -> restored exactly, deleted, exported, recovered after a crash."""

from collections.abc import Callable, Mapping
from typing import Any

from drawbar.live.takes.take import TakeSettings
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.controllers.playback import Playing, Recalled
from drawbar_desktop.state.export import ExportChoice, export_take
from drawbar_desktop.state.rack import Strip
from drawbar_desktop.state.recording import Leftover, leftovers, recovered_take
from drawbar_desktop.state.takes import TakeItem
from drawbar_desktop.state.undo import Step


class Keeping:
    """What can be done with a take besides hearing it."""

    def __init__(self, links: Links, playing: Playing) -> None:
        self._links, self._playing, self.desk = links, playing, links.desk
        self.stop: Callable[[], object] = lambda: None
        """Silence, when the take that is heard is deleted."""
        self._later: Mapping[str, Any] | None = None
        """What to restore once a model is loaded."""

    def adopt(self) -> None:
        """Something was loaded: restore what was asked for meanwhile."""
        later, self._later = self._later, None
        if later is not None:
            self.restore(later)

    def recall(self, id: str) -> None:
        """Prompt, seed, sliders and automation of a take, exactly."""
        item, store = self.desk.history.get(id), self.desk.history.store
        if item is not None and store is not None:
            with self._links.told():
                self.restore(store.record(item))

    def restore(self, record: Mapping[str, Any]) -> None:
        """What made a take becomes what the desk shows; one undo step for the rack."""
        if self._links.loaded is None:
            self._later = record
            self._links.tell("Its settings come back as soon as the model is there")
            return
        desk, settings = self.desk, record["settings"]
        assert isinstance(settings, TakeSettings)
        automation = record.get("automation") or {}
        strips, missing = self._strips(settings, dict(automation.get("lanes") or {}))
        t = desk.transport
        t.prompt.set(settings.prompt)
        t.set_seed(settings.seed)
        t.seconds.set(settings.seconds)
        t.guidance.set(settings.guidance)
        t.temperature.set(settings.temperature)
        t.top_k.set(settings.top_k)
        t.twin.set(settings.twin)
        rate = self._links.loaded.frame_rate_hz if self._links.loaded else 50.0
        lanes = {
            str(lane): [(f / rate, a) for f, a in points if a is not None]
            for lane, points in dict(automation.get("lanes") or {}).items()
            if len({a for _, a in points if a is not None}) > 1
        }
        desk.lanes.restore(lanes)
        desk.rack.restore("restore settings", strips)
        self._playing.recalled = Recalled(
            self._playing.fingerprint(), automation or None, settings.stacking, settings.branch
        )
        words = f"Restored: seed {settings.seed}"
        site = str(record.get("site", ""))
        if missing:
            words += f"; not in this bank: {', '.join(missing[:4])}"
        elif site and self._links.loaded is not None and site != self._links.loaded.site:
            words += f"; it was made with another model ({site[:8]}): it will sound different"
        self._links.tell(words)

    def _strips(self, settings: TakeSettings, lanes: Mapping[str, Any]) -> tuple[list[Strip], list[str]]:
        """The take's sliders: those that it began with, and those that were added while it played."""
        strips, missing = [], []
        for id, amount in {**dict.fromkeys(map(str, lanes), 0.0), **settings.amounts}.items():
            found = self._links.resolve(id)
            if found is None:
                missing.append(id)
            else:
                strips.append(Strip(found[0], amount, usable=found[1], mode=settings.modes.get(id, "add")))
        return strips, missing

    def delete(self, id: str) -> None:
        """Out of the history; undo brings it back."""
        history = self.desk.history
        item, store = history.get(id), history.store
        if item is None or store is None:
            return
        if history.playing.value == id:
            self.stop()
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

    def export(self, item: TakeItem, choice: ExportChoice) -> None:
        """Write a take elsewhere, off the window's thread."""
        store = self.desk.history.store
        if store is None:
            return

        def done(paths: Any, error: Exception | None) -> None:
            self._links.tell(f"Not saved: {error}" if error else f"Saved {paths[0]}")

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
            def done(items: Any, error: Exception | None) -> None:
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


def _recover(store: Any, left: Leftover) -> TakeItem:
    notes = "Recovered after a crash" + ("; its settings were damaged" if left.damaged else "")
    item: TakeItem = store.add(recovered_take(left), recovered=True, notes=notes)
    left.discard()
    return item
