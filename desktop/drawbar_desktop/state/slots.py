"""Two settings of the rack -> A and B: switch, copy either way, morph between them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from drawbar_desktop.state.observable import Event, Value
from drawbar_desktop.state.rack import Rack, Strip
from drawbar_desktop.state.taper import clamp_amount
from drawbar_desktop.state.undo import Step, UndoStack

Stored = tuple[Strip, ...]


def blend(a: Sequence[Strip], b: Sequence[Strip], share: float) -> dict[str, float]:
    """Amounts on the way from A (0) to B (1); a strip that one side lacks stands at 0 there."""
    left = {s.id: s.amount for s in a}
    right = {s.id: s.amount for s in b}
    ids = dict.fromkeys([*left, *right])
    return {
        id: clamp_amount(left.get(id, 0.0) + (right.get(id, 0.0) - left.get(id, 0.0)) * share) for id in ids
    }


class Slots:
    """What the rack shows is the active slot; the other is kept. Morphing moves the sliders in between."""

    NAMES = ("A", "B")

    def __init__(self, rack: Rack, undo: UndoStack) -> None:
        self._rack, self._undo = rack, undo
        self._kept: dict[str, Stored | None] = {"A": None, "B": None}
        self.active = Value("A")
        self.morph: Value[float | None] = Value(None)
        """Between A (0) and B (1) while the morph slider holds the rack; None otherwise."""
        self.loudness: dict[str, float] = {}
        """What each slot measured while it played, in LUFS; the louder one is turned down to compare."""
        self.match = Value(True)
        self.switched: Event[[str]] = Event()
        self.changed: Event[[]] = Event()
        """The slot that is not heard was filled."""

    def content(self, name: str) -> Stored:
        """The strips of a slot; one that was never filled is a copy of what the rack shows."""
        if name == self.active.value and self.morph.value is None:
            return self._rack.strips
        kept = self._kept[name]
        return self._rack.strips if kept is None else kept

    def other(self) -> dict[str, float]:
        """Amounts of the slot that is not heard; empty while it was never filled, and while morphing."""
        kept = self._kept["B" if self.active.value == "A" else "A"]
        return {} if kept is None or self.morph.value is not None else {s.id: s.amount for s in kept}

    def toggle(self) -> str:
        """Hear the other slot -> its name."""
        return self.choose("B" if self.active.value == "A" else "A")

    def choose(self, name: str) -> str:
        """Make a slot active; not an undo step: it is a comparison."""
        if self.morph.value is not None:
            self.morph.set(None)
        elif name == self.active.value:
            return name
        else:
            self._kept[self.active.value] = self._rack.strips
        content = self._kept[name]
        self.active.set(name)
        if content is not None:
            self._rack.restore(f"slot {name}", content, undoable=False)
        self._kept[name] = None
        self.changed.emit()
        self.switched.emit(name)
        return name

    def copy(self, source: str, target: str) -> None:
        """Make `target` equal to `source`. One undo step."""
        content = self.content(source)
        if target == self.active.value:
            self._rack.restore(f"copy {source} to {target}", content)
            return
        before = self._kept[target]

        def put(strips: Stored | None) -> None:
            self._kept[target] = strips
            self.changed.emit()

        put(content)
        self._undo.push(Step(f"copy {source} to {target}", lambda: put(before), lambda: put(content)))

    def set_morph(self, share: float) -> None:
        """Somewhere between A (0) and B (1); letting go stays there until a slot is chosen."""
        if self.morph.value is None:
            self._kept[self.active.value] = self._rack.strips
            for name in self.NAMES:
                if self._kept[name] is None:
                    self._kept[name] = self._rack.strips
            union = self._union()
            if [s.id for s in union] != list(self._rack.ids()):
                self._rack.restore("morph", union, undoable=False)
        share = max(0.0, min(1.0, share))
        self.morph.set(share)
        for id, amount in blend(self._kept["A"] or (), self._kept["B"] or (), share).items():
            self._rack.follow(id, amount)

    def offset_db(self) -> float:
        """What to turn the active slot down by, so that both are equally loud; 0 without both measured."""
        if not self.match.value or set(self.loudness) != set(self.NAMES):
            return 0.0
        quieter = min(self.loudness.values())
        return max(-12.0, min(0.0, quieter - self.loudness[self.active.value]))

    def note_loudness(self, loudness_lufs: Mapping[str, float]) -> None:
        self.loudness.update(loudness_lufs)

    def _union(self) -> Stored:
        merged = {s.id: s for s in self._rack.strips}
        for name in self.NAMES:
            for strip in self._kept[name] or ():
                merged.setdefault(strip.id, replace(strip, amount=0.0))
        return tuple(merged.values())
