"""Clips that have something and clips that lack it -> a direction per layer, and how well it tells them apart.

Difference in means: what steering of this kind is measured against, and what a direction of one's own is made of.
A linear probe stands beside it as the upper bound. It knows nothing of SAEs, files or concepts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.residuals import ResidualModel, harvest
from drawbar.residuals.areas import auroc_each
from drawbar.residuals.probes import dense_probe


@dataclass(frozen=True)
class ContrastSettings:
    """How clips are cut and compared. Raises BadInputError for impossible numbers."""

    folds: int = 5
    """At most; as many as the smaller side has clips if that is fewer. A clip is in one fold as a whole."""
    window_frames: int = 100
    """Residuals are averaged over windows of this length (2 s); each is one example."""
    segment_frames: int = 400
    """Clips are read in segments of this length, each from position 0, so that both sides stand at the same
    positions of the sequence."""
    least: int = 3
    """Clips that each side needs."""

    def __post_init__(self) -> None:
        if self.folds < 2 or self.least < 2 or not 1 <= self.window_frames <= self.segment_frames:
            raise BadInputError(f"{self}: at least 2 folds and clips, and windows no longer than segments")


@dataclass(frozen=True)
class Area:
    """Area under the ROC curve on clips that were left out."""

    mean: float
    """Over the folds; 0.5 is chance."""
    spread: float
    """Standard deviation between the folds."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """One layer's answer to "what do these have that those lack"."""

    layer: int
    vector: NDArray[np.float32]
    """``[D]``, unit length: mean of the one side less mean of the other, every clip counting once."""
    scale: float
    """The norm of that difference: amount 1 moves the average of those that lack it to that of those that have it."""
    rest: float
    """Where those that lack it stand along ``vector``, on average."""
    difference: Area
    """Of the projection on the direction, fitted without the fold that it reads."""
    probe: Area
    """Of a ridge readout of the whole residual, likewise."""
    positives: int
    negatives: int
    """Clips."""
    windows: int


def contrasts(
    model: ResidualModel,
    positives: Sequence[Tensor],
    negatives: Sequence[Tensor],
    layers: Sequence[int],
    settings: ContrastSettings | None = None,
    *,
    progress: Callable[[str, float], None] | None = None,
) -> list[Contrast]:
    """Compare two sets of clips at every layer asked for.

    Args:
        model: has ``residuals`` (see `drawbar.residuals.ResidualModel`); clips are read with null text.
        positives: codec tokens ``[K, T]`` of what has it.
        negatives: of what lacks it.
        layers: counted from 0.
        settings: how they are cut and compared.
        progress: told what is done and the share of it; what it raises ends the work.

    Raises:
        BadInputError: fewer clips than ``settings.least`` on a side, clips that share no place in the sequence.
    """
    how = settings or ContrastSettings()
    _enough(len(positives), len(negatives), how.least)
    tell = progress or (lambda _what, _share: None)
    rows, owner = _windows(model, [*positives, *negatives], len(positives), layers, how, tell)
    truth = owner < len(positives)
    have, lack = (int(owner[side].unique().numel()) for side in (truth, ~truth))
    _enough(have, lack, how.least)
    fold = _folds(owner, truth, min(how.folds, have, lack))
    found = []
    for number, layer in enumerate(layers):
        tell(f"comparing at layer {layer}", 0.8 + 0.2 * number / len(layers))
        x = rows[layer]
        weight = 1.0 / torch.bincount(owner, minlength=int(owner.max()) + 1)[owner].float()
        areas = cross_validated(x, truth[:, None], owner, fold, weight)
        step = differences(x, truth[:, None], weight)[:, 0]
        scale = float(step.norm())
        if not scale > 0:
            raise BadInputError(
                f"layer {layer}: both sides are the same there; give examples that differ from one another"
            )
        vector = step / scale
        lacking = (x[~truth] * weight[~truth, None]).sum(0) / weight[~truth].sum()
        difference, probe = (area_of(area[:, 0]) for area in areas)
        rest, base = float(lacking @ vector), vector.numpy().astype(np.float32)
        found.append(Contrast(layer, base, scale, rest, difference, probe, have, lack, windows=len(owner)))
    return found


