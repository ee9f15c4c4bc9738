"""Audio -> curves at 50 Hz of what names a sound more finely: octave bands, spread, attack, swelling, tremolo, vibrato.

For words, not for judging: the judges' measures stand in ``descriptors``. Every curve is finite, also in silence.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.ndimage import uniform_filter1d

from drawbar.audio_analysis.descriptors import FRAME_RATE_HZ, windows_of

OCTAVES = tuple(f"band_{hz}" for hz in (63, 125, 250, 500, 1000, 2000, 4000, 8000))
TIMBRE = (
    *OCTAVES,  # power of the octave around so many Hz, dB below the whole, never below -60
    "spread_hz",  # standard deviation of the power spectrum around its centre
    "crest",  # how far the highest peak stands above the mean spectrum, dB
    "flux",  # how much of the spectrum is other than in the last frame, 0 to 1
    "slope_db_s",  # rise of the loudness over 0.4 s
    "attack_db",  # largest rise of the loudness from frame to frame within 0.5 s
    "tremolo_db",  # depth of the loudness' modulation at 4 to 9 Hz
    "vibrato_cents",  # depth of the pitch's modulation at 4 to 9 Hz; 0 where there is no pitch
)
_FLOOR = 1e-10
_SPAN = 50  # frames in which a modulation is looked for

Curve = NDArray[np.float32]


def timbre_curves(audio: ArrayLike, rate_hz: int, curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """``audio`` mono [N] and what :func:`descriptors` gave of it -> one float32 curve [T] per name of TIMBRE."""
    parts: dict[str, list[NDArray[np.float64]]] = {}
    before: NDArray[np.float32] | None = None
    for windows in windows_of(np.asarray(audio, np.float32), rate_hz):
        found, before = _spectral(windows, rate_hz, before)
        for name, curve in found.items():
            parts.setdefault(name, []).append(curve)
    out = {name: np.concatenate(pieces) for name, pieces in parts.items()}
    level = np.maximum(curves["loudness_db"], -70.0)
    rise = np.diff(level, prepend=level[:1])
    out["slope_db_s"] = uniform_filter1d(rise, FRAME_RATE_HZ * 2 // 5, mode="nearest") * FRAME_RATE_HZ
    out["attack_db"] = _highest(rise, FRAME_RATE_HZ // 2)
    out["tremolo_db"] = _wobble(level)
    hz = curves["pitch_hz"]
    cents = 1200 * np.log2(np.where(hz > 0, hz, 1.0))
    # Only where the pitch goes on: a leap to another note is no vibrato.
    steady = uniform_filter1d((hz > 0).astype(np.float64), _SPAN // 2, mode="nearest") > 0.95
    leaps = np.abs(np.diff(cents, prepend=cents[:1])) > 80
    calm = steady & (uniform_filter1d(leaps.astype(np.float64), _SPAN // 2, mode="nearest") < 1e-3)
    out["vibrato_cents"] = np.where(calm, _wobble(np.where(calm, cents, 0.0)), 0.0)
    return {name: out[name].astype(np.float32) for name in TIMBRE}


def _spectral(
    windows: NDArray[np.float32], rate_hz: int, before: NDArray[np.float32] | None
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float32]]:
    size = windows.shape[1]
    power = np.abs(fft.rfft(windows * np.hanning(size).astype(np.float32), axis=1)) ** 2
    power[:, 0] = 0.0
    hz = np.fft.rfftfreq(size, 1 / rate_hz)
    total = power.sum(axis=1)
    safe = np.maximum(total, _FLOOR * size)
    heard = total > _FLOOR * size
    found: dict[str, NDArray[np.float64]] = {}
    for name in OCTAVES:
        middle = float(name.removeprefix("band_"))
        inside = (hz >= middle / 2**0.5) & (hz < middle * 2**0.5)
        share = power[:, inside].sum(axis=1) / safe
        found[name] = np.where(heard, 10 * np.log10(np.maximum(share, 1e-6)), -60.0)
    centre = (power @ hz) / safe
    spread = (power @ hz**2) / safe - centre**2
    found["spread_hz"] = np.sqrt(np.maximum(spread, 0.0)) * heard
    peak, mean = power.max(axis=1), safe / power.shape[1]
    found["crest"] = np.where(heard, 10 * np.log10(np.maximum(peak, _FLOOR) / mean), 0.0)
    shape = (np.sqrt(power) / np.maximum(np.sqrt(power).sum(axis=1, keepdims=True), 1e-9)).astype(np.float32)
    last = np.concatenate([shape[:1] if before is None else before, shape[:-1]])
    found["flux"] = 0.5 * np.abs(shape - last).sum(axis=1, dtype=np.float64)
    return found, shape[-1:]


def _highest(values: NDArray[np.float64] | Curve, span: int) -> NDArray[np.float64]:
    """The largest value of the ``span`` around each frame."""
    padded = np.pad(values.astype(np.float64), (span // 2, span - 1 - span // 2), mode="edge")
    found: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, span).max(axis=1)
    return found


def _wobble(values: NDArray[np.float64] | Curve) -> NDArray[np.float64]:
    """Half of the swing at 4 to 9 Hz within a second around each frame."""
    smooth = uniform_filter1d(values.astype(np.float64), FRAME_RATE_HZ // 4, mode="nearest")
    fine = uniform_filter1d(values.astype(np.float64), 3, mode="nearest") - smooth
    found: NDArray[np.float64] = np.sqrt(
        2 * np.maximum(uniform_filter1d(fine**2, _SPAN, mode="nearest"), 0.0)
    )
    return found
