"""Pieces -> prompts in a closed vocabulary; people's own words -> that vocabulary."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from drawbar.corpus import PROMPT_WORDS, SYNONYMS, Piece, compose, normalise_prompt, prompt_for
from drawbar.corpus.composer.chord_names import QUALITY_SPELLINGS, ROOT_SPELLINGS, chord_name
from drawbar.corpus.composer.instruments import KEYS
from drawbar.corpus.composer.prompt_words import LONGEST_LOOP, TEMPI_BPM, tempo_word

CHORDS = [chord_name(root, quality) for root in range(12) for quality in QUALITY_SPELLINGS]


def looped(seed: int) -> Piece:
    """A piece as version 2 writes it: a tempo that a prompt can name, and now and then a progression."""
    rng = random.Random(seed)
    loop = tuple(rng.choices(CHORDS, k=rng.randint(2, LONGEST_LOOP))) if seed % 3 else ()
    return replace(compose(seed, 8.0, version=1), tempo_bpm=rng.choice(TEMPI_BPM), loop=loop)


def listed(*chords: str) -> list[str]:
    """Chords as "a_sharp min" -> the words of the list."""
    words = []
    for place, chord in enumerate(chords, 1):
        root, quality = chord.split()
        words += [f"chord_{place}_of_{len(chords)}", f"root_{root}", f"quality_{quality}"]
    return words


def test_every_prompt_uses_only_known_words_and_every_word_is_used() -> None:
    used: set[str] = set()
    for seed in range(240):
        piece, rng = looped(seed), random.Random(seed)
        for line in (prompt_for(piece), *(prompt_for(piece, rng) for _ in range(5))):
            assert line == " ".join(line.split()) != ""
            known, unknown = normalise_prompt(line)
            assert known
            assert not unknown, line
            used |= set(known)
    assert used == set(PROMPT_WORDS) - {"chord_1_of_1"}  # people ask for one chord, no piece is a list of one
    assert list(PROMPT_WORDS) == sorted(set(PROMPT_WORDS))
    assert len(PROMPT_WORDS) < 150


def test_a_progression_and_a_tempo_are_said_in_words_that_are_understood() -> None:
    for seed in range(24):
        piece, rng = looped(seed), random.Random(seed)
        wanted = [words for name in piece.loop for words in normalise_prompt(f"chords {name}")[0][1:]]
        lines = [prompt_for(piece), *(prompt_for(piece, rng) for _ in range(40))]
        with_tempo = with_loop = 0
        for line in lines:
            known = normalise_prompt(line)[0]
            said = [w for w in known if w.startswith(("root_", "quality_"))]
            assert said in ([], wanted), line
            assert {w for w in known if w.startswith("bpm_")} <= {tempo_word(piece.tempo_bpm)}
            with_loop += bool(said)
            with_tempo += tempo_word(piece.tempo_bpm) in known
        assert with_tempo == 41
        assert (5 <= with_loop <= 36) if piece.loop else with_loop == 0
        assert f" at {piece.tempo_bpm:.0f} bpm" in lines[0]
        assert lines[0].endswith("chords " + " ".join(piece.loop)) or not piece.loop


def test_a_piece_without_loop_and_nameable_tempo_is_asked_for_as_before() -> None:
    for seed in range(40):
        for line in (
            prompt_for(compose(seed, 8.0, version=1)),
            prompt_for(compose(seed, 8.0, version=1), random.Random(seed)),
        ):
            assert "bpm" not in line
            assert line == line.lower()
            assert normalise_prompt(line) == (line.split(), [])


def test_a_loop_survives_json_and_pieces_from_before_there_were_loops_are_read() -> None:
    piece = looped(1)
    assert piece.loop
    assert Piece.from_json(piece.to_json()) == piece
    old = compose(1, 8.0, version=1)
    assert "loop" not in old.to_json()
    assert Piece.from_json(old.to_json()) == old


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
        piece, rng = looped(seed), random.Random(seed)
        playing = {note.part for note in piece.notes}
        for _ in range(5):
            line = f" {' '.join(normalise_prompt(prompt_for(piece, rng))[0])} "
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
        ("a banjo with 7 theremins", ["with"], ["banjo", "7", "theremins"]),
        ("a slow song in A", ["slow", "in", "a", "major"], []),
        ("sad piano in D", ["minor", "piano", "in", "d"], []),
        ("in F# with drums", ["in", "f", "sharp", "major", "with", "drums"], []),
        ("in a calm mood", ["in", "soft"], []),
        ("in f-sharp minor", ["in", "f", "sharp", "minor"], []),
        ("F#m", ["f", "sharp", "minor"], []),
        ("in am", ["in", "a", "minor"], []),
        ("key of Bbm", ["key", "of", "a", "sharp", "minor"], []),
        ("I am happy", ["major"], ["am"]),
        ("piano w/o drums", ["piano", "without", "drums"], []),
        ("Calm, epic", ["soft", "loud", "growing"], []),
        ("музыка", [], ["музыка"]),
        ("", [], []),
        ("...!?", [], []),
    ],
)
def test_peoples_words_become_the_models(text: str, words: list[str], unknown: list[str]) -> None:
    assert normalise_prompt(text) == (words, unknown)


AM_F_C_G = listed("a min", "f maj", "c maj", "g maj")


@pytest.mark.parametrize(
    "text",
    [
        "chords Am F C G", "chords: Am - F - C - G", "Am F C G", "Am-F-C-G", "Am – F – C – G", "Am | F | C | G",
        "|Am|F|C|G|", "Am, F, C and G", "Am → F → C → G", "Am->F->C->G", "Am/F/C/G", "chords am f c g", "am f c g",
        "progression Amin F C G", "chord progression: A- F C G", "Ami Fmaj CM Gmajor", "A-, F, C, G",
        "Chords = Am  F\tC\nG", "changes: Am to F to C to G",
    ],
)  # fmt: skip
def test_a_list_of_chords_is_read_however_it_is_set_out(text: str) -> None:
    assert normalise_prompt(text) == (AM_F_C_G, [])


@pytest.mark.parametrize(
    ("text", "words", "unknown"),
    [
        ("slow piano Am F C G at 94 bpm", ["slow", "piano", *AM_F_C_G, "bpm_94"], []),
        ("in A minor, Am F C G", ["in", "a", "minor", *AM_F_C_G], []),
        ("in Am: Am F C G", ["in", "a", "minor", *AM_F_C_G], []),
        ("no chords Am F C G", ["no", "chords", *AM_F_C_G], []),
        ("held guitar chords, Am F C G", ["held", "guitar", "chords", *AM_F_C_G], []),
        ("CM7 Cm7", listed("c maj7", "c min7"), []),
        ("Cmaj7 C^7 CΔ C7", listed("c maj7", "c maj7", "c maj7", "c 7"), []),
        ("F♯m7♭5 B♭ Cø C° Bdim", listed("f_sharp m7b5", "a_sharp maj", "c m7b5", "c dim", "b dim"), []),
        ("Ebsus4 | Abadd9 | Amadd9 | G9", listed("d_sharp sus4", "g_sharp add9", "a madd9", "g 9"), []),
        ("C/E F G/B", listed("c maj", "f maj", "g maj"), ["slash bass", "slash bass"]),
        ("C6 Gaug", listed("c maj", "g maj"), ["added sixth", "augmented fifth"]),
        ("piano chords in A minor", ["piano", "chords", "in", "a", "minor"], []),
        ("A minor, F major", ["a", "minor", "f", "major"], []),
        ("piano chords, a bass", ["piano", "chords", "bass"], []),
        ("A e-piano", ["electric", "piano"], []),
        ("I am a fan", [], ["am", "fan"]),
        ("in D", ["in", "d", "major"], []),
        ("in G, C D Em", ["in", "g", "major", *listed("c maj", "d maj", "e min")], []),
        ("in Am, F C G", ["in", "a", "minor", *listed("f maj", "c maj", "g maj")], []),
        ("Em7b5 A7(b9)", listed("e m7b5", "a 7"), ["altered notes"]),
        ("Am7", [], ["am7"]),
    ],
)
def test_chord_symbols_are_told_from_keys_articles_and_words(
    text: str, words: list[str], unknown: list[str]
) -> None:
    assert normalise_prompt(text) == (words, unknown)


def test_every_spelling_of_every_chord_is_read() -> None:
    for root, names in zip(KEYS, ROOT_SPELLINGS, strict=True):
        for quality, spellings in QUALITY_SPELLINGS.items():
            wanted = listed(f"{root.replace(' ', '_')} {quality}", "d 7")
            for typed in (name + spelling for name in names for spelling in spellings):
                for text in (f"chords {typed} D7", f"{typed}, D7", f"{typed} | D7"):
                    assert normalise_prompt(text) == (wanted, []), text


def test_chords_past_the_longest_loop_are_known_without_a_place() -> None:
    known, unknown = normalise_prompt("C " * (LONGEST_LOOP + 2))
    assert unknown == []
    assert known[-5:] == ["quality_maj", "root_c", "quality_maj", "root_c", "quality_maj"]


def tempo_spellings() -> Iterator[tuple[str, int]]:
    for bpm in range(20, 421, 7):
        for shape in (
            "at {} bpm", "{}bpm", "{} BPM", "tempo {}", "Tempo: {}", "tempo of {} bpm", "{} beats per minute",
            "bpm {}", "♩ = {}", "{}-bpm", "at {}", "@{}",
        ):  # fmt: skip
            yield shape.format(bpm), bpm


def test_every_spelling_of_a_tempo_is_the_nearest_that_the_model_knows() -> None:
    for text, bpm in tempo_spellings():
        assert normalise_prompt(text) == ([tempo_word(bpm)], []), text
    assert normalise_prompt("at 93.75 bpm") == (["bpm_94"], [])


@pytest.mark.parametrize(
    ("bpm", "word"),
    [
        (94, "bpm_94"),
        (84, "bpm_94"),
        (83, "bpm_94"),
        (75, "bpm_62"),
        (120, "bpm_125"),
        (200, "bpm_188"),
        (240, "bpm_125"),
        (50, "bpm_94"),
    ],
)
def test_a_tempo_out_of_reach_is_halved_or_doubled(bpm: int, word: str) -> None:
    assert tempo_word(bpm) == word


def test_a_synonym_is_what_it_stands_for() -> None:
    for said, meant in SYNONYMS.items():
        assert set(meant.split()) <= set(PROMPT_WORDS)
        assert said not in PROMPT_WORDS
        assert normalise_prompt(said) == (meant.split(), []), said
        assert normalise_prompt(said.title()) == (meant.split(), []), said


def test_normalising_a_prompt_changes_nothing_in_it() -> None:
    for seed in range(100):
        known, unknown = normalise_prompt(prompt_for(looped(seed), random.Random(seed)))
        assert unknown == []
        assert normalise_prompt(" ".join(known)) == (known, [])


def test_a_model_of_before_a_word_says_in_plain_terms_what_it_leaves_out(tmp_path: Path) -> None:
    old = [word for word in PROMPT_WORDS if not word.startswith(("chord_", "root_", "quality_", "bpm_"))]
    tokenizer = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(["<unk>", *old])}, unk_token="<unk>")
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    known, unknown = normalise_prompt("slow piano Am F at 94 bpm zzz", tmp_path / "tokenizer.json")
    assert (known, unknown) == (["slow", "piano"], ["a list of chords", "bpm 94", "zzz"])
