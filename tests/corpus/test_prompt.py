"""Pieces -> prompts in a closed vocabulary; people's own words -> that vocabulary."""

import random

import pytest

from drawbar.corpus import PROMPT_WORDS, SYNONYMS, compose, normalise_prompt, prompt_for


def test_every_prompt_uses_only_known_words_and_every_word_is_used() -> None:
    used: set[str] = set()
    for seed in range(600):
        piece, rng = compose(seed, 8.0), random.Random(seed)
        lines = [prompt_for(piece), *(prompt_for(piece, rng) for _ in range(8))]
        for line in lines:
            assert line
            assert line == " ".join(line.split())
            used |= set(line.split())
    assert used == set(PROMPT_WORDS)
    assert list(PROMPT_WORDS) == sorted(PROMPT_WORDS)
    assert len(PROMPT_WORDS) < 150


def test_the_canonical_line_names_every_part_and_is_always_the_same() -> None:
    for seed in range(50):
        piece = compose(seed, 12.0)
        line = prompt_for(piece)
        assert line == prompt_for(piece)
        assert f"{piece.mode}" in line.split()
        for part in piece.parts:
            plays = any(note.part == part.name for note in piece.notes)
            assert (part.instrument in line) or not plays


def test_paraphrases_vary_in_length_and_order_and_repeat_with_the_seed() -> None:
    piece = next(p for p in map(compose, range(99)) if len(p.parts) == 4)
    lines = {prompt_for(piece, random.Random(n)) for n in range(100)}
    lengths = [len(line.split()) for line in lines]
    assert len(lines) > 60
    assert min(lengths) <= 4
    assert max(lengths) >= 15
    assert prompt_for(piece, random.Random(5)) == prompt_for(piece, random.Random(5))


def test_a_paraphrase_never_denies_a_part_that_plays_or_names_one_that_does_not() -> None:
    for seed in range(200):
        piece, rng = compose(seed, 8.0), random.Random(seed)
        playing = {note.part for note in piece.notes}
        for _ in range(5):
            line = f" {prompt_for(piece, rng)} "
            for role in ("drums", "bass", "chords", "lead"):
                denied = f" no {role} " in line or f" without {role} " in line
                assert not (denied and role in playing)
                assert f" {role} " not in line or denied or role in playing


def test_absent_parts_are_sometimes_denied() -> None:
    piece = next(p for p in map(compose, range(99)) if p.part("drums") is None)
    lines = [prompt_for(piece, random.Random(n)) for n in range(200)]
    assert any("no drums" in line for line in lines)
    assert any("without drums" in line for line in lines)


def test_the_example_of_the_readme_is_understood() -> None:
    words, unknown = normalise_prompt("slow piano in A minor with drums")
    assert words == ["slow", "piano", "in", "a", "minor", "with", "drums"]
    assert unknown == []


@pytest.mark.parametrize(
    ("text", "words", "unknown"),
    [
        ("C# major", ["c", "sharp", "major"], []),
        ("C♯ major", ["c", "sharp", "major"], []),
        ("in B flat minor", ["in", "a", "sharp", "minor"], []),
        ("Eb major", ["d", "sharp", "major"], []),
        ("Hip-Hop drums, sax lead!", ["hip", "hop", "drums", "saxophone", "lead"], []),
        ("electric-piano", ["electric", "piano"], []),
        ("quiet Rhodes & glockenspiel", ["soft", "electric", "piano", "bells"], []),
        ("a banjo with 7 theremins", ["a", "with"], ["banjo", "7", "theremins"]),
        ("музыка", [], ["музыка"]),
        ("", [], []),
        ("...!?", [], []),
    ],
)
def test_peoples_words_become_the_models(text: str, words: list[str], unknown: list[str]) -> None:
    assert normalise_prompt(text) == (words, unknown)


def test_synonyms_lead_into_the_vocabulary() -> None:
    for said, meant in SYNONYMS.items():
        assert set(meant.split()) <= set(PROMPT_WORDS)
        assert said not in PROMPT_WORDS
        assert normalise_prompt(said)[1] == []


def test_normalising_a_prompt_changes_nothing_in_it() -> None:
    for seed in range(100):
        line = prompt_for(compose(seed, 8.0), random.Random(seed))
        assert normalise_prompt(line) == (line.split(), [])
