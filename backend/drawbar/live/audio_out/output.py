"""Samples at the model's rate -> what plays them: protocol, silent player, choice of player.

`open_output` returns the best player there is and says why when it is not a sound card. Importing this module
needs no PortAudio. Knows nothing of models.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

import numpy as np

from drawbar.errors import DeviceError, MissingDependencyError
from drawbar.live.audio_out.channels import like
from drawbar.live.audio_out.ring import Floats, Ring
from drawbar.live.clock import Clock, RealClock

KINDS = ("rtmixer", "sounddevice", "null")


class Output(Protocol):
    """A player of float32 samples, mono ``[n]`` or stereo ``[n, 2]`` (the same throughout a take).

    `queued`, `played` and the properties may be asked from any thread.
    """

    sample_rate_hz: int
    """The rate of the samples written (the model's; the device's own may differ)."""
    min_fill_s: float
    """How much the player wants to hold so that it does not run dry between two writes."""

    @property
    def name(self) -> str:
        """What the user knows it by."""
        ...

    @property
    def reason(self) -> str:
        """Why this player and no better one; empty for the best."""
        ...

    @property
    def latency_s(self) -> float:
        """From a sample leaving the queue to the ear."""
        ...

    @property
    def underruns(self) -> int:
        """How often the queue or the device ran dry since `start`, before `finish`."""
        ...

    @property
    def failed(self) -> str:
        """What happened to a device that is gone; empty while it works."""
        ...

    @property
    def held_s(self) -> float:
        """What a resampler holds of `queued` and cannot play yet: it comes on top of what is kept filled."""
        ...

    def start(self) -> None:
        """A new take begins; playing starts with the first samples. Raises DeviceError."""
        ...

    def available(self) -> int:
        """Samples that `write` would take now."""
        ...

    def write(self, samples: Floats) -> int:
        """Queue samples -> how many were taken; never waits."""
        ...

    def queued(self) -> int:
        """Samples written that have not left the queue."""
        ...

    def played(self) -> int:
        """Samples written that have left the queue since `start`."""
        ...

    def finish(self) -> None:
        """Nothing more will be written: running dry is no under-run any more."""
        ...

    def stop(self) -> None:
        """Silence now; what is queued is dropped, what is over is heard to its end. `start` may follow."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


class NullOutput:
    """Plays into nothing at the right speed, and counts what a sound card would have missed.

    With ``record`` it keeps what it played, on its own time axis: index i was heard at `started_at_s` + i /
    rate.
    """

    min_fill_s = 0.06
    latency_s = held_s = 0.0
    failed = ""

    def __init__(
        self,
        sample_rate_hz: int = 32_000,
        *,
        clock: Clock | None = None,
        record: bool = False,
        reason: str = "",
        capacity_s: float = 0.5,
    ) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.name = "no sound (timed)"
        self.reason = reason
        self.started_at_s: float | None = None
        self.missed_samples = 0
        self._clock = clock or RealClock()
        self._ring = Ring(max(1, round(capacity_s * sample_rate_hz)))
        self._record = record
        self._lock = threading.RLock()
        self._heard: list[Floats] = []
        self._reset()

    def _reset(self) -> None:
        self._ring.clear()
        self._heard.clear()
        self._gaps: list[tuple[int, int]] = []
        self.started_at_s = None
        self.missed_samples = self._underruns = self._played = self._time = 0
        self._dry = self._finished = False

    def start(self) -> None:
        """A new take begins; the clock starts with the first samples."""
        with self._lock:
            self._reset()

    def available(self) -> int:
        self._advance()
        return self._ring.writable

    def write(self, samples: Floats) -> int:
        with self._lock:
            if self.started_at_s is None and len(samples):
                self.started_at_s = self._clock.now()
            self._advance()
            self._dry = False
            if samples.shape[1:] != self._ring.layout and not self._ring.readable:
                self._ring = Ring(self._ring.capacity, samples.shape[1] if samples.ndim > 1 else None)
            return self._ring.write(samples)

    def queued(self) -> int:
        self._advance()
        return self._ring.readable

    def played(self) -> int:
        """Samples played since `start`, without the silence of under-runs."""
        self._advance()
        return self._played

    @property
    def underruns(self) -> int:
        """How often it ran dry since `start`, before `finish`."""
        return self._underruns

    def finish(self) -> None:
        with self._lock:
            self._advance()
            self._finished = True

    def stop(self) -> None:
        """Silence now; what was recorded stays until the next `start`."""
        with self._lock:
            self._advance()
            self._ring.clear()
            self._finished = True

    def close(self) -> None: ...

    def recorded(self) -> Floats:
        """What was heard since `start`, under-runs as silence, ``[n]`` or ``[n, 2]`` (needs ``record=True``)."""
        heard = [block for block in self._heard if len(block)]
        return np.concatenate(heard) if heard else np.zeros(0, np.float32)

    def heard_at_s(self, sample: int) -> float:
        """When the clock said that sample ``sample`` of those written was heard, under-runs before it included."""
        missed = sum(missing for played, missing in self._gaps if played <= sample)
        return (self.started_at_s or 0.0) + (sample + missed) / self.sample_rate_hz

    def _advance(self) -> None:
        """Play what the clock says has been played by now."""
        with self._lock:
            if self.started_at_s is not None:
                self._play_until(self._clock.now(), self.started_at_s)

    def _play_until(self, now_s: float, begun_s: float) -> None:
        due = round((now_s - begun_s) * self.sample_rate_hz) - self._time
        if due <= 0:
            return
        block = self._ring.read(due)
        missing = due - len(block)
        if missing and not self._finished:
            self._underruns += not self._dry
            self._dry = True
            self.missed_samples += missing
            self._gaps.append((self._played + len(block), missing))
        self._played += len(block)
        self._time += due
        if self._record:
            self._heard.append(block)
            if missing and not self._finished:
                self._heard.append(like(block, missing))


def open_output(
    device: str | int | None = None,
    sample_rate_hz: int = 32_000,
    *,
    kind: str | None = None,
    device_rate_hz: int | None = None,
) -> Output:
    """The best player for samples at ``sample_rate_hz``; ``device`` is (part of) its name, None = the
    system's.

    ``kind`` insists on "rtmixer", "sounddevice" or "null" and raises DeviceError or MissingDependencyError if
    that cannot be had; without it the next best is taken and its ``reason`` says why.
    """
    if kind is not None and kind not in KINDS:
        raise DeviceError(f"output {kind!r} is not known: use one of {', '.join(KINDS)}")
    if kind == "null":
        return NullOutput(sample_rate_hz, reason="asked for")
    reasons: list[str] = []
    for name, opener in _openers().items():
        if kind not in (None, name):
            continue
        try:
            return opener(device, sample_rate_hz, device_rate_hz, "; ".join(reasons))
        except (DeviceError, MissingDependencyError) as error:
            if kind is not None:
                raise
            if str(error) not in reasons:
                reasons.append(str(error))
    return NullOutput(sample_rate_hz, reason="; ".join(reasons))


def list_devices() -> list[str]:
    """Names of the devices that can play, the system's default first; empty without PortAudio."""
    from drawbar.live.audio_out import portaudio

    try:
        return portaudio.device_names()
    except (DeviceError, MissingDependencyError):
        return []


def _openers() -> dict[str, Callable[[str | int | None, int, int | None, str], Output]]:
    from drawbar.live.audio_out.rtmixer import RtmixerOutput
    from drawbar.live.audio_out.sounddevice import SoundDeviceOutput

    return {"rtmixer": RtmixerOutput, "sounddevice": SoundDeviceOutput}
