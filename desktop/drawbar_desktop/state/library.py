"""A search text and filters over a bank -> a count and pages of features, fetched when looked at."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drawbar_desktop.state.observable import Event, Value
from drawbar_desktop.state.ports import BankPort, FeatureLike

__all__ = ["PAGE", "SHELVES", "SORTS", "Library", "Shelf"]

PAGE = 100
KEPT_PAGES = 24


@dataclass(frozen=True)
class Shelf:
    """A filter with a name: `name` is what `bank.search(shelf=...)` takes."""

    name: str
    title: str
    tip: str


SHELVES = (
    Shelf("all", "All", "Every feature of the bank"),
    Shelf("proven", "Proven", "Sliders that do what the label says, shown against controls"),
    Shelf("named", "Named", "Features that somebody or something has labelled"),
    Shelf("unnamed", "Unnamed", "Nobody has named them yet"),
    Shelf("starred", "Starred", "Your favourites"),
)
SORTS = (
    ("score", "Best evidence first"),
    ("label", "By label"),
    ("density", "Most active first"),
    ("id", "By number"),
)


class Library:
    """Search as state: setting text, shelf, layer or sort recounts at once and drops the fetched pages."""

    def __init__(self) -> None:
        self._bank: BankPort | None = None
        self._pages: OrderedDict[int, Sequence[FeatureLike]] = OrderedDict()
        self.text = Value("")
        self.shelf = Value("all")
        self.layer: Value[int | None] = Value(None)
        self.sort = Value("score")
        self.selected: Value[str | None] = Value(None)
        self.count = 0
        self.total = 0
        self.changed: Event[[]] = Event()
        for value in (self.text, self.shelf, self.layer, self.sort):
            value.changed.connect(lambda _: self.refresh())

    @property
    def bank(self) -> BankPort | None:
        """The open bank, if any."""
        return self._bank

    def open(self, bank: BankPort | None) -> None:
        """Show another bank (or none)."""
        self._bank = bank
        self.total = bank.count("") if bank else 0
        self.selected.set(None)
        self.refresh()

    def refresh(self) -> None:
        """Count again and forget what was fetched."""
        self._pages.clear()
        self.count = self._bank.count(self.text.value, **self._filters()) if self._bank else 0
        self.changed.emit()

    def row(self, index: int) -> FeatureLike | None:
        """The feature at a place of the result list; fetches its page when needed."""
        if not 0 <= index < self.count or self._bank is None:
            return None
        number, offset = divmod(index, PAGE)
        page = self._pages.get(number)
        if page is None:
            page = self._bank.search(
                self.text.value, **self._filters(), sort=self.sort.value, limit=PAGE, offset=number * PAGE
            )
            self._pages[number] = page
            while len(self._pages) > KEPT_PAGES:
                self._pages.popitem(last=False)
        self._pages.move_to_end(number)
        return page[offset] if offset < len(page) else None

    def nearest(self) -> Sequence[FeatureLike]:
        """What the user may have meant when nothing was found."""
        return self._bank.nearest(self.text.value, limit=3) if self._bank and self.text.value else ()

    def best(self, limit: int) -> Sequence[FeatureLike]:
        """The best feature of each of the best labels, whatever is being searched."""
        if self._bank is None:
            return ()
        found: dict[str, FeatureLike] = {}
        for feature in self._bank.search("", sort="score", limit=40 * limit, offset=0):
            found.setdefault(feature.label or feature.id, feature)
            if len(found) == limit:
                break
        return tuple(found.values())

    def _filters(self) -> dict[str, Any]:
        filters: dict[str, Any] = {}
        if self.shelf.value != "all":
            filters["shelf"] = self.shelf.value
        if self.layer.value is not None:
            filters["layer"] = self.layer.value
        return filters
