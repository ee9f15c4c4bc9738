"""A tempo and when the music begins, pauses and ends -> a MIDI clock on an output, sent from a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from drawbar_desktop.state.tempo import ClockOut

log = logging.getLogger(__name__)
TURN_S = 0.001
Send = Callable[[list[int]], object]


class MidiClock:
    """One output, opened by name; every method may be called from any thread."""

    def __init__(self, rtmidi: Any = None) -> None:
        """`rtmidi` is the module (or a stand-in), None where there is none."""
        self._rtmidi = rtmidi
        self._clock, self._lock = ClockOut(), threading.Lock()
        self._port: Any = None
        self._send: Send | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self.name = ""

    def outputs(self) -> tuple[str, ...]:
        """Where a clock can be sent to; none without MIDI."""
        try:
            probe = self._rtmidi.MidiOut()
            names = tuple(name for name in probe.get_ports() if "drawbar" not in name.lower())
            probe.delete()
        except Exception:  # no module, no sequencer, or rtmidi's own types
            return ()
        return names

    def choose(self, name: str) -> bool:
        """Send to this output from now on; empty is off -> whether it is open."""
        self.close()
        self.name = name
        if not name:
            return True
        try:
            port = self._rtmidi.MidiOut()
            port.open_port(list(port.get_ports()).index(name), "drawbar clock")
        except Exception as error:  # gone, or held by another program
            log.warning("MIDI output %s cannot be opened: %s", name, error)
            self.name = ""
            return False
        self._port = port
        self.send_to(port.send_message)
        return True

    def send_to(self, send: Send) -> None:
        """Any function that takes bytes (tests, other buses)."""
        self._send = send
        self._closed.clear()
        self._thread = threading.Thread(target=self._run, name="drawbar-midi-clock", daemon=True)
        self._thread.start()

    def follow(self, tempo_bpm: float, *, sounding: bool, beat: float) -> None:
        """What the music does now: called as often as one likes."""
        now = time.monotonic()
        with self._lock:
            if tempo_bpm:
                self._clock.set_tempo(tempo_bpm, now)
            if sounding and tempo_bpm and not self._clock.running:
                self._clock.start(now, max(0.0, beat))
            elif not (sounding and tempo_bpm) and self._clock.running:
                self._clock.stop()

    def close(self) -> None:
        """A last stop, and the output given back."""
        if self._thread is not None:
            self._closed.set()
            self._thread.join()
            self._thread = None
        if self._port is not None:
            self._port.close_port()
            self._port.delete()
            self._port = None

    def _run(self) -> None:
        while not self._closed.wait(TURN_S):
            self._flush()
        with self._lock:
            self._clock.stop()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            messages = self._clock.due(time.monotonic())
        for message in messages:
            if self._send is not None:
                self._send(message)
