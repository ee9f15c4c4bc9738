"""CLAP vectors of windows and a vocabulary -> the term that fits each feature, scored.

The labeller ``clap``. The score is the share of other features' terms that fit this feature's strongest held-out
windows less well: 0.5 is what a shuffled label gets. A term's likeness is taken relative to all windows, so that
terms that fit everything do not win.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.audio_analysis.clap import Embedder, load_clap, read_vocabulary, weights_key
from drawbar.bank.records import Label, LabelRecord
from drawbar.errors import BadInputError
from drawbar.features.labellers.descriptors import correlations
from drawbar.features.labellers.interface import Labelled, LayerView, SoundWindows, Tell, partners, separate

AUTHOR = "clap"
METHOD = "nearest term of the vocabulary"
Audio = NDArray[np.float32]


@dataclass(frozen=True)
class ClapSettings:
    """The labeller ``clap``; off without weights."""

    weights: str = ""
    """A folder, a Hub name such as ``laion/larger_clap_music``, or LAION's ``.pt`` file."""
    vocabulary: str = ""
    """A file with one term a line; the one that ships if empty."""
    template: str = "the sound of {}"
    """How a term is said to CLAP."""
    window_frames: int = 250
    """Length of the windows that are embedded (5 s), at most 10 s."""
    exemplars: int = 10
    """A feature's strongest held-out windows that a label is scored on."""
    min_score: float = 0.8
    """Labels below it are not kept."""
    device: str = "cpu"
    """Where CLAP runs."""

    def __post_init__(self) -> None:
        if "{}" not in self.template or not 25 <= self.window_frames <= 500 or self.exemplars < 1:
            raise BadInputError(f"{self}: template needs {{}}, window_frames 25 to 500, exemplars 1 or more")
        if not 0.5 <= self.min_score <= 1:
            raise BadInputError(f"min_score={self.min_score}: 0.5 (chance) to 1")


class ClapSounds:
    """CLAP's vectors of windows of audio."""

    name = AUTHOR

    def __init__(self, settings: ClapSettings, load: Callable[[], Embedder] | None = None) -> None:
        """``load`` gives the encoders when they are first needed (CLAP by default)."""
        self.window_frames = settings.window_frames
        self._settings = settings
        self._load = load or (lambda: load_clap(settings.weights, settings.device))
        self._embedder: Embedder | None = None
        self._columns = 0

    @property
    def embedder(self) -> Embedder:
        if self._embedder is None:
            self._embedder = self._load()
        return self._embedder

    @property
    def columns(self) -> tuple[str, ...]:
        """The vectors' components; known once something was embedded."""
        return tuple(f"clap_{i}" for i in range(self._columns))

    def key(self) -> object:
        return [1, self.window_frames, weights_key(self._settings.weights)]

    def describe(self, audio: Audio, rate_hz: int, frames: int) -> Tensor:
        """[frames // window_frames, D]."""
        size = self.window_frames * rate_hz // 50
        parts = [audio[i * size : (i + 1) * size] for i in range(frames // self.window_frames)]
        if not parts:
            return torch.zeros(0, max(self._columns, 1))
        found = self.embedder.embed_audio(parts, rate_hz)
        self._columns = found.shape[1]
        return found


@dataclass(frozen=True)
class Likeness:
    """How well texts fit a layer's features, over all windows of both splits."""

    train: Tensor
    """[F, V] correlation of the activation with the likeness, on training windows."""
    held_out: Tensor
    """[F, V] mean likeness of the strongest held-out windows, in deviations over all held-out windows; NaN where
    the feature is silent there."""


def likeness_of(view: LayerView, found: SoundWindows, text: Tensor, exemplars: int) -> Likeness:
    """Text vectors [V, D] -> how well each fits each feature."""
    fits = [part @ text.T for part in (found.train, found.held_out)]
    z = [(part - fits[0].mean(0)) / fits[0].std(0).clamp_min(1e-6) for part in fits]
    train = correlations(view.activation(found.train_clips, found.window_frames), z[0])
    activation = view.activation(found.held_out_clips, found.window_frames)
    n = min(exemplars, len(activation))
    top = activation.topk(n, dim=0)  # [n, F]
    heard = (top.values > 0).float()
    strongest = (z[1][top.indices] * heard[..., None]).sum(0) / heard.sum(0)[:, None].clamp_min(1)
    centred = strongest - z[1].mean(0)
    return Likeness(train, torch.where(heard.sum(0)[:, None] > 0, centred, torch.nan))


class ClapLabeller:
    """The vocabulary's term that fits best."""

    author = AUTHOR

    def __init__(self, settings: ClapSettings, sounds: ClapSounds) -> None:
        self._settings, self._sounds = settings, sounds
        self._terms = read_vocabulary(Path(settings.vocabulary) if settings.vocabulary else None)

    def key(self) -> object:
        cfg = {
            name: value
            for name, value in asdict(self._settings).items()
            if name not in ("device", "vocabulary")
        }
        return [1, cfg, self._sounds.key(), self._terms]

    def label(self, view: LayerView, tell: Tell) -> Labelled:
        """At most one label for each feature that is alive."""
        found = view.sounds(AUTHOR)
        if found is None or not len(found.train) or not len(found.held_out):
            return Labelled()
        tell(1, 3)
        cfg = self._settings
        text = self._sounds.embedder.embed_text([cfg.template.format(term) for term in self._terms])
        fits = likeness_of(view, found, text, cfg.exemplars)
        tell(2, 3)
        best = fits.train.topk(2, dim=1)
        chosen = [
            f for f in view.alive if bool(fits.held_out[f, 0].isfinite()) and float(best.values[f, 0]) > 0
        ]
        used = sorted({int(best.indices[f, 0]) for f in chosen})
        labels = [
            record
            for f in chosen
            if (record := self._label(view.layer, f, fits, best.indices[f].tolist(), used)) is not None
        ]
        column = [int(best.indices[f, 0]) for f in chosen]
        pairs = zip(chosen, partners([self._terms[c] for c in column]), strict=True)
        shuffled = [float(fits.held_out[f, column[j]]) for f, j in pairs if j is not None]
        true = [float(fits.held_out[f, c]) for f, c in zip(chosen, column, strict=True)]
        tell(3, 3)
        return Labelled(labels, separate(true, shuffled))

    def _label(
        self, layer: int, f: int, fits: Likeness, best: Sequence[int], used: Sequence[int]
    ) -> LabelRecord | None:
        mine = float(fits.held_out[f, best[0]])
        others = fits.held_out[f, [c for c in used if c != best[0]]]
        if not len(others):
            return None
        score = float((others < mine).float().mean() + 0.5 * (others == mine).float().mean())
        if score < self._settings.min_score:
            return None
        evidence = {
            "r_train": round(float(fits.train[f, best[0]]), 4),
            "likeness_held_out": round(mine, 4),
            "margin_over_shuffled": round(mine - float(others.mean()), 4),
            "runner_up": self._terms[best[1]],
        }
        return LabelRecord(
            f"{layer}/{f}", Label(self._terms[best[0]], AUTHOR, METHOD, round(score, 4), evidence)
        )
