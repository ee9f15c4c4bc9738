import shutil
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawbar.bank import Bank, BankInfo, Example, Label, LabelRecord, LayerDirections, store, verify
from drawbar.bank.migrations import BANK_MIGRATIONS, Migration
from drawbar.bank.store import DATABASE, DIRECTIONS, EXAMPLES
from drawbar.bench.synthetic import synthetic_bank
from drawbar.errors import BadInputError, BankError, SiteMismatchError
from tests.bank.small_bank import INFO, fill, record


def directions(indexes: list[int], seed: int = 0, d_model: int = 4) -> LayerDirections:
    rng = np.random.default_rng(seed)
    n = len(indexes)
    rows = rng.standard_normal((n, d_model)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    encoder = rng.standard_normal((n, d_model)).astype(np.float32)
    b_enc, b_dec = rng.standard_normal(n), rng.standard_normal(d_model)
    return LayerDirections(
        np.array(indexes), rows, encoder, b_enc, b_dec, np.arange(n) + 1.0, np.full(n, 0.25)
    )


def example(seed: int, frames: int = 9, bin_name: str = "top") -> Example:
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, 1024, (4, frames)).astype(np.uint16)
    curve = (10 * rng.random(frames)).astype(np.float32)
    return Example(tokens, 100, 100 + frames, curve, bin_name, f"clip {seed}", "CC0-1.0")


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    made = Bank.create(tmp_path / "b", INFO, edits=tmp_path / "edits")
    fill(made)
    return made


def test_what_was_written_comes_back(bank: Bank, tmp_path: Path) -> None:
    bank.close()
    with Bank.open(bank.folder, edits=tmp_path) as again:
        assert again.info == INFO
        feature = again.feature("3/2")
        wanted = record("3/2")
        assert feature.quantiles == wanted.quantiles
        assert feature.correlations == {"loudness_db": 0.5}
        assert feature.neighbours == [("3/1", 0.9)]
        assert feature.temporal == {"type": "onset"}
        assert feature.usable_range == (-1.0, 2.0)
        assert feature.evidence == {"slope": 0.5}
        assert (feature.row.verdict, feature.row.shelf) == ("proven", "proven")
        assert again.feature("3/5").evidence is None
        assert [label.author for label in again.feature("3/0").labels] == ["truth", "descriptors"]
        assert again.examples("3/2") == []
        with pytest.raises(BankError, match="directions"):
            again.vectors(["3/2"])


def test_features_written_again_are_updated_and_keep_their_labels(bank: Bank) -> None:
    with bank:
        bank.write_features([replace(record("3/1"), density=0.5, verdict="proven", proof=9.0)])
        assert bank.search()[0].id == "3/1"
        assert bank.row("3/1").density == 0.5
        assert bank.row("3/1").label == "drums"
        assert bank.count() == 7


def test_labellers_rows_stand_side_by_side_and_a_rerun_updates_only_its_own(bank: Bank) -> None:
    with bank:
        bank.write_labels([LabelRecord("3/1", Label("drums", "clap", "margin", 0.3))])
        bank.write_labels([LabelRecord("3/1", Label("drums", "truth", "auroc", 0.5, {"runner_up": "bass"}))])
        labels = {(label.author, label.score) for label in bank.feature("3/1").labels}
        assert labels == {("clap", 0.3), ("truth", 0.5)}
        assert bank.feature("3/1").labels[0].evidence == {"runner_up": "bass"}
        bank.clear_labels("clap", "margin")
        assert {label.author for label in bank.feature("3/1").labels} == {"truth"}


def test_a_write_that_fails_half_way_leaves_nothing_of_itself(bank: Bank) -> None:
    good = LabelRecord("3/5", Label("new", "clap", "margin", 0.1))
    with bank:
        for bad in (
            Label("", "a", "b"),
            Label("x", "a", "b", float("nan")),
            Label("x", "a", "b", 1.0, {"y": {1}}),
        ):
            with pytest.raises(BadInputError):
                bank.write_labels([good, LabelRecord("3/5", bad)])
        with pytest.raises(BadInputError, match="9/9"):
            bank.write_labels([good, LabelRecord("9/9", good.label)])
        assert bank.feature("3/5").labels == []
        with pytest.raises(BadInputError, match="layers"):
            bank.write_features([record("1/5"), record("2/5")])
        assert bank.count() == 7


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0.0), ("float16", 2e-3)])
def test_vectors_come_in_the_order_asked_for(bank: Bank, dtype: str, tolerance: float) -> None:
    one, three = directions([0, 7], 1), directions([0, 2, 10], 3)
    bank.write_directions([(1, one), (3, three)], dtype=dtype)
    with bank:
        vectors = bank.vectors(["3/10", "1/7", "3/0", "3/10"])
    expected = np.stack([three.W_dec[2], one.W_dec[1], three.W_dec[0], three.W_dec[2]])
    np.testing.assert_allclose(vectors["W_dec"], expected, atol=tolerance)
    np.testing.assert_allclose(vectors["W_enc"][1], one.W_enc[1], atol=tolerance)
    np.testing.assert_allclose(
        vectors["b_enc"], [three.b_enc[2], one.b_enc[1], three.b_enc[0], three.b_enc[2]], 1e-6
    )
    np.testing.assert_array_equal(vectors["scale"], [3, 2, 1, 3])
    np.testing.assert_array_equal(vectors["threshold"], [0.25] * 4)
    assert set(vectors["b_dec"]) == {1, 3}
    np.testing.assert_allclose(vectors["b_dec"][3], three.b_dec, 1e-6)
    assert all(vectors[name].dtype == np.float32 for name in ("W_dec", "W_enc", "b_enc", "scale"))


