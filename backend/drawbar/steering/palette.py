"""A bank, its concept sliders and directions of the user's own -> one thing to search and to read, as a bank is.

All answer the same `Query`; concept sliders stand before single features. Own directions stand on the shelf ``mine``
and answer to their names; what they are asked for by id, they say themselves; everything else is the bank's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from drawbar.bank import (
    Bank,
    BankInfo,
    Example,
    Feature,
    FeatureRow,
    Histogram,
    Label,
    Page,
    Quantiles,
    Query,
)
from drawbar.bank.concept_sliders import ConceptSlider, is_concept
from drawbar.bank.kinds import KINDS
from drawbar.bank.records import Facets
from drawbar.bank.search import Filters
from drawbar.bank.words import Wanted, key_of, wanted, words_of
from drawbar.errors import BadInputError
from drawbar.steering.concepts import SHELF, find_concepts, page_of, row_of
from drawbar.steering.own import PREFIX, OwnDirection, OwnDirections, is_own

MINE = "mine"
"""The shelf of own directions."""


class OwnSource:
    """Own directions of one model, searched by the query that a bank is searched by."""

    def __init__(self, store: OwnDirections, site: str | None) -> None:
        """``site``: only the directions of this model's fingerprint are listed; all of them without one."""
        self.store, self._site = store, site

    def all(self) -> list[OwnDirection]:
        """In alphabetical order."""
        return self.store.all(self._site)

    def find(self, query: Query) -> list[FeatureRow]:
        """All on the shelf ``mine``; elsewhere those that a text names.

        What a direction has (layer, author, verdict, words of a kind) can be filtered by. How often it fires is not
        known, so that a filter by density leaves it out; an order and the folding of doubles leave none out.
        """
        if query.shelf not in (None, "all", MINE) or (query.shelf != MINE and not query.text.strip()):
            return []
        if (query.min_density, query.max_density) != (None, None):
            return []
        asked = wanted(query.text.strip().removeprefix(PREFIX))
        return [row for row in map(_row, self.all()) if _fits(row, query) and _named(row, asked)]


