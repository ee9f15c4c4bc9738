"""Sounds that are compared -> how loud they are and the gains that make them equally loud, off the window's thread.

The measuring library is loaded with the first comparison, so that the window opens without it.
"""

from drawbar_desktop.state.interfaces import Floats


def loudness_lufs(audio: Floats, sample_rate_hz: int) -> float:
    """Integrated loudness of mono audio `[N]`."""
    from drawbar.audio_analysis import loudness

    return loudness.loudness_lufs(audio, sample_rate_hz)


def matching_gains_db(one: Floats, other: Floats, sample_rate_hz: int) -> tuple[float, float]:
    """Two sounds `[N]` -> a gain for each; the louder one is turned down."""
    from drawbar.audio_analysis import loudness

    levels = [loudness.loudness_lufs(audio, sample_rate_hz) for audio in (one, other)]
    return loudness.matching_gains_db(*levels)
