"""Directions of one's own: kept safely, tied to their model, found and played as features are."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from drawbar.bank import Query
from drawbar.bank.records import Sort
from drawbar.bank.search import Filters
from drawbar.bench.synthetic import synthetic_bank
from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.steering import OwnDirections, Palette, directions_for, directions_from_bank
from drawbar.steering.own import OwnDirection

SITE = "0" * 64


def own(name: str = "more grit", layer: int = 1, axis: int = 0, **changes: Any) -> OwnDirection:
    vector = np.zeros(16, np.float32)
    vector[axis] = 1.0
    given: dict[str, Any] = {
        "scale": 4.0,
        "rest": 0.5,
        "about": {"like": ["a.wav"], "auroc_difference": 0.9, "spread_difference": 0.1},
    }
    return OwnDirection(name, SITE, "synthetic", layer, vector, **(given | changes))


@pytest.fixture
def store(tmp_path: Path) -> OwnDirections:
    return OwnDirections(tmp_path / "own")


@pytest.fixture
def palette(tmp_path: Path, store: OwnDirections) -> Palette:
    return Palette(synthetic_bank(tmp_path / "bank", features=40), SITE, store)


def test_what_is_saved_comes_back_as_it_was(store: OwnDirections) -> None:
    path = store.save(own())
    assert path.is_file()
    back = store.load("MORE GRIT")
    assert (back.name, back.layer, back.scale, back.rest) == ("more grit", 1, 4.0, 0.5)
    np.testing.assert_array_equal(back.vector, own().vector)
    assert back.about == dict(own().about)
    assert not list(store.folder.glob("*.part"))


def test_a_name_is_taken_once_and_a_bad_one_never(store: OwnDirections) -> None:
    store.save(own())
    with pytest.raises(BadInputError, match="already, and takes may use it"):
        store.save(own("More Grit"))
    store.save(own("More Grit", layer=3), replace=True)
    assert [one.layer for one in store.all()] == [3]
    for name in ("", "../up", "a/b", "x" * 61, " x", "a=b"):
        with pytest.raises(BadInputError, match="cannot be a direction's name"):
            own(name)
    with pytest.raises(BadInputError, match="divide it by that"):
        OwnDirection("long", SITE, "m", 0, np.ones(4, np.float32), 1.0)


def test_a_damaged_one_is_told_left_out_and_can_be_removed(store: OwnDirections) -> None:
    store.save(own())
    store.save(own("fine", axis=1))
    (store.folder / "more grit.json").write_text("{", encoding="utf-8")
    with pytest.raises(BadInputError, match="damaged"):
        store.load("more grit")
    assert [one.name for one in store.all()] == ["fine"]
    assert store.remove("mine/more grit") == "more grit"
    with pytest.raises(BadInputError, match="there are fine"):
        store.remove("more grit")


def test_another_model_is_refused_with_both_named(store: OwnDirections) -> None:
    store.save(own())
    model: Any = type("Model", (), {"fingerprint": "f" * 64, "spec": type("Spec", (), {"name": "other"})})()
    with pytest.raises(
        SiteMismatchError, match=r"synthetic \(000000000000\), layer 1, not to other \(ffffffffffff\)"
    ):
        directions_for(model, None, ["mine/more grit"], store)
    model.fingerprint = SITE
    assert directions_for(model, None, ["mine/more grit"], store)[0].scale == 4.0
    with pytest.raises(BadInputError, match="no bank is open"):
        directions_for(model, None, ["mine/more grit", "1/3"], store)


def test_directions_come_in_the_order_asked_for(palette: Palette, store: OwnDirections) -> None:
    store.save(own())
    model: Any = type("Model", (), {"fingerprint": SITE, "spec": type("Spec", (), {"name": "synthetic"})})()
    ids = [palette.search("")[0].id, "mine/more grit", palette.search("")[1].id]
    assert [one.id for one in directions_for(model, palette, ids, store)] == ids


def test_the_shelf_mine_holds_them_and_a_text_finds_them(palette: Palette, store: OwnDirections) -> None:
    before = palette.count("")
    assert "mine" not in palette.facets().shelves
    assert palette.search("", shelf="mine") == []
    store.save(own())
    store.save(own("other", axis=1))
    assert palette.facets().shelves["mine"] == 2
    assert [row.id for row in palette.search("", shelf="mine")] == ["mine/more grit", "mine/other"]
    assert palette.count("", shelf="mine") == 2
    assert [row.id for row in palette.search("", shelf="mine", layer=3)] == []
    assert palette.count("") == before
    hits = palette.search("gri", limit=5)
    assert hits[0].id == "mine/more grit"
    assert hits[0].label_score == 0.9
    assert palette.count("gri") == 1 + palette._bank.count("gri")
    page = palette.find(Query(text="grit", shelf="all"), limit=1)
    assert (page.rows[0].id, page.total) == ("mine/more grit", palette.count("grit", shelf="all"))
    assert palette.search("grit", verdict="proven") == palette._bank.search("grit", verdict="proven")


@pytest.mark.parametrize(
    "query",
    [
        Query("grit", **given)
        for given in (
            *({"sort": sort} for sort in get_args(Sort)),
            {"fold": True},
            {"shelf": "all"},
            {"layer": 1},
            {"author": "me"},
            {"verdict": "untested"},
            {"shelf": "mine", "fold": True, "sort": "label"},
        )
    ],
)
def test_whatever_does_not_speak_against_an_own_direction_leaves_it_in(
    palette: Palette, store: OwnDirections, query: Query
) -> None:
    store.save(own())
    page = palette.find(query, limit=5)
    assert page.rows[0].id == "mine/more grit"
    assert page.total == 1 + palette._bank.find(query, limit=0).total


@pytest.mark.parametrize(
    "given", [{"layer": 3}, {"author": "truth"}, {"verdict": "proven"}, {"kind": "rhythm"}, {"shelf": "proven"},
              {"min_density": 0.0}, {"max_density": 1.0}]
)  # fmt: skip
def test_a_filter_that_it_does_not_pass_leaves_an_own_direction_out(
    palette: Palette, store: OwnDirections, given: Any
) -> None:
    store.save(own())
    assert all(not row.id.startswith("mine/") for row in palette.search("grit", **given))


def test_every_part_of_a_query_is_a_filter_that_can_be_given_by_name() -> None:
    assert {field.name for field in fields(Query)} == {"text"} | Filters.__annotations__.keys()


def test_pages_go_on_from_own_directions_to_the_banks(palette: Palette, store: OwnDirections) -> None:
    text = next(row.label for row in palette._bank.search("") if row.label).split()[0]
    store.save(own(f"{text} mine"))
    whole = [row.id for row in palette.search(text, limit=100)]
    assert len(whole) == len(set(whole)) == palette.count(text)
    paged = [row.id for n in range(len(whole)) for row in palette.search(text, limit=1, offset=n)]
    assert paged == whole


def test_names_ids_and_labels_resolve(palette: Palette, store: OwnDirections) -> None:
    store.save(own())
    assert palette.resolve("more grit").id == palette.resolve("mine/more grit").id == "mine/more grit"
    first = palette.search("")[0]
    assert palette.resolve(first.id).id == first.id
    with pytest.raises(BadInputError, match="there is no direction mine/nothing"):
        palette.resolve("mine/nothing")
    page = palette.feature("mine/more grit")
    assert page.usable_range is None
    assert (
        "AUROC 0.90" in page.labels[0].evidence["phrase"] or "AUROC" not in page.labels[0].evidence["phrase"]
    )
    assert palette.examples("mine/more grit") == []
    with pytest.raises(BadInputError, match="your own direction"):
        palette.star("mine/more grit")


def test_its_row_reads_the_projection_whatever_the_bank_takes_off(
    palette: Palette, store: OwnDirections
) -> None:
    """The bank's form of a row and the direction itself give the same activation, at a bank's layer and elsewhere."""
    store.save(own())
    store.save(own("elsewhere", layer=2))
    x = np.random.default_rng(0).standard_normal(16).astype(np.float32)
    first = palette.search("", layer=1)[0].id
    for id, layer in (("mine/more grit", 1), ("mine/elsewhere", 2)):
        rows = palette.vectors([first, id])
        read = rows["W_enc"][1] @ (x - rows["b_dec"][layer]) + rows["b_enc"][1]
        direction = store.load(id).direction()
        assert direction.encoder is not None
        assert read == pytest.approx(float(direction.encoder.numpy() @ x) + direction.bias, abs=1e-4)
        assert rows["scale"][1] == 4.0
        np.testing.assert_allclose(rows["W_dec"][0], palette._bank.vectors([first])["W_dec"][0])
    assert directions_from_bank(palette, [first])[0].id == first


def test_saving_in_place_of_another_leaves_the_old_or_the_new_one(
    store: OwnDirections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends before the JSON file has its name leaves the old direction, vector and figures."""
    from drawbar.steering import own as module

    store.save(own(axis=0))
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_text", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.save(own(axis=3, scale=9.0), replace=True)
    back = store.load("more grit")
    assert (int(back.vector.argmax()), back.scale) == (0, 4.0)
    store.save(own(axis=3, scale=9.0), replace=True)
    back = store.load("more grit")
    assert (int(back.vector.argmax()), back.scale) == (3, 9.0)
    assert len(list(store.folder.iterdir())) == 2, "what was left half-way is cleared away"


def test_removing_takes_it_off_the_list_first(store: OwnDirections, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(own())
    real = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".safetensors":
            raise KeyboardInterrupt
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        store.remove("more grit")
    assert store.names() == []


def test_one_of_the_first_format_is_read(store: OwnDirections) -> None:
    path = store.save(own())
    facts = json.loads(path.read_text(encoding="utf-8"))
    (store.folder / facts.pop("vectors")).rename(store.folder / "more grit.safetensors")
    path.write_text(json.dumps(facts | {"format": 1}), encoding="utf-8")
    assert store.load("more grit").scale == 4.0
    store.save(own(), replace=True)
    assert not (store.folder / "more grit.safetensors").exists()


@pytest.mark.parametrize(
    "change",
    [{"scale": 10**400}, {"about": [[[]]] * 3}, {"layer": "1"}, {"vectors": "../../x"}, {"format": 10**40},
     {"rest": None}, {"scale": True}],
)  # fmt: skip
def test_values_of_another_kind_are_damage(store: OwnDirections, change: dict[str, Any]) -> None:
    path = store.save(own())
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(BadInputError, match=r"damaged|newer Drawbar"):
        store.load("more grit")
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(BadInputError, match="damaged"):
        store.load("more grit")
