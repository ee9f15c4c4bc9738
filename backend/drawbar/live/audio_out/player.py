"""A finished sound -> the same sound from a player of its own, beside whatever is being generated.

For old takes and for a feature's examples; always stoppable. Knows nothing of models.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from drawbar.live.audio_out.limiter import Monitor
from drawbar.live.audio_out.output import Output
from drawbar.live.audio_out.ring import Floats
from drawbar.live.clock import Clock, RealClock

FILL_S = 0.2


class Player:
    """Plays one sound at a time; a new one replaces the old."""

    def __init__(self, open_output: Callable[[], Output], clock: Clock | None = None) -> None:
        """``open_output`` is called at the first sound."""
        self._open = open_output
        self._clock = clock or RealClock()
        self._output: Output | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        """Held by whoever begins or ends a sound: the window stops one while a worker thread begins another."""
        self._halt = threading.Event()
        self._start = 0
        self._loop: tuple[int, int] | None = None

    @property
    def playing(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def played_s(self) -> float:
        """How much of the sound has been heard."""
        return 0.0 if self._output is None else self._output.played() / self._output.sample_rate_hz

    def play(self, audio: Floats, start: int = 0, loop: tuple[int, int] | None = None) -> None:
        """Play samples ``[N]`` or ``[N, 2]`` at the output's rate from ``start`` on. Raises DeviceError.

        ``loop`` (first and last sample + 1) is played round and round once it is reached.
        """
        with self._lock:
            self.stop()
            self._ready().start()
            self._halt = threading.Event()
            self._start, self._loop = start, loop
            arguments = (self._ready(), audio, start, loop, self._halt)
            self._thread = threading.Thread(
                target=self._run, args=arguments, name="drawbar-player", daemon=True
            )
            self._thread.start()

    def _ready(self) -> Output:
        """The output; another one when its device has gone."""
        if self._output is not None and self._output.failed:
            self._output.close()
            self._output = None
        if self._output is None:
            self._output = self._open()
        return self._output

    def _run(
        self,
        output: Output,
        audio: Floats,
        start: int,
        loop: tuple[int, int] | None,
        halt: threading.Event,
    ) -> None:
        monitor = Monitor(output.sample_rate_hz)
        fill = round(FILL_S * output.sample_rate_hz)
        done = start
        while done < len(audio) and not output.failed:
            end = loop[1] if loop is not None and done < loop[1] else len(audio)
            count = min(fill - output.queued(), output.available(), end - done)
            if count > 0:
                output.write(monitor.process(audio[done : done + count]))
                done += count
                if loop is not None and done == loop[1]:
                    done = loop[0]
            if self._clock.wait(halt, 0.02):
                return
        output.write(monitor.flush())
        output.finish()
        while output.queued() and not output.failed:
            if self._clock.wait(halt, 0.02):
                return
        self._clock.wait(halt, output.latency_s)

    @property
    def position_s(self) -> float:
        """Where in the sound the ear is, loops folded back."""
        if self._output is None:
            return 0.0
        at = self._start + self._output.played()
        if self._loop is not None and at >= self._loop[1] > self._start:
            first, last = self._loop
            at = first + (at - first) % max(1, last - first)
        return at / self._output.sample_rate_hz

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until the sound is over -> whether that came in time. For scripts and tests."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return not self.playing

    def stop(self) -> None:
        """Silence now; without a sound it does nothing."""
        with self._lock:
            self._halt.set()
            if self._thread is not None:
                self._thread.join()
                self._thread = None
            if self._output is not None:
                self._output.stop()

    def close(self) -> None:
        with self._lock:
            self.stop()
            if self._output is not None:
                self._output.close()
                self._output = None
