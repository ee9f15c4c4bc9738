import random
import sqlite3
import sys

import pytest

from drawbar.bank.words import MAX_WORDS, clean_text, key_of, wanted, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Café Jazz", ["cafe", "jazz"]),
        ("hi-hat, 808_kick", ["hi", "hat", "808", "kick"]),
        ("key of C♯ / D♭", ["key", "of", "c#", "db"]),
        ("太鼓 drums🥁", ["太", "鼓", "drums", "🥁"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ('";-- DROP * ^ () :', ["drop"]),
        ("\ud800 \x00", []),
        ("", []),
    ],
)
def test_words_are_folded_and_everything_else_is_dropped(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_labels_that_differ_in_case_accents_and_punctuation_share_a_key() -> None:
    assert key_of("Drums: Rock!") == key_of("drums rock") == "drums rock"


def test_stored_text_is_one_clean_line() -> None:
    assert clean_text("  a\nb\x00\ud800c\t ") == "a b c"


def test_an_id_is_recognised_and_other_words_stay_prefixes() -> None:
    found = wanted("3/14 dru")
    assert (found[0].layer, found[0].word) == (3, "14")
    assert (found[1].layer, found[1].word, found[1].whole) == (None, "dru", False)


def test_a_single_letter_before_other_words_must_match_whole() -> None:
    assert [w.whole for w in wanted("a minor")] == [True, False]
    assert [w.whole for w in wanted("a")] == [False]
    assert [w.whole for w in wanted("a ")] == [True]


def test_no_text_makes_a_word_that_fts_would_read_as_syntax() -> None:
    rng = random.Random(5)
    database = sqlite3.connect(":memory:")
    database.execute(
        "CREATE VIRTUAL TABLE w USING fts5(text, detail=none, tokenize=\"ascii tokenchars '#'\")"
    )
    for _ in range(200):
        text = "".join(
            chr(rng.choice([rng.randrange(128), rng.randrange(sys.maxunicode)])) for _ in range(40)
        )
        found = wanted(text)
        assert len(found) <= MAX_WORDS
        for want in found:
            database.execute("SELECT rowid FROM w WHERE w MATCH ?", (f'"{want.word}"*',)).fetchall()
            assert not set(want.word) & set("\"'*:^()\x00 ")
    database.close()
