"""Residuals -> the factor that brings their mean norm to sqrt(D), and which rows are outliers."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from drawbar.errors import BadInputError

__all__ = ["OUTLIER_FACTOR", "NormReport", "mean_norm_scale", "norm_report", "outliers"]

OUTLIER_FACTOR = 10.0  # a norm spike: this many times the median norm


@dataclass(frozen=True)
class NormReport:
    """Norms of the rows seen."""

    mean: float
    median: float
    largest: float
    outliers: int
    rows: int


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
    return NormReport(float(norms.mean()), float(norms.median()), float(torch.amax(norms)), spikes, len(rows))
