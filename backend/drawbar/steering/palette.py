"""A bank and directions of the user's own -> one thing to search and to read, as a bank is.

Own directions stand on the shelf ``mine`` and answer to their names. Everything else is the bank's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drawbar.bank import Feature, FeatureRow, Histogram, Label, Page, Quantiles, Query
from drawbar.bank.words import key_of, wanted, words_of
from drawbar.errors import BadInputError
from drawbar.steering.own import PREFIX, OwnDirection, OwnDirections, is_own

MINE = "mine"
"""The shelf of own directions."""


class Palette:
    """A bank with a shelf ``mine``; what is not defined here goes to the bank."""

    def __init__(self, bank: Any, site: str | None = None, store: OwnDirections | None = None) -> None:
        """``site``: only the directions of this model's fingerprint are listed; all of them without one."""
        self._bank, self._site, self.store = bank, site, store or OwnDirections()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._bank, name)

    def search(
        self, text: str = "", *, shelf: str | None = None, limit: int = 100, offset: int = 0, **filters: Any
    ) -> list[FeatureRow]:
        """As `Bank.search`; a text finds own directions by name, before the bank's features."""
        own = self._matching(text, shelf, filters)
        rows = own[offset : offset + limit]
        if shelf == MINE and not self._has_shelf():
            return rows
        left = limit - len(rows)
        if left > 0:
            rows += self._bank.search(
                text, shelf=shelf, limit=left, offset=max(0, offset - len(own)), **filters
            )
        return rows

    def count(self, text: str = "", *, shelf: str | None = None, **filters: Any) -> int:
        filters.pop("sort", None)
        own = len(self._matching(text, shelf, filters))
        if shelf == MINE and not self._has_shelf():
            return own
        return own + int(self._bank.count(text, shelf=shelf, **filters))

    def find(self, query: Query, *, limit: int = 100, offset: int = 0) -> Page:
        given = {
            "layer": query.layer,
            "author": query.author,
            "verdict": query.verdict,
            "min_density": query.min_density,
            "max_density": query.max_density,
        }
        rows = self.search(
            query.text, shelf=query.shelf, limit=limit, offset=offset, sort=query.sort, **given
        )
        return Page(rows, self.count(query.text, shelf=query.shelf, **given))

    def facets(self) -> Any:
        """The bank's, and how many directions are the user's own."""
        found = self._bank.facets()
        mine = len(self._own())
        if not mine:
            return found
        shelves = {**found.shelves, MINE: found.shelves.get(MINE, 0) + mine}
        return replace(found, shelves=shelves)

    def resolve(self, text: str) -> FeatureRow:
        """An id, a name of an own direction, or a label. Raises BadInputError with the nearest labels."""
        if is_own(text.strip()):
            return _row(self.store.load(text.strip()))
        key = key_of(text)
        named = next((own for own in self._own() if key and key_of(own.name) == key), None)
        found: FeatureRow = _row(named) if named is not None else self._bank.resolve(text)
        return found

    def row(self, feature: str) -> FeatureRow:
        """One row. Raises BadInputError for an unknown id."""
        found: FeatureRow = _row(self.store.load(feature)) if is_own(feature) else self._bank.row(feature)
        return found

    def feature(self, feature: str) -> Feature:
        """One page. Raises BadInputError for an unknown id."""
        if not is_own(feature):
            page: Feature = self._bank.feature(feature)
            return page
        own = self.store.load(feature)
        row = _row(own)
        about = Label(own.name, "me", "examples", row.label_score, {"phrase": phrase(own)})
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
            usable_range=None,
            evidence=None,
            shelves=(MINE,),
        )

    def examples(self, feature: str, bin: str | None = None) -> list[Any]:
        """The bank's; an own direction keeps none."""
        return [] if is_own(feature) else list(self._bank.examples(feature, bin))

    def vectors(self, ids: Sequence[str]) -> dict[str, Any]:
        """As `Bank.vectors`, in the order of ``ids``. Raises BadInputError."""
        mine = {id: self.store.load(id) for id in ids if is_own(id)}
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

    def _edited(self, feature: str) -> Any:
        if is_own(feature):
            raise BadInputError(
                f"{feature} is your own direction: it has the name that you gave it, and its own shelf"
            )
        return self._bank

    def _own(self) -> list[OwnDirection]:
        return self.store.all(self._site)

    def _has_shelf(self) -> bool:
        """Whether the user has a shelf of that name in the bank as well."""
        return MINE in self._bank.facets().shelves

    def _matching(self, text: str, shelf: str | None, filters: dict[str, Any]) -> list[FeatureRow]:
        """Own directions on the shelf ``mine``; elsewhere only those that a text names."""
        if shelf not in (None, "all", MINE) or (shelf != MINE and not text.strip()):
            return []
        narrowing = {k: v for k, v in filters.items() if v is not None and k not in ("sort", "layer")}
        if narrowing:
            return []
        layer = filters.get("layer")
        asked = wanted(text.removeprefix(PREFIX))
        rows = [_row(own) for own in self._own() if layer in (None, own.layer)]
        return [row for row in rows if all(any(w.fits(word) for word in words_of(row.label)) for w in asked)]

    def _shift(self, own: OwnDirection) -> Any:
        """What the bank takes off the residual of that layer before it reads it; zeros where it has no such layer."""
        if own.layer in self._bank.info.layers:
            one = self._bank.search(layer=own.layer, limit=1)
            if one:
                return self._bank.vectors([one[0].id])["b_dec"][own.layer]
        return np.zeros(len(own.vector), np.float32)


def phrase(own: OwnDirection) -> str:
    """One sentence: from how many examples, and how well they are told apart."""
    about = own.about
    figures = about.get("auroc_difference"), about.get("spread_difference")
    told = (
        f"; tells clips that were left out apart with AUROC {figures[0]:.2f} ({figures[1]:.2f} between folds)"
    )
    return (
        f"difference in means of {len(about.get('like', ()))} examples and {len(about.get('unlike', ()))} "
        f"counter-examples at layer {own.layer}" + (told if all(f is not None for f in figures) else "")
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
        verdict="untested",
        tags=("own",),
    )


def _part(own: OwnDirection, name: str, shift: Any) -> Any:
    """A row of an own direction, as the bank would hold it: its activation is the projection above ``rest``."""
    if name in ("W_dec", "W_enc"):
        return own.vector
    if name == "b_enc":
        return float(own.vector @ shift) - own.rest
    return own.scale if name == "scale" else 0.0
