"""PulseAudio with a null sink of its own -> what a program plays into it, with the time of every sample.

Skips nothing and knows nothing of Drawbar: `missing` says what is not installed.
"""

import os
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
SINK_RATE = 48_000
SILENT = 3e-5
"""Below this (-90 dB) a sample is silence: a resampler rings a little before and after a sound."""

SETTLED_S = 0.4
"""So much is recorded beyond what was asked for: the recorder hands over 60 ms and more late."""

NOT_IT = -15.0
"""dB: what is left of a stretch that is found, at most."""


def missing() -> str:
    """The first tool that is not here; empty when all are."""
    tools = ("pulseaudio", "pactl", "parec")
    return next((f"{tool} is not installed: apt install pulseaudio pulseaudio-utils"
                 for tool in tools if shutil.which(tool) is None), "")  # fmt: skip


class SoundStage:
    """A daemon, a null sink, and a recorder of its monitor; programs get `environment`."""

    def __init__(self, folder: Path, rate: int = SINK_RATE) -> None:
        self.rate = rate
        socket = folder / "native"
        self.environment = {
            **os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PULSE_SERVER": f"unix:{socket}",
        }  # fmt: skip
        self.environment.pop("PULSE_RUNTIME_PATH", None)
        modules = (
            f"module-null-sink sink_name=drawbar rate={rate} format=float32le",
            f"module-native-protocol-unix auth-anonymous=1 socket={socket}",
        )
        self._daemon = subprocess.Popen(
            ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
            + [f"--load={module}" for module in modules],
            env={k: v for k, v in self.environment.items() if k != "PULSE_SERVER"},
            stderr=subprocess.DEVNULL,
        )
        self._recorder: subprocess.Popen[bytes] | None = None
        self._reader = threading.Thread()
        self._blocks: list[bytes] = []
        self._clock: list[tuple[float, int]] = []

    def __enter__(self) -> Self:
        while subprocess.run(["pactl", "info"], env=self.environment, capture_output=True).returncode:
            if self._daemon.poll() is not None:
                raise OSError(f"pulseaudio does not start here (exit code {self._daemon.returncode})")
            threading.Event().wait(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._daemon.terminate()
        self._daemon.wait()

    def record(self) -> None:
        """From now on."""
        command = ["parec", "-d", "drawbar.monitor", "--format=float32le", f"--rate={self.rate}",
                   "--channels=1", "--latency-msec=60"]  # fmt: skip
        self._recorder = subprocess.Popen(
            command, stdout=subprocess.PIPE, env=self.environment, stderr=subprocess.DEVNULL
        )
        self._reader = threading.Thread(target=self._read, args=(self._recorder,), daemon=True)
        self._reader.start()

    def _read(self, recorder: "subprocess.Popen[bytes]") -> None:
        assert recorder.stdout is not None
        read = 0
        with recorder.stdout as stream:
            while block := stream.read(4 * 480):
                self._blocks.append(block)
                read += len(block) // 4
                self._clock.append((time.monotonic(), read))

    def stop(self) -> None:
        """No more; what the recorder still holds of what was played until now is waited for."""
        if self._recorder is not None:
            self._wait_for(SETTLED_S)
            self._recorder.terminate()
            self._recorder.wait()
            self._reader.join()
            self._recorder = None

    def _wait_for(self, seconds: float) -> None:
        """Until so much more has been recorded, or ten times as long has passed."""
        wanted = (self._clock[-1][1] if self._clock else 0) + round(seconds * self.rate)
        deadline = time.monotonic() + 10 * seconds
        while time.monotonic() < deadline and not (self._clock and self._clock[-1][1] >= wanted):
            threading.Event().wait(0.02)

    @property
    def heard(self) -> Floats:
        """Everything so far `[N]`, at `rate`."""
        data = b"".join(self._blocks)
        return np.frombuffer(data[: len(data) // 4 * 4], np.float32)

    def at(self, moment: float) -> int:
        """The sample that was recorded at a time of the monotonic clock."""
        times = np.array([t for t, _ in self._clock])
        return int(np.interp(moment, times, [n for _, n in self._clock]))

    def first_sound(self, since: int = 0, level: float = 1e-3) -> float | None:
        """When (monotonic clock) the first sample above `level` came; None for silence."""
        loud = np.flatnonzero(np.abs(self.heard[since:]) > level)
        if not len(loud):
            return None
        place = since + int(loud[0])
        return next((t for t, n in self._clock if n >= place), self._clock[-1][0])


@dataclass(frozen=True)
class Match:
    """A sound found again in a recording."""

    lag: int
    """Samples from the recording's beginning."""
    gain: float
    residual_db: float
    """What is left after taking the sound away, relative to it."""
    gap_ms: float
    """The longest stretch of silence in the recording where the sound is not silent."""


def find(heard: Floats, sound: Floats, rate: int) -> Match:
    """Where `sound` is in `heard`, to a fraction of a sample, and how exactly it is the same."""
    size = 1 << int(np.ceil(np.log2(len(heard) + len(sound))))
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sound, size))
    cross = np.fft.irfft(spectrum, size)
    lag = int(np.argmax(cross[: len(heard)]))
    left, mid, right = cross[lag - 1], cross[lag], cross[(lag + 1) % size]
    part = heard[lag : lag + len(sound)]
    best: tuple[float, float] = (np.inf, 0.0)
    nearest = 0.0
    bend = left - 2 * mid + right
    middle = 0.5 * (left - right) / bend if bend else 0.0
    for reach, steps in ((0.2, 21), (0.02, 21), (0.002, 21)):  # the finer, the nearer
        for shift in middle + np.linspace(-reach, reach, steps):
            moved = _shifted(sound[: len(part)], shift)
            gain = float(part @ moved) / max(1e-12, float(moved @ moved))
            error = float(np.linalg.norm(part - gain * moved)) / max(
                1e-12, abs(gain) * float(np.linalg.norm(moved))
            )
            if error < best[0]:
                best, nearest = (error, gain), shift
        middle = nearest
    return Match(
        lag, best[1], 20 * np.log10(max(best[0], 1e-9)), _longest_gap(part, sound[: len(part)], rate)
    )


@dataclass(frozen=True)
class Stretch:
    """What was heard without a break, found again in the sound that was played."""

    start: int
    """Its first sample in the sound."""
    length: int
    residual_db: float
    gain: float


def stretches(heard: Floats, sound: Floats, rate: int, within_s: float | None = None) -> list[Stretch]:
    """A recording -> its stretches, each with its place in `sound`: they end where it is silent for 1 ms or jumps.

    Stretches below 20 ms say too little to be found and are left out. ``within_s``: each is looked for so near to
    where the one before would have gone on, for music that repeats itself.
    """
    loud = np.flatnonzero(np.abs(heard) > SILENT)
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) > rate // 1000)
    firsts, lasts = [loud[0], *loud[breaks + 1]], [*loud[breaks], loud[-1]]
    edge = np.zeros(rate // 50, np.float32)  # a resampler's ringing reaches beyond the sound
    around = np.concatenate([edge, sound, edge])
    found: list[Stretch] = []
    goes_on: int | None = None  # the place in `around` that would stand at the recording's beginning
    for first, last in zip(firsts, lasts, strict=True):
        at = int(first)
        while last + 1 - at >= rate // 50:
            part, begins = heard[at : last + 1], 0
            near = around
            if goes_on is not None and within_s is not None:
                begins = max(0, goes_on + at - round(within_s * rate))
                near = around[begins : goes_on + at + round(within_s * rate) + len(part)]
            if len(near) < rate // 25:
                break
            one = _placed(part, near, rate)
            if within_s is not None and one.residual_db > NOT_IT:
                at += rate // 100  # the edge of a drop-out; what stays unfound is missing from the lengths
                continue
            found.append(replace(one, start=one.start + begins - len(edge)))
            if one.length >= rate // 10:
                goes_on = one.start + begins - at
            at += one.length + rate // 100
    return found


def _placed(part: Floats, around: Floats, rate: int) -> Stretch:
    """Where a stretch begins in the sound, and how far it goes on from there."""
    block, margin = rate // 100, 64
    head = part[: 4 * block]
    size = 1 << int(np.ceil(np.log2(len(around) + len(head))))
    cross = np.fft.irfft(np.fft.rfft(around, size) * np.conj(np.fft.rfft(head, size)), size)
    lag = int(np.argmax(cross[: max(1, len(around) - len(head) + 1)]))
    wide = np.pad(around, margin)[lag : lag + len(part) + 2 * margin]
    part = part[: len(wide) - 2 * margin]

    def model(shift: float, length: int) -> Floats:
        return _shifted(wide[: length + 2 * margin], shift)[margin : margin + length]

    shift = 0.0
    for reach in (0.5, 0.05, 0.005):
        shift = min(
            shift + np.linspace(-reach, reach, 21),
            key=lambda by: float(np.linalg.norm(model(by, len(head)) - head)),
        )
    expected = model(shift, len(part))
    blocks = range(0, len(part) - block + 1, block)
    floor = 0.1 * float(np.sqrt(np.mean(expected**2)))
    errors = [np.sqrt(np.mean((part[at : at + block] - expected[at : at + block]) ** 2)) for at in blocks]
    levels = [max(floor, np.sqrt(np.mean(expected[at : at + block] ** 2))) for at in blocks]
    torn = next(
        (n for n, (error, level) in enumerate(zip(errors, levels, strict=True)) if error > 0.03 * level), None
    )
    length = len(part) if not torn else torn * block
    a, b = part[:length], expected[:length]
    gain = float(a @ b) / max(1e-12, float(b @ b))
    error = float(np.linalg.norm(a - gain * b)) / max(1e-12, float(np.linalg.norm(b)))
    return Stretch(lag, length, 20 * np.log10(max(error, 1e-9)), gain)


def _shifted(sound: Floats, by: float) -> Floats:
    frequencies = np.fft.rfftfreq(len(sound))
    turned = np.fft.rfft(sound) * np.exp(-2j * np.pi * frequencies * by)
    return np.asarray(np.fft.irfft(turned, len(sound)), np.float32)


def _longest_gap(part: Floats, sound: Floats, rate: int) -> float:
    silent = (np.abs(part) < 1e-6) & (np.abs(sound) > 1e-4)
    # A gap is silent without a break, whatever the sound does at its zero crossings.
    quiet = np.abs(part) < 1e-6
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.view(np.int8), [0]])))
    runs = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if silent[a:b].any()]
    return 1000 * max((b - a for a, b in runs), default=0) / rate
