"""Chord symbols -> root and quality, and back."""

import pytest

from drawbar.corpus.composer.chord_names import QUALITY_SPELLINGS, chord_name, parse_chord
from drawbar.corpus.composer.harmony import QUALITIES
from drawbar.errors import BadInputError


def test_every_quality_of_the_composer_has_a_name_that_is_read_back() -> None:
    assert list(QUALITY_SPELLINGS) == list(QUALITIES)
    for root in range(12):
        for quality in QUALITIES:
            assert parse_chord(chord_name(root, quality)) == (root, quality)


def test_no_spelling_stands_for_two_qualities() -> None:
    spellings = [typed for group in QUALITY_SPELLINGS.values() for typed in group]
    assert len(spellings) == len(set(spellings))


@pytest.mark.parametrize(
    ("name", "chord"),
    [
        ("Am", (9, "min")), ("A-", (9, "min")), ("Ami", (9, "min")), ("CM7", (0, "maj7")), ("Cm7", (0, "min7")),
        ("C^7", (0, "maj7")), ("C°", (0, "dim")), ("Cø", (0, "m7b5")), ("F#m7b5", (6, "m7b5")), ("Bb", (10, "maj")),
        ("Ebsus4", (3, "sus4")), ("Cadd9", (0, "add9")), ("B♭m", (10, "min")), ("C♯m7♭5", (1, "m7b5")),
        ("C/E", (0, "maj")), ("Am7/G", (9, "min7")), (" G9 ", (7, "9")), ("C6", (0, "maj")),
    ],
)  # fmt: skip
def test_chords_are_read_as_people_type_them(name: str, chord: tuple[int, str]) -> None:
    assert parse_chord(name) == chord


@pytest.mark.parametrize("name", ["", "H", "am", "Cx", "A minor", "Am F", "♯"])
def test_what_is_no_chord_is_refused_by_name(name: str) -> None:
    with pytest.raises(BadInputError, match="is not a chord"):
        parse_chord(name)
