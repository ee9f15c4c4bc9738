"""Samples of a take -> samples for the loudspeaker: gain without zipper noise, then a limiter.

Only what is heard passes here; what is saved never does. The limiter looks 1.5 ms ahead, estimates peaks
between samples from their neighbours (a four-point interpolation, not the 48-point one of ITU-R BS.1770), and
releases at a constant rate in decibels. Knows nothing of devices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drawbar.live.audio_out.channels import like, scaled
from drawbar.live.audio_out.ring import Floats


class Gain:
    """A gain that reaches its target linearly within 10 ms."""

    def __init__(self, sample_rate_hz: int, gain_db: float = 0.0, ramp_s: float = 0.01) -> None:
        self._step = max(1, round(ramp_s * sample_rate_hz))
        self._now = self._target = self._start = 10.0 ** (gain_db / 20)
        self._left = 0

    def set_db(self, gain_db: float) -> None:
        """A new target, from wherever the ramp is."""
        target = 0.0 if gain_db <= -100 else 10.0 ** (gain_db / 20)
        if target != self._target:
            self._target, self._start, self._left = target, self._now, self._step

    def process(self, samples: Floats) -> Floats:
        """Samples ``[n]`` or ``[n, 2]`` -> as many."""
        if not self._left and self._now == 1.0:
            return samples
        if not self._left:
            return np.asarray(samples * self._now, np.float32)
        done = self._step - self._left + np.arange(1, len(samples) + 1)
        share = np.minimum(done / self._step, 1.0)
        gains = self._start + (self._target - self._start) * share
        self._left = max(0, self._left - len(samples))
        self._now = float(gains[-1]) if len(samples) else self._now
        return scaled(samples, gains)


class Limiter:
    """Keeps peaks at or below the ceiling; delays by `delay` samples. Both channels get the gain that either needs."""

    def __init__(self, sample_rate_hz: int, ceiling_db: float = -1.0, release_db_per_s: float = 40.0) -> None:
        self.delay = max(4, round(0.0015 * sample_rate_hz))
        self._ceiling = 10.0 ** (ceiling_db / 20)
        self._release = release_db_per_s / sample_rate_hz
        self._smooth = self.delay - 1
        self.reset()

    def reset(self) -> None:
        """Forget everything that was heard."""
        self._line = np.zeros(self.delay, np.float32)
        self._needs = np.zeros(self.delay)
        self._held = np.zeros(self._smooth - 1)
        self._level = 0.0

    def silence(self) -> Floats:
        """What pushes out all that it holds."""
        return like(self._line, self.delay)

    def process(self, samples: Floats) -> Floats:
        """Samples ``[n]`` or ``[n, 2]`` -> as many, `delay` later; one layout between two resets."""
        count = len(samples)
        if not count:
            return samples
        if self._line.ndim != samples.ndim:
            self._line = like(samples, self.delay)
        line = np.concatenate([self._line, samples])
        needs = np.concatenate([self._needs, self._needed_db(line[self.delay - 3 :])])
        self._line, self._needs = line[count:], needs[count:]
        if self._level == 0.0 and not needs.any() and not self._held.any():
            return np.asarray(line[:count], np.float32)
        return scaled(line[:count], 10.0 ** (self._gains_db(needs) / 20))

    def _needed_db(self, x: Floats) -> NDArray[np.float64]:
        """Samples ``[3 + n]`` or ``[3 + n, 2]`` -> the gain (0 or less) that the last n and the middles before need."""
        middle = np.abs(0.5625 * (x[1:-2] + x[2:-1]) - 0.0625 * (x[:-3] + x[3:]))
        peak = np.maximum(np.abs(x[3:]), middle).astype(np.float64)
        peak = peak if peak.ndim == 1 else peak.max(1)
        return np.asarray(-20 * np.log10(np.maximum(peak / self._ceiling, 1.0)))

    def _gains_db(self, needs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Needs ``[delay + n]`` -> gains ``[n]``: minimum ahead, constant release, moving average.

        The average is shorter than the look-ahead, so that the gain is all there when the peak arrives.
        """
        lowest = np.lib.stride_tricks.sliding_window_view(needs, self.delay + 1).min(axis=1)
        rise = np.arange(1, len(lowest) + 1) * self._release
        held = np.minimum(np.minimum.accumulate(lowest - rise) + rise, self._level + rise)
        held = np.minimum(held, 0.0)
        self._level = float(held[-1])
        line = np.concatenate([self._held, held])
        self._held = line[len(held) :]
        return np.convolve(line, np.full(self._smooth, 1 / self._smooth), mode="valid")


class Monitor:
    """Gain, then limiter."""

    def __init__(self, sample_rate_hz: int, ceiling_db: float = -1.0) -> None:
        self._gain = Gain(sample_rate_hz)
        self._limiter = Limiter(sample_rate_hz, ceiling_db)

    @property
    def delay(self) -> int:
        return self._limiter.delay

    def set_gain_db(self, gain_db: float) -> None:
        """The listener's volume; -100 dB and below is silence."""
        self._gain.set_db(gain_db)

    def reset(self) -> None:
        """A new take begins: the limiter forgets the last one."""
        self._limiter.reset()

    def process(self, samples: Floats) -> Floats:
        """Samples ``[n]`` or ``[n, 2]`` -> as many, to play."""
        return self._limiter.process(self._gain.process(samples))

    def flush(self) -> Floats:
        """The samples that the limiter still holds."""
        return self.process(self._limiter.silence())
