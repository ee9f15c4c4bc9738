"""A bank's database from anyone -> nothing, or a BankError that says which of its tables cannot be used.

Knows nothing of the files beside it.
"""

import numpy as np

from drawbar.bank.database import Database
from drawbar.bank.listing import read_columns
from drawbar.bank.migrations import BANK_MIGRATIONS, has_schema, version_of
from drawbar.bank.records import BINS
from drawbar.errors import BankError, DrawbarError
from drawbar.files.reading import shortened, typed_json

_MOST_BYTES = 64  # of the list, for each feature
_NUMBER = "NOT IN ('integer', 'real')"
_MISSHAPEN = {
    "tags": "SELECT 1 FROM feature, json_each(tags) e WHERE e.type <> 'text'",
    "correlations": f"SELECT 1 FROM feature, json_each(correlations) e WHERE e.type {_NUMBER}",
    **{
        name: f"""SELECT 1 FROM feature, json_each({name}) e WHERE e.type <> 'array'
        OR json_array_length(e.value) <> 2 OR json_type(e.value, '$[0]') <> 'text'
        OR json_type(e.value, '$[1]') {_NUMBER}"""
        for name in ("neighbours", "coactive", "duplicates")
    },
    "histogram": f"""SELECT 1 FROM feature, json_tree(histogram) e WHERE e.type NOT IN ('object', 'array')
        AND (e.type {_NUMBER} OR e.path NOT IN ('$.edges', '$.counts'))""",
    "kinds": """SELECT 1 FROM feature WHERE json_type(tags) <> 'array' OR json_type(temporal) <> 'object'
        OR json_type(neighbours) <> 'array' OR json_type(coactive) <> 'array'
        OR json_type(duplicates) <> 'array' OR json_type(histogram) <> 'object'
        OR json_type(correlations) <> 'object'
        OR coalesce(json_type(evidence), 'object') <> 'object'""",
    "evidence": "SELECT 1 FROM label WHERE json_type(evidence) <> 'object'",
    "verdict card": "SELECT 1 FROM evidence WHERE NOT json_valid(value)",
    "trials": """SELECT 1 FROM trial, evidence e WHERE e.name = 'measures'
        AND length(trial."values") <> 2 * json_array_length(e.value)""",
    "bin": f"SELECT 1 FROM example WHERE bin NOT IN ({', '.join(map(repr, BINS))})",
}
"""Each finds a row that reading would stumble over; text that is not JSON at all fails the query."""
_FTS_TABLES = {f"words_{part}" for part in ("data", "idx", "content", "docsize", "config")}


def check_tables(database: Database) -> None:
    """Everything that reading takes on trust: our schema, whole rows, a list that names what is there."""
    check_schema(database)
    check_rows(database)
    check_listing(database)


def wrong(database: Database, what: str) -> BankError:
    return BankError(f"{database.path}: {what}; do not use this bank, fetch it from a source that you trust")


def check_schema(database: Database) -> None:
    """Exactly our tables: no trigger, view or column that someone else put in."""
    version = version_of(database)
    if version > len(BANK_MIGRATIONS):
        raise wrong(database, f"format {version} is newer than this Drawbar")
    if not has_schema(database, BANK_MIGRATIONS):
        raise wrong(database, "its tables are not those of a bank")
    hidden = database.rows(
        "SELECT type, name, tbl_name FROM sqlite_master WHERE name LIKE 'words\\_%' ESCAPE '\\'"
    )
    if any(kind != "table" or name not in _FTS_TABLES or table != name for kind, name, table in hidden):
        raise wrong(database, "its search index is not one")


def check_rows(database: Database) -> None:
    if (found := database.value("PRAGMA integrity_check(1)")) != "ok":
        raise wrong(database, f"it is damaged ({shortened(found, 200)})")
    if database.row("PRAGMA foreign_key_check") is not None:
        raise wrong(database, "labels or examples belong to no feature")
    for what, sql in _MISSHAPEN.items():
        if database.row(sql) is not None:
            raise wrong(database, f"its {what} cannot be read")


def check_listing(database: Database) -> None:
    """What search reads, made of the features, can be read and names each of them once."""
    features = int(database.value("SELECT count(*) FROM feature"))
    ranks = database.rows("SELECT count(*), coalesce(min(rank), 1), coalesce(max(rank), 0) FROM listing")[0]
    named = int(database.value("SELECT count(*) FROM listing l JOIN feature f ON f.n = l.feature"))
    if ranks != (features, 1, features) or named != features:
        raise wrong(database, "its list does not name every feature once")
    if int(database.value("SELECT coalesce(sum(length(data)), 0) FROM shape")) > _MOST_BYTES * (
        features + 64
    ):
        raise wrong(database, "its list is larger than its features can be")
    kinds = ("int32", "uint16", "uint8", "float32", "int64")
    for name, dtype, size in database.rows("SELECT name, dtype, length(data) FROM shape"):
        bits = ":" in name
        wanted = -(-features // 8) if bits else features * np.dtype(dtype).itemsize if dtype in kinds else -1
        if size != wanted or (bits and dtype != "uint8"):
            raise wrong(database, f"the column {name[:40]!r} of its list cannot be read")
    columns = read_columns(database)
    missing = {"layer", "index", "density", "p99", "verdict", "shelf", "alike", "by_label"} - columns.keys()
    if missing:
        raise wrong(database, f"its list lacks {', '.join(sorted(missing))}")
    verdicts = len(_verdicts(database))
    for name, end in {"by_label": features, "alike": features, "verdict": verdicts, "shelf": 3}.items():
        if features and not 0 <= int(columns[name].min()) <= int(columns[name].max()) < end:
            raise wrong(database, f"the column {name!r} of its list names what is not there")
    _check_words(database, features)


def _verdicts(database: Database) -> list[str]:
    try:
        return typed_json(list[str], database.value("SELECT value FROM meta WHERE name = 'verdicts'") or "")
    except ValueError as error:
        raise wrong(database, f"its verdicts cannot be read ({error})") from error


def _check_words(database: Database, features: int) -> None:
    """The word index is whole; its own check needs to write, so it runs in a copy."""
    copy = database.copied_to_memory()
    try:
        copy.run("INSERT INTO words (words) VALUES ('integrity-check')")
        copy.run("CREATE VIRTUAL TABLE temp.found USING fts5vocab('main', 'words', 'instance')")
        first, last = copy.rows("SELECT coalesce(min(doc), 1), coalesce(max(doc), 0) FROM temp.found")[0]
    except DrawbarError as error:
        raise wrong(database, f"its search index is damaged ({error})") from error
    finally:
        copy.close()
    if first < 1 or last > features:
        raise wrong(database, "its search index names what is not there")
