"""Audio as it comes -> a mel spectrogram image [bands, columns] that grows, and which note each band is."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
FLOOR_DB = -80.0
BANDS = 96
LOW_HZ = 40.0
NOTES = ("C", "C\u266f", "D", "E\u266d", "E", "F", "F\u266f", "G", "A\u266d", "A", "B\u266d", "B")


def note_name(frequency_hz: float) -> str:
    """The nearest note of equal temperament (A4 = 440 Hz)."""
    number = round(69 + 12 * np.log2(frequency_hz / 440.0))
    return f"{NOTES[number % 12]}{number // 12 - 1}"


class MelImage:
    """Log mel power, one column a codec frame; `push` appends, old columns never change."""

    def __init__(self, sample_rate_hz: int = 32_000, columns_per_s: float = 50.0) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.hop = round(sample_rate_hz / columns_per_s)
        self.window = 2048
        high = min(12_000.0, sample_rate_hz / 2)
        mel = np.linspace(_mel(LOW_HZ), _mel(high), BANDS + 2)
        self.edges_hz = 700.0 * (10 ** (mel / 2595.0) - 1.0)
        self.centres_hz = self.edges_hz[1:-1]
        bins = np.fft.rfftfreq(self.window, 1 / sample_rate_hz)
        left, mid, right = self.edges_hz[:-2, None], self.centres_hz[:, None], self.edges_hz[2:, None]
        rise, fall = (bins - left) / (mid - left), (right - bins) / (right - mid)
        bank = np.maximum(0.0, np.minimum(rise, fall))
        nearest = np.abs(bins[None] - self.centres_hz[:, None]).argmin(1)
        bank[np.arange(BANDS), nearest] = np.maximum(bank[np.arange(BANDS), nearest], 0.5)
        self._bank = (bank / np.maximum(bank.sum(1, keepdims=True), 1e-9)).astype(np.float32)
        self._hann = np.hanning(self.window).astype(np.float32)
        self._norm = float((self._hann.sum() / 2) ** 2)
        self.reset()

    def reset(self) -> None:
        self._tail = np.zeros(self.window - self.hop, np.float32)
        self._rest = np.zeros(0, np.float32)
        self._image = np.full((BANDS, 512), FLOOR_DB, np.float32)
        self.columns = 0

    @property
    def image(self) -> Floats:
        """Decibels `[bands, columns]`, low bands first; a view."""
        return self._image[:, : self.columns]

    def push(self, audio: Floats) -> int:
        """Append samples -> how many columns were added."""
        self._rest = np.concatenate([self._rest, np.asarray(audio, np.float32)])
        count = len(self._rest) // self.hop
        if not count:
            return 0
        block, self._rest = self._rest[: count * self.hop], self._rest[count * self.hop :]
        line = np.concatenate([self._tail, block])
        self._tail = line[len(line) - (self.window - self.hop) :]
        done = 0
        while done < count:  # in pieces, so that a whole take does not need a gigabyte
            part = min(256, count - done)
            piece = line[done * self.hop : (done + part - 1) * self.hop + self.window]
            frames = np.lib.stride_tricks.sliding_window_view(piece, self.window)[:: self.hop]
            power = np.abs(np.fft.rfft(frames * self._hann)) ** 2 / self._norm
            decibels = 10 * np.log10(self._bank @ power.T.astype(np.float32) + 1e-12)
            self._put(np.maximum(decibels, FLOOR_DB))
            done += part
        return count

    def _put(self, block: Floats) -> None:
        end = self.columns + block.shape[1]
        if end > self._image.shape[1]:
            grown = np.full((BANDS, max(end, 2 * self._image.shape[1])), FLOOR_DB, np.float32)
            grown[:, : self.columns] = self._image[:, : self.columns]
            self._image = grown
        self._image[:, self.columns : end] = block
        self.columns = end

    def band_of(self, frequency_hz: float) -> float:
        """Where a frequency stands among the bands (fractional)."""
        return float(np.interp(frequency_hz, self.centres_hz, np.arange(BANDS) + 0.5))


def note_ticks(image: MelImage) -> list[tuple[float, str]]:
    """The Cs (and As where there is room) with their place on the band axis."""
    ticks = []
    for octave in range(2, 10):
        hz = 440.0 * 2.0 ** (octave - 4 - 9 / 12)
        if image.centres_hz[0] <= hz <= image.centres_hz[-1]:
            ticks.append((image.band_of(hz), f"C{octave}"))
    return ticks


def _mel(hz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hz / 700.0))
