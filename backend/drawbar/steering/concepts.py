"""A bank's concept sliders -> directions for the mixer, rows and pages for the browser.

What is searched by the query that a bank is searched by; concept sliders come before single features, because they
are what somebody who names a concept wants. Knows nothing of how one was made.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import torch

from drawbar.bank.concept_sliders import PREFIX, ConceptSlider
from drawbar.bank.kinds import KINDS
from drawbar.bank.records import Feature, FeatureRow, Histogram, Label, Quantiles
from drawbar.bank.search import Query
from drawbar.bank.words import wanted, words_of
from drawbar.errors import BadInputError
from drawbar.steering.directions import Direction, Part

AUTHOR = "concept"
"""What their labels say of who named them."""
SHELF = "concepts"
"""The shelf that holds them alone."""


@runtime_checkable
class ConceptSource(Protocol):
    """What publishes concept sliders (`drawbar.bank.Bank`, `Palette`)."""

    def concept_sliders(self) -> list[ConceptSlider]: ...

    def concept_slider(self, text: str) -> ConceptSlider: ...


def concept_direction(bank: object, id: str) -> Direction:
    """``concept/NAME`` -> what the mixer adds. Raises BadInputError where the bank has none of that name."""
    if not isinstance(bank, ConceptSource):
        raise BadInputError(f"{id}: the open bank publishes no concept sliders; use a bank that does")
    return direction_of(bank.concept_slider(id))


def direction_of(slider: ConceptSlider) -> Direction:
    """The strongest push is the direction that meters read; the others go along."""
    main, *further = [
        Part(push.layer, torch.from_numpy(push.vector / norm), norm)
        for push in slider.pushes
        if (norm := float(np.linalg.norm(push.vector)))
    ]
    return Direction(
        slider.id, main.layer, main.vector, main.scale, encoder=main.vector, further=tuple(further)
    )


def find_concepts(sliders: list[ConceptSlider], query: Query) -> list[FeatureRow]:
    """Those that a search shows: proven ones in every list, the others where they are named or on their shelf."""
    if query.shelf not in (None, "all", "named", "proven", SHELF):
        return []
    if (query.min_density, query.max_density) != (None, None):
        return []
    asked = wanted(query.text.strip().removeprefix(PREFIX))
    found = []
    for slider in sliders:
        row, words = row_of(slider), words_of(slider.name)
        fits = (
            query.layer in (None, row.layer)
            and query.author in (None, AUTHOR)
            and query.verdict in (None, row.verdict)
            and (query.kind is None or any(w.startswith(k) for w in words for k in KINDS[query.kind]))
            and (query.shelf != "proven" or row.verdict == "proven")
            and (asked or query.shelf == SHELF or row.verdict == "proven")
            and all(want.layer is None and any(map(want.fits, words)) for want in asked)
        )
        if fits:
            found.append(row)
    return found


def row_of(slider: ConceptSlider) -> FeatureRow:
    """One line of the browser."""
    main = slider.pushes[0]
    return FeatureRow(
        id=slider.id,
        layer=main.layer,
        index=0,
        label=slider.name,
        label_author=AUTHOR,
        label_score=None,
        density=0.0,
        p99=float(np.linalg.norm(main.vector)),
        shelf="proven" if slider.verdict == "proven" else "named",
        starred=False,
        verdict=slider.verdict,
        tags=("concept slider",),
    )


def page_of(slider: ConceptSlider) -> Feature:
    """Its page: what it is made of, what it was shown to do."""
    row = row_of(slider)
    label = Label(slider.name, AUTHOR, slider.arm or "published", None, {"phrase": phrase(slider)})
    return Feature(
        row=row,
        labels=[label],
        quantiles=Quantiles(p99=row.p99),
        density=0.0,
        clip_density=0.0,
        histogram=Histogram(),
        correlations={},
        neighbours=list(slider.features),
        temporal={},
        usable_range=slider.usable_range,
        evidence=None if slider.card is None else dict(slider.card),
        shelves=(SHELF,),
    )


def phrase(slider: ConceptSlider) -> str:
    """One sentence: how it was made, of what, and what it may change."""
    layers = ", ".join(str(push.layer) for push in slider.pushes)
    made = f"a concept slider, {slider.arm or 'made elsewhere'}, at layer {layers}"
    parts = f", of {len(slider.features)} features" if slider.features else ""
    owns = f"; may change {', '.join(slider.axes)}" if slider.axes else ""
    return f"{made}{parts}; +1 is one noticeable step{owns}"
