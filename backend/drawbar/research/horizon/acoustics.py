"""A track's audio and positions -> what anybody could have heard by then: level, colour, harmony, onsets, repetition.

The control that a foreseeing feature must beat: no model, only the past. Knows nothing of residuals.
"""

import numpy as np

from drawbar.audio_analysis.descriptors import CHROMA, FRAME_RATE_HZ, descriptors
from drawbar.research.horizon.horizons import Floats, Reals

_CURVES = (
    "loudness_db", "centroid_hz", "flatness", "low_band_share", "mid_band_share", "high_band_share",
    "onset_strength", "pitch_clarity", *CHROMA,
)  # fmt: skip
_SPANS_S = (0.5, 2.0, 8.0)
_HISTORY_S = 0.5  # onsets in eight steps of half a second
_HISTORY = 8
_FIGURE_S = 2.0  # what is playing now is compared with all that was played before
_LATE = 2  # a window of 64 ms reaches beyond its frame of 20 ms

ACOUSTICS: tuple[str, ...] = (
    *(f"{name}, mean of {span:g} s" for span in _SPANS_S for name in _CURVES),
    *(f"{name}, spread over {_SPANS_S[-1]:g} s" for name in _CURVES),
    *(f"onsets {_HISTORY_S * step:g} s ago" for step in range(1, _HISTORY + 1)),
    "likeness to the past, most", "likeness to the past, mean",
)  # fmt: skip
"""The columns' names."""


def past_acoustics(audio: Floats, sample_rate_hz: int, times_s: Reals) -> Floats:
    """Mono audio [N], positions [n] -> [n, len(ACOUSTICS)]; row t uses samples before t alone."""
    if not len(times_s):
        return np.zeros((0, len(ACOUSTICS)), np.float32)
    heard = audio[: round(float(np.max(times_s)) * sample_rate_hz)]
    curves = descriptors(heard, sample_rate_hz)
    table = np.stack([_tamed(name, curves[name]) for name in _CURVES], axis=1)
    onsets, chroma = curves["onset_strength"], table[:, -12:]
    ends = np.floor(np.asarray(times_s) * FRAME_RATE_HZ + 1e-6).astype(int) - _LATE
    rows = [_row(table[: max(1, end)], onsets[: max(1, end)], chroma[: max(1, end)]) for end in ends]
    found: Floats = np.stack(rows).astype(np.float32)
    return found


def _tamed(name: str, curve: Floats) -> Floats:
    found: Floats = np.log10(np.maximum(curve, 20.0)) if name == "centroid_hz" else curve
    return found


def _row(table: Floats, onsets: Floats, chroma: Floats) -> Reals:
    parts = [table[-round(span * FRAME_RATE_HZ) :].mean(axis=0) for span in _SPANS_S]
    parts.append(table[-round(_SPANS_S[-1] * FRAME_RATE_HZ) :].std(axis=0))
    step = round(_HISTORY_S * FRAME_RATE_HZ)
    padded = np.pad(onsets, (max(0, _HISTORY * step - len(onsets)), 0))
    parts.append(padded[-_HISTORY * step :].reshape(_HISTORY, step).mean(axis=1)[::-1])
    return np.concatenate([*parts, _likeness(chroma)])


def _likeness(chroma: Floats) -> Reals:
    """How like the last two seconds of chroma are to each earlier stretch: the most, and the mean."""
    size, hop = round(_FIGURE_S * FRAME_RATE_HZ), 5
    if len(chroma) < 2 * size + hop:
        return np.zeros(2)
    coarse = chroma[len(chroma) % hop :].reshape(-1, hop, 12).mean(axis=1)
    coarse = coarse - coarse.mean(axis=1, keepdims=True)
    span = size // hop
    windows = np.lib.stride_tricks.sliding_window_view(coarse, span, axis=0).reshape(
        len(coarse) - span + 1, -1
    )
    windows = windows / np.maximum(np.linalg.norm(windows, axis=1, keepdims=True), 1e-6)
    found = windows[: len(windows) - span] @ windows[-1]
    return np.array([found.max(), found.mean()])
