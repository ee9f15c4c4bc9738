"""A reading and its truth -> areas on training folds and on held-out tracks, ready to be compared; and as JSON.

Knows nothing of layers, features or music.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import norm, rankdata

from drawbar.errors import BadInputError, ControlError
from drawbar.files.json_object import JsonObject
from drawbar.research.horizon.folds import Columns, Ints, Reading, read
from drawbar.research.horizon.horizons import Bools
from drawbar.research.horizon.logistic import STRENGTHS, Doubles
from drawbar.research.horizon.scores import (
    Area,
    Estimate,
    Margin,
    area,
    calibration,
    estimate,
    margin,
    weights,
)


@dataclass(frozen=True)
class ProbeSettings:
    """How readouts are fitted, chosen and compared."""

    few: int = 8
    """Features of a set; the controls get as many."""
    folds: int = 5
    """Of training tracks: scores for rankings, and the choice of a strength."""
    inner: int = 4
    """Folds inside a fold's training tracks."""
    strengths: tuple[float, ...] = STRENGTHS
    """Of the regularisation."""
    resamples: int = 2000
    """Of the tracks."""
    alpha: float = 0.05
    """One-sided chance of a false margin, shared out among all features of the shortlist."""
    shortlist: int = 6
    """Features that are held against all controls on held-out tracks."""
    least_margin: float = 0.02
    """A margin below this is not worth having, however certain."""
    seed: int = 0
    by_folds: bool = True
    """Score training tracks by folds; trials that look at held-out tracks alone do without."""

    def __post_init__(self) -> None:
        if min(self.few, self.shortlist, self.resamples) < 1 or min(self.folds, self.inner) < 2:
            raise BadInputError("few, shortlist and resamples must be 1 or more, folds and inner 2 or more")
        if not 0 < self.alpha < 0.5 or self.least_margin < 0 or min(self.strengths, default=0) <= 0:
            raise BadInputError(
                f"alpha={self.alpha}, least_margin={self.least_margin}, strengths={self.strengths}: between 0 and 0.5, "
                "0 or more, above 0"
            )


@dataclass(frozen=True, eq=False)
class Judged:
    """One set of columns for one horizon."""

    name: str
    reading: Reading
    truth: Bools
    """[N]."""
    train: Area
    held: Area
    facts: JsonObject
    """JSON values: areas with intervals, calibration, strength."""

    def to_json(self) -> JsonObject:
        return {"name": self.name, **self.facts}


@dataclass(frozen=True, eq=False)
class Judging:
    """Tracks and settings that every reading shares, so that they can be compared row by row."""

    track: Ints
    """[N]."""
    held: Bools
    """[N]."""
    settings: ProbeSettings
    train_weights: Doubles = field(init=False)
    held_weights: Doubles = field(init=False)

    def __post_init__(self) -> None:
        for name, rows, seed in (("train_weights", ~self.held, 1), ("held_weights", self.held, 2)):
            tracks = len(np.unique(self.track[rows]))
            drawn = weights(tracks, self.settings.resamples, self.settings.seed + seed)
            object.__setattr__(self, name, drawn)

    def judge(self, name: str, columns: Columns, y: Bools) -> Judged:
        s = self.settings
        how: JsonObject = {"folds": s.folds, "inner": s.inner, "by_folds": s.by_folds}
        reading = read(columns, y, self.track, self.held, strengths=s.strengths, **how)
        train = area(reading.scores[~self.held], y[~self.held], self.track[~self.held])
        held = area(reading.scores[self.held], y[self.held], self.track[self.held])
        facts = {
            "train": estimate(train, self.train_weights).to_json(),
            "held": estimate(held, self.held_weights).to_json(),
            "calibration": calibration(reading.chances[self.held], y[self.held]).to_json(),
            "strength": reading.strength,
            "share": float(y[self.held].mean()),
        }
        return Judged(name, reading, y, train, held, facts)


def compare(
    judging: Judging, candidate: Judged, controls: Mapping[str, Judged], *, shared: int = 1
) -> JsonObject:
    """A candidate's margins over each control and over the best of them, as JSON values.

    ``alpha`` is shared by so many candidates. ``detectable`` is the margin over the best control that this many
    held-out tracks would have shown with a chance of 80 %. Raises ControlError for a control that ranks all rows as
    the candidate does, and by the same truth.
    """
    own = rankdata(candidate.reading.scores)
    for name, control in controls.items():
        same = np.array_equal(control.truth, candidate.truth)
        if same and own.std() > 0 and np.array_equal(own, rankdata(control.reading.scores)):
            raise ControlError(
                f"the {name} control ranks all {len(own)} positions as the candidate does: it is the same"
            )
    level = 1 - 2 * judging.settings.alpha / shared

    def over(those: Sequence[Judged]) -> tuple[Margin, Margin]:
        return (
            margin(candidate.train, [c.train for c in those], judging.train_weights, level),
            margin(candidate.held, [c.held for c in those], judging.held_weights, level),
        )

    each = {name: over([control]) for name, control in controls.items()}
    best = over(list(controls.values()))
    return {
        "controls": {name: {"train": vars(t), "held": vars(h)} for name, (t, h) in each.items()},
        "best": {"train": vars(best[0]), "held": vars(best[1])},
        "best_control": max(controls, key=lambda name: controls[name].held.value),
        "level": level,
        "detectable": detectable(judging, candidate, controls, shared),
    }


def detectable(judging: Judging, candidate: Judged, controls: Mapping[str, Judged], shared: int) -> float:
    """The margin over the best control that would have been found four times in five."""
    weight = judging.held_weights
    best = np.max([control.held.resampled(weight) for control in controls.values()], axis=0)
    apart = candidate.held.resampled(weight) - best
    spread = float(np.nanstd(apart))
    return float((norm.ppf(1 - judging.settings.alpha / shared) + norm.ppf(0.8)) * spread)


def difference(one: Area, other: Area, weight: Doubles, level: float) -> Estimate:
    """An area less another over the same tracks, whose truths may differ."""
    found = margin(one, [other], weight, level)
    return Estimate(found.value, found.low, found.high)
