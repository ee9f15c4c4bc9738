"""Features and presets -> strips of the rack."""

from drawbar_desktop.controllers.context import Links
from drawbar_desktop.state.presets import Preset, macros_from, strips_from
from drawbar_desktop.state.rack import feature_title


class RackActions:
    """What puts sliders into the rack."""

    def __init__(self, links: Links) -> None:
        self._links, self.desk = links, links.desk

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

    def save_preset(self, name: str) -> None:
        with self._links.told():
            path = self.desk.presets.save(name, self.desk.rack.strips, self.desk.macros.all)
            self._links.tell(f"Saved the preset {name}" if path else "Presets cannot be saved here")

    def load_preset(self, preset: Preset) -> None:
        """The rack becomes a preset's; locked strips stay."""
        strips, missing = strips_from(preset.strips, self._links.resolve)
        self.desk.rack.restore(f"load {preset.name}", strips)
        self.desk.macros.restore(macros_from(preset.macros))
        words = f"Loaded {preset.name}"
        self._links.tell(f"{words}; not in this bank: {', '.join(missing[:5])}" if missing else words)
