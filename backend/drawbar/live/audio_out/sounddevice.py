"""Samples -> a sound card through sounddevice: a thread writes a block whenever the device has room for one."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from drawbar.errors import DeviceError
from drawbar.live.audio_out.channels import like
from drawbar.live.audio_out.portaudio import CAPACITY_S, RESERVE, WARM_S, PortAudioDevice
from drawbar.live.audio_out.ring import Floats, Ring

BLOCK_S = 0.01
GIVE_UP_S = 5.0
"""How long a device may take to end a block of 10 ms before it counts as gone."""


class SoundDeviceOutput(PortAudioDevice):
    """Plays from a thread that writes 10 ms at a time, and never waits inside PortAudio, so that it can be stopped.

    A sound server may run dry without telling PortAudio, and then swallows what comes late: so the thread also counts
    by the clock, from how much the device held after the last block.
    """

    def __init__(
        self,
        device: str | int | None = None,
        sample_rate_hz: int = 32_000,
        device_rate_hz: int | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(device, sample_rate_hz, device_rate_hz, reason)
        self._ring = Ring(round(CAPACITY_S * self._device_rate) + RESERVE, self._channels)
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None
        self._heard = False
        self._stream: Any = self._opened()

    def _opened(self) -> Any:
        try:
            stream = self._sd.OutputStream(
                device=self._device,
                channels=self._channels,
                samplerate=self._device_rate,
                dtype="float32",
                latency=0.05,
            )
        except self._sd.PortAudioError as error:
            raise DeviceError(f"{self.name} cannot be opened at {self._device_rate} Hz: {error}") from error
        self._latency = float(stream.latency)
        return stream

    def start(self) -> None:
        """A new take begins. Raises DeviceError if the device does not start."""
        self.stop()
        self._begin()
        if self.failed or self._stream is None:
            if self._stream is not None:
                self._stream.close(ignore_errors=True)
            self._stream, self.failed = None, ""
            self._stream = self._opened()
        try:
            self._stream.start()
        except self._sd.PortAudioError as error:
            raise DeviceError(f"{self.name} does not start: {error}") from error
        self._halt = threading.Event()
        arguments = (self._stream, self._halt)
        self._thread = threading.Thread(target=self._run, args=arguments, name="drawbar-audio", daemon=True)
        self._thread.start()

    def _run(self, stream: Any, halt: threading.Event) -> None:
        """The thread alone touches a stream that plays: PortAudio hangs when one thread writes and another aborts."""
        try:
            self._play(stream, halt)
            (stream.stop if self._heard else stream.abort)()
        except self._sd.PortAudioError as error:
            if not halt.is_set():
                self.failed = f"{self.name} stopped ({error}): was it unplugged?"

    def _play(self, stream: Any, halt: threading.Event) -> None:
        count, silence = round(BLOCK_S * self._device_rate), round(WARM_S / BLOCK_S)
        room = max(stream.write_available, round(self._latency * self._device_rate))
        dry_at = float("inf")
        while not halt.is_set():
            if stream.write_available < count:
                halt.wait(BLOCK_S / 2)
                continue
            block = self._ring.read(count if silence <= 0 else 0)
            silence -= 1
            ran_dry = self._playing and len(block) < count and not self._finished
            self._playing = len(block) == count
            full = np.concatenate([block, like(block, count - len(block))])
            late = time.monotonic() > dry_at
            late |= bool(stream.write(full))
            dry_at = time.monotonic() + (room - stream.write_available) / self._device_rate
            self._underruns += ran_dry or (late and len(block) > 0)

    def available(self) -> int:
        return self._in_samples(self._ring.writable - RESERVE)

    def write(self, samples: Floats) -> int:
        taken = samples[: self.available()]
        self._ring.write(self._resampled(taken))
        self._written += len(taken)
        return len(taken)

    def queued(self) -> int:
        return self._waiting(self._ring.readable)

    def finish(self) -> None:
        if not self._finished:
            self._finished = True
            self._ring.write(self._resampled(self._silence, last=True))

    def stop(self) -> None:
        """Silence now; what is finished and has left the ring is heard to its end."""
        self._heard = self._heard_out()
        self._finished = True
        self._halt.set()
        if self._thread is not None:
            self._thread.join(GIVE_UP_S)
            if self._thread.is_alive():
                self.failed = f"{self.name} does not answer: was it unplugged?"
                self._stream = None  # its thread still holds it; the next take opens another
            self._thread = None
        self._ring.clear()

    def close(self) -> None:
        self.stop()
        if self._stream is not None:
            self._stream.close(ignore_errors=True)
