from collections.abc import Iterator
from pathlib import Path

import pytest

from drawbar.bank import Bank
from drawbar.bench.synthetic import synthetic_bank
from tests.bank.small_bank import INFO, fill


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Bank]:
    """Seven features, five of them named, open for reading."""
    with Bank.create(tmp_path / "small", INFO, edits=tmp_path / "edits") as bank:
        fill(bank)
    with Bank.open(tmp_path / "small", edits=tmp_path / "edits") as bank:
        yield bank


@pytest.fixture(scope="session")
def many_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many") / "bank"
    synthetic_bank(folder, features=400, layers=(1, 3, 5)).close()
    return folder


@pytest.fixture
def many(many_folder: Path, tmp_path: Path) -> Iterator[Bank]:
    """Four hundred features with synthetic labels, directions and examples."""
    with Bank.open(many_folder, edits=tmp_path / "edits") as bank:
        yield bank