class Palette:
    """A bank with a shelf ``mine``."""

    def __init__(self, bank: Bank, site: str | None = None, store: OwnDirections | None = None) -> None:
        """``site``: only the directions of this model's fingerprint are listed; all of them without one."""
        self._bank = bank
        self.store = store or OwnDirections()
        self._own = OwnSource(self.store, site)
        self._concepts: list[ConceptSlider] | None = None

    @property
    def info(self) -> BankInfo:
        """The bank's."""
        return self._bank.info

    @property
    def folder(self) -> Path:
        """The bank's."""
        return self._bank.folder

    @property
    def identity(self) -> str:
        """The bank's."""
        return self._bank.identity

    def close(self) -> None:
        """Close the bank."""
        self._bank.close()

    def search(
        self, text: str = "", *, limit: int = 100, offset: int = 0, **filters: Unpack[Filters]
    ) -> list[FeatureRow]:
        """As `Bank.search`; a text finds own directions by name, before the bank's features."""
        return self.find(Query(text, **filters), limit=limit, offset=offset).rows

    def count(self, text: str = "", **filters: Unpack[Filters]) -> int:
        """How many ``search`` would find without a limit."""
        return self.find(Query(text, **filters), limit=0).total

    def find(self, query: Query, *, limit: int = 100, offset: int = 0) -> Page:
        """``search`` and ``count`` in one: own directions first, then concept sliders, then the bank's features."""
        limit, offset = max(limit, 0), max(offset, 0)
        own = [*self._own.find(query), *find_concepts(self.concept_sliders(), query)]
        if query.shelf == SHELF:
            return Page(own[offset : offset + limit], len(own))
        rows = own[offset : offset + limit]
        page = self._bank.find(query, limit=limit - len(rows), offset=max(0, offset - len(own)))
        return Page(rows + page.rows, len(own) + page.total)

    def nearest(self, text: str, limit: int = 5) -> list[FeatureRow]:
        """The bank's labels most like ``text``."""
        return self._bank.nearest(text, limit)

    def facets(self) -> Facets:
        """The bank's, and how many directions are the user's own."""
        found = self._bank.facets()
        more = {MINE: len(self._own.all()), SHELF: len(self.concept_sliders())}
        shelves = found.shelves | {
            name: found.shelves.get(name, 0) + count for name, count in more.items() if count
        }
        return replace(found, shelves=shelves)

    def resolve(self, text: str) -> FeatureRow:
        """An id, a name of an own direction, or a label. Raises BadInputError with the nearest labels."""
        if is_own(text.strip()):
            return _row(self.store.load(text.strip()))
        key = key_of(text)
        named = next((own for own in self._own.all() if key and key_of(own.name) == key), None)
        if named is not None:
            return _row(named)
        concept = next((one for one in self.concept_sliders() if key and key_of(one.name) == key), None)
        if is_concept(text.strip()):
            concept = self.concept_slider(text)
        return row_of(concept) if concept is not None else self._bank.resolve(text)

    def concept_sliders(self) -> list[ConceptSlider]:
        """The bank's, read once."""
        if self._concepts is None:
            self._concepts = self._bank.concept_sliders()
        return self._concepts

    def concept_slider(self, text: str) -> ConceptSlider:
        """One of the bank's. Raises BadInputError."""
        return self._bank.concept_slider(text)

    def row(self, feature: str) -> FeatureRow:
        """One row. Raises BadInputError for an unknown id."""
        if is_concept(feature):
            return row_of(self.concept_slider(feature))
        return _row(self.store.load(feature)) if is_own(feature) else self._bank.row(feature)

    def feature(self, feature: str) -> Feature:
        """One page. Raises BadInputError for an unknown id."""
        if is_concept(feature):
            return page_of(self.concept_slider(feature))
        if not is_own(feature):
            return self._bank.feature(feature)
        own = self.store.load(feature)
        row = _row(own)
        about = Label(own.name, "me", _method(own), row.label_score, {"phrase": phrase(own)})
        usable, card = own.about.get("usable"), own.about.get("card")
        return Feature(
            row=row,
            labels=[about],
            quantiles=Quantiles(p99=own.scale),
            density=0.0,
            clip_density=0.0,
            histogram=Histogram(),
            correlations={},
            neighbours=[],
            temporal={},
            usable_range=(float(usable[0]), float(usable[1])) if usable else None,
            evidence=dict(card) if card else None,
            shelves=(MINE,),
        )

    def examples(self, feature: str, bin: str | None = None) -> list[Example]:
        """The bank's; own directions and concept sliders keep none."""
        return [] if is_own(feature) or is_concept(feature) else self._bank.examples(feature, bin)

    def vectors(self, ids: Sequence[str]) -> dict[str, Any]:
        """As `Bank.vectors`, in the order of ``ids``. Raises BadInputError."""
        mine: dict[str, OwnDirection] = {id: self.store.load(id) for id in ids if is_own(id)}
        mine |= {id: self._as_own(id) for id in ids if is_concept(id)}
        if not mine:
            found: dict[str, Any] = self._bank.vectors(ids)
            return found
        others = [id for id in ids if id not in mine]
        kept = self._bank.vectors(others)
        shift = {own.layer: self._shift(own) for own in mine.values()} | kept["b_dec"]
        place = {id: n for n, id in enumerate(others)}
        rows: dict[str, list[Any]] = {name: [] for name in ("W_dec", "W_enc", "b_enc", "scale", "threshold")}
        for id in ids:
            own = mine.get(id)
            for name, values in rows.items():
                values.append(kept[name][place[id]] if own is None else _part(own, name, shift[own.layer]))
        return {name: np.array(values, np.float32) for name, values in rows.items()} | {"b_dec": shift}

    def star(self, feature: str, on: bool = True) -> None:
        """As the bank's. Raises BadInputError for an own direction."""
        self._edited(feature).star(feature, on)

    def hide(self, feature: str, on: bool = True) -> None:
        """As the bank's. Raises BadInputError for an own direction."""
        self._edited(feature).hide(feature, on)

    def add_label(self, feature: str, text: str, author: str = "me") -> None:
        """As the bank's. Raises BadInputError for an own direction."""
        self._edited(feature).add_label(feature, text, author)

    def remove_label(self, feature: str, text: str) -> None:
        """As the bank's. Raises BadInputError for an own direction."""
        self._edited(feature).remove_label(feature, text)

    def shelve(self, feature: str, shelf: str, on: bool = True) -> None:
        """As the bank's. Raises BadInputError for an own direction."""
        self._edited(feature).shelve(feature, shelf, on)

    def _as_own(self, id: str) -> OwnDirection:
        """The strongest push of a concept slider, read like a direction of one's own."""
        slider = self.concept_slider(id)
        main, info = slider.pushes[0], self._bank.info
        norm = float(np.linalg.norm(main.vector))
        return OwnDirection(
            slider.name, info.fingerprint, info.model_name, main.layer, main.vector / norm, norm
        )

    def _edited(self, feature: str) -> Bank:
        if is_concept(feature):
            raise BadInputError(f"{feature} is published by the bank: its name and its place are the bank's")
        if is_own(feature):
            raise BadInputError(
                f"{feature} is your own direction: it has the name that you gave it, and its own shelf"
            )
        return self._bank

    def _shift(self, own: OwnDirection) -> Any:
        """What the bank takes off the residual of that layer before it reads it; zeros where it has no such layer."""
        if own.layer in self._bank.info.layers:
            one = self._bank.search(layer=own.layer, limit=1)
            if one:
                return self._bank.vectors([one[0].id])["b_dec"][own.layer]
        return np.zeros(len(own.vector), np.float32)


