"""Time, tempo and the sound's level -> sliders that move by themselves: low-frequency oscillators and followers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated

from pydantic import Field

from drawbar.files.reading import typed
from drawbar.live.controls import MAX_AMOUNT
from drawbar_desktop.state.beat_grid import Grid
from drawbar_desktop.state.observable import Event
from drawbar_desktop.state.rack import Rack, feature_title
from drawbar_desktop.state.taper import clamp_amount
from drawbar_desktop.state.undo import Step, UndoStack


def _triangle(phase: float) -> float:
    return 4 * abs(phase - 0.5) - 1


SHAPES: dict[str, Callable[[float], float]] = {
    "sine": lambda phase: math.sin(2 * math.pi * phase),
    "triangle": _triangle,
    "saw": lambda phase: 2 * phase - 1,
    "square": lambda phase: 1.0 if phase < 0.5 else -1.0,
}
"""Phase 0 to 1 -> -1 to 1."""
FOLLOW = "follow the level"
FLOOR_DB = -40.0
"""The level at which a follower rests; at 0 dB it pushes with its whole depth."""


@dataclass(frozen=True)
class Modulator:
    """What moves one slider around where it was put."""

    shape: str = "sine"
    """One of `SHAPES`, or `FOLLOW`."""
    depth: float = 0.5
    """In the slider's own units, to either side (a follower: upwards)."""
    rate: float = 0.25
    """In cycles a second, or in cycles a bar where `synced`."""
    synced: bool = False


@dataclass(frozen=True)
class _Stored:
    """A modulator as the settings keep it."""

    id: str
    middle: Annotated[float, Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
    shape: str
    depth: Annotated[float, Field(ge=-4, le=4)]
    rate: Annotated[float, Field(ge=0.01, le=8)]
    synced: bool


class Modulation:
    """By slider; the middle is where the slider stood when it began, and where it goes back to."""

    def __init__(self, rack: Rack, undo: UndoStack) -> None:
        self._rack, self._undo = rack, undo
        self._on: dict[str, Modulator] = {}
        self._middle: dict[str, float] = {}
        self.changed: Event[[]] = Event()
        rack.moved.connect(self._moved_by_hand)
        self._mine = False

    @property
    def all(self) -> dict[str, Modulator]:
        return dict(self._on)

    def set(self, id: str, modulator: Modulator | None) -> None:
        """Begin, change or (None) end: one undo step."""
        before = self._on.get(id)
        self._change(id, modulator)
        if self._on.get(id) != before:
            title = feature_title(self._rack.strip(id).feature) if id in self._rack else id
            self._undo.push(
                Step(
                    f"movement of {title}", lambda: self._change(id, before), lambda: self._change(id, modulator),
                    f"movement {id}" if before and modulator else None,
                )
            )  # fmt: skip

    def _change(self, id: str, modulator: Modulator | None) -> None:
        if modulator is None:
            if self._on.pop(id, None) is not None:
                self._put(id, self._middle.pop(id, 0.0))
        elif id in self._rack:
            self._middle.setdefault(id, self._rack.strip(id).amount)
            self._on[id] = modulator
        self.changed.emit()

    def change(self, id: str, **fields: object) -> None:
        if id in self._on:
            self.set(id, replace(self._on[id], **fields))  # type: ignore[arg-type]

    def to_values(self) -> list[dict[str, object]]:
        """For the settings: each with its slider and the middle, which the slider itself may have left."""
        return [
            {"id": id, "middle": self._middle[id], **asdict(one)}
            for id, one in self._on.items()
            if id in self._rack
        ]

    def restore(self, values: Sequence[object]) -> None:
        """What `to_values` gave, on sliders that are in the rack; anything else is left out."""
        for value in values:
            try:
                stored = typed(_Stored, value)
            except ValueError:
                continue
            known = stored.shape in SHAPES or stored.shape == FOLLOW
            if known and stored.id in self._rack:
                self._middle[stored.id] = clamp_amount(stored.middle)
                self._change(stored.id, Modulator(stored.shape, stored.depth, stored.rate, stored.synced))

    def tick(self, time_s: float, level_db: float, grid: Grid) -> None:
        """While something sounds, 30 times a second: where the sliders stand now."""
        for id, one in self._on.items():
            if id not in self._rack:
                continue
            if one.shape == FOLLOW:
                push = min(1.0, max(0.0, 1 - level_db / FLOOR_DB))
            else:
                place = grid.bar_at(time_s) - 1 if one.synced and grid.bar_s else time_s
                push = SHAPES[one.shape](place * one.rate % 1.0)
            self._put(id, self._middle[id] + one.depth * push)

    def rest(self) -> None:
        """Nothing sounds: back to the middle."""
        for id in self._on:
            self._put(id, self._middle[id])

    def _put(self, id: str, amount: float) -> None:
        self._mine = True
        self._rack.follow(id, clamp_amount(round(amount, 3)), record=True)
        self._mine = False

    def _moved_by_hand(self, id: str, amount: float) -> None:
        if id in self._on and not self._mine:
            self._middle[id] = amount
