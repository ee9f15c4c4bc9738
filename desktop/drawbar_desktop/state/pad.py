"""A point in a square -> two sliders, or four settings of the rack blended by their distance to its corners."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Annotated, TypeVar

from pydantic import Field

from drawbar.files.reading import typed
from drawbar.live.controls import MAX_AMOUNT
from drawbar_desktop.state.observable import Event, Value
from drawbar_desktop.state.rack import Rack
from drawbar_desktop.state.taper import clamp_amount
from drawbar_desktop.state.undo import Step, UndoStack

CORNERS = ("bottom left", "bottom right", "top left", "top right")
SPAN = (-1.5, 1.5)
"""From edge to edge for a slider without a usable range."""
T = TypeVar("T")
_Share = Annotated[float, Field(ge=0, le=1)]
_Amount = Annotated[float, Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
_Corner = dict[str, _Amount] | None


@dataclass(frozen=True)
class Point:
    """Both from 0 to 1, the origin bottom left."""

    x: float = 0.5
    y: float = 0.5

    @property
    def weights(self) -> tuple[float, float, float, float]:
        """The corners' shares, bilinear; they add up to 1."""
        x, y = self.x, self.y
        return (1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y


@dataclass(frozen=True)
class _Stored:
    """A pad as the settings keep it."""

    x: str
    y: str
    at: tuple[_Share, _Share]
    corners: tuple[_Corner, _Corner, _Corner, _Corner]


class Pad:
    """Either two sliders (x and y) or four corners; corners go first where at least two are filled."""

    def __init__(self, rack: Rack, undo: UndoStack) -> None:
        self._rack, self._undo = rack, undo
        self._began: tuple[Point, dict[str, float]] | None = None
        self.point: Value[Point] = Value(Point())
        self.x: Value[str] = Value("")
        self.y: Value[str] = Value("")
        self.corners: Value[tuple[Mapping[str, float] | None, ...]] = Value((None,) * 4)
        self.changed: Event[[]] = Event()
        for value in (self.point, self.x, self.y, self.corners):
            value.changed.connect(lambda _: self.changed.emit())

    def fill(self, corner: int) -> None:
        """The rack as it stands becomes a corner."""
        corners = list(self.corners.value)
        corners[corner] = {strip.id: strip.amount for strip in self._rack.strips}
        self._step(f"corner {CORNERS[corner]}", self.corners, tuple(corners))

    def clear(self) -> None:
        """Two sliders again."""
        self._step("empty the corners", self.corners, (None,) * 4)

    def choose(self, axis: str, id: str) -> None:
        """The slider of ``x`` or ``y``; empty for none."""
        self._step(f"the pad's {axis.upper()}", self.x if axis == "x" else self.y, id)

    def _step(self, words: str, value: Value[T], after: T) -> None:
        before = value.value
        if value.set(after):

            def put(chosen: T) -> None:
                value.set(chosen)

            self._undo.push(Step(words, lambda: put(before), lambda: put(after)))

    def begin_gesture(self) -> None:
        """A hand takes the point; `end_gesture` makes one undo step of what it did."""
        strips = {strip.id: strip.amount for strip in self._rack.strips}
        self._began = self.point.value, strips

    def end_gesture(self) -> None:
        """The hand lets go."""
        if self._began is None:
            return
        (before, amounts), self._began = self._began, None
        after = self.point.value
        if after == before:
            return

        def back() -> None:
            self.point.set(before)
            for id, amount in amounts.items():
                self._rack.follow(id, amount, record=True)

        self._undo.push(Step("XY pad", back, lambda: self.move(after.x, after.y)))

    def to_values(self) -> dict[str, object]:
        """For the settings."""
        corners = [None if corner is None else dict(corner) for corner in self.corners.value]
        return {"x": self.x.value, "y": self.y.value, "at": [*astuple(self.point.value)], "corners": corners}

    def restore(self, values: Mapping[str, object]) -> None:
        """What `to_values` gave, whole or not at all; no slider moves."""
        try:
            stored = typed(_Stored, values)
        except ValueError:
            return
        self.x.set(stored.x)
        self.y.set(stored.y)
        self.point.set(Point(*stored.at))
        self.corners.set(stored.corners)

    @property
    def blends(self) -> bool:
        return sum(corner is not None for corner in self.corners.value) >= 2

    def move(self, x: float, y: float) -> None:
        """Put the point somewhere; sliders follow, without an undo step, as from a controller."""
        self.point.set(Point(min(1.0, max(0.0, x)), min(1.0, max(0.0, y))))
        for id, amount in self.amounts().items():
            self._rack.follow(id, amount, record=True)

    def set_axis(self, axis: str, value: float) -> None:
        """One of both, from 0 to 1."""
        point = self.point.value
        if axis in ("x", "y"):
            self.move(value if axis == "x" else point.x, value if axis == "y" else point.y)

    def amounts(self) -> dict[str, float]:
        """What the point asks of the sliders that are in the rack."""
        if self.blends:
            filled = [
                (weight, corner)
                for weight, corner in zip(self.point.value.weights, self.corners.value, strict=True)
                if corner is not None
            ]
            total = sum(weight for weight, _ in filled)
            if total <= 0:  # the point stands in an empty corner
                return {}
            ids = dict.fromkeys(id for _, corner in filled for id in corner if id in self._rack)
            return {
                id: clamp_amount(sum(w * corner.get(id, 0.0) for w, corner in filled) / total) for id in ids
            }
        found = {}
        for id, at in ((self.x.value, self.point.value.x), (self.y.value, self.point.value.y)):
            if id in self._rack:
                low, high = self._rack.strip(id).usable or SPAN
                found[id] = clamp_amount(low + (high - low) * at)
        return found
