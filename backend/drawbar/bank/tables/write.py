"""Rows of features, of banks or made up -> a folder of Parquet parts; groups of alike features stay together."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from drawbar.bank.database import Database
from drawbar.bank.duplicates import representatives
from drawbar.bank.tables.columns import GROUP_ROWS, TABLE, part_files, require_arrow, schema, standard_order
from drawbar.bank.words import words_of
from drawbar.errors import BadInputError
from drawbar.files.atomic_write import atomic, write_json
from drawbar.files.reading import json_value

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = """
SELECT f.layer, f.idx, l.label, l.author, l.score, f.density, f.p99, f.verdict, f.proof, f.consistency, f.tags,
       (SELECT group_concat(author, char(10)) FROM label WHERE feature = f.n),
       (SELECT group_concat(text || ' ' || author, ' ') FROM label WHERE feature = f.n)
FROM listing l JOIN feature f ON f.n = l.feature ORDER BY l.rank
"""


class TableWriter:
    """Takes rows in any order and writes every part once, at the end; memory is one part's rows."""

    def __init__(self, folder: Path, *, rows_per_part: int = 1 << 20) -> None:
        require_arrow()
        if (folder / TABLE).exists():
            raise BadInputError(f"{folder} holds a table already: write into another folder")
        self._folder, self._most = folder, rows_per_part
        self._waiting: list[pa.Table] = []
        self._rows: list[int] = []
        self._groups = 0
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    def add(self, columns: "Mapping[str, Sequence[object]] | pa.Table") -> None:
        """Rows of one bank; those with the same number in ``alike`` are one slider, and come in one call."""
        import pyarrow as pa

        table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns), schema=schema())
        groups = np.unique(table["alike"].to_numpy(), return_inverse=True)[1]
        table = table.set_column(
            table.schema.get_field_index("alike"), "alike", pa.array(groups + self._groups)
        )
        self._groups += int(groups.max(initial=-1)) + 1
        self._waiting.append(table)
        while sum(len(one) for one in self._waiting) >= self._most:
            self._write(self._most)

    def close(self) -> None:
        """Write what is left, and the list of parts: from now on it is a table."""
        while self._waiting:
            self._write(self._most)
        write_json(self._folder / TABLE, {"version": 1, "rows": self._rows})

    def _write(self, most: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = pa.concat_tables(self._waiting)
        groups = rows["alike"].to_numpy()
        # Whole groups only: the last one of the part, where it goes on, waits for the next.
        cut = len(rows)
        if cut > most:
            rows = rows.take(np.argsort(groups, kind="stable"))
            groups = rows["alike"].to_numpy()
            cut = int(np.searchsorted(groups, groups[most]))
            cut = cut or int(np.searchsorted(groups, groups[most], side="right"))
        self._waiting = [rows.slice(cut)] if cut < len(rows) else []
        part = rows.slice(0, cut).combine_chunks()
        part = part.take(standard_order(part))
        features, words = part_files(self._folder, len(self._rows))
        with atomic(words) as temporary:
            pq.write_table(_postings(part), temporary, row_group_size=256, compression="zstd")
        with atomic(features) as temporary:
            pq.write_table(
                part.drop_columns(["words"]), temporary, row_group_size=GROUP_ROWS, compression="zstd"
            )
        self._rows.append(len(part))


def _postings(part: "pa.Table") -> "pa.Table":
    """Every word of a part and every author (after a tab, which no word has) -> their rows, rising."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: dict[str, pa.Array] = {}
    for column, mark in (("words", ""), ("authors", "\t")):
        lists = part[column].combine_chunks()
        row, word = pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists).dictionary_encode()
        if not len(word):
            continue
        codes = word.indices.to_numpy()
        order = np.argsort(codes, kind="stable")
        cuts = np.cumsum(np.bincount(codes, minlength=len(word.dictionary)))
        for name, mine in zip(word.dictionary.to_pylist(), np.split(row[order], cuts[:-1]), strict=True):
            found[mark + name] = np.unique(mine).astype(np.int32)
    names = sorted(found)
    offsets = np.cumsum([0, *(len(found[name]) for name in names)])
    flat = np.concatenate([np.zeros(0, np.int32), *(found[name] for name in names)])
    rows = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(flat))
    return pa.table({"word": pa.array(names, pa.string()), "rows": rows})


def add_bank(writer: TableWriter, folder: Path, name: str) -> int:
    """Every feature of a bank, as the bank itself lists it -> how many they are. Raises BankError."""
    database = Database(folder / "bank.sqlite", writable=False)
    alike = representatives(database)
    rows = [row for chunk in database.chunks(_ROWS) for row in chunk]
    writer.add(dict(_columns(rows, alike.tolist(), name)))
    return len(rows)


def _columns(
    rows: Sequence[Sequence[object]], alike: list[int], bank: str
) -> Iterator[tuple[str, list[object]]]:
    yield "bank", [bank] * len(rows)
    columns = list(zip(*rows, strict=True)) or [()] * 13
    names = (
        "layer",
        "index",
        "label",
        "author",
        "score",
        "density",
        "p99",
        "verdict",
        "proof",
        "consistency",
    )
    for name, values in zip(names, columns, strict=False):
        yield name, list(values)
    tags = [json_value(str(value)) for value in columns[10]]
    yield "tags", list(tags)
    yield "authors", [sorted(set(str(value or "").split("\n")) - {""}) for value in columns[11]]
    texts = (f"{text or ''} {' '.join(own)}" for text, own in zip(columns[12], tags, strict=True))
    yield "words", [list(dict.fromkeys(words_of(text))) for text in texts]
    yield "alike", list(alike)
