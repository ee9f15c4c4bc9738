"""Taps and MIDI clock bytes -> tempo, and what a host's transport asks for; a tempo -> the clock bytes that are due.

MIDI 1.0 (MMA RP-015): 24 clocks a quarter note; start, continue and stop; the song position counts sixteenths, which
are six clocks each. Knows nothing of ports or threads: times in seconds are handed in.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np

CLOCK, START, CONTINUE, STOP, POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2
PER_BEAT, PER_SIXTEENTH = 24, 6
SLOWEST_BPM, FASTEST_BPM = 30.0, 300.0
FORGET_S = 2.5


class Tap:
    """Someone beats time."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def tap(self, time_s: float) -> float | None:
        """One more beat -> the tempo of the last eight, from the second on; a pause begins anew."""
        if self._times and not 0 < time_s - self._times[-1] < FORGET_S:
            self._times.clear()
        self._times = [*self._times, time_s][-9:]
        if len(self._times) < 2:
            return None
        gap = float(np.median(np.diff(self._times)))
        return round(min(FASTEST_BPM, max(SLOWEST_BPM, 60 / gap)), 1)


class ClockIn:
    """What another machine's clock says."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=4 * PER_BEAT + 1)
        self.running = False
        self.clocks = 0
        """Since the beginning of the song."""

    @property
    def tempo_bpm(self) -> float | None:
        """The straight line through the last four beats; None before one beat was heard."""
        if len(self._times) < PER_BEAT + 1:
            return None
        times = np.array(self._times)
        slope = np.polyfit(np.arange(len(times)), times - times[0], 1)[0]
        return round(60 / (PER_BEAT * float(slope)), 1) if slope > 0 else None

    @property
    def beat(self) -> float:
        """Quarter notes since the beginning of the song."""
        return self.clocks / PER_BEAT

    def feed(self, message: Sequence[int], time_s: float) -> str | None:
        """One message -> ``start``, ``continue``, ``stop`` or ``position`` where the transport moves."""
        status = message[0] if message else 0
        if status == CLOCK:
            if self._times and not 0 < time_s - self._times[-1] < FORGET_S / PER_BEAT * 4:
                self._times.clear()
            self._times.append(time_s)
            self.clocks += self.running
        elif status == START:
            self.running, self.clocks = True, 0
            return "start"
        elif status == CONTINUE:
            self.running = True
            return "continue"
        elif status == STOP:
            self.running = False
            return "stop"
        elif status == POSITION and len(message) == 3:
            self.clocks = PER_SIXTEENTH * (message[1] & 0x7F | (message[2] & 0x7F) << 7)
            return "position"
        return None


class ClockOut:
    """Our own clock: who sends asks, as often as he can, for what is due."""

    def __init__(self) -> None:
        self.tempo_bpm = 120.0
        self._began_s = 0.0
        self._sent = 0
        self._running = False
        self._first: list[list[int]] = []

    @property
    def running(self) -> bool:
        return self._running

    def start(self, time_s: float, beat: float = 0.0) -> None:
        """The music begins, or goes on from a beat."""
        sixteenth = max(0, round(beat * 4))
        place = [POSITION, sixteenth & 0x7F, sixteenth >> 7 & 0x7F]
        self._first += [[START]] if not sixteenth else [place, [CONTINUE]]
        self._running, self._began_s, self._sent = True, time_s, 0

    def stop(self) -> None:
        if self._running:
            self._running = False
            self._first.append([STOP])

    def set_tempo(self, tempo_bpm: float, time_s: float) -> None:
        """From now on; clocks that are out stay where they were."""
        if tempo_bpm != self.tempo_bpm and SLOWEST_BPM <= tempo_bpm <= FASTEST_BPM:
            last_s = self._began_s + self._sent * self._gap_s
            self.tempo_bpm = tempo_bpm
            self._began_s = max(last_s, time_s - self._gap_s) if self._running else time_s
            self._sent = 0

    def due(self, time_s: float) -> list[list[int]]:
        """The messages that should have been sent by now."""
        messages, self._first = self._first, []
        while self._running and self._began_s + self._sent * self._gap_s <= time_s:
            messages.append([CLOCK])
            self._sent += 1
        return messages

    @property
    def _gap_s(self) -> float:
        return 60 / (self.tempo_bpm * PER_BEAT)
