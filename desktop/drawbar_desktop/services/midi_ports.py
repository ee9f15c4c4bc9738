"""MIDI devices that come and go -> messages as bytes for whoever polls, or words why there are none."""

import logging
import queue
import sys
import time
from pathlib import Path
from typing import Any, TypeVar

log = logging.getLogger(__name__)
NOT_INSTALLED = "MIDI needs python-rtmidi, which is not installed: pip install 'drawbar[midi]'"
SEQUENCER = Path("/dev/snd/seq")
NO_SEQUENCER = "MIDI is not available on this machine: there is no /dev/snd/seq (modprobe snd-seq)"
OWN = "drawbar"
SYSTEM = 0xF0
"""From this status on a message is for the whole system: clock, transport, song position."""
T = TypeVar("T")


class MidiPorts:
    """Opens every input; `refresh` looks for new and lost ones, `messages` empties the queue."""

    def __init__(self, rtmidi: Any = None) -> None:
        """`rtmidi` is the module, or a stand-in; by default what is installed."""
        self._queue: queue.SimpleQueue[tuple[list[int], str]] = queue.SimpleQueue()
        self._realtime: queue.SimpleQueue[tuple[list[int], float]] = queue.SimpleQueue()
        self._open: dict[str, Any] = {}
        self._probe: Any = None
        self.trouble = ""
        self._real = rtmidi is None
        self._rtmidi = rtmidi if rtmidi is not None else self._import()

    def _import(self) -> Any:
        try:
            import rtmidi
        except ImportError:
            self.trouble = NOT_INSTALLED
            return None
        return rtmidi

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._open)

    def refresh(self) -> bool:
        """Open what was plugged in, close what is gone -> whether anything changed."""
        if self._rtmidi is None:
            return False
        if self._real and sys.platform.startswith("linux") and not SEQUENCER.exists():
            # Asking ALSA would write a line to the terminal each time.
            changed, self.trouble = self.trouble != NO_SEQUENCER, NO_SEQUENCER
            return changed
        try:
            if self._probe is None:
                self._probe = self._rtmidi.MidiIn()
            there = [name for name in self._probe.get_ports() if OWN not in name.lower()]
        except Exception as error:  # rtmidi's own exception types differ between its versions
            self._probe = None
            fresh = f"MIDI is not available on this machine: {error}"
            changed, self.trouble = fresh != self.trouble, fresh
            return changed
        changed = bool(self.trouble)
        self.trouble = ""
        for name in [n for n in self._open if n not in there]:
            self._close(name)
            changed = True
        for number, name in enumerate(there):
            if name not in self._open:
                changed = self._listen(number, name) or changed
        return changed

    @property
    def module(self) -> Any:
        """rtmidi (or its stand-in); None where it is not installed or has nothing to talk to."""
        there = not self._real or not sys.platform.startswith("linux") or SEQUENCER.exists()
        return self._rtmidi if there else None

    def realtime(self) -> list[tuple[list[int], float]]:
        """Clock, start, stop, song position since the last time: (bytes, when they came)."""
        return _emptied(self._realtime)

    def messages(self) -> list[tuple[list[int], str]]:
        """What came since the last time: (bytes, device)."""
        return _emptied(self._queue)

    def close(self) -> None:
        for name in list(self._open):
            self._close(name)
        if self._probe is not None:
            self._probe.delete()
            self._probe = None

    def _listen(self, number: int, name: str) -> bool:
        try:
            port = self._rtmidi.MidiIn()
            port.open_port(number, OWN)
            port.ignore_types(sysex=True, timing=False, active_sense=True)
            port.set_callback(lambda event, _=None: self._came(list(event[0]), name))
        except Exception as error:  # a device that another program holds
            log.warning("MIDI device %s cannot be opened: %s", name, error)
            return False
        self._open[name] = port
        return True

    def _came(self, message: list[int], name: str) -> None:
        if message and message[0] >= SYSTEM:
            self._realtime.put((message, time.monotonic()))
        else:
            self._queue.put((message, name))

    def _close(self, name: str) -> None:
        port = self._open.pop(name)
        port.cancel_callback()
        port.close_port()
        port.delete()


def _emptied(waiting: "queue.SimpleQueue[T]") -> list[T]:
    found = []
    while True:
        try:
            found.append(waiting.get_nowait())
        except queue.Empty:
            return found
