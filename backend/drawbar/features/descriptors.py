"""Activations and descriptor curves of the same audio -> labels in plain words, and correlations.

The labeller ``descriptors``: works on any audio. "Bright" means that the feature tells the brightest
third of the windows from the rest; its score is the AUROC of that on held-out clips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.bank.records import Label, LabelRecord
from drawbar.errors import BadInputError
from drawbar.features.naming import descriptor_label
from drawbar.features.scoring import Scores, score

__all__ = [
    "AUTHOR",
    "DescriptorSettings",
    "correlations",
    "label_from_descriptors",
    "score_descriptors",
    "window_curves",
]

AUTHOR = "descriptors"
METHOD = "outer third of the descriptor"
_SILENT_IS_MISSING = ("pitch_hz", "centroid_hz", "rolloff_hz")  # 0 means "none", not "low"


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


def label_from_descriptors(
    layer: int, scores: Scores, held_out_r: Tensor, settings: DescriptorSettings, alive: list[int]
) -> list[LabelRecord]:
    """At most one label for each feature that is alive; ``held_out_r`` [F, n] goes into its evidence."""
    out = []
    for best in scores.per_feature(alive):
        if not best.held_out >= settings.min_auroc:
            continue
        descriptor, _, side = best.concept.rpartition(":")
        r = float(held_out_r[best.feature, scores.names.index(best.concept) // 2])
        evidence = {
            "descriptor": descriptor,
            "side": side,
            "auroc_train": round(best.train, 4),
            "auroc_held_out": round(best.held_out, 4),
            "r_held_out": round(r, 4),
            "runner_up": best.runner_up,
        }
        text = descriptor_label(descriptor, side == "high")
        out.append(
            LabelRecord(
                f"{layer}/{best.feature}", Label(text, AUTHOR, METHOD, round(best.held_out, 4), evidence)
            )
        )
    return out
