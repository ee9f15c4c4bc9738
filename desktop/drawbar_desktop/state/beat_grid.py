"""Tempo, beats a bar and where the first bar begins -> bar lines, snapping, and "bar 5 to 9" as seconds."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drawbar.live.audio_out.channels import mixed
from drawbar_desktop.state.spectrum import MelImage

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """Bars count from 1; without a tempo there is no grid."""

    tempo_bpm: float = 0.0
    offset_s: float = 0.0
    beats_per_bar: int = 4

    @property
    def bar_s(self) -> float:
        """Length of a bar; 0 without a tempo."""
        return 60.0 / self.tempo_bpm * self.beats_per_bar if self.tempo_bpm > 0 else 0.0

    def start_of(self, bar: float) -> float:
        return self.offset_s + (bar - 1) * self.bar_s

    def bar_at(self, time_s: float) -> float:
        """Which bar is played at a time (1.5 is the middle of the first)."""
        return 1 + (time_s - self.offset_s) / self.bar_s if self.bar_s else 0.0

    def span(self, first: int, last: int) -> tuple[float, float]:
        """Bar `first` to the end of bar `last`, in seconds."""
        return max(0.0, self.start_of(first)), self.start_of(last + 1)

    def snap(self, time_s: float, reach_s: float = 0.12) -> float:
        """The nearest beat, if it is near enough."""
        if not self.bar_s:
            return time_s
        beat = self.bar_s / self.beats_per_bar
        near = self.offset_s + round((time_s - self.offset_s) / beat) * beat
        return near if abs(near - time_s) <= reach_s else time_s

    def lines(self, start_s: float, end_s: float, most: int = 64) -> Iterator[tuple[float, int]]:
        """(time, bar) of the bar lines in view, every second, fourth ... where there would be too many."""
        if not self.bar_s or end_s <= start_s:
            return
        every = 1
        while (end_s - start_s) / (self.bar_s * every) > most:
            every *= 2
        bar = max(1, int(np.ceil(self.bar_at(start_s) - 1e-6)))
        while (bar - 1) % every:
            bar += 1
        while self.start_of(bar) <= end_s:
            yield self.start_of(bar), bar
            bar += every


def track_tempo(audio: Floats, sample_rate_hz: int) -> tuple[float, float]:
    """Audio `[N]` or `[N, 2]` -> (beats a minute, time of the first beat in s); (0, 0) when nothing beats.

    Autocorrelation of the spectral flux, weighted towards 120 a minute (as in Ellis 2007), then the phase
    that collects most of it. Half and double tempo cannot be told apart from this alone; the user can.
    """
    audio = mixed(audio)
    if len(audio) < 3 * sample_rate_hz or float(np.abs(audio).max()) < 1e-3:
        return 0.0, 0.0
    rate_hz = 100.0
    mel = MelImage(sample_rate_hz, rate_hz)
    mel.push(audio)
    flux = np.maximum(0.0, np.diff(mel.image, axis=1)).mean(0)
    flux -= flux.mean()
    if float(flux.std()) < 0.05:
        return 0.0, 0.0
    padded = np.fft.rfft(flux, 2 * len(flux))
    correlation = np.fft.irfft(np.abs(padded) ** 2)[: len(flux)]
    lags = np.arange(int(rate_hz * 60 / 220), min(len(flux) // 2, int(rate_hz * 60 / 45)))
    prior = np.exp(-0.5 * (np.log2(60 * rate_hz / lags / 120) / 0.9) ** 2)
    score = correlation[lags] * prior
    best = int(score.argmax())
    if correlation[lags[best]] < 0.08 * correlation[0]:
        return 0.0, 0.0
    period = lags[best] + _vertex(score, best)
    starts = np.arange(0.0, period, 0.25)
    strength = [
        np.interp(np.arange(s, len(flux) - 1, period), np.arange(len(flux)), flux).mean() for s in starts
    ]
    first_s = (float(starts[int(np.argmax(strength))]) + 1) / rate_hz
    return round(60 * rate_hz / float(period), 2), round(first_s % (float(period) / rate_hz), 3)


def _vertex(values: NDArray[np.float64], at: int) -> float:
    """Where between its neighbours a maximum really stands (parabola through three points)."""
    if not 0 < at < len(values) - 1:
        return 0.0
    a, b, c = values[at - 1 : at + 2]
    curve = a - 2 * b + c
    return float(0.5 * (a - c) / curve) if curve < 0 else 0.0
