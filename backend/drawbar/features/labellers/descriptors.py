"""Activations and descriptor curves of the same audio -> labels in plain words, and correlations.

The labeller ``descriptors``: works on any audio. "Bright" means that the feature tells the brightest
third of the windows from the rest; its score is the AUROC of that on held-out clips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.audio_analysis.timbre import TIMBRE
from drawbar.bank.records import Label, LabelRecord
from drawbar.corpus.naming import descriptor_label
from drawbar.errors import BadInputError
from drawbar.features.consistency import consistency, high_windows
from drawbar.features.labellers.interface import Labelled, LayerView, Separation, Tell, partners, separate
from drawbar.features.scoring import FeatureBest, Scores, score

AUTHOR = "descriptors"
METHOD = "outer third of the descriptor"
_SILENT_IS_MISSING = ("pitch_hz", "centroid_hz", "rolloff_hz")  # 0 means "none", not "low"
_LABELLED = ("loudness_db", "centroid_hz", "flatness", "onset_strength", "onset_rate_hz", "low_band_share",
             "mid_band_share", "high_band_share", "pitch_hz", "pitch_clarity", "tempo_bpm", "pulse",
             "key_strength", "major", *TIMBRE)  # fmt: skip


@dataclass(frozen=True)
class DescriptorSettings:
    """When a descriptor becomes a label."""

    min_auroc: float = 0.75
    """On held-out clips."""
    window_frames: int = 25
    """Descriptor and activation are averaged over this many frames (0.5 s)."""
    train_clips: int = 80
    """Clips that words are chosen on, at most."""
    held_out_clips: int = 40
    """Clips that scores are reported on, at most."""

    def __post_init__(self) -> None:
        if not 0.5 <= self.min_auroc <= 1 or self.window_frames < 1:
            raise BadInputError(f"{self}: min_auroc must lie in 0.5 to 1 and a window be at least one frame")


class ColumnLabeller:
    """A word for the column of a describer whose outer third a feature tells from the rest."""

    def __init__(
        self, author: str, method: str, columns: Sequence[str], settings: DescriptorSettings, *, tags: bool
    ) -> None:
        """``tags``: the columns are things that are there or not, so "low" is no label."""
        self.author = author
        self._method, self._columns, self._settings, self._tags = method, tuple(columns), settings, tags

    def key(self) -> object:
        return [2, asdict(self._settings), self._method, list(self._columns), self._tags]

    def label(self, view: LayerView, tell: Tell) -> Labelled:
        """Labels, and correlations [F, columns] of all of the describer's columns on held-out clips."""
        found = view.sounds(self.author)
        if found is None or not len(found.train) or not len(found.held_out):
            return Labelled()
        cfg = self._settings
        train = view.activation(found.train_clips, found.window_frames)
        held_out = view.activation(found.held_out_clips, found.window_frames)
        tell(1, 3)
        columns = [found.columns.index(name) for name in self._columns if name in found.columns]
        names = [found.columns[c] for c in columns]
        scores = score_descriptors(
            names, (train, found.train[:, columns]), (held_out, found.held_out[:, columns])
        )
        if self._tags:
            low = torch.tensor([name.endswith(":low") for name in scores.names])
            scores.train[:, low] = torch.nan
        tell(2, 3)
        related = correlations(held_out, found.held_out)
        size = effects(held_out, found.held_out[:, columns])
        labels = label_from_descriptors(
            view.layer, scores, related[:, columns], cfg, view.alive, self.author, self._method, size
        )
        arrays = {"r": related}
        if not self._tags:
            steady = consistency((train, found.train), (held_out, found.held_out))
            arrays |= {"consistency": steady.auroc, "consistency_shuffled": steady.shuffled}
        tell(3, 3)
        table = {"columns": list(found.columns)}
        return Labelled(labels, _separation(scores, view.alive, cfg.min_auroc), table, arrays)


class DescriptorLabeller(ColumnLabeller):
    """Plain words for what the descriptors measure."""

    def __init__(self, settings: DescriptorSettings) -> None:
        super().__init__(AUTHOR, METHOD, _LABELLED, settings, tags=False)


def window_curves(
    curves: Mapping[str, NDArray[np.float32]], names: Sequence[str], frames: int, window: int
) -> Tensor:
    """Curves [T] at 50 Hz -> means over whole windows [T // window, len(names)]; NaN: nothing to measure."""
    count = frames // window
    out = np.full((count, len(names)), np.nan, dtype=np.float32)
    for column, name in enumerate(names):
        curve = curves[name][: count * window].astype(np.float32)
        curve = np.pad(curve, (0, count * window - len(curve)), mode="edge") if len(curve) else curve
        cells = curve.reshape(count, window)
        there = cells != 0 if name in _SILENT_IS_MISSING else np.ones_like(cells, dtype=bool)
        enough = there.sum(1) >= window / 2
        out[enough, column] = (cells * there).sum(1)[enough] / there.sum(1)[enough]
    return torch.from_numpy(out)


