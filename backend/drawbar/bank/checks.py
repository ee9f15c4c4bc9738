"""A bank folder from anyone -> nothing, or a BankError that says what is wrong with it."""

import hashlib
from pathlib import Path

import numpy as np

from drawbar.bank.database import Database
from drawbar.bank.migrations import BANK_MIGRATIONS, migrate, version_of
from drawbar.bank.records import BankInfo
from drawbar.bank.store import DATABASE, DIRECTIONS, EXAMPLES, Bank
from drawbar.bank.table_checks import check_listing, check_rows, check_schema, wrong
from drawbar.bank.tensors import StoredMark, TensorReader
from drawbar.errors import BankError
from drawbar.files.reading import typed_json

_ROWS = 4096  # checked at a time


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
        check_schema(database)
        if version_of(database) < len(BANK_MIGRATIONS):
            older, database = database, database.copied_to_memory()
            older.close()
            migrate(database, BANK_MIGRATIONS)
        check_rows(database)
        check_listing(database)
        files = _check_digests(database, folder)
        with Bank.open(folder) as bank:
            info = bank.info
            bank.concept_sliders()
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
        raise wrong(database, f"it does not say which files belong to it ({error})") from error
    for name, digest in digests.items():
        path = folder / name
        if name not in (DIRECTIONS, EXAMPLES) or not path.is_file() or sha256_of(path) != digest:
            raise BankError(f"{path} is missing or was changed after it was made; fetch the bank again")
    return set(digests)


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


def _check_examples(database: Database, path: Path | None, info: BankInfo) -> None:
    """Every example's rows lie inside the file."""
    tokens, first = database.rows("SELECT max(first_row + frames), min(min(first_row, frames)) FROM clip")[0]
    sql = "SELECT max(e.first_row + c.frames), min(e.first_row) FROM example e JOIN clip c ON c.n = e.clip"
    shares, first_share = database.rows(sql)[0]
    if tokens is None and shares is None:
        return
    if path is None:
        raise wrong(database, "it lists examples but has no file of them")
    reader = TensorReader(path)
    shapes, dtypes = reader.shapes(), reader.dtypes()
    sound = shapes.get("tokens", ())[1:] == (info.n_q,) and dtypes["tokens"] == "U16"
    sound = sound and len(shapes.get("activations", ())) == 1 and dtypes["activations"] in ("F16", "U8")
    sound = sound and tokens <= shapes["tokens"][0] and (shares or 0) <= shapes["activations"][0]
    if not sound or min(first, first_share or 0) < 0:
        raise BankError(f"{path} does not hold the examples that the bank lists; fetch the bank again")