def test_no_ids_give_empty_vectors_and_unknown_ones_are_named(bank: Bank) -> None:
    bank.write_directions([(3, directions([0, 2]))])
    with bank:
        empty = bank.vectors([])
        assert empty["W_dec"].shape == (0, 4)
        assert empty["b_dec"] == {}
        for unknown in ("3/1", "3/99", "1/0"):
            with pytest.raises(BadInputError, match=unknown):
                bank.vectors(["3/0", unknown])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W_dec": np.ones((2, 4))}, "length 2"),
        ({"W_enc": np.ones((2, 5))}, "W_enc"),
        ({"scale": np.array([1.0, np.nan])}, "scale"),
        ({"index": np.array([2, 0])}, "rise"),
    ],
)
def test_directions_that_cannot_be_right_are_refused(
    bank: Bank, change: dict[str, Any], message: str
) -> None:
    with bank, pytest.raises(BadInputError, match=message):
        bank.write_directions([(3, replace(directions([0, 2]), **change))])


def test_examples_come_back_by_bin_and_shared_clips_are_stored_once(bank: Bank) -> None:
    shared, other = example(1), example(2, frames=5, bin_name="q25")
    bank.write_examples([("3/0", shared), ("3/1", replace(shared, bin="q75")), ("3/0", other)])
    with bank:
        first, second = bank.examples("3/0")
        np.testing.assert_array_equal(first.tokens, shared.tokens)
        np.testing.assert_allclose(first.activations, shared.activations, atol=shared.activations.max() / 500)
        assert first.activations.dtype == np.float32
        assert (first.start_frame, first.end_frame, first.clip, first.licence) == (
            100,
            109,
            "clip 1",
            "CC0-1.0",
        )
        assert [found.bin for found in bank.examples("3/0", "q25")] == ["q25"]
        np.testing.assert_array_equal(second.tokens, other.tokens)
        assert bank.examples("3/5") == []
        with pytest.raises(BadInputError):
            bank.examples("3/99")
    assert (bank.folder / EXAMPLES).stat().st_size < 600


def test_examples_replace_earlier_ones_and_a_failure_keeps_them(bank: Bank) -> None:
    bank.write_examples([("3/0", example(1)), ("3/0", example(2))])
    with bank:
        bad = replace(example(4), tokens=example(4).tokens[:3])
        with pytest.raises(BadInputError, match="codebooks"):
            bank.write_examples([("3/0", example(3)), ("3/0", bad)])
        assert [found.clip for found in bank.examples("3/0")] == ["clip 1", "clip 2"]
        bank.write_examples([("3/0", example(3))])
        assert [found.clip for found in bank.examples("3/0")] == ["clip 3"]


def test_silent_and_huge_activations_survive(bank: Bank) -> None:
    silent = replace(example(1), activations=np.zeros(9, np.float32), bin="silent")
    huge = replace(example(2), activations=np.linspace(0, 1e6, 9, dtype=np.float32))
    bank.write_examples([("3/0", silent), ("3/1", huge)])
    with bank:
        assert not bank.examples("3/0")[0].activations.any()
        np.testing.assert_allclose(bank.examples("3/1")[0].activations, huge.activations, atol=1e6 / 500)


def test_examples_whose_parts_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInputError, match="end_frame"):
        replace(example(1), end_frame=120)
    with pytest.raises(BadInputError, match="loudest"):
        replace(example(1), bin="loudest")


def test_another_models_bank_is_refused_with_both_sites(small: Bank) -> None:
    small.require_site("f" * 64)
    with pytest.raises(SiteMismatchError) as caught:
        small.require_site("a" * 64, "musicgen-small")
    assert all(
        part in str(caught.value) for part in ("embedded", "ffffffff", "1, 3", "musicgen-small", "aaaaaaaa")
    )


def test_equal_builds_give_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        synthetic_bank(tmp_path / name).close()
    for file in (DIRECTIONS, EXAMPLES):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert (tmp_path / "a" / DATABASE).read_bytes() == (tmp_path / "b" / DATABASE).read_bytes()


def test_new_labels_keep_a_banks_identity_and_new_directions_change_it(bank: Bank) -> None:
    with bank:
        bank.write_directions([(3, directions([0]))])
        before = bank.identity
        bank.write_labels([LabelRecord("3/5", Label("new", "clap", "margin"))])
        assert bank.identity == before
        bank.write_directions([(3, directions([0], seed=9))])
        assert bank.identity != before