def score_descriptors(
    names: Sequence[str], train: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor]
) -> Scores:
    """(activation [W, F], descriptors [W, n]) of both splits -> scores for "high" and "low" of each.

    The thirds are cut on the training windows.
    """
    low, high = (train[1].nanquantile(q, dim=0) for q in (1 / 3, 2 / 3))
    concepts = [f"{name}:{side}" for name in names for side in ("high", "low")]

    def truth(values: Tensor) -> Tensor:
        return torch.stack([values > high, values < low], dim=2).flatten(1)

    masks = tuple((~x.isnan()).repeat_interleave(2, dim=1) for x in (train[1], held_out[1]))
    return score(
        concepts,
        (train[0], truth(train[1])),
        (held_out[0], truth(held_out[1])),
        (masks[0], masks[1]),
    )


def correlations(activation: Tensor, curves: Tensor) -> Tensor:
    """Pearson correlation of [W, F] with curves [W, n] -> [F, n]; NaN windows left out, constants give 0."""
    columns = []
    for c in range(curves.shape[1]):
        keep = ~curves[:, c].isnan()
        x, y = activation[keep], curves[keep, c]
        x, y = x - x.mean(0), y - y.mean()
        spread = x.norm(dim=0) * y.norm()
        columns.append(torch.where(spread > 1e-9, (y @ x) / spread.clamp_min(1e-9), 0.0))
    return torch.stack(columns, dim=1).nan_to_num(0.0)


def effects(activation: Tensor, curves: Tensor) -> Tensor:
    """Cohen's d of curves [W, n] between the windows where a feature is high and the rest -> [F, n]."""
    high = high_windows(activation).double()
    columns = []
    for c in range(curves.shape[1]):
        keep = ~curves[:, c].isnan()
        on, y = high[keep], curves[keep, c].double()
        n1, n0 = on.sum(0), (1 - on).sum(0)
        mean1 = (y @ on) / n1.clamp_min(1)
        mean0 = (y @ (1 - on)) / n0.clamp_min(1)
        within = (y**2).sum() - n1 * mean1**2 - n0 * mean0**2
        pooled = (within / (n1 + n0 - 2).clamp_min(1)).clamp_min(0).sqrt()
        there = (n1 >= 2) & (n0 >= 2) & (pooled > 1e-9)
        columns.append(torch.where(there, (mean1 - mean0) / pooled.clamp_min(1e-9), 0.0))
    return torch.stack(columns, dim=1).float()


def label_from_descriptors(
    layer: int,
    scores: Scores,
    held_out_r: Tensor,
    settings: DescriptorSettings,
    alive: list[int],
    author: str = AUTHOR,
    method: str = METHOD,
    held_out_d: Tensor | None = None,
) -> list[LabelRecord]:
    """At most one label for each feature that is alive; ``held_out_r`` and ``held_out_d`` [F, n] are evidence."""
    out = []
    names = [name.rpartition(":")[0] for name in scores.names[::2]]
    for best in scores.per_feature(alive):
        if not best.held_out >= settings.min_auroc:
            continue
        descriptor, _, side = best.concept.rpartition(":")
        column = names.index(descriptor)
        evidence: dict[str, object] = {
            "descriptor": descriptor,
            "side": side,
            "auroc_train": round(best.train, 4),
            "auroc_held_out": round(best.held_out, 4),
            "r_held_out": round(float(held_out_r[best.feature, column]), 4),
            "runner_up": best.runner_up,
        }
        text = descriptor_label(descriptor, side == "high")
        if held_out_d is not None:
            size = held_out_d[best.feature]
            evidence["d_held_out"] = round(float(size[column]), 3)
            evidence["phrase"] = _phrase(names, size, descriptor, best)
        out.append(
            LabelRecord(
                f"{layer}/{best.feature}", Label(text, author, method, round(best.held_out, 4), evidence)
            )
        )
    return out


def _phrase(names: list[str], size: Tensor, first: str, best: FeatureBest) -> str:
    """The label and what else goes with it, each with its effect size: "bright (d +1.4), steady (d -0.6)"."""
    order = [names.index(first)]
    order += [
        i for i in size.abs().argsort(descending=True).tolist() if i != order[0] and abs(size[i]) >= 0.5
    ]
    words = []
    for place, i in enumerate(order[:3]):
        high = best.concept.endswith(":high") if place == 0 else float(size[i]) > 0
        words.append(f"{descriptor_label(names[i], high)} (d {float(size[i]):+.1f})")
    return ", ".join(words)


def _separation(scores: Scores, alive: list[int], least: float) -> Separation | None:
    chosen = [best for best in scores.per_feature(alive) if best.train >= least]
    column = {name: place for place, name in enumerate(scores.names)}
    shuffled = [
        float(scores.held_out[best.feature, column[chosen[j].concept]])
        for best, j in zip(chosen, partners([best.concept for best in chosen]), strict=True)
        if j is not None
    ]
    return separate([best.held_out for best in chosen], shuffled)
