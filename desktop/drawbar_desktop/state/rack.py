"""Gestures on slider strips -> amounts that the engine should apply, with undo."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from drawbar.bank.records import LIKE
from drawbar_desktop.state.interfaces import FeatureLike
from drawbar_desktop.state.observable import Event, Value
from drawbar_desktop.state.taper import Taper, clamp_amount, taper_for
from drawbar_desktop.state.undo import Step, UndoStack

MODES = ("add", "clamp", "mute")
"""Add to the residual; hold the activation at the amount; take a share of the activation away."""
WITHOUT_EVIDENCE = (-1.5, 1.5)
"""Between what Randomise throws where no usable range is known."""
MAX_STRIPS = 64

Resolve = Callable[[str], tuple[FeatureLike, tuple[float, float] | None] | None]
"""A feature's id -> its row and usable range; None when this bank has no such feature."""


def feature_title(feature: FeatureLike) -> str:
    """What a feature is called on screen: its label, or where it fires most, or its id."""
    like = next((tag for tag in feature.tags if tag.startswith(LIKE)), "")
    return feature.label or (f"{like} ({feature.id})" if like else f"unnamed {feature.id}")


@dataclass(frozen=True)
class Strip:
    """One feature in the rack; `usable` is the evidence card's range of amounts, if it has one."""

    feature: FeatureLike
    amount: float = 0.0
    muted: bool = False
    soloed: bool = False
    locked: bool = False
    usable: tuple[float, float] | None = None
    mode: str = "add"
    armed: bool = False
    """Moves are written into the automation lane while a take plays."""

    @property
    def id(self) -> str:
        """The feature's id, which is the strip's too."""
        return self.feature.id

    @property
    def taper(self) -> Taper:
        """How the slider's travel maps onto amounts."""
        return taper_for(self.usable)

    @property
    def beyond(self) -> bool:
        """Whether the amount lies outside the usable range."""
        return self.usable is not None and not self.usable[0] <= self.amount <= self.usable[1]


