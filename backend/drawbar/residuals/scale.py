"""Residuals -> the factor that brings their mean norm to sqrt(D), and which rows are outliers.

A model parks a few huge vectors at positions that mean nothing by themselves; an SAE that is trained on
them spends features on them. They stay in every analysis, and out of every training.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from drawbar.errors import BadInputError

OUTLIER_FACTOR = 10.0  # a norm spike: this many times the median norm


@dataclass(frozen=True)
class NormReport:
    """Norms of the rows seen."""

    mean: float
    median: float
    largest: float
    outliers: int
    rows: int
    scale: float = 1.0
    """What brings the mean norm to sqrt(D)."""

    @property
    def limit(self) -> float:
        """The norm above which a row is an outlier."""
        return OUTLIER_FACTOR * self.median


def mean_norm_scale(batches: Iterable[Tensor]) -> float:
    """sqrt(D) / mean norm over batches [N, D]: residuals times this are what an SAE is trained on."""
    total, n, width = 0.0, 0, 0
    for batch in batches:
        total += float(batch.float().norm(dim=1).double().sum())
        n, width = n + len(batch), batch.shape[1]
    if n == 0 or not (math.isfinite(total) and total > 0):
        raise BadInputError(
            f"no scale from {n} residuals with norms adding up to {total}: they must be finite, not zero"
        )
    return math.sqrt(width) * n / total


def outliers(rows: Tensor) -> Tensor:
    """Which rows [N, D] have a norm above 10 times the median: bool [N]."""
    norms = rows.float().norm(dim=1)
    spikes: Tensor = norms > OUTLIER_FACTOR * norms.median()
    return spikes


def norm_report(rows: Tensor) -> NormReport:
    """The norms of rows [N, D] in figures."""
    norms = rows.float().norm(dim=1)
    if len(norms) == 0:
        raise BadInputError("no residuals to report on")
    spikes = int(outliers(rows).sum())
    mean = float(norms.mean())
    if not (math.isfinite(mean) and mean > 0):
        raise BadInputError(f"residuals with a mean norm of {mean}: they must be finite and not all zero")
    scale = math.sqrt(rows.shape[1]) / mean
    return NormReport(mean, float(norms.median()), float(torch.amax(norms)), spikes, len(rows), scale)


def usable_rows(rows: Mapping[int, Tensor], valid: Tensor, limits: Mapping[int, float]) -> Tensor:
    """Which positions to train on: bool [N], no padding and at no layer a norm above that layer's limit.

    Args:
        rows: layer -> residuals [N, D].
        valid: bool [N], False where a frame is padding.
        limits: layer -> the largest norm; layers without one are not looked at.
    """
    out = valid.clone()
    for layer, x in rows.items():
        if layer in limits:
            out &= x.float().norm(dim=1).cpu() <= limits[layer]
    return out
