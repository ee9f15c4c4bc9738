"""A motif and where it returns -> a window of the same track, as long, as loud and with the same sound, without it.

Timbre is the mean and spread of the cepstral coefficients 1 to 12, loudness the RMS level. Such a window is
what the return is compared with: it differs in whether the motif is heard, and in as little else as the
track allows. It knows nothing of models.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import BadInputError
from drawbar.research.horizon.events import Event, Window
from drawbar.research.horizon.foreground import RATE_HZ
from drawbar.research.horizon.recurrence import Recurrences

_HOP = 512
_FRAME_HZ = RATE_HZ / _HOP
_SAME_CEPSTRA = 3.0  # dB; windows of one and the same band differ by about this much

Array = NDArray[np.float32]


@dataclass(frozen=True)
class MatchSettings:
    """What counts as the same sound without the motif."""

    loudness_db: float = 3.0
    """Most that the levels may differ."""
    timbre: float = 1.0
    """Most that the timbres may differ: RMS over cepstral coefficients, in standard deviations between windows of
    the track (3 dB where they all sound alike)."""
    likeness: float = 0.40
    """Most that the window may resemble the motif, by the detector."""
    step_s: float = 0.25

    def __post_init__(self) -> None:
        if not (self.loudness_db > 0 and self.timbre > 0 and 0 < self.likeness < 1 and self.step_s > 0):
            raise BadInputError(f"match settings {self}: all must be positive and likeness below 1")


@dataclass(frozen=True)
class Sound:
    """What a track sounds like over time, frame by frame (512 samples at 16 kHz)."""

    cepstra: Array
    """[12, T]"""
    power: Array
    """[T]"""


@dataclass(frozen=True)
class Match:
    """A window without the motif, and how far it is from the return that it stands for."""

    window: Window
    loudness_db: float
    timbre: float
    likeness: float
    """Its own resemblance to the motif; NaN where the detector compared none."""


def sound_of_track(audio: Array) -> Sound:
    """Timbre and level of a track [N] at 16 kHz."""
    import librosa

    mel = librosa.feature.melspectrogram(y=audio, sr=RATE_HZ, hop_length=_HOP, n_fft=2048, n_mels=40)
    level = librosa.power_to_db(mel, ref=float(mel.max()) or 1.0, top_db=60.0)
    cepstra = librosa.feature.mfcc(S=level, n_mfcc=13)[1:]
    return Sound(cepstra.astype(np.float32), mel.sum(axis=0).astype(np.float32))


def matched_windows(
    motif: Window,
    target: Window,
    sound: Sound,
    heard: Recurrences,
    taken: Sequence[Window],
    settings: MatchSettings | None = None,
) -> tuple[Match, ...]:
    """Windows as long as `target` that lack the motif, the most alike first; none overlaps another.

    `taken` are all windows in which the motif is (or may be) heard. Nothing is returned rather than a bad match.
    """
    settings = settings or MatchSettings()
    seconds = len(sound.power) / _FRAME_HZ
    starts = np.arange(0.0, seconds - target.length_s, settings.step_s)
    summaries = (
        np.stack([_summary(sound, s, target.length_s) for s in starts]) if len(starts) else np.zeros((0, 25))
    )
    if len(summaries) < 2:
        return ()
    spread = np.maximum(summaries[:, 1:].std(axis=0), _SAME_CEPSTRA)
    own = _summary(sound, target.start_s, target.length_s)
    loudness = np.abs(summaries[:, 0] - own[0])
    timbre = np.sqrt(np.mean(((summaries[:, 1:] - own[1:]) / spread) ** 2, axis=1))
    found: list[Match] = []
    for n in np.argsort(timbre / settings.timbre + loudness / settings.loudness_db, kind="stable"):
        if loudness[n] > settings.loudness_db or timbre[n] > settings.timbre:
            continue
        window = Window(round(float(starts[n]), 3), round(float(starts[n]) + target.length_s, 3))
        if any(window.overlap(other) for other in (motif, *taken, *(m.window for m in found))):
            continue
        likeness = heard.between(motif.start_s, window.start_s)
        if not likeness > settings.likeness:  # NaN passes: too close to the motif to be compared
            found.append(Match(window, float(loudness[n]), float(timbre[n]), likeness))
    return tuple(found)


def with_controls(
    returns: Sequence[Event], sound: Sound, heard: Recurrences, settings: MatchSettings | None = None
) -> tuple[Event, ...]:
    """The returns of one track, and after each its best control (an event of kind ``none``), where there is one."""
    taken = [w for event in returns for w in (event.motif, event.recurrence)]
    out: list[Event] = []
    for event in returns:
        out.append(event)
        for match in matched_windows(event.motif, event.recurrence, sound, heard, taken, settings)[:1]:
            out.append(Event(event.track, event.motif, match.window, "none", event.verified))
            taken.append(match.window)
    return tuple(out)


def _summary(sound: Sound, start_s: float, length_s: float) -> NDArray[np.float64]:
    """Level in dB, then mean and spread of each cepstral coefficient: [25]."""
    first = int(start_s * _FRAME_HZ)
    part = slice(first, max(first + 1, int((start_s + length_s) * _FRAME_HZ)))
    level = 10 * np.log10(float(sound.power[part].mean()) + 1e-12)
    cepstra = sound.cepstra[:, part]
    summary: NDArray[np.float64] = np.concatenate([[level], cepstra.mean(axis=1), cepstra.std(axis=1)])
    return summary