def differences(x: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Rows ``[N, D]`` and truth bool ``[N, C]`` -> mean where true less mean where not ``[D, C]``."""
    hits = truth.float() if weight is None else truth.float() * weight[:, None]
    misses = (~truth).float() if weight is None else (~truth).float() * weight[:, None]
    shares = hits / hits.sum(0) - misses / misses.sum(0)
    found: Tensor = (x - x.mean(0)).T @ shares
    return found


def cross_validated(
    x: Tensor, truth: Tensor, owner: Tensor, fold: Tensor, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Read each fold by what was fitted on the others.

    Args:
        x: rows ``[N, D]``.
        truth: bool ``[N, C]``.
        owner: the clip of each row ``[N]``; the probe's strength is chosen by clip, too.
        fold: the fold of each row ``[N]``.
        weight: of each row in the means ``[N]``; all alike by default.

    Returns:
        AUROC ``[folds, C]`` of the difference in means and of the probe; NaN where a fold has one kind only.
    """
    difference, probe = [], []
    for number in range(int(fold.max()) + 1):
        out = fold == number
        own = None if weight is None else weight[~out]
        difference.append(auroc_each(x[out] @ differences(x[~out], truth[~out], own), truth[out]))
        probe.append(auroc_each(dense_probe(x[~out], truth[~out], owner[~out])(x[out]), truth[out]))
    return torch.stack(difference), torch.stack(probe)


def area_of(folds: Tensor) -> Area:
    """AUROCs of the folds ``[folds]`` -> mean and spread of those that have both kinds."""
    known = folds[~folds.isnan()]
    if not len(known):
        return Area(float("nan"), float("nan"))
    return Area(float(known.mean()), float(known.std(correction=0)))


def _enough(have: int, lack: int, least: int) -> None:
    if min(have, lack) < least:
        raise BadInputError(
            f"{have} examples that have it and {lack} that lack it: give at least {least} of each, "
            "alike in everything else (the more the better; 10 of each is a good start)"
        )


def _folds(owner: Tensor, truth: Tensor, count: int) -> Tensor:
    """Clips dealt out in a fixed random order, each side by itself, so that every fold has both kinds."""
    fold = torch.zeros(int(owner.max()) + 1, dtype=torch.int64)
    for side in (truth, ~truth):
        clips = owner[side].unique()
        order = torch.randperm(len(clips), generator=torch.Generator().manual_seed(0))
        fold[clips[order]] = torch.arange(len(clips)) % count
    return fold[owner]


def _windows(
    model: ResidualModel,
    clips: Sequence[Tensor],
    cut: int,
    layers: Sequence[int],
    how: ContrastSettings,
    tell: Callable[[str, float], None],
) -> tuple[dict[int, Tensor], Tensor]:
    """Mean residuals of windows {layer: [N, D]} and their clips [N]; only windows at places both sides have."""
    segments = [
        (number, part)
        for number, clip in enumerate(clips)
        for part in clip.split(how.segment_frames, dim=1)
        if part.shape[1] >= how.window_frames or part.shape[1] == clip.shape[1]
    ]
    found: dict[int, list[Tensor]] = {layer: [] for layer in layers}
    owner: list[int] = []
    place: list[int] = []
    done = 0
    for batch in harvest(model, (part for _, part in segments), layers, batch=4):
        starts = np.cumsum((0, *batch.frames))
        for start, frames in zip(starts[:-1].tolist(), batch.frames, strict=True):
            size = min(how.window_frames, frames)
            for first in range(0, frames - size + 1, size):
                for layer in layers:
                    found[layer].append(batch.rows[layer][start + first : start + first + size].mean(0).cpu())
                owner.append(segments[done][0])
                place.append(first)
            done += 1
        tell(f"reading segment {done} of {len(segments)}", 0.8 * done / len(segments))
    owners, places = torch.tensor(owner), torch.tensor(place)
    have = places[owners < cut].unique()
    shared = torch.isin(places, have[torch.isin(have, places[owners >= cut])])
    return {layer: torch.stack(rows)[shared] for layer, rows in found.items()}, owners[shared]