def _fits(row: FeatureRow, query: Query) -> bool:
    """Whether a direction passes the filters."""
    words = words_of(row.label)
    return (
        query.layer in (None, row.layer)
        and query.author in (None, row.label_author)
        and query.verdict in (None, row.verdict)
        and (query.kind is None or any(w.startswith(kind) for w in words for kind in KINDS[query.kind]))
    )


def _named(row: FeatureRow, asked: Sequence[Wanted]) -> bool:
    """Whether its name has every word that is asked for; it answers to no number."""
    words = words_of(row.label)
    return all(want.layer is None and any(map(want.fits, words)) for want in asked)


def _method(own: OwnDirection) -> str:
    return "made from words" if "word" in own.about else "examples"


def phrase(own: OwnDirection) -> str:
    """One sentence: from how many examples or takes, and how well they are told apart."""
    about = own.about
    if "word" in about:
        held = f" against {about['against']!r}" if about.get("against") else ""
        return (
            f"made from words: {about.get('pairs')} pairs of the model's own takes, with and without "
            f"{about['word']!r}{held}, at layer {own.layer}; tells takes that were left out apart with AUROC "
            f"{about.get('auroc_difference')} (shuffled pairs {about.get('auroc_shuffled')})"
        )
    told, auroc, spread = "", about.get("auroc_difference"), about.get("spread_difference")
    if auroc is not None and spread is not None:
        told = f"; tells clips that were left out apart with AUROC {auroc:.2f} ({spread:.2f} between folds)"
    return (
        f"difference in means of {len(about.get('like', ()))} examples and {len(about.get('unlike', ()))} "
        f"counter-examples at layer {own.layer}{told}"
    )


def _row(own: OwnDirection) -> FeatureRow:
    score = own.about.get("auroc_difference")
    return FeatureRow(
        id=own.id,
        layer=own.layer,
        index=0,
        label=own.name,
        label_author="me",
        label_score=None if score is None else float(score),
        density=0.0,
        p99=own.scale,
        shelf=MINE,
        starred=False,
        verdict=str(own.about.get("verdict", "untested")),
        tags=("own",),
    )


def _part(own: OwnDirection, name: str, shift: Any) -> Any:
    """A row of an own direction, as the bank would hold it: its activation is the projection above ``rest``."""
    if name in ("W_dec", "W_enc"):
        return own.vector
    if name == "b_enc":
        return float(own.vector @ shift) - own.rest
    return own.scale if name == "scale" else 0.0
