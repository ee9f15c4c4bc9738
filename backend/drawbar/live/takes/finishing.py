"""A take's sound -> the part, rate and word length that a studio asks for: whole bars, seamless loops, dither."""

from __future__ import annotations

import numpy as np
import soxr

from drawbar.errors import BadInputError
from drawbar.live.audio_out.ring import Floats

DEPTHS = {"16": "PCM_16", "24": "PCM_24", "32": "FLOAT"}
"""Bits -> libsndfile's name; 32 is floating point."""
RATES_HZ = (0, 44_100, 48_000)
"""0 is the model's own."""
SEAM_S = 0.03


def resampled(audio: Floats, rate_hz: int, wanted_hz: int) -> Floats:
    """``audio`` ``[N]`` or ``[N, 2]`` at another rate, by soxr at its highest quality; 0 leaves it as it is."""
    if wanted_hz in (0, rate_hz):
        return audio
    return np.asarray(soxr.resample(audio, rate_hz, wanted_hz, quality="VHQ"), np.float32)


def dithered(audio: Floats, bits: int, seed: int) -> Floats:
    """Triangular noise, two steps wide, for words of ``bits`` (Lipshitz et al. 1992); the seed fixes it."""
    rng = np.random.default_rng(seed)
    noise = rng.random(audio.shape) - rng.random(audio.shape)
    return np.asarray(audio + noise / 2.0 ** (bits - 1), np.float32)


def whole_bars(audio: Floats, rate_hz: int, bar_s: float, offset_s: float) -> Floats:
    """From the first bar line to the last that is reached: its length is bars to the sample. Raises BadInputError."""
    first_s = offset_s % bar_s
    bars = int((len(audio) / rate_hz - first_s) / bar_s + 1e-6)
    if bars < 1:
        raise BadInputError(
            f"the take is shorter than a bar of {bar_s:.2f} s: set its tempo, or export all of it"
        )
    first = round(first_s * rate_hz)
    return audio[first : first + round(bars * bar_s * rate_hz)]


def seamless(audio: Floats, rate_hz: int, start_s: float, end_s: float) -> Floats:
    """The part ``[start, end)`` so that its end runs into its beginning.

    Its last 30 ms fade, at equal power, into what comes before its start (where nothing does, its first fade in from
    what comes after its end), so that no sample jumps when it is repeated. Raises BadInputError.
    """
    first, last = max(0, round(start_s * rate_hz)), min(len(audio), round(end_s * rate_hz))
    seam = min(round(SEAM_S * rate_hz), (last - first) // 2)
    if seam < 2:
        raise BadInputError(f"a loop from {start_s:.2f} to {end_s:.2f} s is too short to be exported")
    part = audio[first:last].copy()
    turn = np.linspace(0, np.pi / 2, seam, dtype=np.float32).reshape(-1, *[1] * (audio.ndim - 1))
    if first >= seam:
        part[-seam:] = part[-seam:] * np.cos(turn) + audio[first - seam : first] * np.sin(turn)
    elif last + seam <= len(audio):
        part[:seam] = part[:seam] * np.sin(turn) + audio[last : last + seam] * np.cos(turn)
    else:
        part[-seam:] *= np.cos(turn)
        part[:seam] *= np.sin(turn)
    return part
