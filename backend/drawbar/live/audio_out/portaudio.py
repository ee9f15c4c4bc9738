"""Samples at the model's rate -> a sound card through PortAudio, at the card's own rate.

`RtmixerOutput` plays from a C callback that needs no Python; `SoundDeviceOutput` is the fallback, a thread
that writes and waits. PortAudio is imported when a player is opened, never before.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import soxr

from drawbar.errors import DeviceError, MissingDependencyError
from drawbar.live.audio_out.ring import Floats, Ring

CAPACITY_S = 0.5
BLOCK_S = 0.01
WARM_S = 0.25
"""Silence that a device gets first: a sound server that has just begun swallows up to 20 ms while its buffer fills."""
RESERVE = 4096
"""Frames of the device's ring that `available` keeps free: the resampler hands its output out in lumps."""


def _sounddevice() -> Any:
    """The module, or MissingDependencyError that says what to install."""
    try:
        import sounddevice
    except OSError as error:
        raise MissingDependencyError(
            f"the PortAudio library is missing ({error}): apt install libportaudio2 (Debian, Ubuntu), "
            "dnf install portaudio (Fedora), brew install portaudio (macOS)"
        ) from error
    except ImportError as error:
        raise MissingDependencyError(
            f"sounddevice is not installed ({error}): pip install sounddevice"
        ) from error
    return sounddevice


def device_names() -> list[str]:
    """Names of the devices that can play, the default first. Raises MissingDependencyError or DeviceError."""
    sd = _sounddevice()
    try:
        found = [d["name"] for d in sd.query_devices() if d["max_output_channels"] > 0]
        first = sd.query_devices(kind="output")["name"] if found else None
    except (sd.PortAudioError, ValueError) as error:
        raise DeviceError(f"sound devices cannot be listed: {error}") from error
    return sorted(dict.fromkeys(found), key=lambda name: name != first)


class _Device:
    """What both players share: which device, its rate, the resampler, and the counts."""

    def __init__(
        self, device: str | int | None, sample_rate_hz: int, device_rate_hz: int | None, reason: str
    ) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.reason = reason
        self.failed = ""
        self._sd = _sounddevice()
        try:
            found = self._sd.query_devices(device, "output")
        except (self._sd.PortAudioError, ValueError) as error:
            wanted = "no sound device" if device is None else f"sound device {device!r} is not there"
            raise DeviceError(
                f"{wanted} ({error}): connect one, or choose another in the audio menu"
            ) from error
        self._device: int = found["index"]
        self._device_rate = int(device_rate_hz or found["default_samplerate"])
        self._channels = min(2, int(found["max_output_channels"]))
        self.name: str = found["name"]
        self.min_fill_s = 0.05 if self._device_rate == sample_rate_hz else 0.07
        self._latency = 0.0
        self._begin()

    def _begin(self) -> None:
        self._written = self._underruns = 0
        self._finished = self._playing = False
        rates = (self.sample_rate_hz, self._device_rate)
        self._resampler = None if rates[0] == rates[1] else soxr.ResampleStream(*rates, 1, dtype="float32")

    @property
    def latency_s(self) -> float:
        """The device's own latency."""
        return self._latency

    def _resampled(self, samples: Floats, last: bool = False) -> Floats:
        if self._resampler is None:
            return samples
        return np.asarray(self._resampler.resample_chunk(samples, last=last), np.float32)

    def _in_samples(self, frames: int) -> int:
        """Device frames -> samples at the model's rate, rounded down."""
        return max(0, frames) * self.sample_rate_hz // self._device_rate

    def _heard_out(self) -> bool:
        """Whether all was written and has left the ring: the device may play what it still holds."""
        return self._finished and not self.failed and not self.queued()

    def queued(self) -> int:
        """Samples written that have not left the ring."""
        raise NotImplementedError

    def played(self) -> int:
        """Samples that have left the ring since `start`."""
        return self._written - self.queued()

    @property
    def underruns(self) -> int:
        """How often it ran dry, or the device did, since `start`, before `finish`."""
        return self._underruns

    def _inside_resampler(self) -> float:
        return 0.0 if self._resampler is None else float(self._resampler.delay())


class RtmixerOutput(_Device):
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


class SoundDeviceOutput(_Device):
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
