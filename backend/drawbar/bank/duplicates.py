"""A feature -> the group of features that are the same slider, with the one to offer, and what doubles what.

Two features are the same slider when their directions at one layer are nearly collinear (cosine above 0.9), or when
they fire at the same moments at different layers (correlation above 0.9). It needs no model.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drawbar.bank.database import Database
from drawbar.bank.records import Feature
from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonMapping

COLLINEAR = 0.9
"""Cosine of two directions at one layer (DESIGN: merge, do not orthogonalise)."""
TOGETHER = 0.9
"""Correlation in time of two features at different layers."""
_MOST = 64
"""Members of one group that are looked at; beyond it the bank is at fault, not the user."""
_RANKS = {"proven": 0, "weak": 1, "untested": 2, "not shown": 3, "harmful": 4}
_PAIRS = """
SELECT f.layer, f.idx, f.neighbours, f.duplicates FROM listing l JOIN feature f ON f.n = l.feature ORDER BY l.rank
"""


class _Bank(Protocol):
    def feature(self, feature: str) -> Feature: ...

    def vectors(self, ids: Sequence[str]) -> JsonMapping: ...


@dataclass(frozen=True)
class Twin:
    """Another feature that is the same slider."""

    id: str
    how: str
    """``same direction`` or ``fires together``."""
    value: float
    """The cosine, or the correlation in time."""


@dataclass(frozen=True)
class Group:
    """Features that are one slider."""

    members: tuple[str, ...]
    """Best evidence first, then the best label's score."""

    @property
    def representative(self) -> str:
        """The one to offer."""
        return self.members[0]


def twins_of(bank: _Bank, id: str) -> tuple[Twin, ...]:
    """The features that ``id`` directly resembles so much, most alike first. Raises BadInputError for an unknown id."""
    page = bank.feature(id)
    found = [Twin(other, "same direction", value) for other, value in page.neighbours if value > COLLINEAR]
    found += [Twin(other, "fires together", value) for other, value in page.duplicates if value > TOGETHER]
    return tuple(sorted((twin for twin in found if _known(bank, twin.id)), key=lambda twin: -twin.value))


def group_of(bank: _Bank, id: str) -> Group:
    """The whole group of a feature, reached by twins of twins; a feature without twins is its own group."""
    seen, waiting = {id}, [id]
    while waiting and len(seen) < _MOST:
        fresh = [twin.id for twin in twins_of(bank, waiting.pop()) if twin.id not in seen]
        seen.update(fresh)
        waiting += fresh
    return _ranked(bank, seen)


def alike(bank: _Bank, ids: Sequence[str], layers: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """Which of these sliders double one another: each with the others; those that double none are left out.

    At one layer opposite directions count, too: they undo one another. Raises BadInputError for unknown ids.
    """
    if len(ids) < 2:
        return {}
    rows = np.asarray(bank.vectors(ids)["W_dec"], np.float32)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    at = np.array([layers[id] for id in ids])
    near = (np.abs(rows @ rows.T) > COLLINEAR) & (at[:, None] == at[None])
    place = {id: n for n, id in enumerate(ids)}
    for n, id in enumerate(ids):
        for other, value in bank.feature(id).duplicates:
            if value > TOGETHER and other in place:
                near[n, place[other]] = near[place[other], n] = True
    np.fill_diagonal(near, False)
    return {id: tuple(ids[m] for m in np.flatnonzero(near[n])) for n, id in enumerate(ids) if near[n].any()}


def representatives(database: Database) -> NDArray[np.int32]:
    """Place in the listing -> place of the best-ranked feature that is the same slider (its own without twins)."""
    names: list[str] = []
    pairs: list[tuple[int, str]] = []
    for chunk in database.chunks(_PAIRS):
        for layer, index, neighbours, duplicates in chunk:
            place = len(names)
            names.append(f"{layer}/{index}")
            pairs += [(place, other) for other in _above(neighbours, COLLINEAR)]
            pairs += [(place, other) for other in _above(duplicates, TOGETHER)]
    places = {name: place for place, name in enumerate(names)}
    lead = list(range(len(names)))

    def root(place: int) -> int:
        while lead[place] != place:
            lead[place] = lead[lead[place]]
            place = lead[place]
        return place

    for place, other in pairs:
        if other in places:  # a neighbour need not have been published
            one, two = sorted((root(place), root(places[other])))
            lead[two] = one
    return np.array([root(place) for place in range(len(lead))], np.int32)


def _ranked(bank: _Bank, ids: Iterable[str]) -> Group:
    rows = [bank.feature(id).row for id in ids]
    rows.sort(key=lambda row: (_RANKS.get(row.verdict, 2), -(row.label_score or 0.0), row.layer, row.index))
    return Group(tuple(row.id for row in rows))


def _known(bank: _Bank, id: str) -> bool:
    """A neighbour need not have been published."""
    try:
        bank.feature(id)
    except BadInputError:
        return False
    return True


def _above(stored: str, least: float) -> list[str]:
    if stored == "[]":
        return []
    found: list[tuple[str, float]] = json.loads(stored)
    return [other for other, value in found if value > least]
