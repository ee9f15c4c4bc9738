"""Audio [N] at 16 kHz -> the foreground's chroma and onset pattern per frame; loops are taken away first.

What sounds at a frame and also at most frames that resemble it elsewhere in the track is background: the
chord loop, the drums, an ostinato. It is the median of the most similar frames (REPET-SIM: Rafii and Pardo,
ISMIR 2012) and is subtracted from the log constant-Q spectrum, so that what is left is what is *not* always
there. Frames are normalised one by one and centred in time, which makes them blind to loudness, to timbre
that stays, and to notes that are only held. It knows nothing of lags.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from drawbar.errors import BadInputError

RATE_HZ = 16_000
_HOP = 1024
FRAME_HZ = RATE_HZ / _HOP
_LOWEST_MIDI, _SEMITONES, _PER_SEMITONE = 36, 72, 3
_SHORTEST_S, _LONGEST_S = 8.0, 900.0

Array = NDArray[np.float32]


@dataclass(frozen=True)
class ForegroundSettings:
    """How the background is found and what of the rest is heard as melody."""

    neighbours: int = 8
    """Similar frames that say what is always there."""
    share: float = 0.5
    """Of those frames, the quantile that counts as background."""
    context_s: float = 0.5
    """Frames resemble one another with this much before and after them."""
    melody_midi: float = 65.0
    """Pitch from which on a sound counts fully as melody (half at it; a listener follows the top voice)."""
    melody_softness: float = 3.0
    """Semitones over which that weight rises."""
    smooth_s: float = 0.077
    """Blur in time: players are not exact."""
    centre_s: float = 1.0
    """What stays longer than about this is not melody."""
    floor: float = 0.15
    """A foreground fainter than this share of the typical frame is not blown up."""

    def __post_init__(self) -> None:
        if not (self.neighbours >= 3 and 0 < self.share < 1 and self.centre_s > self.smooth_s > 0):
            raise BadInputError(
                f"foreground settings {self}: at least 3 neighbours, a share between 0 and 1, and a blur "
                "that is shorter than what it is centred on"
            )


@dataclass(frozen=True)
class Foreground:
    """What stands out, frame by frame; T = N / 1024."""

    chroma: Array
    """[12, T]: pitch classes, normalised and centred."""
    onsets: Array
    """[1, T]: where notes begin, centred, on the chroma's scale."""


def foreground_of(audio: Array, settings: ForegroundSettings | None = None) -> Foreground:
    """The foreground of a track. Raises BadInputError when it is shorter than 8 s or longer than 15 min."""
    settings = settings or ForegroundSettings()
    seconds = len(audio) / RATE_HZ
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise BadInputError(
            f"{seconds:.1f} s of audio: recurrence is looked for in {_SHORTEST_S:g} s to {_LONGEST_S:g} s; "
            "cut or join the file"
        )
    spectrum = _semitones(audio)
    rest = np.maximum(spectrum - _background(spectrum, settings), 0)
    midi = np.arange(_SEMITONES) + _LOWEST_MIDI
    weight = 1 / (1 + np.exp(-(midi - settings.melody_midi) / settings.melody_softness))
    whole = np.linalg.norm(_folded(spectrum * weight[:, None]), axis=0)
    rest = rest * weight[:, None]
    blur, centre = settings.smooth_s * FRAME_HZ, settings.centre_s * FRAME_HZ
    chroma = gaussian_filter1d(_folded(rest), blur, axis=1)
    size = np.linalg.norm(chroma, axis=0)
    chroma = chroma / (size + settings.floor * np.median(whole) + 1e-6)
    chroma = chroma - gaussian_filter1d(chroma, centre, axis=1)
    flux = np.maximum(np.diff(rest, axis=1, prepend=rest[:, :1]), 0).sum(0)
    onsets = gaussian_filter1d(flux, blur)
    onsets = onsets - gaussian_filter1d(onsets, centre)
    scale = np.sqrt(np.mean((chroma**2).sum(0))) / (onsets.std() + 1e-9)
    return Foreground(chroma.astype(np.float32), (onsets * scale)[None].astype(np.float32))


def _folded(pitches: NDArray[np.float64]) -> NDArray[np.float64]:
    """Octaves on top of one another: [72, T] -> [12, T]."""
    out: NDArray[np.float64] = pitches.reshape(-1, 12, pitches.shape[1]).sum(axis=0)
    return out


def _semitones(audio: Array) -> NDArray[np.float64]:
    """Log constant-Q magnitudes [72, T], the loudest of three bins a semitone, from C2 upwards."""
    import librosa

    magnitude = np.abs(
        librosa.cqt(
            audio,
            sr=RATE_HZ,
            hop_length=_HOP,
            fmin=librosa.midi_to_hz(_LOWEST_MIDI),
            n_bins=_SEMITONES * _PER_SEMITONE,
            bins_per_octave=12 * _PER_SEMITONE,
        )
    )
    loud = float(np.percentile(magnitude.max(axis=0), 90))
    scaled = np.log1p(30 * magnitude / max(loud, 1e-6))
    return np.asarray(scaled.reshape(_SEMITONES, _PER_SEMITONE, -1).max(axis=1), np.float64)


def _background(spectrum: NDArray[np.float64], settings: ForegroundSettings) -> NDArray[np.float64]:
    """What is there at most of the frames that resemble this one, [72, T]."""
    frames = spectrum.shape[1]
    reach = max(1, round(settings.context_s * FRAME_HZ))
    shifts = (-reach, -reach // 2, 0, reach // 2, reach)
    context = np.concatenate([np.roll(spectrum, shift, axis=1) for shift in shifts])
    context /= np.linalg.norm(context, axis=0, keepdims=True) + 1e-6
    likeness = (context.T @ context).astype(np.float32)
    apart, own = round(2 * FRAME_HZ), 4
    for frame in range(frames):
        likeness[frame, max(0, frame - apart) : frame + apart] = -1
    rows = np.arange(frames)
    near = np.zeros((settings.neighbours, frames), np.int64)
    for n in range(settings.neighbours):
        near[n] = likeness.argmax(axis=1)
        for offset in range(-own, own + 1):
            likeness[rows, np.clip(near[n] + offset, 0, frames - 1)] = -1
    background = np.empty_like(spectrum)
    for pitch in range(len(spectrum)):
        background[pitch] = np.quantile(spectrum[pitch][near], settings.share, axis=0)
    return background
