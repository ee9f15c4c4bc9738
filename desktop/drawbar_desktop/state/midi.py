"""MIDI bytes -> moves of sliders, macros and switches: learned, banked, absolute, 14-bit, relative, notes.

Knows nothing of ports or threads: `midi_ports` brings messages, the window carries the moves out.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from drawbar.files.reading import typed
from drawbar_desktop.state.observable import Event, Value

KINDS = ("absolute", "14-bit", "relative", "note")
TARGETS = {
    "play": "Play or stop",
    "bypass": "Bypass",
    "ab": "A or B",
    "morph": "Morph between A and B",
    "gain": "Monitor gain",
    "bank-next": "Next bank of sliders",
    "bank-previous": "Previous bank of sliders",
}
"""What can be learned beside ``amount:ID``, ``strip:N`` (the n-th of the bank) and ``macro:NAME``."""
BANK_SIZE = 8
STEP = 1 / 64
"""How far one tick of a relative encoder moves a control that goes from 0 to 1."""


@dataclass(frozen=True)
class Control:
    """A knob, fader, pad or key of a controller."""

    channel: int
    number: int
    kind: str = "absolute"
    port: str = ""
    """Empty: whatever device it comes from."""

    @property
    def title(self) -> str:
        what = "Note" if self.kind == "note" else "CC"
        extra = f" ({self.kind})" if self.kind in ("14-bit", "relative") else ""
        return f"{what} {self.number}, channel {self.channel + 1}{extra}"


@dataclass(frozen=True)
class Mapped:
    """What a control moves."""

    control: Control
    target: str


@dataclass(frozen=True)
class Move:
    """What should happen: a position from 0 to 1, a change of it, or a press."""

    target: str
    position: float | None = None
    change: float = 0.0
    pressed: bool = False


@dataclass(frozen=True)
class _Stored:
    """A mapping as the settings keep it."""

    target: Annotated[str, Field(max_length=200)]
    channel: Annotated[int, Field(ge=0, le=15)]
    number: Annotated[int, Field(ge=0, le=127)]
    kind: Literal["absolute", "14-bit", "relative", "note"]
    port: Annotated[str, Field(max_length=200)] = ""

    def __post_init__(self) -> None:
        if self.target.startswith("strip:") and re.fullmatch(r"strip:\d{1,3}", self.target) is None:
            raise ValueError(f"{self.target!r} names no strip by its number")


class MidiMap:
    """Mappings and the state of learning; `feed` gets every message of every open port."""

    def __init__(self) -> None:
        self._mapped: list[Mapped] = []
        self._high: dict[tuple[str, int, int], int] = {}
        self._seen_low: set[tuple[str, int, int]] = set()
        self.learning: Value[str | None] = Value(None)
        """The target that the next moved control will get."""
        self.bank = Value(0)
        self.activity = Value("")
        """The last control that was touched, in words."""
        self.changed: Event[[]] = Event()

    @property
    def mapped(self) -> tuple[Mapped, ...]:
        return tuple(self._mapped)

    def of(self, target: str) -> Mapped | None:
        """What moves a target; None when nothing does."""
        return next((m for m in self._mapped if m.target == target), None)

    def learn(self, target: str | None) -> None:
        """Wait for a control to be moved; None gives up."""
        self._seen_low.clear()
        self.learning.set(target)

    def forget(self, target: str) -> None:
        kept = [m for m in self._mapped if m.target != target]
        if len(kept) != len(self._mapped):
            self._mapped = kept
            self.changed.emit()

    def set_kind(self, target: str, kind: str) -> None:
        """Say that a learned control is 14-bit or relative."""
        found = self.of(target)
        if found is not None and kind in KINDS:
            place = self._mapped.index(found)
            self._mapped[place] = replace(found, control=replace(found.control, kind=kind))
            self.changed.emit()

    # -- messages -------------------------------------------------------------------------------------

    def feed(self, message: Sequence[int], port: str = "") -> list[Move]:
        """One MIDI message as bytes -> the moves that it makes."""
        if len(message) < 3:
            return []
        status, number, value = message[0] & 0xF0, message[1] & 0x7F, message[2] & 0x7F
        channel = message[0] & 0x0F
        if status == 0xB0:
            return self._controller(port, channel, number, value)
        if status in (0x80, 0x90):
            return self._note(port, channel, number, value if status == 0x90 else 0)
        return []

    def _controller(self, port: str, channel: int, number: int, value: int) -> list[Move]:
        control = Control(channel, number, "absolute", port)
        self.activity.set(f"{control.title}: {value}")
        if self.learning.value is not None:
            return self._learned(control, value)
        moves = []
        for mapped in self._mapped:
            c = mapped.control
            if c.channel != channel or (c.port and c.port != port) or c.kind == "note":
                continue
            if c.kind == "14-bit" and number in (c.number, c.number + 32):
                moves += self._wide(mapped, port, number, value)
            elif c.number == number and c.kind == "relative":
                moves.append(Move(self._banked(mapped.target), change=_signed(value) * STEP))
            elif c.number == number and c.kind == "absolute":
                moves.append(self._absolute(mapped.target, value / 127, value >= 64))
        return [move for move in moves if not self._own(move)]

    def _absolute(self, target: str, position: float, pressed: bool) -> Move:
        if target in TARGETS and target not in ("morph", "gain"):
            return Move(target, pressed=pressed)
        return Move(self._banked(target), position=position)

    def _wide(self, mapped: Mapped, port: str, number: int, value: int) -> list[Move]:
        """Coarse and fine byte (CC n and n + 32) -> one position of 14 bits, told when the fine one comes."""
        key = (port, mapped.control.channel, mapped.control.number)
        if number == mapped.control.number:
            self._high[key] = value
            return []
        position = (self._high.get(key, 0) << 7 | value) / 16383
        return [Move(self._banked(mapped.target), position=position)]

    def _note(self, port: str, channel: int, number: int, velocity: int) -> list[Move]:
        control = Control(channel, number, "note", port)
        if velocity:
            self.activity.set(control.title)
            if self.learning.value is not None:
                return self._learned(control, velocity)
        moves = []
        for mapped in self._mapped:
            c = mapped.control
            same = c.kind == "note" and (c.channel, c.number) == (channel, number)
            if same and c.port in ("", port):
                if mapped.target in TARGETS:
                    moves.append(Move(mapped.target, pressed=velocity > 0))
                else:
                    moves.append(Move(self._banked(mapped.target), position=1.0 if velocity else 0.5))
        return [move for move in moves if not self._own(move)]

    def _learned(self, control: Control, value: int) -> list[Move]:
        """The first control that moves is taken; a fine byte right after a coarse one makes it 14-bit."""
        target = self.learning.value
        if target is None:
            return []
        self._mapped = [m for m in self._mapped if m.target != target and not _same(m.control, control)]
        self._mapped.append(Mapped(replace(control, port=""), target))
        self.learning.set(None)
        self.changed.emit()
        return []

    def _own(self, move: Move) -> bool:
        if move.target not in ("bank-next", "bank-previous"):
            return False
        if move.pressed:
            step = 1 if move.target == "bank-next" else -1
            self.bank.set(max(0, min(7, self.bank.value + step)))
        return True

    def _banked(self, target: str) -> str:
        if not target.startswith("strip:"):
            return target
        return f"strip:{int(target.removeprefix('strip:')) + BANK_SIZE * self.bank.value}"

    # -- keeping --------------------------------------------------------------------------------------

    def to_values(self) -> list[dict[str, Any]]:
        return [{"target": m.target, **asdict(m.control)} for m in self._mapped]

    def restore(self, values: Sequence[Mapping[str, Any]]) -> None:
        """From what the settings kept; what is malformed is left out."""
        mapped = []
        for value in values:
            try:
                stored = typed(_Stored, value)
            except ValueError:
                continue
            mapped.append(
                Mapped(Control(stored.channel, stored.number, stored.kind, stored.port), stored.target)
            )
        self._mapped = mapped
        self.changed.emit()


def _signed(value: int) -> int:
    """A relative encoder's two's-complement byte: 1 is a tick up, 127 one down."""
    return value if value < 64 else value - 128


def _same(one: Control, other: Control) -> bool:
    return (one.channel, one.number, one.kind == "note") == (
        other.channel, other.number, other.kind == "note",
    )  # fmt: skip
