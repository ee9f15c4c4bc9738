"""A track of the manifest -> its audio [N] at any rate: read from its file, or composed and rendered again.

It knows nothing of events.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbar.corpus import DEFAULT_SOUNDFONT, SAMPLE_RATE_HZ, render_audio
from drawbar.corpus.audio import read_audio
from drawbar.errors import BadInputError
from drawbar.research.horizon.composed_truth import piece_of
from drawbar.research.horizon.events import Track, Window
from drawbar.research.horizon.foreground import RATE_HZ

_FADE_S = 0.02


def track_audio(
    track: Track, audio: Path | None = None, rate_hz: int = RATE_HZ, soundfont: Path = DEFAULT_SOUNDFONT
) -> NDArray[np.float32]:
    """The whole track, float32 mono [N].

    Args:
        track: from a verified manifest.
        audio: the folder that its path is relative to; not needed for a composed piece.
        rate_hz: of the result.
        soundfont: what plays a composed piece.

    Raises:
        BadInputError: a recording without its folder, a path outside it, or a file that cannot be read.
    """
    if track.piece is not None:
        import soxr

        sound = render_audio(piece_of(track).piece, soundfont)
        if rate_hz != SAMPLE_RATE_HZ:
            sound = np.asarray(soxr.resample(sound, SAMPLE_RATE_HZ, rate_hz), np.float32)
        return sound
    if audio is None:
        raise BadInputError(
            f"track {track.id!r} is the file {track.path}; say which folder it lies in (--audio)"
        )
    path = (audio / track.path).resolve()
    if not path.is_relative_to(audio.resolve()):
        raise BadInputError(f"track {track.id!r} names {track.path!r}, which lies outside {audio}")
    return read_audio(path, rate_hz)


def clip(audio: NDArray[np.float32], rate_hz: int, window: Window) -> NDArray[np.float32]:
    """A window of a track [N], faded over 20 ms at both ends; cut short where the track ends."""
    first, last = round(window.start_s * rate_hz), round(window.end_s * rate_hz)
    part = audio[first:last].copy()
    fade = min(round(_FADE_S * rate_hz), len(part) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        part[:fade] *= ramp
        part[-fade:] *= ramp[::-1]
    return part
