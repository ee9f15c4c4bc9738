"""One layer's features -> labels scored on held-out clips: the protocol of every labeller.

A labeller is one small file. It never sees another's labels, and its rows never replace another's.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from drawbar.audio_analysis.scoring import auroc
from drawbar.bank.records import LabelRecord
from drawbar.files.json_object import JsonObject

Tell = Callable[[int, int], None]
"""Told (done, total); may raise CancelledError."""


@dataclass(frozen=True)
class SoundWindows:
    """What one describer says about the clips of both splits."""

    columns: tuple[str, ...]
    window_frames: int
    train_clips: list[int]
    held_out_clips: list[int]
    train: Tensor
    """Float32 [W, columns]; NaN where there is nothing to say."""
    held_out: Tensor


class LayerView(Protocol):
    """What a labeller may look at. Clips are numbers; splits are ``train`` and ``held-out``."""

    @property
    def layer(self) -> int:
        """Counted from 0."""
        ...

    @property
    def alive(self) -> list[int]: ...

    @property
    def concepts(self) -> tuple[str, ...]:
        """Columns of the truth; none for recordings."""
        ...

    def choose(self, split: str, count: int, window_frames: int) -> list[int]:
        """At most ``count`` clips of a split, drawn once, as many as memory allows."""
        ...

    def activation(self, clips: Sequence[int], window_frames: int) -> Tensor:
        """Mean activations in whole windows, [W, F]."""
        ...

    def truth(self, clip: int) -> Tensor | None:
        """Bool [T, C]."""
        ...

    def sounds(self, name: str) -> SoundWindows | None:
        """What the describer of that name says; None where it was not asked."""
        ...

    def frames(self, clip: int) -> int: ...

    def clip_name(self, clip: int) -> tuple[str, str]: ...

    def words(self, clip: int, kind: str) -> tuple[str, str]:
        """The clip's track, and what is said of it: its ``prompt`` (or caption), or its ``tags`` and folders."""
        ...

    def audio(self, clip: int, start_frame: int, frames: int) -> tuple[NDArray[np.float32], int]:
        """What the codec makes of a stretch of a clip: samples and rate."""
        ...


@dataclass(frozen=True)
class Separation:
    """Held-out scores of a labeller's labels against those of labels dealt out at random.

    Taken over the labels chosen on training clips, before the held-out threshold: that would flatter it.
    """

    labels: int
    true_median: float
    shuffled_median: float
    auroc: float
    """Chance that a true label scores above a shuffled one; 0.5: the labels say nothing."""

    def to_dict(self) -> JsonObject:
        return {name: round(value, 4) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Labelled:
    """What a labeller found."""

    labels: list[LabelRecord] = field(default_factory=list)
    separation: Separation | None = None
    tables: JsonObject = field(default_factory=dict)
    """JSON values for reports."""
    arrays: dict[str, Tensor] = field(default_factory=dict)
    """Figures over the F features."""


class Labeller(Protocol):
    """Gives labels to a layer's features."""

    @property
    def author(self) -> str:
        """Who the rows are by; also part of file names."""
        ...

    def key(self) -> object:
        """A JSON value that changes whenever the labels would; never holds a secret."""
        ...

    def label(self, view: LayerView, tell: Tell) -> Labelled:
        """Label what can be labelled."""
        ...


def partners(names: Sequence[str], seed: int = 0) -> list[int | None]:
    """For each label another one, drawn at random, with another name; None where all are alike."""
    draw = random.Random(seed)
    out: list[int | None] = []
    for name in names:
        tries = (draw.randrange(len(names)) for _ in range(64))
        out.append(next((j for j in tries if names[j] != name), None))
    return out


def separate(true: Sequence[float], shuffled: Sequence[float]) -> Separation | None:
    """Scores of true and of shuffled labels -> how well they separate; None without two of each."""
    kept = [x for x in true if np.isfinite(x)]
    other = [x for x in shuffled if np.isfinite(x)]
    if len(kept) < 2 or len(other) < 2:
        return None
    area = auroc([*kept, *other], [True] * len(kept) + [False] * len(other))
    return Separation(len(kept), float(np.median(kept)), float(np.median(other)), area)
