"""Samples -> a sound card through rtmixer, which plays from PortAudio's C callback."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from drawbar.errors import DeviceError, MissingDependencyError
from drawbar.live.audio_out.portaudio import CAPACITY_S, RESERVE, WARM_S, PortAudioDevice
from drawbar.live.audio_out.ring import Floats


class RtmixerOutput(PortAudioDevice):
    """Plays from PortAudio's C callback, so that no busy Python thread can make it late."""

    def __init__(
        self,
        device: str | int | None = None,
        sample_rate_hz: int = 32_000,
        device_rate_hz: int | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(device, sample_rate_hz, device_rate_hz, reason)
        try:
            import rtmixer
        except (ImportError, OSError) as error:
            raise MissingDependencyError(
                f"rtmixer is not installed ({error}): pip install rtmixer"
            ) from error
        self._action: Any = None
        self._missed, self._warm_at = 0, 0.0
        self._lock = threading.RLock()
        size = 1 << int(np.ceil(np.log2(CAPACITY_S * self._device_rate + RESERVE)))
        self._ring = rtmixer.RingBuffer(4 * self._channels, size)
        try:
            self._stream = rtmixer.Mixer(
                device=self._device, channels=self._channels, samplerate=self._device_rate, latency=0.02
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
        self._warm_at = self._stream.time + WARM_S

    def available(self) -> int:
        """Samples that `write` would take now."""
        return self._in_samples(self._ring.write_available - RESERVE)

    def write(self, samples: Floats) -> int:
        """Queue samples -> how many were taken."""
        taken = samples[: self.available()]
        self._put(self._resampled(taken))
        self._written += len(taken)
        return len(taken)

    def _put(self, frames: Floats) -> None:
        with self._lock:
            if len(frames):
                self._ring.write(np.ascontiguousarray(np.repeat(frames[:, None], self._channels, axis=1)))
            self._watch()
            if self._action is None and self._ring.read_available:
                self._missed = self._late()
                self._action = self._stream.play_ringbuffer(self._ring, start=self._warm_at)

    def _watch(self) -> None:
        """The callback ends its action when the ring is empty: so an under-run shows; the device counts its own."""
        with self._lock:
            if self._action is not None and not self._finished:
                self._underruns += self._late() - self._missed
                self._missed = self._late()
            if self._action is not None and self._action not in self._stream.actions:
                self._action = None
                self._underruns += not self._finished
            if not self._stream.active and not self._stream.stopped:
                self.failed = f"{self.name} stopped: was it unplugged?"

    def _late(self) -> int:
        """How often the callback came too late for the device since it was opened."""
        return int(self._stream._state.stats.output_underflows)

    def queued(self) -> int:
        """Samples written that have not left the ring."""
        self._watch()
        waiting = self._ring.read_available + (0.0 if self._finished else self._inside_resampler())
        return int(min(self._written, round(waiting * self.sample_rate_hz / self._device_rate)))

    def finish(self) -> None:
        """Nothing more will be written."""
        if not self._finished:
            self._finished = True
            self._put(self._resampled(np.zeros(0, np.float32), last=True))

    def stop(self) -> None:
        """Silence now; what is finished and has left the ring is heard to its end."""
        with self._lock:
            if not self._stream.stopped:
                (self._stream.stop if self._heard_out() else self._stream.abort)()
            self._finished = True
            self._action = None
            self._stream._drain_result_q()
            self._stream._actions.clear()
            self._ring.flush()

    def close(self) -> None:
        """Give the device back."""
        self.stop()
        self._stream.close()
