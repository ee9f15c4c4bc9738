"""What the search box and the filters say -> the matching features, ranked, and how many they are."""

import difflib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict, get_args

import numpy as np
from numpy.typing import NDArray

from drawbar.bank.database import Database
from drawbar.bank.edits import HIDDEN, STARRED, UserEdits
from drawbar.bank.kinds import KINDS
from drawbar.bank.listing import SHELVES, read_authors, read_bits, read_columns
from drawbar.bank.records import Facets, Sort, parse_id
from drawbar.bank.tensors import Array
from drawbar.bank.words import Wanted, clean_text, key_of, wanted, words_of
from drawbar.errors import BadInputError

Mask = NDArray[np.bool_]
Places = NDArray[np.int64]

_RANKS = "SELECT group_concat(rowid, ' ') FROM words WHERE words MATCH ?"
_MASKS_KEPT = 48
_RESULTS_KEPT = 4
_ALIKE = 0.55
"""How alike (difflib ratio) a word must be to be offered for another; "durms" and "drums": 0.8."""
_CANDIDATES = 500


@dataclass(frozen=True)
class Query:
    """One search; None means any."""

    text: str = ""
    layer: int | None = None
    author: str | None = None
    verdict: str | None = None
    shelf: str | None = None
    """``all``, ``proven``, ``named``, ``unnamed``, ``starred``, ``hidden`` or a shelf of the user's own."""
    min_density: float | None = None
    max_density: float | None = None
    sort: Sort = "score"
    kind: str | None = None
    """One of `KINDS`: features with a word of that kind."""
    fold: bool = False
    """Of matches that are one slider several times over (see ``alike``) only the best-ranked."""

    def __post_init__(self) -> None:
        """Raises BadInputError for an unknown order or kind."""
        if self.kind is not None and self.kind not in KINDS:
            raise BadInputError(f"kind {self.kind!r} must be one of {', '.join(KINDS)}")
        if self.sort not in get_args(Sort):
            raise BadInputError(f"sort {self.sort!r} must be one of {', '.join(get_args(Sort))}")


def _share(density: float) -> np.float32:
    """A limit as the column holds its numbers; beyond every density it is all the same."""
    return np.float32(np.clip(density, -1.0, 2.0))


class Filters(TypedDict, total=False):
    """The parts of a :class:`Query` but for its text, as keyword arguments."""

    layer: int | None
    author: str | None
    verdict: str | None
    shelf: str | None
    min_density: float | None
    max_density: float | None
    sort: Sort
    kind: str | None
    fold: bool


