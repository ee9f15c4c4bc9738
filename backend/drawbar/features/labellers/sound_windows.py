"""A clip's audio -> what one describer says about each window of it, [windows, columns].

One describer a labeller of sound: descriptors, Essentia, CLAP. Done once for a clip, used for every layer.
"""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.audio_analysis.descriptors import DESCRIPTORS, FRAME_RATE_HZ, descriptors
from drawbar.audio_analysis.detector_network import STEP_FRAMES
from drawbar.audio_analysis.detectors import Detectors
from drawbar.audio_analysis.essentia import ESSENTIA_DSP, EssentiaTags, dsp_windows
from drawbar.audio_analysis.mel import SAMPLE_RATE_HZ
from drawbar.audio_analysis.tempo_and_key import MUSICAL, musical_curves
from drawbar.audio_analysis.timbre import TIMBRE, timbre_curves
from drawbar.corpus.naming import HEARD
from drawbar.features.labellers.descriptors import window_curves

Audio = NDArray[np.float32]


class Describer(Protocol):
    """Describes windows of audio."""

    @property
    def name(self) -> str:
        """A word, part of file names."""
        ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def window_frames(self) -> int: ...

    def key(self) -> object:
        """A JSON value that changes whenever the figures would."""
        ...

    def describe(self, audio: Audio, rate_hz: int, frames: int) -> Tensor:
        """Mono audio [N] of so many frames -> float32 [frames // window_frames, columns]; NaN: nothing to say."""
        ...


class DescriptorSounds:
    """Loudness, brightness, onsets, bands, pitch, chroma, tempo, key and timbre."""

    name = "descriptors"
    columns = DESCRIPTORS + MUSICAL + TIMBRE

    def __init__(self, window_frames: int) -> None:
        self.window_frames = window_frames

    def key(self) -> object:
        return [1, self.window_frames, list(self.columns)]

    def describe(self, audio: Audio, rate_hz: int, frames: int) -> Tensor:
        """Means of the curves over each window."""
        curves = descriptors(audio, rate_hz)
        curves |= musical_curves(curves) | timbre_curves(audio, rate_hz, curves)
        return window_curves(curves, self.columns, frames, self.window_frames)


class DetectorSounds:
    """What detectors of instruments and drum styles hear: nets trained on composed music, so a guess on recordings."""

    name = "detectors"

    def __init__(self, window_frames: int, detectors: Detectors, least: float = 0.9) -> None:
        """Factors that are heard with an AUROC of ``least`` or more on held-out composed clips."""
        self.window_frames = window_frames
        self._detectors = detectors
        self._places = [n for n, name in enumerate(detectors.names) if detectors.reports[name].auroc >= least]
        self.columns = tuple(HEARD + detectors.names[n] for n in self._places)

    def key(self) -> object:
        worth = [round(self._detectors.reports[self._detectors.names[n]].auroc, 6) for n in self._places]
        return [1, self.window_frames, list(self.columns), worth]

    def describe(self, audio: Audio, rate_hz: int, frames: int) -> Tensor:
        """Mean logits of each window, at 32 kHz."""
        if rate_hz != SAMPLE_RATE_HZ:
            import soxr

            audio = soxr.resample(audio, rate_hz, SAMPLE_RATE_HZ).astype(np.float32)
        logits = torch.from_numpy(self._detectors.logits(audio)[:, self._places])
        curves = logits.repeat_interleave(STEP_FRAMES, 0)
        count = frames // self.window_frames
        short = count * self.window_frames - len(curves)
        if short > 0:
            curves = torch.cat([curves, curves[-1:].expand(short, -1)])
        return curves[: count * self.window_frames].view(count, self.window_frames, -1).mean(1)


class EssentiaSounds:
    """Essentia's classifiers where there are model files, its DSP extractors otherwise."""

    name = "essentia"

    def __init__(self, window_frames: int, tags: EssentiaTags | None = None) -> None:
        self.window_frames = window_frames
        self._tags = tags
        self.columns = ESSENTIA_DSP if tags is None else tags.names

    @property
    def classifies(self) -> bool:
        """Whether the columns are a classifier's tags."""
        return self._tags is not None

    def key(self) -> object:
        """The columns, the window and the models."""
        return [1, self.window_frames, list(self.columns), None if self._tags is None else self._tags.key]

    def describe(self, audio: Audio, rate_hz: int, frames: int) -> Tensor:
        windows, window_s = frames // self.window_frames, self.window_frames / FRAME_RATE_HZ
        measure = dsp_windows if self._tags is None else self._tags.windows
        return torch.from_numpy(measure(audio, rate_hz, windows, window_s))
