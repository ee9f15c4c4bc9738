"""Gestures on slider strips -> amounts that the engine should apply, with undo."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from drawbar_desktop.state.observable import Event
from drawbar_desktop.state.ports import FeatureLike
from drawbar_desktop.state.taper import clamp_amount
from drawbar_desktop.state.undo import Step, UndoStack

__all__ = ["Rack", "Strip", "feature_title"]


def feature_title(feature: FeatureLike) -> str:
    """What a feature is called on screen: its label, or its id when nobody has named it."""
    return feature.label or f"unnamed {feature.id}"


@dataclass(frozen=True)
class Strip:
    """One feature in the rack; `usable` is the evidence card's range of amounts, if it has one."""

    feature: FeatureLike
    amount: float = 0.0
    muted: bool = False
    soloed: bool = False
    locked: bool = False
    usable: tuple[float, float] | None = None

    @property
    def id(self) -> str:
        """The feature's id, which is the strip's too."""
        return self.feature.id


class Rack:
    """The strips in order; solo and mute decide which amounts are effective."""

    def __init__(self, undo: UndoStack) -> None:
        self._undo = undo
        self._strips: dict[str, Strip] = {}
        self._gestures: dict[str, float] = {}
        self._effective: dict[str, float] = {}
        self.layout_changed: Event[[]] = Event()
        self.strip_changed: Event[[Strip]] = Event()
        self.effective_changed: Event[[str, float]] = Event()
        self.added: Event[[str]] = Event()
        self.removed: Event[[str]] = Event()

    @property
    def strips(self) -> tuple[Strip, ...]:
        """All strips, left to right."""
        return tuple(self._strips.values())

    def __contains__(self, id: object) -> bool:
        return id in self._strips

    def __len__(self) -> int:
        return len(self._strips)

    def strip(self, id: str) -> Strip:
        """The strip of a feature that is in the rack."""
        return self._strips[id]

    def effective(self) -> dict[str, float]:
        """What the engine should apply now: 0 for muted strips and for those that another solo hides."""
        soloing = any(s.soloed for s in self._strips.values())
        return {
            s.id: 0.0 if s.muted or (soloing and not s.soloed) else s.amount for s in self._strips.values()
        }

    # -- layout ---------------------------------------------------------------------------------------

    def add(self, feature: FeatureLike, usable: tuple[float, float] | None = None) -> bool:
        """Put a feature at the right end; False when it is there already."""
        if feature.id in self._strips:
            return False
        strip = Strip(feature, usable=usable)
        self._insert(strip, len(self._strips))
        at = len(self._strips) - 1
        self._undo.push(
            Step(
                f"add {feature_title(feature)}",
                lambda: self._delete(strip.id),
                lambda: self._insert(strip, at),
            )
        )
        return True

    def remove(self, id: str) -> None:
        """Take a strip out; undo brings it back with its amount, where it was."""
        if id not in self._strips:
            return
        strip, at = self._strips[id], list(self._strips).index(id)
        self._delete(id)
        self._undo.push(
            Step(
                f"remove {feature_title(strip.feature)}",
                lambda: self._insert(strip, at),
                lambda: self._delete(id),
            )
        )

    def move(self, id: str, to: int) -> None:
        """Reorder: put strip `id` at place `to`."""
        if id not in self._strips:
            return
        items = [(k, v) for k, v in self._strips.items() if k != id]
        items.insert(max(0, min(to, len(items))), (id, self._strips[id]))
        if [k for k, _ in items] != list(self._strips):
            self._strips = dict(items)
            self.layout_changed.emit()

    def _insert(self, strip: Strip, at: int) -> None:
        items = list(self._strips.items())
        items.insert(at, (strip.id, strip))
        self._strips = dict(items)
        self.added.emit(strip.id)
        self.layout_changed.emit()
        self._publish()

    def _delete(self, id: str) -> None:
        if id in self._strips:
            del self._strips[id]
            self._effective.pop(id, None)
            self._gestures.pop(id, None)
            self.removed.emit(id)
            self.layout_changed.emit()
            self._publish()

    # -- amounts --------------------------------------------------------------------------------------

    def begin_gesture(self, id: str) -> None:
        """A drag starts: everything until `end_gesture` is one undo step."""
        self._gestures.setdefault(id, self._strips[id].amount)

    def end_gesture(self, id: str) -> None:
        """The drag is over; nothing is recorded when the amount is where it was."""
        before = self._gestures.pop(id, None)
        if before is not None and id in self._strips:
            self._record(id, before, self._strips[id].amount, merge=False)

    def set_amount(self, id: str, amount: float) -> None:
        """Move a slider: inside a gesture this is part of it, outside it is a gesture of its own."""
        if id not in self._strips:
            return
        before, after = self._strips[id].amount, clamp_amount(amount)
        self._set(id, amount=after)
        if id not in self._gestures:
            self._record(id, before, after, merge=True)

    def reset(self, id: str) -> None:
        """Back to zero."""
        self.set_amount(id, 0.0)

    def _record(self, id: str, before: float, after: float, *, merge: bool) -> None:
        if before == after:
            return
        title = feature_title(self._strips[id].feature)
        self._undo.push(
            Step(
                f"{title} {before:+.2f} to {after:+.2f}",
                lambda: self._set(id, amount=before),
                lambda: self._set(id, amount=after),
                merge_key=f"amount {id}" if merge else None,
            )
        )

    # -- switches -------------------------------------------------------------------------------------

    def set_muted(self, id: str, on: bool) -> None:
        """A muted strip keeps its amount but applies 0."""
        self._switch(id, "mute", "muted", on)

    def set_soloed(self, id: str, on: bool) -> None:
        """While any strip is soloed, only soloed strips apply."""
        self._switch(id, "solo", "soloed", on)

    def set_locked(self, id: str, on: bool) -> None:
        """A locked strip is left alone by Randomise."""
        self._switch(id, "lock", "locked", on)

    def set_usable(self, id: str, usable: tuple[float, float] | None) -> None:
        """The evidence card's range has become known."""
        self._set(id, usable=usable)

    def _switch(self, id: str, verb: str, field: str, on: bool) -> None:
        if id not in self._strips or getattr(self._strips[id], field) == on:
            return
        self._set(id, **{field: on})
        self._undo.push(
            Step(
                f"{verb} {feature_title(self._strips[id].feature)}",
                lambda: self._set(id, **{field: not on}),
                lambda: self._set(id, **{field: on}),
            )
        )

    def _set(self, id: str, **changes: object) -> None:
        strip = self._strips.get(id)
        if strip is None:
            return
        new = replace(strip, **changes)  # type: ignore[arg-type]
        if new == strip:
            return
        self._strips[id] = new
        self.strip_changed.emit(new)
        self._publish()

    def _publish(self) -> None:
        for id, amount in self.effective().items():
            if self._effective.get(id) != amount:
                self._effective[id] = amount
                self.effective_changed.emit(id, amount)

    def ids(self) -> Iterable[str]:
        """The ids of the strips, left to right."""
        return tuple(self._strips)
