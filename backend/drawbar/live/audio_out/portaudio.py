"""A sound card of PortAudio's: which ones there are, and what every player of it does.

`rtmixer` plays from a C callback that needs no Python; `sounddevice` is the fallback, a thread that writes and
waits. PortAudio is imported when a player is opened, never before.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import soxr

from drawbar.errors import DeviceError, MissingDependencyError
from drawbar.live.audio_out.channels import spread
from drawbar.live.audio_out.ring import Floats

CAPACITY_S = 0.5
WARM_S = 0.25
"""Silence that a device gets first: a sound server that has just begun swallows up to 20 ms while its buffer fills."""
SERVER_S = 0.1
"""What a sound server may hold back beyond the latency that it tells, and throws away when its stream is closed."""
LONGEST_S = 1.0
"""Longer than this nobody waits, whatever latency a device tells."""
RESERVE = 4096
"""Frames of the device's ring that `available` keeps free: the resampler hands its output out in lumps."""


_IMPORTING = threading.Lock()


def _sounddevice() -> Any:
    """The module, or MissingDependencyError that says what to install."""
    try:
        # Where the library is missing, an import fails; a thread that waited for another's import to end is then
        # given the module as far as that came.
        with _IMPORTING:
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


class PortAudioDevice:
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
        self.min_fill_s = 0.05
        self._latency = 0.0
        self._begin()

    def _begin(self) -> None:
        self._written = self._underruns = 0
        self._finished = self._playing = False
        self._empty_since: float | None = None
        self._resampler: soxr.ResampleStream | None = None
        self._silence = np.zeros(0, np.float32)
        """No samples, in the layout of the first ones written since `start`."""

    @property
    def latency_s(self) -> float:
        return self._latency

    @property
    def held_s(self) -> float:
        resampler = self._resampler
        return 0.0 if self._finished or resampler is None else float(resampler.delay()) / self._device_rate

    def _resampled(self, samples: Floats, last: bool = False) -> Floats:
        """Samples at the model's rate -> as many channels as the device has, at its rate."""
        if not self._written and len(samples):
            self._silence = samples[:0]
            if self.sample_rate_hz != self._device_rate:
                self._resampler = soxr.ResampleStream(
                    self.sample_rate_hz, self._device_rate, samples.ndim, dtype="float32"
                )
        if self._resampler is not None:
            samples = np.asarray(self._resampler.resample_chunk(samples, last=last), np.float32)
        return spread(samples, self._channels)

    def _in_samples(self, frames: int) -> int:
        """Device frames -> samples at the model's rate, rounded down."""
        return max(0, frames) * self.sample_rate_hz // self._device_rate

    def _waiting(self, frames: int) -> int:
        """Samples that ``frames`` in the ring and what the resampler holds are; notes when the last has left."""
        held = self.held_s * self._device_rate
        waiting = int(min(self._written, round((frames + held) * self.sample_rate_hz / self._device_rate)))
        if self._finished and not waiting and self._empty_since is None:
            self._empty_since = time.monotonic()
        return waiting

    def _heard_out(self) -> bool:
        """Whether all was written and has left the ring: the device may play what it still holds.

        Returns after it has had the time for it: a drain comes back before the server has played its own buffer.
        """
        if not self._finished or self.failed or self.queued():
            return False
        if self._written and self._empty_since is not None:
            held_s = min(self._latency, LONGEST_S) + SERVER_S
            time.sleep(max(0.0, self._empty_since + held_s - time.monotonic()))
        return True

    def queued(self) -> int:
        raise NotImplementedError

    def played(self) -> int:
        return self._written - self.queued()

    @property
    def underruns(self) -> int:
        """How often it ran dry, or the device did, since `start`, before `finish`."""
        return self._underruns
