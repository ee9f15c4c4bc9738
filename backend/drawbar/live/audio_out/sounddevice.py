"""Samples -> a sound card through sounddevice: a thread writes a block and waits for the device."""

from __future__ import annotations

import threading
import time

import numpy as np

from drawbar.errors import DeviceError
from drawbar.live.audio_out.portaudio import CAPACITY_S, RESERVE, WARM_S, PortAudioDevice
from drawbar.live.audio_out.ring import Floats, Ring

BLOCK_S = 0.01


class SoundDeviceOutput(PortAudioDevice):
    """Plays from a thread that writes 10 ms at a time and waits for the device.

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
        self._ring = Ring(round(CAPACITY_S * self._device_rate) + RESERVE)
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self._stream = self._sd.OutputStream(
                device=self._device,
                channels=self._channels,
                samplerate=self._device_rate,
                dtype="float32",
                latency=0.05,
            )
        except self._sd.PortAudioError as error:
            raise DeviceError(f"{self.name} cannot be opened at {self._device_rate} Hz: {error}") from error
        self._latency = float(self._stream.latency)

    def start(self) -> None:
        """A new take begins. Raises DeviceError if the device does not start."""
        self.stop()
        self._begin()
        try:
            self._stream.start()
        except self._sd.PortAudioError as error:
            raise DeviceError(f"{self.name} does not start: {error}") from error
        self._halt.clear()
        self._thread = threading.Thread(target=self._play, name="drawbar-audio", daemon=True)
        self._thread.start()

    def _play(self) -> None:
        count, silence = round(BLOCK_S * self._device_rate), round(WARM_S / BLOCK_S)
        room = max(self._stream.write_available, round(self._latency * self._device_rate))
        dry_at = float("inf")
        while not self._halt.is_set():
            block = self._ring.read(count if silence <= 0 else 0)
            silence -= 1
            ran_dry = self._playing and len(block) < count and not self._finished
            self._playing = len(block) == count
            full = np.concatenate([block, np.zeros(count - len(block), np.float32)])
            late = time.monotonic() > dry_at
            try:
                late |= bool(self._stream.write(np.repeat(full[:, None], self._channels, axis=1)))
            except self._sd.PortAudioError as error:
                if not self._halt.is_set():
                    self.failed = f"{self.name} stopped ({error}): was it unplugged?"
                return
            dry_at = time.monotonic() + (room - self._stream.write_available) / self._device_rate
            self._underruns += ran_dry or (late and len(block) > 0)

    def available(self) -> int:
        """Samples that `write` would take now."""
        return self._in_samples(self._ring.writable - RESERVE)

    def write(self, samples: Floats) -> int:
        """Queue samples -> how many were taken."""
        taken = samples[: self.available()]
        self._ring.write(self._resampled(taken))
        self._written += len(taken)
        return len(taken)

    def queued(self) -> int:
        """Samples written that have not left the ring."""
        waiting = self._ring.readable + (0.0 if self._finished else self._inside_resampler())
        return int(min(self._written, round(waiting * self.sample_rate_hz / self._device_rate)))

    def finish(self) -> None:
        """Nothing more will be written."""
        if not self._finished:
            self._finished = True
            self._ring.write(self._resampled(np.zeros(0, np.float32), last=True))

    def stop(self) -> None:
        """Silence now; what is finished and has left the ring is heard to its end."""
        heard_out = self._heard_out()
        self._finished = True
        self._halt.set()
        if not self._stream.stopped and not heard_out:
            self._stream.abort()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if not self._stream.stopped:
            self._stream.stop()
        self._ring.clear()

    def close(self) -> None:
        """Give the device back."""
        self.stop()
        self._stream.close()
