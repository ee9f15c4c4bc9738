import random
from dataclasses import replace
from pathlib import Path

import pytest

from drawbar.bank import Bank, FeatureRow, Query
from drawbar.bank.records import Sort
from drawbar.bank.words import key_of, wanted, words_of
from drawbar.errors import BadInputError
from tests.bank.small_bank import INFO, fill, record

SORTS: tuple[Sort, ...] = ("score", "label", "density", "strength", "id")


def ids(rows: list[FeatureRow]) -> list[str]:
    return [row.id for row in rows]


@pytest.mark.parametrize("text", ["dr", "dru", "drum", "drums", "DRUMS", " drums  ", "dru*", '"drums"'])
def test_every_keystroke_towards_a_label_finds_it(small: Bank, text: str) -> None:
    assert ids(small.search(text)) == ["3/1", "3/0"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cafe", ["3/2"]),
        ("CAFÉ", ["3/2"]),
        ("c# min", ["3/2"]),
        ("jazz café", ["3/2"]),
        ("c", ["3/2", "3/10"]),
        ("perc", ["3/10"]),
        ("truth", ["3/2", "3/1", "3/0"]),
        ("hiss", ["3/0"]),
        ("鼓", ["1/7"]),
        ("🥁", ["1/7"]),
        ("drums jazz", []),
        ("zebra", []),
        ("z", []),
        ("4", ["3/10"]),
    ],
)
def test_labels_tags_and_authors_are_searched_without_case_or_accents(
    small: Bank, text: str, found: list[str]
) -> None:
    assert ids(small.search(text)) == found


def test_ids_are_found_as_they_are_typed(small: Bank) -> None:
    assert ids(small.search("3/", sort="id")) == ["3/0", "3/1", "3/2", "3/5", "3/10"]
    assert ids(small.search("3/1", sort="id")) == ["3/1", "3/10"]
    assert ids(small.search("3/10")) == ["3/10"]
    assert ids(small.search("9/1")) == []
    assert ids(small.search("3/0")) == ["3/0"]


def test_proven_features_come_first_then_the_best_labelled_then_the_unnamed(small: Bank) -> None:
    assert ids(small.search()) == ["1/7", "3/2", "3/1", "3/0", "3/10", "1/0", "3/5"]


def test_of_proven_features_those_with_a_name_come_first(tmp_path: Path) -> None:
    bank = Bank.create(tmp_path / "bank", INFO)
    fill(bank)
    bank.write_features([replace(record("1/0"), verdict="proven", proof=9.0)])
    assert ids(bank.search())[:4] == ["1/7", "3/2", "1/0", "3/1"]


def test_each_filter_narrows_the_list_and_the_count(small: Bank) -> None:
    assert ids(small.search(layer=1)) == ["1/7", "1/0"]
    assert ids(small.search(author="descriptors")) == ["1/7", "3/0"]
    assert ids(small.search(verdict="proven")) == ["1/7", "3/2"]
    assert small.count(verdict="made up") == small.count(author="nobody") == small.count(layer=99) == 0
    assert ids(small.search(min_density=0.006, max_density=0.0105)) == ["1/7", "3/5"]
    assert ids(small.search("dr", layer=3, author="descriptors")) == ["3/0"]
    assert small.count("dr", layer=3, author="descriptors") == 1


def test_kinds_gather_labels_by_what_they_describe(small: Bank) -> None:
    assert ids(small.search(kind="rhythm")) == ["3/1", "3/0", "3/10"]
    assert ids(small.search(kind="timbre")) == ["3/0"]
    assert ids(small.search("c", kind="harmony")) == ["3/2"]
    assert small.count(kind="rhythm", author="descriptors") == 1
    small.add_label("3/5", "loud brass")
    assert ids(small.search(kind="dynamics")) == ["3/5"]
    with pytest.raises(BadInputError, match="colour"):
        small.search(kind="colour")


def test_each_shelf_holds_what_its_name_says(small: Bank) -> None:
    assert small.count(shelf="all") == 7
    assert ids(small.search(shelf="proven")) == ["1/7", "3/2"]
    assert ids(small.search(shelf="named")) == ["3/1", "3/0", "3/10"]
    assert ids(small.search(shelf="unnamed")) == ["1/0", "3/5"]
    assert (
        small.search(shelf="starred") == small.search(shelf="hidden") == small.search(shelf="nothing") == []
    )


def test_every_order_sorts_by_what_it_says(small: Bank) -> None:
    assert ids(small.search(sort="id")) == ["1/0", "1/7", "3/0", "3/1", "3/2", "3/5", "3/10"]
    assert ids(small.search(sort="label")) == ["3/2", "3/1", "3/0", "3/10", "1/7", "1/0", "3/5"]
    assert ids(small.search(sort="density"))[:2] == ["3/10", "1/7"]
    assert ids(small.search(sort="strength"))[0] == "3/10"
    with pytest.raises(BadInputError, match="loudness"):
        small.search(sort="loudness")  # type: ignore[arg-type]


def test_pages_join_to_the_whole_list(many: Bank) -> None:
    for sort in SORTS:
        whole = many.search("s", sort=sort, limit=1000)
        pages = [many.find(Query("s", sort=sort), limit=7, offset=at) for at in range(0, len(whole) + 7, 7)]
        assert [row for page in pages for row in page.rows] == whole
        assert {page.total for page in pages} == {len(whole)}
        assert many.search("s", limit=0) == many.search("s", offset=10_000) == []


