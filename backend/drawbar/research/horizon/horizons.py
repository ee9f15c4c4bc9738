"""Times of events and a grid of positions -> for each horizon, whether an event falls in it: different label sets.

A horizon is a stretch of the future, counted from the position: the event's *start* lies in (t + from, t + to].
Horizons that label every position alike are refused: they would ask one question under several names. Knows no audio.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import BadInputError

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Reals = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Horizon:
    """A stretch of the future."""

    from_s: float
    to_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.from_s < self.to_s:
            raise BadInputError(
                f"horizon {self.from_s:g} to {self.to_s:g} s: it must lie ahead and have a length"
            )

    @property
    def name(self) -> str:
        return f"{self.from_s:g}-{self.to_s:g} s"

    def labels(self, starts_s: Sequence[float], times_s: Reals) -> Bools:
        """Starts of events, positions [n] -> whether one falls in (t + from, t + to], [n]."""
        ahead = np.asarray(starts_s, np.float64)[None, :] - np.asarray(times_s, np.float64)[:, None]
        found: Bools = ((ahead > self.from_s) & (ahead <= self.to_s)).any(axis=1)
        return found


HORIZONS = (Horizon(1.0, 3.0), Horizon(5.0, 10.0), Horizon(15.0, 25.0))
"""Local continuation, a phrase ahead, a section ahead."""


@dataclass(frozen=True)
class Grid:
    """Which positions of a track are asked about: every ``step_s`` from ``first_s``, as long as the future is known."""

    first_s: float = 5.0
    """So that there is a past to know."""
    step_s: float = 1.0
    last_s: float = 30.0
    """The model's context: later positions have a shortened past."""

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.last_s or self.step_s <= 0:
            raise BadInputError(
                f"grid from {self.first_s:g} to {self.last_s:g} s by {self.step_s:g} s: give rising positions above 0"
            )

    def times(self, seconds: float, horizons: Sequence[Horizon]) -> NDArray[np.float64]:
        """A track's length -> positions [n] whose every horizon lies inside the track; the same for all horizons."""
        end = min(self.last_s, seconds - max(horizon.to_s for horizon in horizons))
        count = int(np.floor((end - self.first_s) / self.step_s + 1e-9)) + 1
        return self.first_s + self.step_s * np.arange(max(0, count))


def label_sets(starts_s: Sequence[float], times_s: Reals, horizons: Sequence[Horizon]) -> Bools:
    """One column a horizon, [n, H]."""
    return np.stack([horizon.labels(starts_s, times_s) for horizon in horizons], axis=1)


def check_labels(labels: Bools, horizons: Sequence[Horizon]) -> None:
    """Over a whole study: raises BadInputError for horizons that label alike, or that are always or never true."""
    if labels.shape[1] != len(horizons):
        raise BadInputError(f"{labels.shape[1]} label sets for {len(horizons)} horizons: make one for each")
    for one in range(len(horizons)):
        for other in range(one + 1, len(horizons)):
            if np.array_equal(labels[:, one], labels[:, other]):
                raise BadInputError(
                    f"horizons {horizons[one].name} and {horizons[other].name} label all {len(labels)} positions "
                    "alike: they would be one question asked twice; give horizons that differ"
                )
        share = float(labels[:, one].mean()) if len(labels) else 0.0
        if share in (0.0, 1.0):
            raise BadInputError(
                f"horizon {horizons[one].name}: an event falls in it at {100 * share:.0f} % of {len(labels)} "
                "positions, so there is nothing to tell apart; add tracks with and without events"
            )
