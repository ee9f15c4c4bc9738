"""Scores and truths -> AUROC, balanced accuracy and the threshold that suits them best."""

import numpy as np
from numpy.typing import ArrayLike


def auroc(scores: ArrayLike, truth: ArrayLike) -> float:
    """Chance that a positive scores above a negative, ties half (Mann-Whitney); NaN without both kinds."""
    values, positive = np.asarray(scores, np.float64), np.asarray(truth, bool)
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    if not n_pos or not n_neg:
        return float("nan")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(counts) - (counts - 1) / 2
    return float((mid_rank[inverse][positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def balanced_accuracy(scores: ArrayLike, truth: ArrayLike, threshold: float) -> float:
    """Mean of sensitivity and specificity of ``scores > threshold``; NaN without both kinds."""
    said, positive = np.asarray(scores) > threshold, np.asarray(truth, bool)
    if positive.all() or not positive.any():
        return float("nan")
    return float((said[positive].mean() + (~said[~positive]).mean()) / 2)


def best_threshold(scores: ArrayLike, truth: ArrayLike) -> float:
    """The threshold of highest balanced accuracy (the middle one of ties); 0.5 without both kinds."""
    values, positive = np.asarray(scores, np.float64), np.asarray(truth, bool)
    if positive.all() or not positive.any():
        return 0.5
    order = np.argsort(values)
    sensitivity = 1 - np.cumsum(positive[order]) / positive.sum()
    specificity = np.cumsum(~positive[order]) / (~positive).sum()
    total = np.where(np.diff(values[order], append=np.inf) > 0, sensitivity + specificity, -1.0)
    best = np.flatnonzero(total >= total.max() - 1e-12)
    cut = int(best[len(best) // 2])
    above = values[order][min(cut + 1, values.size - 1)]
    return float((values[order][cut] + above) / 2)
