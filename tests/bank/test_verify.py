"""Banks that were tampered with: verify and import say so, and nothing stumbles over them later."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from drawbar import paths
from drawbar.bank import Bank
from drawbar.bank.checks import sha256_of, verify
from drawbar.bench.synthetic import synthetic_bank
from drawbar.errors import BankError
from tests.bank.small_bank import INFO, fill

Change = Callable[[sqlite3.Connection], object]


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    synthetic_bank(tmp_path / "bank", features=40).close()
    verify(tmp_path / "bank")
    return tmp_path / "bank"


def change(bank: Path, *statements: str) -> None:
    connection = sqlite3.connect(bank / "bank.sqlite")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("name", ["W_dec", "W_enc", "b_enc", "b_dec", "scale", "threshold"])
def test_directions_that_are_not_finite_are_found(bank: Path, name: str) -> None:
    damage(bank, name, float("nan"))
    with pytest.raises(BankError, match=rf"{name} holds values that are not finite"):
        verify(bank)


def test_a_direction_without_length_is_found(bank: Path) -> None:
    damage(bank, "W_dec", 0.0)
    with pytest.raises(BankError, match="has no length"):
        verify(bank)


def damage(bank: Path, name: str, value: float) -> None:
    """One row of a tensor, with the digest put right: as somebody with intent does it."""
    path = bank / "directions.safetensors"
    tensors = load_file(path)
    found = next(key for key in tensors if key.endswith(f".{name}"))
    tensors[found] = np.array(tensors[found])
    tensors[found][:1] = value
    save_file(tensors, path)
    connection = sqlite3.connect(bank / "bank.sqlite")
    files = json.loads(connection.execute("SELECT value FROM meta WHERE name = 'files'").fetchone()[0])
    files[path.name] = {"size": path.stat().st_size, "sha256": sha256_of(path)}
    connection.execute("UPDATE meta SET value = ? WHERE name = 'files'", (json.dumps(files),))
    connection.commit()
    connection.close()


STATEMENTS = {
    "empty list": "DELETE FROM listing",
    "a feature less": "DELETE FROM listing WHERE rank = 3",
    "ranks from 2": "UPDATE listing SET rank = rank + 100",
    "huge column": "UPDATE shape SET data = zeroblob(100000000) WHERE name = 'layer'",
    "unknown type": "UPDATE shape SET dtype = 'object' WHERE name = 'layer'",
    "no type": "UPDATE shape SET dtype = '' WHERE name = 'layer'",
    "short column": "UPDATE shape SET data = zeroblob(3) WHERE name = 'layer'",
    "missing column": "DELETE FROM shape WHERE name = 'by_label'",
    "order out of range": "UPDATE shape SET data = randomblob(length(data)) WHERE name = 'by_label'",
    "short bits": "UPDATE shape SET data = x'00' WHERE name LIKE 'starts:%'",
    "verdicts": "UPDATE meta SET value = '[1, 2]' WHERE name = 'verdicts'",
    "verdicts no JSON": "UPDATE meta SET value = '{' WHERE name = 'verdicts'",
    "info wrong type": "UPDATE meta SET value = json_set(value, '$.layers', 5) WHERE name = 'info'",
    "info huge": "UPDATE meta SET value = json_set(value, '$.d_model', 1e300) WHERE name = 'info'",
    "files wrong type": "UPDATE meta SET value = '{\"directions.safetensors\": 5}' WHERE name = 'files'",
    "word index": "UPDATE words_data SET block = x'0000' WHERE id > 10",
}  # fmt: skip


@pytest.mark.parametrize("what", STATEMENTS)
def test_damaged_tables_are_found_by_verify(bank: Path, what: str) -> None:
    change(bank, STATEMENTS[what])
    with pytest.raises(BankError):
        verify(bank)


def test_the_bank_that_ships_is_in_order() -> None:
    verify(paths.embedded_bank_dir())


def test_info_of_the_wrong_type_is_refused_at_opening(bank: Path) -> None:
    for name in ("name", "fingerprint", "layers", "d_model", "n_q", "sae_settings"):
        change(
            bank, f"UPDATE meta SET value = json_set(value, '$.{name}', json('[[1]]')) WHERE name = 'info'"
        )
        with pytest.raises(BankError, match="does not say what it is"):
            Bank.open(bank)


def test_a_list_of_features_that_are_not_there_is_the_banks_fault(tmp_path: Path) -> None:
    """Found by tests/fuzz: reading such a row ended in a KeyError."""
    with Bank.create(tmp_path / "bank", INFO, edits=tmp_path / "edits") as bank:
        fill(bank)
    database = sqlite3.connect(tmp_path / "bank" / "bank.sqlite")
    database.execute("UPDATE listing SET feature = 999 WHERE rank = 1")
    database.commit()
    database.close()
    with Bank.open(tmp_path / "bank", edits=tmp_path / "edits") as bank:
        with pytest.raises(BankError, match="does not name every feature") as raised:
            bank.search("")
        assert str(raised.value).isprintable()
    with pytest.raises(BankError, match="does not name every feature"):
        verify(tmp_path / "bank")