class Rack:
    """The strips in order; solo and mute decide which amounts are effective."""

    def __init__(self, undo: UndoStack) -> None:
        self._undo = undo
        self._strips: dict[str, Strip] = {}
        self._gestures: dict[str, float] = {}
        self._effective: dict[str, float] = {}
        self.alike: dict[str, tuple[str, ...]] = {}
        """Strips that double others of the rack."""
        self.marks: dict[str, tuple[float, ...]] = {}
        """Amounts at which a strip's effect becomes noticeable, where the evidence says so."""
        self.bypassed = Value(False)
        """The take is heard without its sliders: they are shown as acting on nothing."""
        self.layout_changed: Event[[]] = Event()
        self.strip_changed: Event[[Strip]] = Event()
        self.effective_changed: Event[[str, float]] = Event()
        self.mode_changed: Event[[str, str]] = Event()
        self.added: Event[[str]] = Event()
        self.removed: Event[[str]] = Event()
        self.moved: Event[[str, float]] = Event()
        """A person moved a slider (not undo, not automation): what an armed lane records."""

    @property
    def strips(self) -> tuple[Strip, ...]:
        return tuple(self._strips.values())

    def __contains__(self, id: object) -> bool:
        return id in self._strips

    def __len__(self) -> int:
        return len(self._strips)

    def strip(self, id: str) -> Strip:
        """The strip of a feature that is in the rack."""
        return self._strips[id]

    def ids(self) -> Iterable[str]:
        """The ids of the strips, left to right."""
        return tuple(self._strips)

    def silenced(self, strip: Strip) -> bool:
        """Whether mute or another strip's solo keeps it from acting."""
        return strip.muted or (not strip.soloed and any(s.soloed for s in self._strips.values()))

    def effective(self) -> dict[str, float]:
        """What the engine should apply now: 0 for muted strips and for those that another solo hides."""
        return {s.id: 0.0 if self.silenced(s) else _applied(s) for s in self._strips.values()}

    def modes(self) -> dict[str, str]:
        """Modes other than ``add``; a silenced strip adds nothing, whatever its mode."""
        return {s.id: s.mode for s in self._strips.values() if s.mode != "add" and not self.silenced(s)}

    # -- layout ---------------------------------------------------------------------------------------

    def add(
        self, feature: FeatureLike, usable: tuple[float, float] | None = None, at: int | None = None
    ) -> bool:
        """Put a feature at the right end (or at a place); False when it is there already or the rack is full."""
        if feature.id in self._strips or len(self._strips) >= MAX_STRIPS:
            return False
        strip = Strip(feature, usable=usable)
        place = len(self._strips) if at is None else max(0, min(at, len(self._strips)))
        self._insert(strip, place)
        self._undo.push(
            Step(
                f"add {feature_title(feature)}",
                lambda: self._delete(strip.id),
                lambda: self._insert(strip, place),
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
        before = list(self._strips)
        after = [k for k in before if k != id]
        after.insert(max(0, min(to, len(after))), id)
        if after == before:
            return
        self._order(after)
        title = feature_title(self._strips[id].feature)
        self._undo.push(Step(f"move {title}", lambda: self._order(before), lambda: self._order(after)))

    def set_alike(self, alike: Mapping[str, Sequence[str]]) -> None:
        """Which strips are near-collinear: each with the others."""
        found = {id: tuple(others) for id, others in alike.items() if others}
        if found != self.alike:
            self.alike = found
            for strip in self.strips:
                self.strip_changed.emit(strip)

    def set_marks(self, marks: Mapping[str, Sequence[float]]) -> None:
        """From which amounts on each slider is noticed."""
        found = {id: tuple(amounts) for id, amounts in marks.items() if amounts}
        if found != self.marks:
            self.marks = found
            for strip in self.strips:
                self.strip_changed.emit(strip)

    def _order(self, ids: Sequence[str]) -> None:
        known = [id for id in ids if id in self._strips]
        known += [id for id in self._strips if id not in known]
        self._strips = {id: self._strips[id] for id in known}
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

    def in_gesture(self, id: str) -> bool:
        """Whether a drag of this strip is going on."""
        return id in self._gestures

    def set_amount(self, id: str, amount: float) -> None:
        """Move a slider: inside a gesture this is part of it, outside it is a gesture of its own."""
        if id not in self._strips:
            return
        before, after = self._strips[id].amount, clamp_amount(amount)
        self._set(id, amount=after)
        if before != after:
            self.moved.emit(id, after)
        if id not in self._gestures:
            self._record(id, before, after, merge=True)

    def follow(self, id: str, amount: float, *, record: bool = False) -> None:
        """Automation or MIDI moves a slider: no undo step. `record` lets an armed lane hear of it."""
        if id in self._strips and id not in self._gestures:
            changed = self._strips[id].amount != clamp_amount(amount)
            self._set(id, amount=clamp_amount(amount))
            if changed and record:
                self.moved.emit(id, self._strips[id].amount)

    def reset(self, id: str) -> None:
        self.set_amount(id, 0.0)

    def set_amounts(self, label: str, amounts: Mapping[str, float]) -> None:
        """Several sliders at once: one undo step."""
        after = {id: clamp_amount(a) for id, a in amounts.items() if id in self._strips}
        before = {id: self._strips[id].amount for id in after}
        if before == after:
            return
        self._set_all(after)
        self._undo.push(Step(label, lambda: self._set_all(before), lambda: self._set_all(after)))

    def zero(self) -> None:
        self.set_amounts("all to zero", {s.id: 0.0 for s in self.strips if not s.locked})

    def randomise(self, rng: random.Random) -> None:
        """A new amount for every unlocked slider, inside its usable range; small ones are likelier."""
        thrown = {}
        for strip in self.strips:
            if not strip.locked:
                low, high = strip.usable or WITHOUT_EVIDENCE
                thrown[strip.id] = round(rng.triangular(low, high, 0.0), 2)
        self.set_amounts("randomise", thrown)

    def _set_all(self, amounts: Mapping[str, float]) -> None:
        for id, amount in amounts.items():
            self._set(id, amount=amount)

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
        """A muted strip keeps its amount but applies nothing."""
        self._switch(id, "mute", "muted", on)

    def set_soloed(self, id: str, on: bool) -> None:
        """While any strip is soloed, only soloed strips apply."""
        self._switch(id, "solo", "soloed", on)

    def set_locked(self, id: str, on: bool) -> None:
        """A locked strip is left alone by Randomise, by Zero and by presets."""
        self._switch(id, "lock", "locked", on)

    def set_armed(self, id: str, on: bool) -> None:
        """While a take plays, an armed strip's moves are written into its lane."""
        self._switch(id, "arm", "armed", on)

    def set_mode(self, id: str, mode: str) -> None:
        """How the strip acts: one of `MODES`."""
        if mode in MODES and id in self._strips:
            self._switch(id, mode, "mode", mode)

    def set_usable(self, id: str, usable: tuple[float, float] | None) -> None:
        """The evidence card's range has become known."""
        self._set(id, usable=usable)

    def _switch(self, id: str, verb: str, field: str, value: object) -> None:
        if id not in self._strips or getattr(self._strips[id], field) == value:
            return
        before = getattr(self._strips[id], field)
        self._set(id, **{field: value})
        self._undo.push(
            Step(
                f"{verb} {feature_title(self._strips[id].feature)}",
                lambda: self._set(id, **{field: before}),
                lambda: self._set(id, **{field: value}),
            )
        )

    def _set(self, id: str, **changes: object) -> None:
        strip = self._strips.get(id)
        if strip is None:
            return
        new = replace(strip, **changes)  # type: ignore[arg-type]
        if new == strip:
            return
        modes = self.modes()
        self._strips[id] = new
        self.strip_changed.emit(new)
        self._publish_modes(modes)
        self._publish()

    def _publish_modes(self, before: Mapping[str, str]) -> None:
        after = self.modes()
        for id in {**before, **after}:
            if before.get(id, "add") != after.get(id, "add") and id in self._strips:
                self.mode_changed.emit(id, after.get(id, "add"))

    def _publish(self) -> None:
        for id, amount in self.effective().items():
            if self._effective.get(id) != amount:
                self._effective[id] = amount
                self.effective_changed.emit(id, amount)

    # -- whole racks ----------------------------------------------------------------------------------

    def restore(self, label: str, strips: Sequence[Strip], *, undoable: bool = True) -> None:
        """These strips and no others; locked ones stay as they are. One undo step."""
        before = self.strips
        locked = {s.id: s for s in before if s.locked}
        after = tuple(locked.pop(s.id, s) for s in strips) + tuple(locked.values())
        after = after[:MAX_STRIPS]
        if after == before:
            return
        self._become(after)
        if undoable:
            self._undo.push(Step(label, lambda: self._become(before), lambda: self._become(after)))

    def _become(self, strips: Sequence[Strip]) -> None:
        modes = self.modes()
        kept = {s.id for s in strips}
        gone = [id for id in self._strips if id not in kept]
        fresh = [s.id for s in strips if s.id not in self._strips]
        changed = [s for s in strips if s.id in self._strips and self._strips[s.id] != s]
        self._strips = {s.id: s for s in strips}
        for id in gone:
            self._effective.pop(id, None)
            self._gestures.pop(id, None)
            self.removed.emit(id)
        for id in fresh:
            self.added.emit(id)
        self.layout_changed.emit()
        for strip in changed:
            self.strip_changed.emit(strip)
        self._publish_modes(modes)
        self._publish()


def _applied(strip: Strip) -> float:
    """What the engine is told: a share between 0 and 1 for a strip that takes activation away."""
    return min(1.0, abs(strip.amount)) if strip.mode == "mute" else strip.amount