def all_words(bank: Bank, row: FeatureRow) -> list[str]:
    labels = bank.feature(row.id).labels
    return words_of(" ".join([*row.tags, *(f"{label.text} {label.author}" for label in labels)]))


def test_search_equals_reading_every_row(many: Bank) -> None:
    rng = random.Random(3)
    rows = many.search(limit=1000)
    words = {row.id: all_words(many, row) for row in rows}
    vocabulary = sorted({word for found in words.values() for word in found})
    for _ in range(80):
        typed = [rng.choice(vocabulary) for _ in range(rng.choice([1, 1, 2]))]
        text = " ".join(word[: rng.randrange(1, len(word) + 1)] for word in typed)
        layer, author = rng.choice([None, 1, 3]), rng.choice([None, "truth", "clap"])
        low = rng.choice([None, 0.001, 0.01])
        slow = [
            row.id
            for row in rows
            if all(any(want.fits(word) for word in words[row.id]) for want in wanted(text))
            and layer in (None, row.layer)
            and (author is None or any(label.author == author for label in many.feature(row.id).labels))
            and (low is None or row.density >= low)
        ]
        assert ids(many.search(text, layer=layer, author=author, min_density=low, limit=1000)) == slow, text
        assert many.count(text, layer=layer, author=author, min_density=low) == len(slow)


NASTY = [
    *(
        '"',
        "'",
        '"" OR ""',
        "a AND",
        "NOT",
        "OR",
        "NEAR(a b)",
        "a NEAR b",
        "text:drums",
        "^drums",
        "drums*",
        "(",
        ")",
    ),
    *(
        "-drums",
        "{a b}",
        "a + b",
        "\\",
        "%",
        "_",
        "';DROP TABLE feature;--",
        "\x00",
        "a\x00b",
        "\ud800",
        "\udfff x",
    ),
    *(
        "🥁",
        "👩‍👩‍👧",
        "é",
        "e\u0301",
        "ﬁ",
        "İ",
        "ß",
        "क्षि",
        "ﷺ",
        "\u202e",
        "\u200b",
        "3/",
        "/3",
        "//",
        "3/3/3",
        "٣/٣",
    ),
    *("9" * 400, "9999999/1", "1/99999999999", "a" * 10_000, "a " * 5_000, "drums " * 2_000, "\n\t\r", " "),
]


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_no_text_makes_search_fail(small: Bank, text: str) -> None:
    assert small.count(text) == len(small.search(text))
    small.nearest(text)
    assert small.search(author=text, verdict=text, shelf=text) == []
    if key_of(text) != "drums":
        with pytest.raises(BadInputError):
            small.resolve(text)


def test_random_text_never_makes_search_fail(small: Bank) -> None:
    rng = random.Random(11)
    alphabet = "dru \"'*:^()-+{}/3\\%_\x00\ud800é♯🥁太ANDORT"
    for _ in range(500):
        text = "".join(rng.choice(alphabet) for _ in range(rng.randrange(30)))
        assert small.count(text) == len(small.search(text)), repr(text)


def test_a_label_with_odd_characters_is_found_by_its_words(tmp_path: Path) -> None:
    with Bank.create(tmp_path / "b", INFO, edits=tmp_path) as bank:
        fill(bank)
        bank.add_label("3/5", 'the "odd" NOT one; 100 %')
        assert ids(bank.search('"odd" NOT')) == ["3/5"]


def test_an_id_or_a_label_resolves_and_a_shared_label_means_the_best_scored(small: Bank) -> None:
    assert small.resolve("3/5").id == "3/5"
    assert small.resolve(" 3/5 ").id == "3/5"
    assert small.resolve("DRUMS").id == "3/1"
    assert small.resolve("cafe jazz c# minor").id == "3/2"
    assert small.resolve("bright hiss").id == "3/0"


def test_a_misspelt_label_gets_the_nearest_ones(small: Bank) -> None:
    assert small.nearest("durms")[0].id == "3/1"
    assert [row.id for row in small.nearest("tayko")] == ["1/7"]
    assert small.nearest("qqqqqq") == []
    with pytest.raises(BadInputError, match=r"'durms'.*did you mean drums \(3/1\)"):
        small.resolve("durms")
    with pytest.raises(BadInputError, match="3/99"):
        small.resolve("3/99")


def test_near_labels_are_offered_once_each(many: Bank) -> None:
    near = many.nearest("stel drum", limit=5)
    assert len({row.label for row in near}) == len(near) == 5
    assert all("drum" in row.label or "steel" in row.label for row in near[:2])


def test_facets_count_what_each_filter_would_show(many: Bank) -> None:
    facets = many.facets()
    assert facets.layers == {layer: many.count(layer=layer) for layer in (1, 3, 5)}
    assert facets.authors == {name: many.count(author=name) for name in ("clap", "descriptors", "truth")}
    assert facets.verdicts == {name: many.count(verdict=name) for name in ("proven", "unproven", "untested")}
    assert facets.shelves == {name: many.count(shelf=name) for name in facets.shelves}


def test_an_empty_bank_answers_every_question(tmp_path: Path) -> None:
    with Bank.create(tmp_path / "b", INFO, edits=tmp_path) as bank:
        assert bank.search() == bank.search("drums", sort="label") == bank.nearest("drums") == []
        assert bank.count("x", author="a", shelf="starred") == 0
        assert bank.facets().shelves["all"] == 0
