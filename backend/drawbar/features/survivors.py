"""Densities of one layer's features -> how many survive the paper's filter and a rule on tokens.

The paper (arXiv 2505.18186): a feature is kept if its time-mean is above 0 in 1 % to 25 % of the clips. With
top-k activations nearly every live feature fires somewhere in a clip of 10 s, so that the ceiling removes most
of them; a rule on the share of frames asks the same of single moments.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drawbar.features.profile import CLIP_MEAN_EDGES, Profile

PAPER = (0.01, 0.25)
TOKEN_RULE = (0.0005, 0.1)
_CLIP_LOW, _CLIP_HIGH = (0.0025, 0.005, 0.01, 0.02, 0.05), (0.1, 0.25, 0.5, 0.75, 1.0)
_TOKEN_LOW, _TOKEN_HIGH = (0.0001, 0.0005, 0.001, 0.005), (0.02, 0.05, 0.1, 0.2, 1.0)
_LEAST = (0.0, 0.001, 0.01, 0.05, 0.1)
"""Time-means that count as active, in units of the feature's p99."""


@dataclass(frozen=True)
class Survivors:
    """One layer's table."""

    layer: int
    features: int
    """Of the SAE, or of the bank where only that is known."""
    alive: int
    paper: int
    token_rule: int
    both: int
    clip_grid: list[dict[str, float]]
    """low, high, survivors: the paper's rule at other thresholds."""
    token_grid: list[dict[str, float]]
    """low, high, survivors: the token rule at other thresholds."""
    mean_grid: list[dict[str, float]]
    """least, survivors: the paper's rule when a clip counts from a higher time-mean on; from a run only."""


def rates_of(profile: Profile) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(share of clips, share of frames) in which each feature fires."""
    return profile.fired_clips / max(profile.clips, 1), profile.fired / max(profile.tokens, 1)


def survivors(
    layer: int,
    clip_rate: NDArray[np.float64],
    token_rate: NDArray[np.float64],
    *,
    features: int | None = None,
    profile: Profile | None = None,
) -> Survivors:
    """Rates [F] of the features that are known -> the table; ``profile`` adds the rows on time-means."""

    def kept(rate: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
        return (rate >= low) & (rate <= high) & (token_rate > 0)

    paper, rule = kept(clip_rate, *PAPER), kept(token_rate, *TOKEN_RULE)

    def grid(
        rate: NDArray[np.float64], lows: Sequence[float], highs: Sequence[float]
    ) -> list[dict[str, float]]:
        return [
            {"low": low, "high": high, "survivors": int(kept(rate, low, high).sum())}
            for low in lows
            for high in highs
        ]

    return Survivors(
        layer=layer,
        features=len(token_rate) if features is None else features,
        alive=int((token_rate > 0).sum()),
        paper=int(paper.sum()),
        token_rule=int(rule.sum()),
        both=int((paper & rule).sum()),
        clip_grid=grid(clip_rate, _CLIP_LOW, _CLIP_HIGH),
        token_grid=grid(token_rate, _TOKEN_LOW, _TOKEN_HIGH),
        mean_grid=[] if profile is None else _mean_grid(profile),
    )


def _mean_grid(profile: Profile) -> list[dict[str, float]]:
    scale = profile.scale.astype(np.float64)
    rows: list[dict[str, float]] = []
    # Counts of clips whose time-mean lies above each edge.
    above = profile.clip_means[:, ::-1].cumsum(axis=1)[:, ::-1]
    for least in _LEAST:
        bins = np.searchsorted(CLIP_MEAN_EDGES, least * scale, side="left").clip(0, above.shape[1] - 1)
        rate = above[np.arange(len(above)), bins] / max(profile.clips, 1)
        rows.append({"least": least, "survivors": int(((rate >= PAPER[0]) & (rate <= PAPER[1])).sum())})
    return rows
