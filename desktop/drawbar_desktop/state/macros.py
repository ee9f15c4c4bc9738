"""One knob and the sliders it moves -> amounts of several strips at once; members can be opened and edited."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from drawbar_desktop.state.observable import Event
from drawbar_desktop.state.rack import Rack, feature_title
from drawbar_desktop.state.taper import clamp_amount
from drawbar_desktop.state.undo import Step, UndoStack


@dataclass(frozen=True)
class Macro:
    """A knob from 0 to 1: every member goes from its first to its second amount."""

    name: str
    members: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    value: float = 0.0

    def amounts(self) -> dict[str, float]:
        """Where the members stand at this value."""
        return {id: clamp_amount(a + (b - a) * self.value) for id, (a, b) in self.members.items()}


class Macros:
    """The rack's macros, in the order they were made."""

    def __init__(self, rack: Rack, undo: UndoStack) -> None:
        self._rack, self._undo = rack, undo
        self._macros: dict[str, Macro] = {}
        self._gesture: tuple[str, float, dict[str, float]] | None = None
        self.changed: Event[[]] = Event()
        """Macros were made, dropped or edited."""
        self.turned: Event[[Macro]] = Event()
        """A knob was turned."""
        rack.layout_changed.connect(self._drop_missing)

    @property
    def all(self) -> tuple[Macro, ...]:
        return tuple(self._macros.values())

    def get(self, name: str) -> Macro | None:
        return self._macros.get(name)

    def make(self, ids: Sequence[str], name: str = "") -> Macro | None:
        """Group strips: at 0 they rest, at 1 they stand where they stand now (or at +1). One undo step."""
        members = {}
        for id in ids:
            if id in self._rack:
                members[id] = (0.0, self._rack.strip(id).amount or 1.0)
        if not members:
            return None
        first = feature_title(self._rack.strip(next(iter(members))).feature)
        title = self._free(name.strip() or first)
        moved = any(self._rack.strip(id).amount for id in members)
        macro = Macro(title, members, 1.0 if moved else 0.0)
        self._edit(f"group into {title}", {**self._macros, title: macro})
        return macro

    def remove(self, name: str) -> None:
        """Ungroup; the sliders stay where they are."""
        if name in self._macros:
            rest = {k: v for k, v in self._macros.items() if k != name}
            self._edit(f"ungroup {name}", rest)

    def rename(self, name: str, new: str) -> None:
        """Another name; an empty or taken one is refused silently."""
        new = new.strip()
        if name in self._macros and new and new not in self._macros:
            renamed = {
                (new if k == name else k): (replace(v, name=new) if k == name else v)
                for k, v in self._macros.items()
            }
            self._edit(f"rename {name}", renamed)

    def set_member(self, name: str, id: str, span: tuple[float, float] | None) -> None:
        """From where to where a member goes; None takes it out of the group."""
        macro = self._macros.get(name)
        if macro is None:
            return
        members = {k: v for k, v in macro.members.items() if k != id}
        if span is not None:
            members = {**macro.members, id: (clamp_amount(span[0]), clamp_amount(span[1]))}
        if not members:
            self.remove(name)
        elif members != macro.members:
            self._edit(f"edit {name}", {**self._macros, name: replace(macro, members=members)})

    def restore(self, macros: Sequence[Macro]) -> None:
        """These and no others (a preset); no undo step of its own."""
        self._become({m.name: m for m in macros})

    # -- turning --------------------------------------------------------------------------------------

    def begin_gesture(self, name: str) -> None:
        macro = self._macros.get(name)
        if macro is not None and self._gesture is None:
            self._gesture = (name, macro.value, self._where(macro))

    def end_gesture(self) -> None:
        """It is over: one undo step for the knob and all that it moved."""
        if self._gesture is None:
            return
        name, value, amounts = self._gesture
        self._gesture = None
        self._record(name, value, amounts, merge=False)

    def turn(self, name: str, value: float, *, undoable: bool = True) -> None:
        """Set the knob; inside a gesture this is part of it."""
        macro = self._macros.get(name)
        if macro is None:
            return
        before = (macro.value, self._where(macro))
        self._apply(name, max(0.0, min(1.0, value)))
        if self._gesture is None and undoable:
            self._record(name, *before, merge=True)

    def _record(self, name: str, value: float, amounts: dict[str, float], *, merge: bool) -> None:
        macro = self._macros.get(name)
        if macro is None or macro.value == value:
            return
        after = macro.value

        def back() -> None:
            self._apply(name, value)
            for id, amount in amounts.items():
                self._rack.follow(id, amount)

        self._undo.push(
            Step(f"turn {name}", back, lambda: self._apply(name, after), f"macro {name}" if merge else None)
        )

    def _apply(self, name: str, value: float) -> None:
        macro = replace(self._macros[name], value=round(value, 4))
        self._macros[name] = macro
        for id, amount in macro.amounts().items():
            self._rack.follow(id, amount, record=True)
        self.turned.emit(macro)

    def _where(self, macro: Macro) -> dict[str, float]:
        return {id: self._rack.strip(id).amount for id in macro.members if id in self._rack}

    # -- inside ---------------------------------------------------------------------------------------

    def _edit(self, label: str, after: dict[str, Macro]) -> None:
        before = dict(self._macros)
        self._become(after)
        self._undo.push(Step(label, lambda: self._become(before), lambda: self._become(after)))

    def _become(self, macros: dict[str, Macro]) -> None:
        self._macros = dict(macros)
        self.changed.emit()

    def _free(self, name: str) -> str:
        taken, number = name, 2
        while taken in self._macros:
            taken, number = f"{name} {number}", number + 1
        return taken

    def _drop_missing(self) -> None:
        """A macro without any strip of the rack is hidden by forgetting it; undo brings strips, not macros."""
        kept = {k: m for k, m in self._macros.items() if any(id in self._rack for id in m.members)}
        if len(kept) != len(self._macros):
            self._become(kept)
