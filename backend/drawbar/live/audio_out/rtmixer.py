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
        self._rtmixer = rtmixer
        self._lock = threading.RLock()
        self._stream: Any = self._opened()
        """A stream of its own for every take, closed at the end of it: what the callback has linked together is gone
        with the stream, and a device that came back is found again."""
        self._fresh = True
        self._ring: Any = None
        self._action: Any = None
        self._lateness: Any = None
        """A question to the callback how often it was late; the answer to the first one is about the time before."""
        self._warm_at, self._asked_before = 0.0, False
        self._empty()

    def _opened(self) -> Any:
        try:
            stream = self._rtmixer.Mixer(
                device=self._device, channels=self._channels, samplerate=self._device_rate, latency=0.02
            )
        except self._sd.PortAudioError as error:
            raise DeviceError(f"{self.name} cannot be opened at {self._device_rate} Hz: {error}") from error
        self._latency = float(stream.latency)
        return stream

    def _empty(self) -> None:
        size = 1 << int(np.ceil(np.log2(CAPACITY_S * self._device_rate + RESERVE)))
        self._ring = self._rtmixer.RingBuffer(4 * self._channels, size)
        self._action = self._lateness = None
        self._asked_before = False

    def start(self) -> None:
        """A new take begins. Raises DeviceError if the device does not start."""
        self.stop()
        with self._lock:
            self._begin()
            self._empty()
            self.failed = ""
            self._start()
            self._fresh = False
            self._warm_at = self._stream.time + WARM_S

    def _start(self) -> None:
        """A stream that does not start is left alone, and another is tried once.

        PortAudio gives its thread a second to begin, which a busy machine may not keep. It then cancels and joins
        that thread, still calls the stream running, and cancels and joins the same thread again when the stream is
        aborted or closed: by then its number may be a new thread's. One of ours died so, with the interpreter's lock.
        """
        for last in (False, True):
            stream, self._stream = self._stream or self._opened(), None
            try:
                stream.start()
            except self._sd.PortAudioError as error:
                if last:
                    raise DeviceError(f"{self.name} does not start: {error}") from error
            else:
                self._stream = stream
                return

    def available(self) -> int:
        return self._in_samples(self._ring.write_available - RESERVE)

    def write(self, samples: Floats) -> int:
        with self._lock:
            taken = samples[: self.available()]
            self._put(self._resampled(taken))
            self._written += len(taken)
            return len(taken)

    def _put(self, frames: Floats) -> None:
        if len(frames):
            self._ring.write(frames)
        self._watch()
        if self._action is None and self._ring.read_available and self._stream is not None:
            self._action = self._stream.play_ringbuffer(self._ring, start=self._warm_at)

    def _watch(self) -> None:
        """The callback ends its action when the ring is empty: so an under-run shows; the device counts its own."""
        with self._lock:
            stream = self._stream
            if stream is None or self._fresh:
                return
            running = stream.actions
            if self._lateness is not None and self._lateness not in running:
                if self._asked_before and not self._finished:
                    self._underruns += int(self._lateness.stats.output_underflows)
                self._lateness, self._asked_before = None, True
            if self._action is not None and self._action not in running:
                self._action = None
                self._underruns += not self._finished
            if not stream.active:
                self.failed = f"{self.name} stopped: was it unplugged?"
            elif self._lateness is None and self._action is not None:
                self._lateness = stream.fetch_and_reset_stats()

    def queued(self) -> int:
        with self._lock:
            self._watch()
            return self._waiting(self._ring.read_available)

    def finish(self) -> None:
        with self._lock:
            if not self._finished:
                self._finished = True
                self._put(self._resampled(self._silence, last=True))

    def stop(self) -> None:
        """Silence now; what is finished and has left the ring is heard to its end."""
        with self._lock:
            if self._fresh or self._stream is None:
                return
            heard_out = self._heard_out()
            stream, self._stream = self._stream, None
            self._finished = True
            try:
                (stream.stop if heard_out else stream.abort)()
            except self._sd.PortAudioError as error:
                self.failed = self.failed or f"{self.name} stopped ({error}): was it unplugged?"
            stream.close(ignore_errors=True)
            self._empty()

    def close(self) -> None:
        self.stop()
        with self._lock:
            if self._stream is not None:
                self._stream.close()
                self._stream = None
