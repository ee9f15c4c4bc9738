"""A take's record -> the desk as it was when it was made: prompt, seed, sliders and automation, exactly."""

from collections.abc import Mapping

from drawbar.live.takes.take import Stored, TakeSettings
from drawbar.prompts import MARK
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.controllers.playback import PlaybackController, Recalled
from drawbar_desktop.state.rack import Strip


class Restoring:
    """Takes of the history and files that were dropped."""

    def __init__(self, links: Links, playing: PlaybackController) -> None:
        self._links, self._playing, self.desk = links, playing, links.desk
        self._later: Stored | None = None
        """What to restore once a model is loaded."""

    def adopt(self) -> None:
        """A model is there and nothing plays: restore what was asked for meanwhile."""
        if self._later is None or self._links.loaded is None or self._playing.busy:
            return
        later, self._later = self._later, None
        self.restore(later)

    def recall(self, id: str) -> None:
        """Prompt, seed, sliders and automation of a take, exactly."""
        item, store = self.desk.history.get(id), self.desk.history.store
        if item is not None and store is not None:
            with self._links.told():
                self.restore(store.record(item))

    def restore(self, record: Stored) -> None:
        """What made a take becomes what the desk shows; one undo step for the rack."""
        if self._links.loaded is None:
            self._later = record
            self._links.tell("Its settings come back as soon as the model is there")
            return
        if self._playing.busy:
            self._later = record
            self._links.tell("Its settings come back when the take that plays has ended. Space ends it now")
            return
        desk, settings = self.desk, record["settings"]
        assert isinstance(settings, TakeSettings)
        automation = record.get("automation") or {}
        strips, missing = self._strips(settings, dict(automation.get("lanes") or {}))
        t = desk.transport
        t.prompt.set(settings.prompt)
        desk.blending.restore(settings.blend)
        t.set_seed(settings.seed)
        t.seconds.set(settings.seconds)
        t.guidance.set(settings.guidance)
        t.temperature.set(settings.temperature)
        t.top_k.set(settings.top_k)
        t.melody.set(settings.melody)
        if strips:
            t.twin.set(settings.twin)
        rate = self._links.loaded.frame_rate_hz if self._links.loaded else 50.0
        lanes = {
            str(lane): [(f / rate, a) for f, a in points if a is not None]
            for lane, points in dict(automation.get("lanes") or {}).items()
            if not str(lane).startswith(MARK) and len({a for _, a in points if a is not None}) > 1
        }
        desk.lanes.restore(lanes)
        desk.rack.restore("restore settings", strips)
        self._playing.recalled = Recalled(
            self._playing.fingerprint(), automation or None, settings.stacking, settings.branch, settings.twin
        )
        words = f"Restored: seed {settings.seed}"
        site = str(record.get("site", ""))
        if missing:
            words += f"; not in this bank: {', '.join(missing[:4])}"
        elif site and self._links.loaded is not None and site != self._links.loaded.site:
            made = record.get("source") or f"another model ({site[:8]})"
            words += f"; it was made with {made}: it will sound different"
        self._links.tell(words)

    def _strips(self, settings: TakeSettings, lanes: Mapping[str, object]) -> tuple[list[Strip], list[str]]:
        """The take's sliders: those that it began with, and those that were added while it played."""
        strips, missing = [], []
        for id, amount in {**dict.fromkeys(map(str, lanes), 0.0), **settings.amounts}.items():
            if id.startswith(MARK):
                continue
            found = self._links.resolve(id)
            if found is None:
                missing.append(id)
            else:
                strips.append(Strip(found[0], amount, usable=found[1], mode=settings.modes.get(id, "add")))
        return strips, missing
