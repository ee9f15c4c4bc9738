"""Concept sliders: published in a bank, found before features, added at every layer they push at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drawbar.bank import Bank, ConceptSlider, Push, verify
from drawbar.bank.database import Database
from drawbar.bench.synthetic import synthetic_bank
from drawbar.errors import BadInputError, BankError, SiteMismatchError
from drawbar.steering import Mixer, OwnDirections, Palette, directions_for

D = 16


def site(fingerprint: str = "0" * 64) -> Any:
    return type("Model", (), {"fingerprint": fingerprint, "spec": type("Spec", (), {"name": "synthetic"})})()


def vector(seed: int, norm: float) -> Any:
    drawn = np.random.default_rng(seed).standard_normal(D).astype(np.float32)
    return norm * drawn / np.linalg.norm(drawn)


DRUMS = ConceptSlider(
    "drums",
    (Push(1, vector(0, 3.0)), Push(0, vector(1, 2.0))),
    arm="effect map",
    target="detector:drums",
    axes=("rhythm",),
    features=(("0/1", 0.7), ("0/2", 0.3)),
    verdict="proven",
    proof=2.0,
    usable_range=(-1.5, 2.5),
    card={"slope": 1.0},
    page={"step_sd": 1.0},
)
SLOW = ConceptSlider("slow", (Push(0, vector(2, 1.0)),), verdict="not shown")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    folder = tmp_path / "bank"
    synthetic_bank(folder, features=40).close()
    with Bank.open(folder, writable=True) as opened:
        opened.write_concept_sliders([SLOW, DRUMS])
    verify(folder)
    with Bank.open(folder) as opened:
        yield opened


def palette(bank: Bank, tmp_path: Path) -> Palette:
    return Palette(bank, store=OwnDirections(tmp_path / "own"))


def test_what_is_published_comes_back_proven_first(bank: Bank) -> None:
    first, second = bank.concept_sliders()
    assert (first.name, second.name) == ("drums", "slow")
    assert first.fingerprint == DRUMS.fingerprint
    assert first.features == DRUMS.features
    assert first.usable_range == (-1.5, 2.5)
    assert first.card == {"slope": 1.0}
    np.testing.assert_array_equal(first.pushes[1].vector, DRUMS.pushes[1].vector)


def test_they_are_listed_first_and_answer_to_their_names(bank: Bank, tmp_path: Path) -> None:
    desk = palette(bank, tmp_path)
    rows = desk.search(limit=3)
    assert rows[0].id == "concept/drums"  # one that is not proven stands on its shelf only
    assert rows[1].id.split("/")[0].isdigit()
    assert [row.id for row in desk.search(shelf="concepts")] == ["concept/drums", "concept/slow"]
    assert desk.resolve("Drums").id == "concept/drums"
    assert desk.resolve("concept/slow").id == "concept/slow"
    assert desk.facets().shelves["concepts"] == 2
    page = desk.feature("concept/drums")
    assert page.usable_range == (-1.5, 2.5)
    assert "2 features" in page.labels[0].evidence["phrase"]
    assert desk.vectors(["concept/drums", rows[1].id])["W_dec"].shape == (2, D)
    with pytest.raises(BadInputError, match="published"):
        desk.hide("concept/drums")


def test_amount_one_adds_every_push_at_its_layer(bank: Bank, tmp_path: Path) -> None:
    (direction,) = directions_for(site(), palette(bank, tmp_path), ["concept/drums"])
    spec: Any = type("Spec", (), {"name": "synthetic", "d_model": D, "n_layers": 4})()
    mixer = Mixer([direction], spec=spec)
    mixer.set("concept/drums", 2.0)
    added = mixer.start().added(0, 1)
    assert sorted(added) == [0, 1]
    for push in DRUMS.pushes:
        torch.testing.assert_close(
            added[push.layer][0, 0], torch.from_numpy(2.0 * push.vector), rtol=1e-5, atol=1e-5
        )


def test_another_model_is_refused(bank: Bank, tmp_path: Path) -> None:
    with pytest.raises(SiteMismatchError):
        directions_for(site("f" * 64), palette(bank, tmp_path), ["concept/drums"])


def test_impossible_ones_are_refused(bank: Bank, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="each once"):
        ConceptSlider("drums", (Push(0, vector(0, 1)), Push(0, vector(1, 1))))
    with pytest.raises(BadInputError, match="name"):
        ConceptSlider("a/b", (Push(0, vector(0, 1)),))
    with pytest.raises(BadInputError, match="adds nothing"):
        Push(0, np.zeros(D, np.float32))
    with pytest.raises(BadInputError, match="no concept slider 'flute'; it has drums, slow"):
        bank.concept_slider("flute")


def test_a_changed_vector_is_found_out(bank: Bank, tmp_path: Path) -> None:
    folder = bank.folder
    bank.close()
    database = Database(folder / "bank.sqlite")
    with database.atomic():
        database.run("UPDATE concept_slider SET fingerprint = 'x'")
    database.close()
    with pytest.raises(BankError, match="fingerprint"):
        Bank.open(folder).concept_sliders()
