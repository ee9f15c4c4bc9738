"""A bank's features and labels -> what search reads: the ranked list, the word index, the columns."""

import json
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from drawbar.bank.database import Database
from drawbar.bank.duplicates import representatives
from drawbar.bank.tensors import Array
from drawbar.bank.words import words_of

PROVEN = "proven"
UNSTABLE_TAG = "unstable"
"""On features that other seeds of the same SAE do not find again: they are never offered first."""
SHELVES = ("proven", "named", "unnamed")
"""Where a feature stands by itself; the number in the ``shelf`` column counts in this order."""
FIRST_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
"""One such letter matches so much that FTS5 takes long to say it all: these answers are stored as bits."""

# The order in which proof counts: proven (those that other seeds find again first, then those with a name), then the
# strength of the evidence, the best label's score, consistency.
_RANKED = """
INSERT INTO listing (rank, feature, label, label_key, author, score)
SELECT row_number() OVER (
           ORDER BY f.verdict = 'proven' DESC, f.tags LIKE '%"unstable"%',
                    f.verdict = 'proven' AND b.n IS NULL, f.proof DESC, b.n IS NULL,
                    b.score DESC, f.consistency DESC, f.layer, f.idx),
       f.n, coalesce(b.text, ''), coalesce(b.text_key, ''), coalesce(b.author, ''), b.score
FROM feature f LEFT JOIN (
    SELECT n, feature, text, text_key, author, score,
           row_number() OVER (
               PARTITION BY feature ORDER BY method = 'people' DESC, author = 'truth' DESC, score DESC, n
           ) AS place
    FROM label) b ON b.feature = f.n AND b.place = 1
"""
_TEXTS = """
SELECT l.rank, f.tags, (SELECT group_concat(text || ' ' || author, ' ') FROM label WHERE feature = f.n)
FROM listing l JOIN feature f ON f.n = l.feature ORDER BY l.rank
"""
_COLUMNS = """
SELECT f.layer, f.idx, f.density, f.p99, f.verdict, l.label_key = ''
FROM listing l JOIN feature f ON f.n = l.feature ORDER BY l.rank
"""
_AUTHOR = (
    "SELECT DISTINCT l.rank FROM label JOIN listing l ON l.feature = label.feature WHERE label.author = ?"
)


def build_listing(database: Database) -> None:
    """Make everything that search reads anew, in one transaction."""
    with database.atomic():
        database.run("DELETE FROM listing")
        database.run("INSERT INTO words (words) VALUES ('delete-all')")
        database.run("DELETE FROM shape")
        database.run(_RANKED)
        starts = np.zeros((len(FIRST_LETTERS), _count(database)), bool)
        database.run_many("INSERT INTO words (rowid, text) VALUES (?, ?)", _word_rows(database, starts))
        for letter, bits in zip(FIRST_LETTERS, starts, strict=True):
            _put(database, f"starts:{letter}", np.packbits(bits))
        _write_columns(database)
        _write_authors(database)


def _count(database: Database) -> int:
    return int(database.value("SELECT count(*) FROM listing"))


def _word_rows(database: Database, starts: NDArray[np.bool_]) -> Iterator[tuple[int, str]]:
    """(rank, its words); marks in ``starts`` [letter, place] the letters that they start with."""
    for chunk in database.chunks(_TEXTS):
        for rank, tags, labels in chunk:
            words = dict.fromkeys(words_of(f"{labels or ''} {' '.join(json.loads(tags))}"))
            if words:
                starts[[place for word in words if (place := FIRST_LETTERS.find(word[0])) >= 0], rank - 1] = (
                    True
                )
                yield rank, " ".join(words)


def _put(database: Database, name: str, values: Array) -> None:
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    row = (name, values.dtype.name, little.tobytes())
    database.run("INSERT INTO shape (name, dtype, data) VALUES (?, ?, ?)", row)


def _write_columns(database: Database) -> None:
    n = _count(database)
    layer, index = np.zeros(n, np.int32), np.zeros(n, np.int32)
    density, p99 = np.zeros(n, np.float32), np.zeros(n, np.float32)
    verdict, shelf = np.zeros(n, np.uint16), np.zeros(n, np.uint8)
    verdicts = [name for (name,) in database.rows("SELECT DISTINCT verdict FROM feature ORDER BY verdict")]
    code = {name: number for number, name in enumerate(verdicts)}
    at = 0
    for chunk in database.chunks(_COLUMNS):
        part = slice(at, at + len(chunk))
        layers, indexes, densities, p99s, names, unnamed = zip(*chunk, strict=True)
        layer[part], index[part], density[part], p99[part] = layers, indexes, densities, p99s
        verdict[part] = [code[name] for name in names]
        shelf[part] = [0 if name == PROVEN else 1 + bare for name, bare in zip(names, unnamed, strict=True)]
        at += len(chunk)
    columns: dict[str, Array] = {"layer": layer, "index": index, "density": density, "p99": p99}
    columns |= {"verdict": verdict, "shelf": shelf, "alike": representatives(database)}
    by_label = "SELECT rank FROM listing ORDER BY label_key = '', label_key, rank"
    columns["by_label"] = np.fromiter((r - 1 for c in database.chunks(by_label) for (r,) in c), np.int32, n)
    for name, values in columns.items():
        _put(database, name, values)
    database.run("INSERT OR REPLACE INTO meta (name, value) VALUES ('verdicts', ?)", (json.dumps(verdicts),))


def _write_authors(database: Database) -> None:
    """One bit per feature for every author: does it have a label by them?"""
    n = _count(database)
    for (author,) in database.rows("SELECT DISTINCT author FROM label ORDER BY author"):
        bits = np.zeros(n, bool)
        for chunk in database.chunks(_AUTHOR, (author,)):
            bits[[rank - 1 for (rank,) in chunk]] = True
        _put(database, f"author:{author}", np.packbits(bits))


def read_column(database: Database, name: str) -> Array | None:
    """One stored column, read-only, or None."""
    row = database.row("SELECT dtype, data FROM shape WHERE name = ?", (name,))
    return None if row is None else np.frombuffer(row[1], np.dtype(row[0]).newbyteorder("<"))


def read_bits(database: Database, name: str, count: int) -> NDArray[np.bool_] | None:
    """One bit for each of ``count`` features.

    ``author:NAME``: it has a label by them; ``starts:LETTER``: it has a word that starts so.
    """
    packed = read_column(database, name)
    return None if packed is None else np.unpackbits(packed, count=count).astype(bool)


def read_authors(database: Database) -> list[str]:
    """Everyone who has labelled a feature, by name."""
    rows = database.rows("SELECT substr(name, 8) FROM shape WHERE name LIKE 'author:%' ORDER BY name")
    return [name for (name,) in rows]


def read_columns(database: Database) -> dict[str, Array]:
    """Every column of one value a feature, by name."""
    names = database.rows("SELECT name FROM shape WHERE name NOT LIKE '%:%'")
    return {name: column for (name,) in names if (column := read_column(database, name)) is not None}
