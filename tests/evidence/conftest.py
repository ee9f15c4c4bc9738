from collections.abc import Iterator
from pathlib import Path

import pytest

from drawbar.bank import Bank
from tests.evidence.evidence_bank import write_assets


@pytest.fixture(scope="session")
def six_assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and a bank of six features with evidence."""
    return write_assets(tmp_path_factory.mktemp("six"))


@pytest.fixture
def six(six_assets: Path, tmp_path: Path) -> Iterator[Bank]:
    with Bank.open(six_assets / "bank", edits=tmp_path / "edits") as bank:
        yield bank