def test_a_reader_cannot_write(small: Bank) -> None:
    with pytest.raises(BankError, match="open for reading"):
        small.write_labels([])
    with pytest.raises(BankError, match="open for reading"):
        small.finish()


def test_a_build_that_died_is_unfinished_for_readers_and_can_go_on(tmp_path: Path) -> None:
    def die() -> None:
        with Bank.create(tmp_path / "b", INFO, edits=tmp_path) as bank:
            fill(bank)
            raise KeyError

    with pytest.raises(KeyError):
        die()
    with pytest.raises(BankError, match="not finished"):
        Bank.open(tmp_path / "b")
    with Bank.open(tmp_path / "b", writable=True, edits=tmp_path) as again:
        again.write_labels([LabelRecord("3/5", Label("new", "clap", "margin"))])
    with Bank.open(tmp_path / "b", edits=tmp_path) as finished:
        assert finished.count() == 7


def test_missing_foreign_damaged_and_newer_banks_are_refused(small: Bank, tmp_path: Path) -> None:
    with pytest.raises(BankError, match="not a bank"):
        Bank.open(tmp_path / "nowhere")
    with pytest.raises(BankError, match="already"):
        Bank.create(small.folder, INFO)
    small.close()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    connection = sqlite3.connect(foreign / DATABASE)
    connection.execute("CREATE TABLE x (y)")
    connection.close()
    with pytest.raises(BankError, match="not made by Drawbar"):
        Bank.open(foreign)
    newer = tmp_path / "newer"
    shutil.copytree(small.folder, newer)
    connection = sqlite3.connect(newer / DATABASE)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(BankError, match="999"):
        Bank.open(newer)
    (small.folder / DATABASE).write_bytes((small.folder / DATABASE).read_bytes()[:5000])
    with pytest.raises(BankError):
        Bank.open(small.folder)


def test_a_bank_whose_files_were_lost_or_cut_is_refused(tmp_path: Path) -> None:
    synthetic_bank(tmp_path / "b").close()
    path = tmp_path / "b" / DIRECTIONS
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(BankError, match="directions"):
        Bank.open(tmp_path / "b")
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    Bank.open(tmp_path / "b").close()
    with pytest.raises(BankError, match="changed"):
        verify(tmp_path / "b")
    path.unlink()
    with pytest.raises(BankError, match="directions"):
        Bank.open(tmp_path / "b")


def test_a_bank_that_belongs_to_no_site_is_refused() -> None:
    for change in ({"name": " "}, {"fingerprint": ""}, {"layers": ()}, {"layers": (1, 1)}, {"d_model": 0}):
        with pytest.raises(BadInputError):
            replace(INFO, **change)


@pytest.mark.parametrize(
    "text", ["", "3", "3/", "/3", "-1/3", "3/1/2", "a/b", "٣/٣", "3/1407 ", "3/" + "9" * 30]
)
def test_what_is_no_id_is_refused(small: Bank, text: str) -> None:
    with pytest.raises(BadInputError, match="LAYER/INDEX"):
        small.row(text)


def test_several_threads_may_use_one_bank(many: Bank) -> None:
    problems: list[BaseException] = []

    def use(number: int) -> None:
        try:
            for step in range(5):
                rows = many.search(
                    "dru"[: 1 + (step + number) % 3], sort=("score", "label", "id")[number % 3]
                )
                many.vectors([row.id for row in rows[:5]])
                many.examples(rows[0].id)
                many.star(rows[number].id, step % 2 == 0)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_closing_twice_is_fine(small: Bank) -> None:
    small.close()
    small.close()


def test_info_with_nested_settings_comes_back(tmp_path: Path) -> None:
    info = BankInfo(
        "n", "m", "f", (0,), 2, sae_settings={"k": 32, "aux": {"k": 64}}, corpus="composed:100", n_q=2
    )
    Bank.create(tmp_path / "b", info, edits=tmp_path).close()
    with Bank.open(tmp_path / "b", edits=tmp_path) as bank:
        assert bank.info == info


def test_an_older_bank_is_read_as_it_is_and_brought_up_to_date_only_for_writing(
    small: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = (*BANK_MIGRATIONS, Migration("more", ("ALTER TABLE feature ADD COLUMN more INTEGER",)))
    monkeypatch.setattr(store, "BANK_MIGRATIONS", newer)
    before = (small.folder / DATABASE).read_bytes()
    with Bank.open(small.folder, edits=tmp_path / "edits") as reader:
        assert [row.id for row in reader.search("drums")] == ["3/1", "3/0"]
        with pytest.raises(BankError, match="open for reading"):
            reader.finish()
    assert (small.folder / DATABASE).read_bytes() == before
    small.close()
    Bank.open(small.folder, writable=True, edits=tmp_path / "edits").close()
    assert (small.folder / DATABASE).read_bytes() != before
    Bank.open(small.folder, edits=tmp_path / "edits").close()
