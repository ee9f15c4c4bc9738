"""The embedded bank, in a table of one part or of many -> what the bank itself finds, row by row."""

from dataclasses import asdict
from pathlib import Path

import pytest

from drawbar.bank import Bank
from drawbar.bank.search import Filters, Query
from drawbar.errors import BadInputError, BankError
from drawbar.paths import embedded_bank_dir

pytest.importorskip("pyarrow", reason="feature tables need the extra: cluster")

from drawbar.bank.tables import FeatureTables, TableWriter, add_bank
from drawbar.bank.tables.columns import TABLE

QUERIES: list[tuple[str, Filters]] = [
    ("", {}),
    ("dru", {}),
    ("slow piano", {}),
    ("c", {}),
    ("3/1", {}),
    ("piano ", {"layer": 3}),
    ("", {"shelf": "unnamed"}),
    ("", {"shelf": "proven", "sort": "density"}),
    ("", {"sort": "label"}),
    ("", {"sort": "id", "min_density": 0.001, "max_density": 0.2}),
    ("a", {"sort": "strength", "author": "truth"}),
    ("", {"verdict": "weak", "fold": True}),
    ("", {"fold": True}),
    ("", {"kind": "instrument"}),
    ("no such word at all", {}),
]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return Bank.open(embedded_bank_dir(), edits=tmp_path_factory.mktemp("edits"))


@pytest.fixture(scope="module", params=[1 << 20, 300], ids=["one part", "many parts"])
def tables(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeatureTables:
    folder = tmp_path_factory.mktemp("table")
    with TableWriter(folder, rows_per_part=request.param) as writer:
        add_bank(writer, embedded_bank_dir(), "embedded")
    return FeatureTables(folder)


@pytest.mark.parametrize(("text", "filters"), QUERIES)
def test_a_table_finds_what_the_bank_finds_in_the_same_order(
    bank: Bank, tables: FeatureTables, text: str, filters: Filters
) -> None:
    assert tables.count(text, **filters) == bank.count(text, **filters)
    for offset in (0, 7):
        wanted = bank.search(text, limit=40, offset=offset, **filters)
        found = tables.search(text, limit=40, offset=offset, **filters)
        assert [row.id for row in found] == [row.id for row in wanted]
        for ours, theirs in zip(found, wanted, strict=True):
            mine = asdict(ours)
            assert mine.pop("bank") == "embedded"
            assert mine == asdict(theirs) | {"twins": 0}


def test_several_banks_are_ranked_together(tmp_path: Path, bank: Bank) -> None:
    with TableWriter(tmp_path / "two", rows_per_part=500) as writer:
        count = add_bank(writer, embedded_bank_dir(), "one") + add_bank(writer, embedded_bank_dir(), "two")
    tables = FeatureTables(tmp_path / "two")
    assert sum(tables.rows) == count == 2 * bank.count()
    assert max(tables.rows) <= 500
    assert tables.count("drums") == 2 * bank.count("drums")
    best = tables.search("drums", limit=2)
    assert {asdict(row)["bank"] for row in best} == {"one", "two"}
    assert len({row.id for row in best}) == 1


def test_what_no_table_has_is_said(tmp_path: Path, tables: FeatureTables) -> None:
    with pytest.raises(BadInputError, match="starred"):
        tables.search("", shelf="starred")
    with pytest.raises(BankError, match="drawbar bank table"):
        FeatureTables(tmp_path)


@pytest.mark.parametrize("damage", ["cut off", "too many rows", "deep"])
def test_a_damaged_table_is_named(bank: Bank, tmp_path: Path, damage: str) -> None:
    with TableWriter(tmp_path / "table") as writer:
        add_bank(writer, embedded_bank_dir(), "embedded")
    listing = tmp_path / "table" / TABLE
    if damage == "cut off":
        part = next((tmp_path / "table").glob("features-*.parquet"))
        part.write_bytes(part.read_bytes()[:5000])
    elif damage == "too many rows":
        listing.write_text('{"version": 1, "rows": [2000000000]}')
    else:
        listing.write_text("[" * 100_000)
    with pytest.raises(BankError, match="feature table"):
        FeatureTables(tmp_path / "table").find(Query("drums"))
