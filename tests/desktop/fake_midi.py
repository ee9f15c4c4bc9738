"""A stand-in for the module `rtmidi`: controllers that are plugged in and out, and played by hand."""

from collections.abc import Callable
from typing import Any


class FakeMidi:
    """What `MidiPorts` needs of rtmidi."""

    def __init__(self) -> None:
        self.ports = ["nanoKONTROL2"]
        self.listeners: dict[str, Callable[[Any, Any], None]] = {}
        self.broken: Exception | None = None

    def MidiIn(self) -> "FakePort":  # noqa: N802
        if self.broken is not None:
            raise self.broken
        return FakePort(self)

    def send(self, *message: int, port: str = "nanoKONTROL2") -> None:
        """A knob was turned."""
        self.listeners[port]((list(message), 0.0), None)


class FakePort:
    def __init__(self, midi: FakeMidi) -> None:
        self._midi, self._name = midi, ""

    def get_ports(self) -> list[str]:
        return list(self._midi.ports)

    def open_port(self, number: int, name: str) -> None:
        self._name = self._midi.ports[number]

    def set_callback(self, call: Callable[[Any, Any], None]) -> None:
        self._midi.listeners[self._name] = call

    def ignore_types(self, **_: bool) -> None:
        pass

    def cancel_callback(self) -> None:
        self._midi.listeners.pop(self._name, None)

    def close_port(self) -> None:
        pass

    def delete(self) -> None:
        pass
