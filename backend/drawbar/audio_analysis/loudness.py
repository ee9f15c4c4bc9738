"""Audio -> how loud it is (LUFS, ITU-R BS.1770), and the gains that make clips equally loud."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SILENT_LUFS = -70.0
"""What silence counts as; BS.1770 gates below it."""
TARGET_LUFS = -20.0
MOST_DB = 12.0
"""What `matching_gains_db` turns down at most."""
_PEAK = 0.98


def loudness_lufs(audio: Floats, rate_hz: int) -> float:
    """Integrated loudness of mono audio ``[N]``; -70 for what is silent, not finite or shorter than 0.4 s."""
    import pyloudnorm

    if len(audio) <= 0.4 * rate_hz or not np.isfinite(audio).all() or float(np.abs(audio).max()) < 1e-5:
        return SILENT_LUFS
    value = float(pyloudnorm.Meter(rate_hz).integrated_loudness(np.asarray(audio, np.float64)))
    return max(SILENT_LUFS, value) if np.isfinite(value) else SILENT_LUFS


def equally_loud(clips: Sequence[Floats], rate_hz: int, target_lufs: float = TARGET_LUFS) -> list[Floats]:
    """Every clip ``[N]`` at one loudness: the target, or as much below it as the peakiest clip needs.

    Silent clips stay silent. No clip exceeds 0.98, so nothing is clipped.
    """
    gains = []
    for clip in clips:
        loudness = loudness_lufs(clip, rate_hz)
        gains.append(0.0 if loudness <= SILENT_LUFS else 10 ** ((target_lufs - loudness) / 20))
    loudest = max((gain * float(np.abs(c).max()) for gain, c in zip(gains, clips, strict=True)), default=0.0)
    down = min(1.0, _PEAK / loudest) if loudest else 1.0
    return [
        np.nan_to_num(clip, posinf=0.0, neginf=0.0) * np.float32(gain * down if gain else 1.0)
        for gain, clip in zip(gains, clips, strict=True)
    ]


def matching_gains_db(one_lufs: float, other_lufs: float) -> tuple[float, float]:
    """Gains for two sounds, the louder turned down (at most 12 dB); none where one is silent."""
    if min(one_lufs, other_lufs) <= SILENT_LUFS:
        return 0.0, 0.0
    gap = max(-MOST_DB, min(MOST_DB, one_lufs - other_lufs))
    return (-gap, 0.0) if gap > 0 else (0.0, gap)
