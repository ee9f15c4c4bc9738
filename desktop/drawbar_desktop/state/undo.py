"""Finished gestures -> steps that can be undone and redone; one gesture is one step."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from drawbar_desktop.state.observable import Event

DEBOUNCE_S = 0.08
LIMIT = 500


@dataclass(frozen=True)
class Step:
    """One undoable gesture; steps with the same `merge_key` that follow within 80 ms become one."""

    label: str
    undo: Callable[[], None]
    redo: Callable[[], None]
    merge_key: str | None = None
    at_s: float = 0.0


class UndoStack:
    """The history of gestures, with the usual rule: a new gesture drops what could be redone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self.changed: Event[[]] = Event()

    def push(self, step: Step) -> None:
        """Record a gesture that has already happened."""
        now = self._clock()
        self._undone.clear()
        last = self._done[-1] if self._done else None
        if last and step.merge_key and step.merge_key == last.merge_key and now - last.at_s <= DEBOUNCE_S:
            self._done[-1] = replace(last, redo=step.redo, at_s=now)
        else:
            self._done.append(replace(step, at_s=now))
            del self._done[:-LIMIT]
        self.changed.emit()

    def undo(self) -> str | None:
        """Take back the last gesture; returns its label, or None when there is none."""
        if not self._done:
            return None
        step = self._done.pop()
        step.undo()
        self._undone.append(replace(step, merge_key=None))
        self.changed.emit()
        return step.label

    def redo(self) -> str | None:
        """Do the last undone gesture again; returns its label, or None when there is none."""
        if not self._undone:
            return None
        step = self._undone.pop()
        step.redo()
        self._done.append(step)
        self.changed.emit()
        return step.label

    @property
    def depth(self) -> int:
        """How many gestures can be undone."""
        return len(self._done)
