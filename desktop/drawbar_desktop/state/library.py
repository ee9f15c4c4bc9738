"""A search text and filters over a bank -> a count and pages of features, fetched when looked at."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drawbar.bank.concept_sliders import is_concept
from drawbar.bank.records import Sort
from drawbar.bank.search import Query
from drawbar.errors import DrawbarError
from drawbar_desktop.state.interfaces import BankPort, FeatureLike
from drawbar_desktop.state.observable import Event, Value
from drawbar_desktop.state.slider_making import is_mine

PAGE = 100
KEPT_PAGES = 24


@dataclass(frozen=True)
class Shelf:
    """A filter with a name: `name` is what `Query.shelf` takes."""

    name: str
    title: str
    tip: str


SHELVES = (
    Shelf("all", "All", "Every feature of the bank"),
    Shelf("proven", "Proven", "Sliders that do what the label says, shown against controls"),
    Shelf("named", "Named", "Features that somebody or something has labelled"),
    Shelf("unnamed", "Unnamed", "Consistent, but nobody has named them yet"),
    Shelf("starred", "Starred", "Your favourites"),
)
_GIVEN = {
    "mine": Shelf("mine", "Mine", "Sliders that you made from examples"),
    "concepts": Shelf("concepts", "Concepts", "Sliders made for one concept each; +1 is one noticeable step"),
}
"""Shelves that a bank with such sliders has."""
FOLDED = ("all", "proven", "named", "unnamed")
"""Shelves that nobody has filled by hand: of doubles, one is offered."""
SORTS: tuple[tuple[Sort, str], ...] = (
    ("score", "Best evidence first"),
    ("strength", "Strongest label first"),
    ("label", "By label"),
    ("density", "Most active first"),
    ("id", "By number"),
)
KINDS = (
    ("instrument", "Instruments"),
    ("rhythm", "Rhythm"),
    ("harmony", "Harmony"),
    ("timbre", "Timbre"),
    ("dynamics", "Dynamics"),
)
"""Shelves by kind of sound: what `Query.kind` takes; they narrow every other shelf."""
DENSITIES: tuple[tuple[str, float | None, float | None], ...] = (
    ("Any activity", None, None),
    ("Rare: under 1 % of frames", None, 0.01),
    ("Now and then: 1 to 5 %", 0.01, 0.05),
    ("Often: over 5 %", 0.05, None),
)


def hits(text: str, title: str) -> list[tuple[int, int]]:
    """Where the words of a search stand in a title: (start, length), for highlighting."""
    lower, found = title.lower(), []
    for word in dict.fromkeys(text.lower().split()):
        at = lower.find(word)
        while at >= 0:
            if at == 0 or not lower[at - 1].isalnum() or lower == word:
                found.append((at, len(word)))
                break
            at = lower.find(word, at + 1)
        else:
            if word in lower:
                found.append((lower.index(word), len(word)))
    return sorted(found)


class Library:
    """Search as state: setting text, shelf, filter or sort recounts at once and drops the fetched pages."""

    def __init__(self) -> None:
        self._bank: BankPort | None = None
        self._pages: OrderedDict[int, Sequence[FeatureLike]] = OrderedDict()
        self._quiet = False
        self._usable: dict[str, tuple[float, float] | None] = {}
        self.text = Value("")
        self.shelf = Value("all")
        self.kind: Value[str | None] = Value(None)
        """One of `KINDS`."""
        self.layer: Value[int | None] = Value(None)
        self.author: Value[str | None] = Value(None)
        self.verdict: Value[str | None] = Value(None)
        self.density = Value(0)
        """Which of `DENSITIES`."""
        self.doubles = Value(False)
        """Whether features that are one slider several times over are all listed, not the best of them only."""
        self.sort: Value[Sort] = Value("score")
        self.selected: Value[str | None] = Value(None)
        self.count = 0
        self.total = 0
        self.changed: Event[[]] = Event()
        self.why_none = ""
        self.coming = Value("")
        """What is being loaded, while it is."""
        self.opened: Event[[]] = Event()
        """Another bank, or none."""
        self.edited: Event[[str]] = Event()
        """A feature's labels or marks were edited."""
        watched: tuple[Value[Any], ...] = (
            self.text, self.shelf, self.kind, self.layer, self.author, self.verdict, self.density, self.doubles,
            self.sort,
        )  # fmt: skip
        for value in watched:
            value.changed.connect(lambda _: self.refresh())

    @property
    def bank(self) -> BankPort | None:
        """The open bank, if any."""
        return self._bank

    def open(self, bank: BankPort | None, why_none: str = "") -> None:
        """Show another bank, or none and why there is none."""
        self._bank, self.why_none = bank, why_none
        self._usable.clear()
        self.total = bank.find(Query(), limit=0).total if bank else 0
        self.selected.set(None)
        self.opened.emit()
        self.refresh()

    def refresh(self) -> None:
        """Count again and forget what was fetched."""
        if self._quiet:
            return
        self._pages.clear()
        self.count = self._bank.find(self._query(), limit=0).total if self._bank else 0
        self.changed.emit()

    def row(self, index: int) -> FeatureLike | None:
        """The feature at a place of the result list; fetches its page when needed."""
        if not 0 <= index < self.count or self._bank is None:
            return None
        number, offset = divmod(index, PAGE)
        page = self._pages.get(number)
        if page is None:
            page = self._bank.find(self._query(), limit=PAGE, offset=number * PAGE).rows
            self._pages[number] = page
            while len(self._pages) > KEPT_PAGES:
                self._pages.popitem(last=False)
        self._pages.move_to_end(number)
        return page[offset] if offset < len(page) else None

    def usable(self, feature: FeatureLike) -> tuple[float, float] | None:
        """Between which amounts it is safe; only asked of the bank for what is looked at."""
        if feature.id not in self._usable and self._bank is not None:
            try:
                self._usable[feature.id] = self._bank.feature(feature.id).usable_range
            except DrawbarError:
                self._usable[feature.id] = None
        return self._usable.get(feature.id)

    def nearest(self) -> Sequence[FeatureLike]:
        """What the user may have meant when nothing was found."""
        return self._bank.nearest(self.text.value, limit=3) if self._bank and self.text.value else ()

    def best(self, limit: int) -> Sequence[FeatureLike]:
        """The best feature of each of the best labels, proven ones first, then what has no name."""
        if self._bank is None:
            return ()
        found: dict[str, FeatureLike] = {}
        for shelf in ("proven", None):
            for feature in self._bank.find(Query(shelf=shelf, fold=True), limit=40 * limit).rows:
                if feature.label and len(found) < limit:
                    found.setdefault(feature.label, feature)
        for feature in self._bank.find(Query(fold=True), limit=limit).rows:
            if not feature.label and len(found) < limit:
                found.setdefault(feature.id, feature)
        return tuple(found.values())

    # -- filters --------------------------------------------------------------------------------------

    def active_filters(self) -> int:
        """How many filters narrow the list, shelf and text left out."""
        return sum(
            (
                self.layer.value is not None,
                self.author.value is not None,
                self.verdict.value is not None,
                self.density.value != 0,
                self.doubles.value,
            )
        )

    def clear_filters(self) -> None:
        """Any layer, labeller, verdict and density; doubles as one."""
        self._quiet = True
        self.layer.set(None)
        self.author.set(None)
        self.verdict.set(None)
        self.density.set(0)
        self.doubles.set(False)
        self._quiet = False
        self.refresh()

    def shelves(self) -> tuple[Shelf, ...]:
        """The built-in shelves and the user's own."""
        own: tuple[Shelf, ...] = ()
        if self._bank is not None and hasattr(self._bank, "facets"):
            builtin = {shelf.name for shelf in SHELVES} | {"hidden"}
            own = tuple(
                _GIVEN[name] if name in _GIVEN else Shelf(name, name, f"Your shelf {name}: {count} features")
                for name, count in self._bank.facets().shelves.items()
                if name not in builtin
            )
        return (*SHELVES, *own, Shelf("hidden", "Hidden", "What you have hidden"))

    # -- the user's edits -----------------------------------------------------------------------------

    def star(self, id: str, on: bool) -> None:
        self._edit(id, lambda bank: bank.star(id, on))

    def hide(self, id: str, on: bool) -> None:
        """Leave it out of every list but that of the hidden."""
        self._edit(id, lambda bank: bank.hide(id, on))

    def add_label(self, id: str, text: str, author: str = "me") -> None:
        """Name a feature. Raises BadInputError for an empty or too long label."""
        self._edit(id, lambda bank: bank.add_label(id, text, author))

    def remove_label(self, id: str, text: str) -> None:
        """Take one of the user's own labels away."""
        self._edit(id, lambda bank: bank.remove_label(id, text))

    def shelve(self, id: str, shelf: str, on: bool = True) -> None:
        """Onto a shelf of the user's own, or off it."""
        self._edit(id, lambda bank: bank.shelve(id, shelf, on))

    def _edit(self, id: str, change: Any) -> None:
        """Sliders made from examples, and concept sliders, take no marks: they have their own shelf and name."""
        if self._bank is not None and not is_mine(id) and not is_concept(id):
            change(self._bank)
            self.refresh()
            self.edited.emit(id)

    def _query(self) -> Query:
        _, low, high = DENSITIES[self.density.value]
        return Query(
            text=self.text.value,
            layer=self.layer.value,
            author=self.author.value,
            verdict=self.verdict.value,
            shelf=None if self.shelf.value == "all" else self.shelf.value,
            min_density=low,
            max_density=high,
            sort=self.sort.value,
            kind=self.kind.value,
            fold=not self.doubles.value and self.shelf.value in FOLDED,
        )
