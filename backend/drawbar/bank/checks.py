"""A bank folder from anyone -> nothing, or a BankError that says what is wrong with it."""

import hashlib
from pathlib import Path

import numpy as np

from drawbar.bank.database import Database
from drawbar.bank.listing import read_columns
from drawbar.bank.migrations import BANK_MIGRATIONS, has_schema, migrate, version_of
from drawbar.bank.records import BINS, BankInfo
from drawbar.bank.store import DATABASE, DIRECTIONS, EXAMPLES, Bank
from drawbar.bank.tensors import StoredMark, TensorReader
from drawbar.errors import BankError, DrawbarError
from drawbar.files.reading import typed_json

_ROWS = 4096  # checked at a time
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


def sha256_of(path: Path) -> str:
    """The digest of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(folder: Path) -> None:
    """Check everything that opening a bank takes on trust: schema, rows, digests, shapes and ranges.

    Raises BankError. Reads every byte of the bank once.
    """
    database = Database(folder / DATABASE, writable=False)
    try:
        _check_schema(database)
        if version_of(database) < len(BANK_MIGRATIONS):
            older, database = database, database.copied_to_memory()
            older.close()
            migrate(database, BANK_MIGRATIONS)
        _check_rows(database)
        _check_listing(database)
        files = _check_digests(database, folder)
        with Bank.open(folder) as bank:
            info = bank.info
        if DIRECTIONS in files:
            _check_directions(folder / DIRECTIONS, info)
        _check_examples(database, folder / EXAMPLES if EXAMPLES in files else None, info)
    finally:
        database.close()


def _check_digests(database: Database, folder: Path) -> set[str]:
    try:
        text = database.value("SELECT value FROM meta WHERE name = 'files'") or ""
        digests = {name: mark.sha256 for name, mark in typed_json(dict[str, StoredMark], text).items()}
    except ValueError as error:
        raise _wrong(database, f"it does not say which files belong to it ({error})") from error
    for name, digest in digests.items():
        path = folder / name
        if name not in (DIRECTIONS, EXAMPLES) or not path.is_file() or sha256_of(path) != digest:
            raise BankError(f"{path} is missing or was changed after it was made; fetch the bank again")
    return set(digests)


def _wrong(database: Database, what: str) -> BankError:
    return BankError(f"{database.path}: {what}; do not use this bank, fetch it from a source that you trust")


def _check_schema(database: Database) -> None:
    """Exactly our tables: no trigger, view or column that someone else put in."""
    version = version_of(database)
    if version > len(BANK_MIGRATIONS):
        raise _wrong(database, f"format {version} is newer than this Drawbar")
    if not has_schema(database, BANK_MIGRATIONS):
        raise _wrong(database, "its tables are not those of a bank")
    hidden = database.rows(
        "SELECT type, name, tbl_name FROM sqlite_master WHERE name LIKE 'words\\_%' ESCAPE '\\'"
    )
    if any(kind != "table" or name not in _FTS_TABLES or table != name for kind, name, table in hidden):
        raise _wrong(database, "its search index is not one")


def _check_rows(database: Database) -> None:
    if (found := database.value("PRAGMA integrity_check(1)")) != "ok":
        raise _wrong(database, f"it is damaged ({found})")
    if database.row("PRAGMA foreign_key_check") is not None:
        raise _wrong(database, "labels or examples belong to no feature")
    for what, sql in _MISSHAPEN.items():
        if database.row(sql) is not None:
            raise _wrong(database, f"its {what} cannot be read")


def _check_directions(path: Path, info: BankInfo) -> None:
    """Every layer's rows have the sizes that the bank's description says."""
    reader = TensorReader(path)
    shapes, dtypes = reader.shapes(), reader.dtypes()
    for layer in {name.partition(".")[0] for name in shapes}:
        n = shapes.get(f"{layer}.index", (-1,))[0]
        expected = {
            "W_dec": (n, info.d_model),
            "W_enc": (n, info.d_model),
            "b_enc": (n,),
            "b_dec": (info.d_model,),
        }
        expected |= {"scale": (n,), "threshold": (n,)}
        whole = all(shapes.get(f"{layer}.{name}") == shape for name, shape in expected.items())
        kinds = {dtypes[f"{layer}.{name}"] for name in expected} if whole else set()
        if not whole or not kinds <= {"F16", "F32"} or dtypes[f"{layer}.index"] != "I64":
            raise BankError(f"{path}: the rows of layer {layer} do not fit together; fetch the bank again")
        _check_numbers(path, reader, layer)


def _check_numbers(path: Path, reader: TensorReader, layer: str) -> None:
    """What steering multiplies with is finite, and no direction is empty."""
    index = reader.all(f"{layer}.index")
    if len(index) and (index[0] < 0 or (np.diff(index) <= 0).any()):
        raise BankError(f"{path}: the features of layer {layer} are not in order; fetch the bank again")
    for name in ("W_dec", "W_enc", "b_enc", "b_dec", "scale", "threshold"):
        rows = reader.shapes()[f"{layer}.{name}"][0]
        for first in range(0, rows, _ROWS):
            part = reader.slice(f"{layer}.{name}", first, min(first + _ROWS, rows)).astype(np.float32)
            if not np.isfinite(part).all():
                raise BankError(
                    f"{path}: {layer}.{name} holds values that are not finite; fetch the bank again"
                )
            if name == "W_dec" and (np.abs(part).max(axis=1, initial=0) == 0).any():
                raise BankError(f"{path}: a direction of layer {layer} has no length; fetch the bank again")


def _check_listing(database: Database) -> None:
    """What search reads, made of the features, can be read and names each of them once."""
    features = int(database.value("SELECT count(*) FROM feature"))
    ranks = database.rows("SELECT count(*), coalesce(min(rank), 1), coalesce(max(rank), 0) FROM listing")[0]
    if ranks != (features, 1, features):
        raise _wrong(database, "its list does not name every feature once")
    if int(database.value("SELECT coalesce(sum(length(data)), 0) FROM shape")) > _MOST_BYTES * (
        features + 64
    ):
        raise _wrong(database, "its list is larger than its features can be")
    kinds = ("int32", "uint16", "uint8", "float32", "int64")
    for name, dtype, size in database.rows("SELECT name, dtype, length(data) FROM shape"):
        bits = ":" in name
        wanted = -(-features // 8) if bits else features * np.dtype(dtype).itemsize if dtype in kinds else -1
        if size != wanted or (bits and dtype != "uint8"):
            raise _wrong(database, f"the column {name[:40]!r} of its list cannot be read")
    columns = read_columns(database)
    missing = {"layer", "index", "density", "p99", "verdict", "shelf", "alike", "by_label"} - columns.keys()
    if missing:
        raise _wrong(database, f"its list lacks {', '.join(sorted(missing))}")
    verdicts = len(_verdicts(database))
    for name, end in {"by_label": features, "alike": features, "verdict": verdicts, "shelf": 3}.items():
        if features and not 0 <= int(columns[name].min()) <= int(columns[name].max()) < end:
            raise _wrong(database, f"the column {name!r} of its list names what is not there")
    _check_words(database, features)


def _verdicts(database: Database) -> list[str]:
    try:
        return typed_json(list[str], database.value("SELECT value FROM meta WHERE name = 'verdicts'") or "")
    except ValueError as error:
        raise _wrong(database, f"its verdicts cannot be read ({error})") from error


def _check_words(database: Database, features: int) -> None:
    """The word index is whole; its own check needs to write, so it runs in a copy."""
    copy = database.copied_to_memory()
    try:
        copy.run("INSERT INTO words (words) VALUES ('integrity-check')")
        copy.run("CREATE VIRTUAL TABLE temp.found USING fts5vocab('main', 'words', 'instance')")
        first, last = copy.rows("SELECT coalesce(min(doc), 1), coalesce(max(doc), 0) FROM temp.found")[0]
    except DrawbarError as error:
        raise _wrong(database, f"its search index is damaged ({error})") from error
    finally:
        copy.close()
    if first < 1 or last > features:
        raise _wrong(database, "its search index names what is not there")


def _check_examples(database: Database, path: Path | None, info: BankInfo) -> None:
    """Every example's rows lie inside the file."""
    tokens, first = database.rows("SELECT max(first_row + frames), min(min(first_row, frames)) FROM clip")[0]
    sql = "SELECT max(e.first_row + c.frames), min(e.first_row) FROM example e JOIN clip c ON c.n = e.clip"
    shares, first_share = database.rows(sql)[0]
    if tokens is None and shares is None:
        return
    if path is None:
        raise _wrong(database, "it lists examples but has no file of them")
    reader = TensorReader(path)
    shapes, dtypes = reader.shapes(), reader.dtypes()
    sound = shapes.get("tokens", ())[1:] == (info.n_q,) and dtypes["tokens"] == "U16"
    sound = sound and len(shapes.get("activations", ())) == 1 and dtypes["activations"] in ("F16", "U8")
    sound = sound and tokens <= shapes["tokens"][0] and (shares or 0) <= shapes["activations"][0]
    if not sound or min(first, first_share or 0) < 0:
        raise BankError(f"{path} does not hold the examples that the bank lists; fetch the bank again")
