"""The track of each row -> folds that never cut a track in two; a readout and its strength chosen inside them.

The scores of a row come from a readout that has seen no row of the row's track; the strength of that readout
was chosen on folds of its own training tracks. Knows nothing of what the columns are.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from drawbar.errors import BadInputError
from drawbar.research.horizon.horizons import Reals
from drawbar.research.horizon.logistic import STRENGTHS, Doubles, Logistic, fit_path

Ints = NDArray[np.int64]
Columns = Callable[[NDArray[np.bool_]], Reals]
"""Rows to learn from (bool [N]) -> the columns [N, m] of all rows: whatever is chosen is chosen on those rows."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What one set of columns says about one label set."""

    scores: Doubles
    """Log-odds [N]: of training tracks by folds, of held-out tracks by the readout of all training tracks."""
    held_out: NDArray[np.bool_]
    """[N]: rows of held-out tracks."""
    strength: float
    """Chosen on the training tracks."""
    readout: Logistic

    @property
    def chances(self) -> Doubles:
        """Probabilities [N]."""
        found: Doubles = expit(self.scores)
        return found


def fixed(x: Reals) -> Columns:
    """Columns [N, m] that nothing is chosen from."""
    return lambda _learn: x


def fold_of(track: Ints, count: int, salt: str = "") -> Ints:
    """The fold of each row: tracks in an order that depends on their numbers alone, dealt out in turn."""
    names = np.unique(track)
    if len(names) < count:
        raise BadInputError(f"{len(names)} tracks for {count} folds: each fold needs a track; add tracks")
    order = sorted(names, key=lambda name: hashlib.sha256(f"{salt}:{int(name)}".encode()).digest())
    place = {name: number % count for number, name in enumerate(order)}
    return np.array([place[name] for name in track], np.int64)


def _splits(track: Ints, rows: NDArray[np.bool_], count: int, salt: str) -> Iterator[tuple[Ints, Ints]]:
    """(learn, judge) row numbers among ``rows``."""
    inside = np.flatnonzero(rows)
    fold = fold_of(track[inside], count, salt)
    for number in range(count):
        yield inside[fold != number], inside[fold == number]


def read(
    columns: Columns,
    y: NDArray[np.bool_],
    track: Ints,
    held_out: NDArray[np.bool_],
    *,
    folds: int = 5,
    inner: int = 4,
    strengths: Sequence[float] = STRENGTHS,
    by_folds: bool = True,
) -> Reading:
    """Columns and truth [N], the track of each row [N], rows of held-out tracks [N] -> scores of every row.

    Without ``by_folds`` training rows get the scores of the readout that was fitted on them: only for trials that
    look at held-out tracks alone.

    Raises:
        BadInputError: a track that is both held out and not, too few tracks, or truth of one kind only.
    """
    both = set(track[held_out]) & set(track[~held_out])
    if both:
        raise BadInputError(
            f"{len(both)} tracks are both held out and trained on (the first: {min(both)}): split by track"
        )
    train = ~held_out
    scores = np.zeros(len(y))
    for learn, judge in _splits(track, train, folds, "outer") if by_folds else ():
        mask = np.zeros(len(y), bool)
        mask[learn] = True
        x = columns(mask)
        scores[judge] = _chosen(x, y, track, mask, inner, strengths).scores(x[judge])
    x = columns(train)
    readout = _chosen(x, y, track, train, folds, strengths)
    rest = held_out if by_folds else np.ones(len(y), bool)
    scores[rest] = readout.scores(x[rest])
    return Reading(scores, held_out, readout.strength, readout)


def _chosen(
    x: Reals,
    y: NDArray[np.bool_],
    track: Ints,
    rows: NDArray[np.bool_],
    folds: int,
    strengths: Sequence[float],
) -> Logistic:
    """The fit on ``rows`` whose strength has the lowest log-loss over folds of their tracks."""
    losses = np.zeros(len(strengths))
    for learn, judge in _splits(track, rows, folds, "inner"):
        if y[learn].all() or not y[learn].any():
            continue  # nothing can be learnt without both kinds
        for place, fit in enumerate(fit_path(x[learn], y[learn], strengths)):
            odds = fit.scores(x[judge])
            losses[place] += float((np.logaddexp(0, odds) - y[judge] * odds).sum())
    best = strengths[int(np.argmin(losses))]
    stronger = [strength for strength in strengths if strength >= best]  # the path leads there faster
    return fit_path(x[rows], y[rows], stronger)[stronger.index(best)]
