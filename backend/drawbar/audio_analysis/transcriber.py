"""Audio -> the notes that an outside transcriber hears in it: Spotify's basic-pitch, run by onnxruntime.

Only the network's file is taken from the package basic-pitch (Apache-2.0; Bittner et al. 2022): its own code would
bring TensorFlow. Both packages are the extra ``transcriber``. It knows nothing of models.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from drawbar.audio_analysis.mel import SAMPLE_RATE_HZ
from drawbar.audio_analysis.midi_file import Note
from drawbar.errors import BadInputError, MissingDependencyError

_RATE_HZ, _HOP = 22_050, 256
_WINDOW = 2 * _RATE_HZ - _HOP  # samples that the network takes at once
_EDGE = 15  # frames at each end of a window that are not used: they lack context
_LOWEST_MIDI = 21
_ONSET, _SOUNDING = 0.5, 0.3  # the thresholds of the package itself
_SHORTEST = 11  # frames, 0.13 s, as in the package: a note sounds in most of the frames after its onset
_INPUT = "serving_default_input_2:0"
_SOUNDING_OUT, _ONSET_OUT = "StatefulPartitionedCall:1", "StatefulPartitionedCall:2"


class _Session(Protocol):
    """What is used of onnxruntime.InferenceSession."""

    def run(
        self, output_names: list[str], input_feed: dict[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]: ...


@dataclass(frozen=True)
class Transcription:
    """The notes of a clip, as counts."""

    notes_per_s: float
    pitch_classes: NDArray[np.float64]
    """Seconds in which each pitch class sounds, [12], C first."""


def has_transcriber() -> bool:
    """Whether the extra ``transcriber`` is installed."""
    return find_spec("onnxruntime") is not None and find_spec("basic_pitch") is not None


class Transcriber:
    """The network, loaded once."""

    def __init__(self, session: _Session | None = None) -> None:
        self._session = session or _session()

    def notes(self, audio: ArrayLike) -> Transcription:
        """``audio`` [N] at 32 kHz -> its notes; a note is a peak of the onset that goes on sounding.

        Raises:
            BadInputError: audio that is empty, not mono or not finite.
        """
        begins, sounding = self._begins(audio)
        by_pitch = (sounding > _SOUNDING).sum(axis=0) * _HOP / _RATE_HZ
        classes = (np.arange(by_pitch.size) + _LOWEST_MIDI) % 12
        return Transcription(
            float(begins.sum() / (np.size(audio) / SAMPLE_RATE_HZ)),
            np.bincount(classes, by_pitch, minlength=12).astype(np.float64),
        )

    def _begins(self, audio: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Where notes begin, and how surely each key sounds, [T, 88] both."""
        samples = np.asarray(audio, dtype=np.float32)
        if samples.ndim != 1 or not samples.size or not np.isfinite(samples).all():
            raise BadInputError(f"audio of shape {samples.shape}: notes are heard in finite mono samples [N]")
        onset, sounding = self._posteriors(soxr.resample(samples, SAMPLE_RATE_HZ, _RATE_HZ))
        before, after = np.pad(onset, ((1, 1), (0, 0)))[:-2], np.pad(onset, ((1, 1), (0, 0)))[2:]
        sounds = np.pad(sounding > _SOUNDING, ((0, _SHORTEST - 1), (0, 0)))
        held = (
            np.lib.stride_tricks.sliding_window_view(sounds, _SHORTEST, axis=0).sum(axis=-1) > _SHORTEST // 2
        )
        return (onset > _ONSET) & (onset > before) & (onset >= after) & held, sounding

    def events(self, audio: ArrayLike) -> list[Note]:
        """``audio`` [N] at 32 kHz -> the notes one by one, in time order. Raises BadInputError.

        What it misses: drums, vibrato and bends, and quiet notes inside of dense chords.
        """
        begins, sounding = self._begins(audio)
        found = []
        for frame, key in zip(*np.nonzero(begins), strict=True):
            silent = np.flatnonzero(sounding[frame + 1 :, key] <= _SOUNDING)
            again = np.flatnonzero(begins[frame + 1 :, key])
            ends = [int(at[0]) + 1 for at in (silent, again) if at.size]
            length = max(_SHORTEST, min(ends) if ends else len(sounding) - int(frame))
            loud = float(sounding[frame : frame + length, key].mean())
            start_s, end_s = (float(at * _HOP / _RATE_HZ) for at in (frame, frame + length))
            velocity = round(40 + 80 * min(1.0, loud))
            found.append(Note(start_s, end_s, _LOWEST_MIDI + int(key), velocity))
        return found

    def _posteriors(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Samples [N] at 22.05 kHz -> onset and sounding probability of 88 keys, [T, 88] each."""
        frames = -(-samples.size // _HOP)
        step = (_WINDOW // _HOP + 1 - 2 * _EDGE) * _HOP
        padded = np.pad(samples, (_EDGE * _HOP, _WINDOW))
        starts = range(0, samples.size, step)
        windows = np.stack([padded[at : at + _WINDOW] for at in starts])[..., None]
        sounding, onset = self._session.run([_SOUNDING_OUT, _ONSET_OUT], {_INPUT: windows})
        inner = slice(_EDGE, -_EDGE)
        return (
            onset[:, inner].reshape(-1, onset.shape[-1])[:frames],
            sounding[:, inner].reshape(-1, sounding.shape[-1])[:frames],
        )


def _session() -> _Session:
    place = find_spec("basic_pitch")
    try:
        import onnxruntime
    except ImportError:
        onnxruntime = None
    if onnxruntime is None or place is None or place.origin is None:
        raise MissingDependencyError(
            "hearing notes needs basic-pitch and onnxruntime: install the extra 'transcriber'"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    file = Path(place.origin).parent / "saved_models" / "icassp_2022" / "nmp.onnx"
    session: _Session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return session
