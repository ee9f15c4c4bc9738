"""Features' neighbours and duplicates -> which features are one slider several times over, and the one to offer.

Two features are the same slider when their directions at one layer are nearly collinear (cosine above 0.9), or when
they fire at the same moments at different layers (correlation above 0.9). Twins of twins belong together.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawbar.bank.database import Database

COLLINEAR = 0.9
"""Cosine of two directions at one layer (DESIGN: merge, do not orthogonalise)."""
TOGETHER = 0.9
"""Correlation in time of two features at different layers."""

_PAIRS = """
SELECT f.layer, f.idx, f.neighbours, f.duplicates FROM listing l JOIN feature f ON f.n = l.feature ORDER BY l.rank
"""


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


def _above(stored: str, least: float) -> list[str]:
    if stored == "[]":
        return []
    found: list[Any] = json.loads(stored)
    return [other for other, value in found if value > least]
