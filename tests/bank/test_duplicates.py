"""Sliders that are one slider several times over: found, and one of them offered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from drawbar.bank.duplicates import Group, Twin, alike, group_of, twins_of
from drawbar.errors import BadInputError


@dataclass
class FakeBank:
    """Pages by id, in the order of the evidence."""

    pages: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, list[float]] = field(default_factory=dict)

    def add(
        self,
        id: str,
        near: tuple[tuple[str, float], ...] = (),
        twice: tuple[tuple[str, float], ...] = (),
        verdict: str = "untested",
        score: float | None = None,
    ) -> None:
        layer, index = map(int, id.split("/"))
        row = SimpleNamespace(id=id, layer=layer, index=index, verdict=verdict, label_score=score)
        self.pages[id] = SimpleNamespace(row=row, neighbours=near, duplicates=twice)

    def feature(self, id: str) -> Any:
        if id not in self.pages:
            raise BadInputError(id)
        return self.pages[id]

    def count(self) -> int:
        return len(self.pages)

    def search(self, limit: int) -> list[Any]:
        return [page.row for page in self.pages.values()]

    def vectors(self, ids: Sequence[str]) -> dict[str, Any]:
        return {"W_dec": np.array([self.rows[id] for id in ids])}


@pytest.fixture
def bank() -> FakeBank:
    found = FakeBank()
    found.add("4/2", twice=(("2/1", 0.97),), score=0.9)
    found.add("2/1", near=(("2/5", 0.93), ("2/9", 0.95)), twice=(("4/2", 0.97),), verdict="proven")
    found.add("2/5", near=(("2/1", 0.93), ("2/6", 0.85)))
    found.add("2/6", near=(("2/5", 0.85),), twice=(("4/2", 0.5),))
    return found


def test_twins_are_collinear_at_a_layer_or_together_in_time_and_published(bank: FakeBank) -> None:
    assert twins_of(bank, "2/1") == (Twin("4/2", "fires together", 0.97), Twin("2/5", "same direction", 0.93))
    assert twins_of(bank, "2/6") == ()


def test_a_group_offers_its_best_member(bank: FakeBank) -> None:
    assert group_of(bank, "2/5") == Group(("2/1", "4/2", "2/5"))
    assert group_of(bank, "2/5").representative == "2/1"
    assert group_of(bank, "2/6").members == ("2/6",)


def test_sliders_that_double_one_another_are_named_on_both_sides(bank: FakeBank) -> None:
    bank.rows = {"2/1": [1, 0.1], "2/5": [-1, -0.12], "2/6": [0, 1], "4/2": [0, 2]}
    found = alike(bank, list(bank.rows), {id: int(id[0]) for id in bank.rows})
    assert found == {"2/1": ("2/5", "4/2"), "2/5": ("2/1",), "4/2": ("2/1",)}
    assert alike(bank, ["2/1"], {"2/1": 2}) == {}
