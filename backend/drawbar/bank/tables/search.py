"""A query -> the matching features of a table in parts, ranked over all of them, and how many they are.

Every part answers alone, with its best rows only; their order among parts is that of one bank. What is a user's own
(stars, hidden features, shelves) belongs to a bank and is not here. Memory does not grow with the table.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from drawbar.bank.kinds import KINDS
from drawbar.bank.listing import SHELVES
from drawbar.bank.records import FeatureRow, Page
from drawbar.bank.search import Filters, Query
from drawbar.bank.tables.columns import TABLE, order_keys, part_files, require_arrow
from drawbar.bank.tensors import Array
from drawbar.bank.words import Wanted, clean_text, key_of, wanted
from drawbar.errors import BadInputError, BankError, DrawbarError
from drawbar.files.reading import read_text, shortened, typed_json

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_FALLING = {"density": "density", "strength": "p99"}
"""Sort -> the column that falls."""

_MAX_BYTES = 1 << 20

Mask = NDArray[np.bool_]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class BankRow(FeatureRow):
    """A feature and the bank that it is in."""

    bank: str = ""


@dataclass(frozen=True)
class _Parts:
    """What the file beside the parts says."""

    rows: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...]


class FeatureTables:
    """A folder that :class:`TableWriter` wrote. Raises BankError for one that it did not."""

    def __init__(self, folder: Path, *, threads: int = 4) -> None:
        require_arrow()
        try:
            self.rows = typed_json(_Parts, read_text(folder / TABLE, _MAX_BYTES)).rows
        except (OSError, ValueError) as error:
            raise BankError(
                f"{folder} holds no feature table ({error}): make one with drawbar bank table"
            ) from error
        self._parts = [_Part(*part_files(folder, number), rows) for number, rows in enumerate(self.rows)]
        self._folder, self._threads = folder, threads

    def search(
        self, text: str = "", *, limit: int = 100, offset: int = 0, **filters: Unpack[Filters]
    ) -> list[FeatureRow]:
        """As ``Bank.search``, over all banks."""
        return self.find(Query(text, **filters), limit=limit, offset=offset).rows

    def count(self, text: str = "", **filters: Unpack[Filters]) -> int:
        return self.find(Query(text, **filters), limit=0).total

    def find(self, query: Query, *, limit: int = 100, offset: int = 0) -> Page:
        """As ``Bank.find``. Raises BadInputError for a shelf that only a bank has."""
        if query.shelf not in (None, "all", *SHELVES):
            raise BadInputError(
                f"shelf {query.shelf!r}: a table over banks has {', '.join(SHELVES)}; open the bank itself"
            )
        most = max(offset, 0) + max(limit, 0)
        import pyarrow as pa

        try:
            with ThreadPoolExecutor(self._threads) as pool:
                answers = list(pool.map(lambda part: part.best(query, most), self._parts))
            total = sum(count for count, _ in answers)
            rows = _ranked([rows for _, rows in answers if rows is not None], query, most)
            return Page([_row(row) for row in rows[max(offset, 0) :]], total)
        except DrawbarError:
            raise
        except (pa.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise BankError(
                f"the feature table {self._folder} is damaged ({shortened(str(error), 200)}): "
                "make it again with drawbar bank table"
            ) from error


def _ranked(parts: "Sequence[pa.Table]", query: Query, most: int) -> list[dict[str, object]]:
    """The best rows of all parts, in order."""
    import pyarrow as pa

    if not parts or most == 0:
        return []
    table = pa.concat_tables(parts)
    keys = order_keys(table)
    if query.sort == "label":
        names = [key_of(str(label)) for label in table["label"].to_pylist()]
        rank = {name: number for number, name in enumerate(sorted(set(names) - {""}))}
        keys = {"label": np.array([rank.get(name, len(rank)) for name in names], np.float64)} | keys
    elif query.sort == "id":
        keys = {"layer": keys["layer"], "index": keys["index"]} | keys
    elif query.sort != "score":
        keys = {"falls": -table[_FALLING[query.sort]].to_numpy().astype(np.float32)} | keys
    order = np.lexsort([keys[name] for name in reversed(list(keys))])[:most]
    found: list[dict[str, object]] = table.take(order).to_pylist()
    return found


def _row(row: dict[str, object]) -> BankRow:
    label, verdict, score = clean_text(str(row["label"])), clean_text(str(row["verdict"])), row["score"]
    consistency, tags = row["consistency"], row["tags"]
    return BankRow(
        id=f"{row['layer']}/{row['index']}",
        layer=int(str(row["layer"])),
        index=int(str(row["index"])),
        label=label,
        label_author=clean_text(str(row["author"])),
        label_score=score if isinstance(score, float) else None,
        density=float(str(row["density"])),
        p99=float(str(row["p99"])),
        shelf="proven" if verdict == "proven" else "named" if label else "unnamed",
        starred=False,
        verdict=verdict,
        tags=tuple(clean_text(str(tag)) for tag in tags) if isinstance(tags, list) else (),
        consistency=consistency if isinstance(consistency, float) else None,
        bank=clean_text(str(row["bank"])),
    )


class _Part:
    """One part's files."""

    def __init__(self, features: Path, words: Path, rows: int) -> None:
        self._features_path, self._words_path, self._rows = features, words, rows

    @cached_property
    def _features(self) -> "pq.ParquetFile":
        import pyarrow.parquet as pq

        file = pq.ParquetFile(self._features_path, memory_map=True)
        if file.metadata.num_rows != self._rows:
            raise ValueError(f"{self._features_path.name} has not the {self._rows} rows that are listed")
        return file

    @cached_property
    def _words(self) -> "tuple[list[str], list[str], pq.ParquetFile]":
        """First and last word of every row group, and the file."""
        import pyarrow.parquet as pq

        file = pq.ParquetFile(self._words_path, memory_map=True)
        groups = [
            file.metadata.row_group(n).column(0).statistics for n in range(file.metadata.num_row_groups)
        ]
        return [g.min for g in groups], [g.max for g in groups], file

    def best(self, query: Query, most: int) -> "tuple[int, pa.Table | None]":
        """How many rows match, and the first ``most`` of them in the query's order."""
        _ = self._features  # its rows are counted before memory is taken for them
        mask = self._match(query)
        places = np.flatnonzero(mask) if mask is not None else np.arange(self._rows)
        if query.fold and len(places):
            alike = self._column("alike")[places]
            places = places[np.sort(np.unique(alike, return_index=True)[1])]
        if most == 0 or not len(places):
            return len(places), None
        return len(places), self._take(self._first(places, query, most))

    def _first(self, places: Places, query: Query, most: int) -> Places:
        if query.sort == "score" or len(places) <= most:
            return places[:most]
        if query.sort == "label":
            by_label: Places = places[np.argsort(self._label_ranks()[places], kind="stable")[:most]]
            return by_label
        if query.sort == "id":
            keys = self._column("layer")[places].astype(np.int64) << 32 | self._column("index")[places]
        else:
            keys = -self._column(_FALLING[query.sort]).astype(np.float32)[places]
        near = np.flatnonzero(
            keys <= np.partition(keys, most - 1)[most - 1]
        )  # all ties, then the order decides
        first: Places = places[near[np.argsort(keys[near], kind="stable")[:most]]]
        return first

    def _label_ranks(self) -> Places:
        import pyarrow.compute as pc

        labels = pc.dictionary_encode(self._read(["label"])["label"].combine_chunks())
        names = [key_of(name) for name in labels.dictionary.to_pylist()]
        order = {name: number for number, name in enumerate(sorted(set(names) - {""}))}
        ranks = np.array([order.get(name, len(order)) for name in names], np.int64)
        found: Places = ranks[labels.indices.to_numpy()]
        return found

    def _match(self, query: Query) -> Mask | None:
        """None: every row."""
        masks = [self._with(want) for want in wanted(query.text)]
        if query.kind is not None:
            masks.append(np.logical_or.reduce([self._with(Wanted(word)) for word in KINDS[query.kind]]))
        if query.author is not None:
            masks.append(self._posted("\t" + query.author, whole=True))
        if query.layer is not None:
            masks.append(self._column("layer") == query.layer)
        if query.min_density is not None:
            masks.append(self._column("density").astype(np.float32) >= np.float32(query.min_density))
        if query.max_density is not None:
            masks.append(self._column("density").astype(np.float32) <= np.float32(query.max_density))
        if query.verdict is not None:
            masks.append(self._equal("verdict", query.verdict))
        if query.shelf in SHELVES:
            proven, named = self._equal("verdict", "proven"), ~self._equal("label", "")
            masks.append(
                {"proven": proven, "named": ~proven & named, "unnamed": ~proven & ~named}[str(query.shelf)]
            )
        return np.logical_and.reduce(masks) if masks else None

    def _with(self, want: Wanted) -> Mask:
        if want.layer is None:
            return self._posted(want.word, whole=want.whole)
        mask: Mask = self._column("layer") == want.layer
        if want.word:
            index = self._column("index")
            low, high, starts = int(want.word), int(want.word) + 1, index == int(want.word)
            while low and low <= 10**9:
                starts |= (index >= low) & (index < high)
                low, high = low * 10, high * 10
            mask &= starts if want.word == "0" or want.word[0] != "0" else False
        return mask

    def _posted(self, word: str, *, whole: bool) -> Mask:
        """Rows with a word that is, or starts like, this one."""
        import pyarrow.compute as pc

        mask = np.zeros(self._rows, bool)
        first, last, file = self._words
        after = word if whole else word + "\U0010ffff"
        groups = [n for n in range(len(first)) if last[n] >= word and first[n] <= after]
        for n in groups:
            names = file.read_row_group(n, ["word"])["word"]
            hits = pc.equal(names, word) if whole else pc.starts_with(names, word)
            if pc.any(hits).as_py():
                rows = file.read_row_group(n, ["rows"])["rows"].filter(hits).combine_chunks()
                mask[pc.list_flatten(rows).to_numpy(zero_copy_only=False)] = True
        return mask

    def _column(self, name: str) -> Array:
        found: Array = self._read([name])[name].to_numpy()
        return found

    def _equal(self, name: str, value: str) -> Mask:
        import pyarrow.compute as pc

        found: Mask = pc.equal(self._read([name])[name], value).to_numpy()
        return found

    def _read(self, names: list[str]) -> "pa.Table":
        return self._features.read(names, use_threads=False)

    def _take(self, places: Places) -> "pa.Table":
        """Rows by place, in the order given; only their row groups are read."""
        size = self._features.metadata.row_group(0).num_rows
        groups: Iterable[int] = np.unique(places // size).tolist()
        at = {group: number for number, group in enumerate(groups)}
        table = self._features.read_row_groups(list(groups), use_threads=False)
        return table.take(np.array([at[place // size] * size + place % size for place in places.tolist()]))
