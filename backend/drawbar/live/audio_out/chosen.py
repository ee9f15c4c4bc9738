"""The device that takes are played on -> its player, opened when it is first needed, silence when it is lost."""

from __future__ import annotations

import logging
import threading

from drawbar.live.audio_out import buffer
from drawbar.live.audio_out.output import NullOutput, Output, open_output
from drawbar.live.clock import Clock

log = logging.getLogger(__name__)


class ChosenOutput:
    """One device and its player; the choice may change between takes."""

    def __init__(self, clock: Clock, output: Output | None = None, device_rate_hz: int | None = None) -> None:
        """Without ``output`` the best one is opened; ``device_rate_hz`` then insists on a device rate."""
        self.output = output
        self.lost = ""
        """Why what was chosen is gone; takes go on in silence until another is chosen. Empty while all is well."""
        self.buffer_ms: int | None = None
        """What the player is to hold; None: what was measured on this device, else what it asks for itself."""
        self._clock = clock
        self._device: str | int | None = None
        self._device_rate_hz = device_rate_hz

    def open(self, sample_rate_hz: int, kind: str | None = None) -> Output:
        """The player, opened if it is not. Raises what `open_output` raises."""
        if self.output is None:
            self.output = self._opened(sample_rate_hz, kind)
        buffer_ms = self.buffer_ms or buffer.remembered(self.output.name)
        if buffer_ms is not None and not isinstance(self.output, NullOutput):
            self.output.min_fill_s = buffer_ms / 1000
        return self.output

    def measure(self, sample_rate_hz: int, interrupt: threading.Event) -> None:
        """Finds the smallest buffer once per device, with silence; ``interrupt`` leaves it for another time."""
        output = self.open(sample_rate_hz)
        known = self.buffer_ms or buffer.remembered(output.name)
        if known is not None or isinstance(output, NullOutput):
            return
        found = buffer.measure(output, self._clock, interrupt)
        if found is not None:
            buffer.remember(output.name, found)
            self.open(sample_rate_hz)

    def choose(self, device: str | int | None) -> None:
        """Another device; the old one is given back."""
        self.close()
        self.lost = ""
        self._device = device

    def second(self, sample_rate_hz: int) -> Output:
        """Another player on the same device; silent where that one is."""
        if isinstance(self.output, NullOutput):
            return NullOutput(sample_rate_hz, clock=self._clock, reason=self.output.reason)
        return self._opened(sample_rate_hz)

    def lose(self, message: str) -> Output:
        """The device is gone -> a silent player, started, that keeps the time."""
        log.warning("output lost: %s", message)
        rate_hz = self.output.sample_rate_hz if self.output is not None else 32_000
        self.close()
        self.lost = message
        self.output = NullOutput(rate_hz, clock=self._clock, reason=message)
        self.output.start()
        return self.output

    def close(self) -> None:
        if self.output is not None:
            self.output.close()
        self.output = None

    def _opened(self, sample_rate_hz: int, kind: str | None = None) -> Output:
        return open_output(self._device, sample_rate_hz, kind=kind, device_rate_hz=self._device_rate_hz)
