"""Features that are one slider several times over are offered as one, unless all of them are asked for."""

from dataclasses import replace
from pathlib import Path

import pytest

from drawbar.bank import Bank, Label, LabelRecord
from tests.bank.small_bank import INFO, record

LABELS = {"3/0": ("drums", 0.9), "1/0": ("drums", 0.8), "1/1": ("drum roll", 0.7), "3/5": ("flute", 0.6)}


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    """1/0 fires with 3/0, 1/1 points where 1/0 does; 3/5 is near both, but not near enough."""
    found = Bank.create(tmp_path / "bank", INFO)
    found.write_features(
        [
            replace(record("3/0"), neighbours=(("3/5", 0.9), ("3/77", 0.99)), duplicates=(("1/0", 0.91),)),
            replace(record("1/0"), neighbours=(("1/1", 0.95),), duplicates=()),
            replace(record("1/1"), neighbours=(), duplicates=(("3/5", 0.89),)),
            replace(record("3/5"), neighbours=()),
        ]
    )
    found.write_labels(
        LabelRecord(id, Label(text, "truth", "auroc", score)) for id, (text, score) in LABELS.items()
    )
    return found


def test_the_best_of_each_group_is_offered_and_says_how_many_it_stands_for(bank: Bank) -> None:
    rows = bank.search(fold=True)
    assert [(row.id, row.twins) for row in rows] == [("3/0", 2), ("3/5", 0)]
    assert bank.count(fold=True) == 2


def test_all_of_them_are_found_when_asked_for(bank: Bank) -> None:
    assert [row.id for row in bank.search()] == ["3/0", "1/0", "1/1", "3/5"]
    assert bank.count() == 4


def test_a_filter_that_leaves_the_best_out_offers_the_next(bank: Bank) -> None:
    assert [row.id for row in bank.search(layer=1, fold=True)] == ["1/0"]
    assert [row.id for row in bank.search("roll", fold=True)] == ["1/1"]
    assert [row.id for row in bank.search("drums", sort="id", fold=True)] == ["3/0"]


def test_a_bank_of_before_groups_were_stored_lists_every_feature(bank: Bank) -> None:
    bank.search()  # its listing is made
    bank._database.run("DELETE FROM shape WHERE name = 'alike'")
    bank._finder.forget()
    assert bank.search(fold=True)[0].twins == 0
    assert bank.count(fold=True) == 4
