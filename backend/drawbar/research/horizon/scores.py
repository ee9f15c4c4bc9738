"""Scores, truth and tracks -> AUROC, Brier score and calibration, with bootstrap intervals over tracks.

Rows of one track are alike, so tracks are resampled, not rows. The area is a ratio of two sums over pairs of tracks
(wins of a positive row of one over a negative row of the other), computed once: a resample only weights them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import BadInputError
from drawbar.evidence.statistics.slopes import interval
from drawbar.research.horizon.folds import Ints
from drawbar.research.horizon.horizons import Reals
from drawbar.research.horizon.logistic import Doubles

RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A figure and its bootstrap interval over tracks."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Margin(Estimate):
    """A difference of two areas over the same rows."""

    p: float
    """Share of resamples in which it is not above 0 (one more in both counts)."""


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities mean what they say."""

    brier: float
    brier_of_the_share: float
    """Of always saying the share of true rows: what must be undercut."""
    error: float
    """Mean gap between said and found over tenths of the rows, weighted by rows."""
    bins: tuple[tuple[float, float, int], ...]
    """(said, found, rows) of each tenth."""

    def to_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Area:
    """Wins between tracks: what every resample of them is computed from."""

    wins: Doubles
    """[tracks, tracks]: pairs (positive row of i, negative row of j) that are ranked right; ties are half."""
    positives: Doubles
    """[tracks]."""
    negatives: Doubles

    @property
    def value(self) -> float:
        return float(self.resampled(np.ones((1, len(self.positives))))[0])

    def resampled(self, weight: Doubles) -> Doubles:
        """Weights of tracks [R, tracks] -> areas [R]; NaN where a resample has rows of one kind only."""
        won = ((weight @ self.wins) * weight).sum(axis=1)
        pairs = (weight @ self.positives) * (weight @ self.negatives)
        found: Doubles = np.divide(won, pairs, out=np.full(len(weight), np.nan), where=pairs > 0)
        return found


def area(scores: Reals, y: NDArray[np.bool_], track: Ints) -> Area:
    """Scores, truth and tracks, [n] each. Raises BadInputError where all rows are of one kind."""
    if not 0 < int(y.sum()) < len(y):
        raise BadInputError(f"{int(y.sum())} of {len(y)} rows are true: an area needs both kinds")
    names, place = np.unique(track, return_inverse=True)
    order = np.argsort(scores, kind="stable")
    ranked, truth, owner = scores[order], y[order], place[order]
    first = np.searchsorted(ranked, ranked, "left")
    last = np.searchsorted(ranked, ranked, "right")
    below = np.zeros((len(y) + 1, len(names)))
    one = np.zeros((len(y), len(names)))
    one[np.flatnonzero(~truth), owner[~truth]] = 1.0
    np.cumsum(one, axis=0, out=below[1:])
    beaten = (below[first[truth]] + below[last[truth]]) / 2
    wins = np.zeros((len(names), len(names)))
    np.add.at(wins, owner[truth], beaten)
    count = len(names)
    return Area(
        wins,
        np.bincount(owner[truth], minlength=count).astype(np.float64),
        np.bincount(owner[~truth], minlength=count).astype(np.float64),
    )


def weights(tracks: int, resamples: int = RESAMPLES, seed: int = 0) -> Doubles:
    """How often each track is in each resample, [R, tracks]; the same for everything that is compared."""
    drawn = np.random.default_rng(seed).integers(0, tracks, (resamples, tracks))
    found = np.zeros((resamples, tracks))
    np.add.at(found, (np.arange(resamples)[:, None], drawn), 1.0)
    return found


def estimate(found: Area, weight: Doubles, level: float = 0.9) -> Estimate:
    return Estimate(found.value, *interval(found.resampled(weight), level))


def margin(candidate: Area, controls: Sequence[Area], weight: Doubles, level: float = 0.9) -> Margin:
    """The candidate's area less the best control's; in each resample the control that is best there.

    A resample may favour another control than the whole, so the interval leans down, never up.
    """
    if not controls:
        raise BadInputError("a margin without a control: give the controls that the candidate must beat")
    value = candidate.value - max(control.value for control in controls)
    best = np.max([control.resampled(weight) for control in controls], axis=0)
    apart = candidate.resampled(weight) - best
    apart = apart[np.isfinite(apart)]
    p = (1 + int((apart <= 0).sum())) / (1 + len(apart))
    return Margin(value, *interval(apart, level), p)


def calibration(chances: Doubles, y: NDArray[np.bool_]) -> Calibration:
    """Probabilities and truth [n]."""
    order = np.argsort(chances, kind="stable")
    bins = [
        (float(chances[part].mean()), float(y[part].mean()), len(part))
        for part in np.array_split(order, 10)
        if len(part)
    ]
    gap = sum(rows * abs(said - found) for said, found, rows in bins) / len(y)
    share = float(y.mean())
    return Calibration(float(np.mean((chances - y) ** 2)), share * (1 - share), float(gap), tuple(bins))
