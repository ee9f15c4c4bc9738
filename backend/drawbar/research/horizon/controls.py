"""A table of positions -> the columns of every control, each a model of its own; none may be missing or the candidate.

Random directions and random features are as many as the candidates were chosen from, and the best of them are chosen
in the same way on the same rows, so that choosing alone gains nothing. Knows nothing of how a readout is fitted.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from drawbar.errors import BadInputError, ControlError
from drawbar.research.horizon.features_at import Units
from drawbar.research.horizon.folds import Columns, Ints
from drawbar.research.horizon.horizons import Bools, Floats, Reals
from drawbar.research.horizon.ranking import best_columns
from drawbar.research.horizon.rows import PLAIN_CONTROLS

LOCAL = "local-only"
SHUFFLED = "shuffled labels"
CONTROLS = (*PLAIN_CONTROLS, SHUFFLED, "random directions", "random features", LOCAL)
"""What every candidate must be held against; ``local-only`` does not exist for the local horizon itself."""


def random_rows(width: int, count: int, seed: int) -> Floats:
    """Unit vectors [count, D], uniform on the sphere."""
    drawn = np.random.default_rng(seed).standard_normal((count, width))
    found: Floats = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return found


@dataclass(frozen=True, eq=False)
class RandomFeatures:
    """As many random features as a layer has, each as dense as its twin on the rows that are learnt from."""

    units: Units
    residual: Floats
    """[N, D]."""
    activations: Floats
    """Of the real features, [N, F]."""
    seed: int
    _projected: dict[str, Floats] = field(default_factory=dict)
    _levels: dict[bytes, Floats] = field(default_factory=dict)

    def table(self, learn: Bools) -> Floats:
        """[N, F]: projections on random directions, less the level that they exceed as often as the twin fires."""
        if "all" not in self._projected:
            directions = random_rows(self.residual.shape[1], len(self.units.index), self.seed)
            self._projected["all"] = self.residual @ directions.T
        along = self._projected["all"]
        key = learn.tobytes()
        if key not in self._levels:
            density = (self.activations[learn] > 0).mean(axis=0)
            ordered = np.sort(along[learn], axis=0)
            place = np.clip(np.ceil((1 - density) * len(ordered)).astype(int) - 1, 0, len(ordered) - 1)
            self._levels[key] = ordered[place, np.arange(along.shape[1])]
        found: Floats = np.maximum(along - self._levels[key], 0)
        return found


class Chooser:
    """The best few columns of a table that may depend on the rows learnt from, chosen on those rows."""

    def __init__(self, table: Columns, y: Bools, count: int, without: "Chooser | None" = None) -> None:
        """``y`` is the label to choose by; columns that ``without`` chooses on the same rows are left to it."""
        self._table, self._y, self._count, self._without = table, y, count, without
        self._known: dict[bytes, Ints] = {}

    def chosen(self, learn: Bools) -> Ints:
        key = learn.tobytes()
        if key not in self._known:
            taken = [] if self._without is None else self._without.chosen(learn).tolist()
            table = self._table(learn)
            self._known[key] = best_columns(
                np.asarray(table[learn], np.float32), self._y[learn], self._count, without=taken
            )
        return self._known[key]

    def __call__(self, learn: Bools) -> Reals:
        """[N, count]."""
        return self._table(learn)[:, self.chosen(learn)]


def deal_labels(labels: Bools, track: Ints, time_s: Floats, held_out: Bools, seed: int) -> Bools:
    """Labels [N, H] -> the same labels dealt to other tracks: each row gets another track's at the nearest time.

    What position alone says stays true; what a track's own music says is lost. Held-out tracks deal among themselves.
    Raises BadInputError where a group has fewer than two tracks.
    """
    rng = np.random.default_rng(seed)
    dealt = np.empty_like(labels)
    for group in (True, False):
        names = np.unique(track[held_out[track] == group])
        if len(names) < 2:
            if len(names):
                raise BadInputError("one track alone: labels cannot be dealt to other tracks; add tracks")
            continue
        order = rng.permutation(names)
        for mine, other in zip(order, np.roll(order, 1), strict=True):
            rows, theirs = np.flatnonzero(track == mine), np.flatnonzero(track == other)
            near = np.abs(time_s[rows][:, None] - time_s[theirs][None, :]).argmin(axis=1)
            dealt[rows] = labels[theirs[near]]
    return dealt


def check_controls(
    candidate: Reals,
    controls: Mapping[str, Reals],
    required: tuple[str, ...],
) -> None:
    """Raises ControlError for a control that is missing, has no columns, or has the candidate's own values."""
    missing = [name for name in required if name not in controls]
    if missing:
        raise ControlError(
            f"no {', '.join(missing)} control: a candidate is compared with all of {', '.join(required)} or not at all"
        )
    own = _digest(candidate)
    for name, values in controls.items():
        if values.ndim != 2 or not values.shape[1] or len(values) != len(candidate):
            raise ControlError(f"the {name} control has shape {values.shape} for {len(candidate)} positions")
        if name != SHUFFLED and _digest(values) == own:  # there it is the labels that differ
            raise ControlError(
                f"the {name} control is the candidate itself: nothing can be learnt from beating it"
            )


def _digest(values: Reals) -> bytes:
    columns = sorted(hashlib.sha256(np.ascontiguousarray(c, "<f4").tobytes()).digest() for c in values.T)
    return hashlib.sha256(b"".join(columns)).digest()
