"""Audio -> how loud it is (LUFS, ITU-R BS.1770), and the gain that makes two things equally loud."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
SILENT_LUFS = -70.0
MOST_DB = 12.0


def loudness_lufs(audio: Floats, sample_rate_hz: int) -> float:
    """Integrated loudness of mono audio; -70 for what is silent or shorter than 0.4 s."""
    import pyloudnorm

    if len(audio) < 0.4 * sample_rate_hz + 1 or not np.isfinite(audio).all():
        return SILENT_LUFS
    if float(np.abs(audio).max()) < 1e-5:
        return SILENT_LUFS
    value = float(pyloudnorm.Meter(sample_rate_hz).integrated_loudness(np.asarray(audio, np.float64)))
    return max(SILENT_LUFS, value) if np.isfinite(value) else SILENT_LUFS


def matching_gains_db(one_lufs: float, other_lufs: float) -> tuple[float, float]:
    """Gains for two sounds, the louder turned down (at most 12 dB); none where one is silent."""
    if min(one_lufs, other_lufs) <= SILENT_LUFS:
        return 0.0, 0.0
    gap = max(-MOST_DB, min(MOST_DB, one_lufs - other_lufs))
    return (-gap, 0.0) if gap > 0 else (0.0, gap)
