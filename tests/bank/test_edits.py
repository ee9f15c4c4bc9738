import random
from pathlib import Path
from threading import Thread

import pytest

from drawbar.bank import Bank, Label, LabelRecord
from drawbar.bank.words import key_of
from drawbar.errors import BadInputError
from tests.bank.small_bank import INFO, fill


def reopened(bank: Bank, tmp_path: Path) -> Bank:
    return Bank.open(bank.folder, edits=tmp_path / "edits")


def test_a_users_label_is_shown_searched_and_resolved_at_once(small: Bank) -> None:
    assert small.count("wobble") == 0
    small.add_label("3/5", "Wobble bass", author="ann")
    assert [row.id for row in small.search("wob")] == ["3/5"]
    row = small.row("3/5")
    assert (row.label, row.label_author, row.label_score, row.shelf) == ("Wobble bass", "ann", None, "named")
    assert small.resolve("wobble bass").id == "3/5"
    assert [row.id for row in small.search(author="ann")] == ["3/5"]
    assert small.facets().authors["ann"] == 1
    assert small.count(shelf="unnamed") == 1


def test_a_users_label_beats_a_labellers_of_the_same_text_and_the_old_one_stays(small: Bank) -> None:
    small.add_label("3/10", "drums")
    assert small.resolve("drums").id == "3/10"
    labels = small.feature("3/10").labels
    assert [(label.text, label.method) for label in labels] == [
        ("drums", "people"),
        ("slow 4/4 beat", "margin"),
    ]
    small.add_label("3/10", "better name")
    assert small.row("3/10").label == "better name"
    small.remove_label("3/10", "better name")
    small.remove_label("3/10", "drums")
    assert small.row("3/10").label == "slow 4/4 beat"


def test_the_newest_label_is_shown_even_when_it_was_said_before(small: Bank) -> None:
    for text in ("one", "two", "one"):
        small.add_label("3/5", text)
    assert [label.text for label in small.feature("3/5").labels] == ["one", "two"]


def test_renamed_features_stand_at_their_new_place_in_the_order_by_label(many: Bank) -> None:
    rng = random.Random(0)
    rows = many.search(limit=1000)
    for number, row in enumerate(rng.sample(rows, 15)):
        many.add_label(row.id, f"{rng.choice('abkmz')} name {number % 7}")
    labels = [row.label for row in many.search(sort="label", limit=1000)]
    named = [label.casefold() for label in labels if label]
    assert list(map(key_of, named)) == sorted(map(key_of, named))
    assert all(label == "" for label in labels[len(named) :])


def test_stars_hiding_and_shelves_last_and_can_be_undone(small: Bank, tmp_path: Path) -> None:
    small.star("3/1")
    small.hide("3/0")
    small.shelve("3/1", "my set")
    small.shelve("3/2", "my set")
    with reopened(small, tmp_path) as again:
        assert [row.id for row in again.search(shelf="starred")] == ["3/1"]
        assert again.search(shelf="starred")[0].starred
        assert [row.id for row in again.search(shelf="my set")] == ["3/2", "3/1"]
        assert [row.id for row in again.search("drums")] == ["3/1"]
        assert [row.id for row in again.search(shelf="hidden")] == ["3/0"]
        assert again.facets().shelves["my set"] == 2
        assert again.facets().shelves["all"] == 6
        assert again.feature("3/1").shelves == ("my set",)
        assert again.feature("3/0").hidden
        again.star("3/1", False)
        again.hide("3/0", False)
        again.shelve("3/1", "my set", False)
        again.shelve("3/2", "my set", False)
        assert again.count(shelf="starred") == again.count(shelf="hidden") == 0
        assert "my set" not in again.facets().shelves


def test_two_windows_see_each_others_edits(small: Bank, tmp_path: Path) -> None:
    with reopened(small, tmp_path) as other:
        assert other.count("wobble") == small.count("wobble") == 0
        small.add_label("3/5", "wobble")
        assert other.count("wobble") == 1
        other.star("3/5")
        assert small.count(shelf="starred") == 1


def test_looking_at_a_bank_leaves_no_trace_and_editing_leaves_the_bank_alone(
    small: Bank, tmp_path: Path
) -> None:
    small.search("drums")
    assert not (tmp_path / "edits").exists()
    before = {path.name: path.read_bytes() for path in small.folder.iterdir()}
    small.add_label("3/1", "mine")
    small.star("3/1")
    assert {path.name: path.read_bytes() for path in small.folder.iterdir()} == before
    assert [path.name for path in (tmp_path / "edits").iterdir()] == [f"{small.identity}.sqlite"]


def test_edits_work_and_survive_in_a_folder_that_cannot_be_written(small: Bank, tmp_path: Path) -> None:
    small.close()
    for path in [*small.folder.iterdir(), small.folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with reopened(small, tmp_path) as bank:
            bank.add_label("3/1", "mine")
            assert bank.count("mine") == 1
    finally:
        small.folder.chmod(0o755)


def test_a_labeller_that_runs_again_never_touches_a_users_label(tmp_path: Path) -> None:
    with Bank.create(tmp_path / "b", INFO, edits=tmp_path / "edits") as bank:
        fill(bank)
        bank.add_label("3/1", "my drums")
        bank.clear_labels("truth", "auroc")
        bank.write_labels([LabelRecord("3/1", Label("my drums", "truth", "auroc", 0.5))])
        bank.finish()
        labels = bank.feature("3/1").labels
        assert [(label.text, label.author, label.score) for label in labels] == [
            ("my drums", "me", None),
            ("my drums", "truth", 0.5),
        ]


@pytest.mark.parametrize("text", ["", "   ", "\x00\n", "x" * 201])
def test_a_label_without_words_to_show_is_refused(small: Bank, text: str) -> None:
    with pytest.raises(BadInputError, match="characters"):
        small.add_label("3/1", text)


def test_edits_of_unknown_features_and_of_self_filling_shelves_are_refused(small: Bank) -> None:
    for edit in (small.star, small.hide):
        with pytest.raises(BadInputError, match="3/77"):
            edit("3/77")
    with pytest.raises(BadInputError, match="fills itself"):
        small.shelve("3/1", "Proven")
    with pytest.raises(BadInputError):
        small.add_label("drums", "x")


def test_windows_that_make_their_first_edit_at_once_all_succeed(small: Bank, tmp_path: Path) -> None:
    banks = [reopened(small, tmp_path) for _ in range(4)]
    names = ["3/0", "3/1", "3/2", "3/5"]
    threads = [Thread(target=bank.star, args=(name,)) for bank, name in zip(banks, names, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row.id for row in small.search(shelf="starred")} == set(names)
    for bank in banks:
        bank.close()
