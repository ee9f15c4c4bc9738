"""Firings of many clips -> how a feature moves: sustained, onset, periodic, drifting, locked.

A position-locked feature says where in the sequence one is, not what sounds: it is flagged.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.features.firings import Firings
from drawbar.files.json_object import JsonObject

KINDS = ("position-locked", "periodic", "drifting", "sustained", "onset", "mixed")
"""In the order in which they are tried."""

_POSITION = 0.25  # share of the activation's variance that the position alone explains
_PERIODIC = 0.35  # mean height of the autocorrelation's best peak
_DRIFT = 0.4  # mean correlation with the time since the clip's start
_SUSTAINED, _ONSET = 0.8, 0.4  # chance to fire again 20 ms later
_EDGES = (*range(10), *range(10, 100, 10), *range(100, 3000, 25))  # frames: fine where a clip starts

_LAGS = (10, 120)  # frames: 0.2 to 2.4 s
_MIN_RUNS = 4  # stretches of firing below which a clip says nothing about a period
_DRIFT_BIN = 25


@dataclass(frozen=True)
class Temporal:
    """Arrays over the F features."""

    persistence: NDArray[np.float32]
    """Chance that a feature that fires also fires 20 ms later."""
    run_frames: NDArray[np.float32]
    """Mean length of a stretch of firing."""
    position: NDArray[np.float32]
    """Share of the variance explained by the position since the clip's start, agreeing in both halves of the
    clips; 0 to 1."""
    drift: NDArray[np.float32]
    """Mean correlation with the time inside a clip, -1 to 1."""
    periodicity: NDArray[np.float32]
    """Mean height of the best peak of the autocorrelation between 0.2 and 2.4 s, 0 to 1."""
    period_s: NDArray[np.float32]
    """Where that peak lies (geometric mean over clips); 0 where there is none."""


class TemporalSums:
    """What a temporal profile adds up; memory grows with the number of features only."""

    def __init__(self, d_sae: int) -> None:
        bins = len(_EDGES)
        self._edges = torch.tensor(_EDGES)
        self.stayed, self.could_stay, self.runs, self.fired = (
            torch.zeros(d_sae, dtype=torch.int32) for _ in range(4)
        )
        self.squares = torch.zeros(d_sae, dtype=torch.float64)
        self.by_position = torch.zeros(2, d_sae, bins)
        self.frames_at = torch.zeros(2, bins)
        self.drift, self.drift_clips = torch.zeros(d_sae), torch.zeros(d_sae)
        self.peak, self.log_period, self.period_clips = (torch.zeros(d_sae) for _ in range(3))
        self._clips = 0

    @property
    def nbytes(self) -> int:
        return sum(x.nbytes for x in vars(self).values() if isinstance(x, torch.Tensor))

    def add(self, firings: Firings, *, rhythm: bool) -> None:
        """One clip; ``rhythm``: look for periods too, the slowest part."""
        half = self._clips % 2
        self._clips += 1
        place = torch.bucketize(torch.arange(firings.length), self._edges, right=True) - 1
        self.frames_at[half].index_add_(0, place, torch.ones(firings.length))
        if not len(firings.active):
            return
        features, stayed = firings.features, firings.stayed()
        ones = torch.ones(len(features), dtype=torch.int32)
        self.fired.index_add_(0, features, ones)
        self.stayed.index_add_(0, features, stayed.int())
        self.runs.index_add_(0, features, (~stayed).int())
        self.could_stay.index_add_(0, features, (firings.frame < firings.length - 1).int())
        self.squares.index_add_(0, features, firings.strength.double() ** 2)
        flat = self.by_position[half].view(-1)
        flat.index_add_(0, features * len(_EDGES) + place[firings.frame], firings.strength)
        self._add_drift(firings)
        if rhythm:
            self._add_rhythm(firings, stayed)

    def _add_drift(self, firings: Firings) -> None:
        means = firings.bins(_DRIFT_BIN)[:, : firings.length // _DRIFT_BIN]
        if means.shape[1] < 4:
            return
        time = torch.linspace(-1, 1, means.shape[1])
        centred = means - means.mean(1, keepdim=True)
        r = _rows_times(centred, time) / (centred.norm(dim=1) * time.norm()).clamp_min(1e-9)
        self.drift.index_add_(0, firings.active, r)
        self.drift_clips.index_add_(0, firings.active, torch.ones(len(r)))

    def _add_rhythm(self, firings: Firings, stayed: torch.Tensor) -> None:
        runs = torch.bincount(firings.local[~stayed], minlength=len(firings.active))
        chosen = torch.nonzero(runs >= _MIN_RUNS)[:, 0]
        bins = firings.length
        last = min(_LAGS[1], bins // 3)
        if not len(chosen) or last <= _LAGS[0] + 1:
            return
        height, lag = _best_peak(firings.bins(1)[chosen], last)
        features = firings.active[chosen]
        self.peak.index_add_(0, features, height)
        self.log_period.index_add_(0, features, height * (lag.clamp_min(1) / 50).log())
        self.period_clips.index_add_(0, features, torch.ones(len(features)))

    def finish(self) -> Temporal:
        def share(part: torch.Tensor, whole: torch.Tensor) -> NDArray[np.float32]:
            found: NDArray[np.float32] = (part / whole.clamp_min(1)).float().numpy()
            return found

        period = torch.where(self.peak > 0, (self.log_period / self.peak.clamp_min(1e-9)).exp(), 0.0)
        return Temporal(
            persistence=share(self.stayed, self.could_stay),
            run_frames=share(self.fired, self.runs),
            position=self._position(),
            drift=share(self.drift, self.drift_clips),
            periodicity=share(self.peak, self.period_clips),
            period_s=period.numpy(),
        )

    def _position(self) -> NDArray[np.float32]:
        """Variance between positions, as the product of two halves of the clips: noise does not add to it."""
        both = (self.frames_at > 0).all(0)
        total = float(self.frames_at.sum())
        if total == 0 or not bool(both.any()):
            return np.zeros(len(self.squares), np.float32)
        weight = self.frames_at.sum(0)[both] / self.frames_at.sum(0)[both].sum()
        shape = []
        for sums, frames in zip(self.by_position, self.frames_at, strict=True):
            means = sums[:, both] / frames[both]
            shape.append(means - _rows_times(means, weight)[:, None])
        between = _rows_times(shape[0] * shape[1], weight).double()
        mean = self.by_position.sum((0, 2)).double() / total
        spread = self.squares / total - mean**2
        eta = torch.where(spread > 1e-12, between / spread.clamp_min(1e-12), 0.0)
        found: NDArray[np.float32] = eta.clamp(0, 1).float().numpy()
        return found


def _rows_times(rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """``rows @ weights``, rounded alike however many rows there are: features may come in parts."""
    return (rows * weights).sum(1)


def _best_peak(curves: torch.Tensor, last: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Curves [M, bins] -> height of the best autocorrelation peak above the dip before it, and its lag."""
    bins = curves.shape[1]
    centred = curves - curves.mean(1, keepdim=True)
    spectrum = torch.fft.rfft(centred, n=2 * bins, dim=1)
    lags = torch.fft.irfft(spectrum.abs() ** 2, n=2 * bins, dim=1)[:, : last + 1]
    fair = bins / (bins - torch.arange(last + 1.0))
    r = lags / lags[:, :1].clamp_min(1e-9) * fair
    dip = r.cummin(dim=1).values
    inner = r[:, 1:-1]
    peak = (inner > r[:, :-2]) & (inner >= r[:, 2:]) & (torch.arange(1, last) >= _LAGS[0])
    height = torch.where(peak, torch.minimum(inner, inner - dip[:, 1:-1]), 0.0).clamp(0, 1)
    best = height.amax(dim=1)
    first = (height >= 0.85 * best[:, None]).int().argmax(dim=1)  # not a multiple of the period
    return best, first + 1


def kinds_of(temporal: Temporal) -> list[str]:
    tests = (
        temporal.position >= _POSITION,
        temporal.periodicity >= _PERIODIC,
        np.abs(temporal.drift) >= _DRIFT,
        temporal.persistence >= _SUSTAINED,
        temporal.persistence < _ONSET,
    )
    place = np.select(tests, range(len(tests)), len(tests))
    return [KINDS[int(i)] for i in place]


def described(temporal: Temporal, kind: str, feature: int) -> JsonObject:
    """What a bank keeps of one feature."""
    return {
        "type": kind,
        "persistence": round(float(temporal.persistence[feature]), 4),
        "run_s": round(float(temporal.run_frames[feature]) / 50, 3),
        "position": round(float(temporal.position[feature]), 3),
        "drift": round(float(temporal.drift[feature]), 3),
        "periodicity": round(float(temporal.periodicity[feature]), 3),
        "period_s": round(float(temporal.period_s[feature]), 3),
    }