class Finder:
    """Search over one listing and one user's edits; a *place* is a feature's rank, from 0.

    Words come from FTS5; filters and orders are array operations over a few columns (28 bytes a feature).
    """

    def __init__(self, database: Database, edits: UserEdits) -> None:
        """Reads nothing yet; call ``forget`` when the listing was rebuilt."""
        self._database = database
        self._edits = edits
        self._lock = threading.RLock()
        self.forget()

    def forget(self) -> None:
        """Drop everything that was read from the listing."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        self._columns: dict[str, Array] = {}
        self._orders: dict[Sort, Places] = {}
        self._masks: OrderedDict[Wanted, Mask] = OrderedDict()
        self._results: OrderedDict[Query, Places] = OrderedDict()
        self._kinds: dict[str, Mask] = {}
        self._seen = -1
        self._words: dict[int, list[str]] = {}

    def places(self, query: Query) -> Places:
        """Every match in the query's order, without what the user has hidden."""
        with self._lock:
            return self._places(query)

    def _places(self, query: Query) -> Places:
        self._catch_up()
        if query in self._results:
            self._results.move_to_end(query)
            return self._results[query]
        mask = self._match(query)
        if query.fold:
            mask = self._folded(mask)
        order = self._order(query.sort)
        found = np.flatnonzero(mask) if order is None else order[mask[order]]
        self._results[query] = found
        if len(self._results) > _RESULTS_KEPT:
            self._results.popitem(last=False)
        return found

    def place_of(self, feature: str) -> int | None:
        """Where a feature stands in the standard order; None where the bank has no such feature."""
        sql = "SELECT l.rank FROM listing l JOIN feature f ON f.n = l.feature WHERE f.layer = ? AND f.idx = ?"
        rank = self._database.value(sql, parse_id(feature))
        return None if rank is None else int(rank) - 1

    def facets(self) -> Facets:
        """What can be filtered by, with the number of features (hidden ones left out)."""
        with self._lock:
            return self._facets()

    def _facets(self) -> Facets:
        self._catch_up()
        shown = ~self._of(self._edits.marks[HIDDEN])
        names = self._verdicts()
        numbers, counts = np.unique(self._columns["layer"][shown], return_counts=True)
        layers = {int(number): int(count) for number, count in zip(numbers, counts, strict=True)}
        by_verdict = np.bincount(self._columns["verdict"][shown], minlength=len(names))
        by_shelf = np.bincount(self._columns["shelf"][shown], minlength=len(SHELVES))
        authors = read_authors(self._database)
        authors += sorted({a for pairs in self._edits.labels.values() for _, a in pairs} - set(authors))
        shelves = {"all": int(shown.sum())} | {n: int(c) for n, c in zip(SHELVES, by_shelf, strict=True)}
        shelves[STARRED] = int((self._of(self._edits.marks[STARRED]) & shown).sum())
        shelves[HIDDEN] = int((~shown).sum())
        own = {name: int((self._of(ids) & shown).sum()) for name, ids in self._edits.shelves.items()}
        by_author = {name: int((self._by_author(name) & shown).sum()) for name in authors}
        return Facets(layers, by_author, {n: int(by_verdict[i]) for i, n in enumerate(names)}, shelves | own)

    def near(self, text: str, limit: int) -> Places:
        """Places whose label is most like ``text``, one per label, best first."""
        with self._lock:
            return self._near(text, limit)

    def _near(self, text: str, limit: int) -> Places:
        self._catch_up()
        asked = words_of(text)[:8]
        rows = self._database.rows("SELECT term FROM vocabulary") if asked else []
        vocabulary = [term for (term,) in rows]
        vocabulary += sorted({word for words in self._words.values() for word in words} - set(vocabulary))
        close: dict[str, None] = {}
        for word in asked:
            close |= dict.fromkeys(difflib.get_close_matches(word[:40], vocabulary, 6, _ALIKE))
        labels: dict[str, tuple[int, str]] = {}
        for word in close:
            for place, label in self._labels_with(word):
                labels.setdefault(key_of(label), (place, label))
        key = key_of(text)[:80]
        ranked = sorted(labels, key=lambda k: (-difflib.SequenceMatcher(None, key, k).ratio(), labels[k][0]))
        return np.array([labels[k][0] for k in ranked[:limit]], np.int64)

    def _labels_with(self, word: str) -> Iterable[tuple[int, str]]:
        for place, words in self._words.items():
            if word in words:
                yield place, " ".join(words)
        sql = """SELECT rank, label FROM listing WHERE rank IN
                 (SELECT rowid FROM words WHERE words MATCH ? LIMIT ?) AND label <> '' ORDER BY rank"""
        for rank, label in self._database.rows(sql, (f'"{word}"', _CANDIDATES)):
            yield rank - 1, label

    def _catch_up(self) -> None:
        """Read the columns once, and put the user's edits over them whenever those changed."""
        self._edits.refresh()
        if self._seen == self._edits.version:
            return
        self._seen = self._edits.version
        self._kinds = {}
        self._columns = read_columns(self._database)
        self._orders = {}
        self._results.clear()
        self._words = {}
        newest: dict[int, str] = {}
        for feature, pairs in self._edits.labels.items():
            place = self.place_of(feature)
            if place is not None:
                self._words[place] = [word for pair in pairs for text in pair for word in words_of(text)]
                newest[place] = key_of(pairs[0][0])
        if newest:
            self._rename(newest)

    def _rename(self, keys: dict[int, str]) -> None:
        """Move features that the user has named: off the unnamed shelf, and in the order by label."""
        named = np.fromiter(keys, np.int64, len(keys))
        shelf = self._columns["shelf"].copy()
        shelf[named] = np.minimum(shelf[named], SHELVES.index("named"))
        order = self._columns["by_label"]
        position = np.empty(len(order))
        position[order] = np.arange(len(order))
        before = "SELECT count(*) FROM listing WHERE label_key <> '' AND label_key < ?"
        ranked = sorted(keys, key=lambda place: (keys[place], place))
        for number, place in enumerate(ranked):
            after = int(self._database.value(before, (keys[place],)))
            position[place] = after - 0.5 + 0.4 * number / len(ranked)
        self._columns |= {"shelf": shelf, "by_label": np.argsort(position, kind="stable")}

    def _order(self, sort: Sort) -> Places | None:
        columns = self._columns
        if sort == "score":
            return None
        if sort not in self._orders:
            if sort == "label":
                order = columns["by_label"].astype(np.int64)
            elif sort == "id":
                order = np.lexsort((columns["index"], columns["layer"]))
            else:
                order = np.argsort(-columns["density" if sort == "density" else "p99"], kind="stable")
            self._orders[sort] = order
        return self._orders[sort]

    def _match(self, query: Query) -> Mask:
        hidden = self._of(self._edits.marks[HIDDEN])
        mask = hidden if query.shelf == HIDDEN else ~hidden
        if query.shelf not in (None, "all", HIDDEN):
            mask &= self._on_shelf(str(query.shelf))
        for want in wanted(query.text):
            mask &= self._with(want)
        if query.kind is not None:
            mask &= self._of_kind(query.kind)
        if query.layer is not None:
            mask &= self._columns["layer"] == query.layer
        if query.author is not None:
            mask &= self._by_author(query.author)
        if query.verdict is not None:
            mask &= self._with_verdict(query.verdict)
        if query.min_density is not None:
            mask &= self._columns["density"] >= _share(query.min_density)
        if query.max_density is not None:
            mask &= self._columns["density"] <= _share(query.max_density)
        return mask

    def _folded(self, mask: Mask) -> Mask:
        """The first match of every group; a bank of before groups were stored is left as it is."""
        if "alike" not in self._columns:
            return mask
        found = np.flatnonzero(mask)
        folded = self._none()
        folded[found[np.unique(self._columns["alike"][found], return_index=True)[1]]] = True
        return folded

    def twins(self, places: Iterable[int]) -> list[int]:
        """How many other features are the same slider as the one at each place."""
        with self._lock:
            self._catch_up()
            alike = self._columns.get("alike")
            if alike is None:
                return [0 for _ in places]
            sizes = np.bincount(alike, minlength=len(alike))
            return [int(sizes[alike[place]]) - 1 for place in places]

    def _none(self) -> Mask:
        return np.zeros(len(self._columns["layer"]), bool)

    def _of(self, features: Iterable[str]) -> Mask:
        mask = self._none()
        mask[[place for feature in features if (place := self.place_of(feature)) is not None]] = True
        return mask

    def _on_shelf(self, shelf: str) -> Mask:
        if shelf in SHELVES:
            found: Mask = self._columns["shelf"] == SHELVES.index(shelf)
            return found
        edits = self._edits
        return self._of(edits.marks[STARRED] if shelf == STARRED else edits.shelves.get(shelf, ()))

    def _verdicts(self) -> list[str]:
        names: list[str] = json.loads(self._database.value("SELECT value FROM meta WHERE name = 'verdicts'"))
        return names

    def _with_verdict(self, verdict: str) -> Mask:
        names = self._verdicts()
        if verdict not in names:
            return self._none()
        found: Mask = self._columns["verdict"] == names.index(verdict)
        return found

    def _of_kind(self, kind: str) -> Mask:
        if kind not in self._kinds:
            found: Mask = np.logical_or.reduce([self._with(Wanted(word)) for word in KINDS[kind]])
            self._kinds[kind] = found
        return self._kinds[kind]

    def _by_author(self, author: str) -> Mask:
        mask = read_bits(self._database, f"author:{clean_text(author)}", len(self._none()))
        mask = self._none() if mask is None else mask
        mask |= self._of(f for f, pairs in self._edits.labels.items() if any(a == author for _, a in pairs))
        return mask

    def _with(self, want: Wanted) -> Mask:
        mask = self._in_bank(want)
        own = [p for p, words in self._words.items() if want.layer is None and any(map(want.fits, words))]
        if own:
            mask = mask.copy()
            mask[own] = True
        return mask

    def _in_bank(self, want: Wanted) -> Mask:
        if want in self._masks:
            self._masks.move_to_end(want)
            return self._masks[want]
        mask: Mask
        if want.layer is not None:
            mask = (self._columns["layer"] == want.layer) & self._index_starts(want.word)
        else:
            mask = self._with_word(want)
        self._masks[want] = mask
        if len(self._masks) > _MASKS_KEPT:
            self._masks.popitem(last=False)
        return mask

    def _with_word(self, want: Wanted) -> Mask:
        mask = self._none()
        one_letter = len(want.word) == 1 and not want.whole
        stored = read_bits(self._database, f"starts:{want.word}", len(mask)) if one_letter else None
        if stored is not None:
            return stored
        match = f'"{want.word}"' + ("" if want.whole else "*")
        # As one string: a fifth of the time that 50,000 row tuples take.
        ranks = self._database.value(_RANKS, (match,)) or ""
        mask[np.fromstring(ranks, np.int64, sep=" ") - 1] = True
        return mask

    def _index_starts(self, digits: str) -> Mask:
        index = self._columns["index"]
        if not digits:
            return np.ones(len(index), bool)
        mask = index == int(digits)
        low, high = int(digits), int(digits) + 1
        while low and low <= 10**9:
            mask |= (index >= low) & (index < high)
            low, high = low * 10, high * 10
        return mask if digits == "0" or digits[0] != "0" else self._none()
