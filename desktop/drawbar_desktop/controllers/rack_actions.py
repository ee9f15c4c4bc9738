"""Features and presets -> strips of the rack."""

from collections.abc import Callable

from drawbar_desktop.controllers.context import Links
from drawbar_desktop.state.presets import Preset, contrasting, macros_from, strips_from
from drawbar_desktop.state.rack import feature_title

PROMPT = "slow piano in A minor with drums"
PULLED = 0.6
"""How far the first slider of an invitation stands up, as a share of its usable range."""


class RackActions:
    """What puts sliders into the rack."""

    def __init__(self, links: Links, heard: Callable[[Preset], object]) -> None:
        """`heard` plays a take with a preset, without the rack."""
        self._links, self.desk, self.heard = links, links.desk, heard

    def add(self, id: str, at: int | None = None) -> None:
        """Put a feature in the rack and show it in the inspector."""
        found = self._links.resolve(id)
        if found is None:
            return
        if not self.desk.rack.add(*found, at):
            self._links.tell(f"{feature_title(found[0])} is in the rack already")
        self.desk.library.selected.set(id)

    def add_best(self) -> None:
        """Four good features to begin with: the best of different labels."""
        for feature in self.desk.library.best(4):
            self.add(feature.id)

    def invite(self) -> None:
        """For who comes for the first time: a prompt and four unlike sliders that are proven, one of them pulled."""
        desk = self.desk
        if not desk.transport.prompt.value.strip():
            desk.transport.prompt.set(PROMPT)
        if desk.rack.strips:
            return
        for feature in contrasting(desk.library.bank):
            self.add(feature.id)
        strips = [strip for strip in desk.rack.strips if strip.usable is not None and strip.usable[1] > 0]
        if strips:
            desk.rack.set_amount(strips[0].id, round(strips[0].usable[1] * PULLED, 2))  # type: ignore[index]

    def amounts_of(self, preset: Preset) -> dict[str, float]:
        """What a preset would apply, as far as this bank has its features."""
        strips, _ = strips_from(preset.strips, self._links.resolve)
        return {strip.id: strip.amount for strip in strips if not strip.muted}

    def save_preset(self, name: str) -> None:
        with self._links.told():
            path = self.desk.presets.save(name, self.desk.rack.strips, self.desk.macros.all)
            self._links.tell(f"Saved the preset {name}" if path else "Presets cannot be saved here")

    def load_preset(self, preset: Preset) -> None:
        """The rack becomes a preset's; one that has sliders is only replaced when that is wanted."""
        count = len(self.desk.rack)
        if not count:
            self.take_preset(preset)
            return
        sliders = "slider" if count == 1 else f"{count} sliders"
        self._links.ask(
            "preset", f"Replace the {sliders} of the rack by \u201c{preset.name}\u201d?",
            ("Replace", lambda: self.take_preset(preset)),
            ("Hear it first", lambda: self._hear_first(preset)),
            ("Keep the rack", lambda: None), sign="bookmark-outline",
        )  # fmt: skip

    def _hear_first(self, preset: Preset) -> None:
        self.heard(preset)
        self._links.jobs.post(lambda: self.load_preset(preset))

    def take_preset(self, preset: Preset) -> None:
        """The rack becomes a preset's; locked strips stay. One undo step."""
        strips, missing = strips_from(preset.strips, self._links.resolve)
        self.desk.rack.restore(f"load {preset.name}", strips)
        self.desk.macros.restore(macros_from(preset.macros))
        words = f"Loaded {preset.name}"
        self._links.tell(f"{words}; not in this bank: {', '.join(missing[:5])}" if missing else words)
