"""The tokenizer that is saved with the model -> the words that the window says are known."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from drawbar.bundled.text import make_tokenizer
from drawbar.corpus import PROMPT_WORDS, SYNONYMS, normalise_prompt
from drawbar.corpus.composer.chord_names import QUALITY_SPELLINGS, ROOT_SPELLINGS


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(folder)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def _prompts() -> Iterator[str]:
    """Prompts as people may type them: words, chords, tempi, signs and nonsense, in any order and case."""
    rng = random.Random(14)
    symbols = [root + typed for names in ROOT_SPELLINGS for root in names
               for group in QUALITY_SPELLINGS.values() for typed in group]  # fmt: skip
    odd = ["a", "A", "am", "Am", "&", "w/", "banjo", "7", "C/E", "İ", "e\u0301", "ø", "музыка", "\ue000",
           "f-sharp", "B flat", "B♭", "in", "key of", "chords:", "chords", "don't",
           "\U0001d15f", "...", "—", "a_b", "#"]  # fmt: skip
    for _ in range(800):
        said = []
        for _ in range(rng.randint(1, 7)):
            source = rng.choice((symbols, PROMPT_WORDS, list(SYNONYMS), odd))
            said += rng.choices(source, k=rng.randint(1, 3))
            if rng.random() < 0.2:
                said.append(f"{rng.randint(10, 500)}{rng.choice((' ', ''))}bpm")
        text = rng.choice((" ", " - ", ", ", " | ", "  ", "/")).join(said)
        yield rng.choice((str, str, str.upper, str.lower, str.title))(text)


def test_the_saved_tokenizer_and_the_window_agree_about_every_spelling(saved: Tokenizer) -> None:
    for text in _prompts():
        heard = [word for word in saved.encode(text).tokens if word != "<unk>"]
        assert heard == [*normalise_prompt(text)[0], "</s>"], text


def test_no_sign_of_the_rules_is_left_in_a_prompt(saved: Tokenizer) -> None:
    for text in _prompts():
        left = saved.normalizer.normalize_str(text)
        assert not {"\ue000", "\ue001"} & set(left), text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Slow piano in A minor, with drums", "slow piano in a minor with drums </s>"),
        ("sad tune in c#", "minor melody in c sharp </s>"),
        ("in B flat minor", "in a sharp minor </s>"),
        ("Am - F at 94 bpm", "chord_1_of_2 root_a quality_min chord_2_of_2 root_f quality_maj bpm_94 </s>"),
    ],
)
def test_the_tokenizer_speaks_the_composers_words(text: str, words: str, saved: Tokenizer) -> None:
    assert " ".join(word for word in saved.encode(text).tokens if word != "<unk>") == words


def test_the_longest_prompts_of_the_composer_fit(tmp_path: Path) -> None:
    loop = "chords: " + " - ".join(["C#m7b5"] * 8)
    longest = (
        "slow loud busy growing swung low register rich strummed electric piano in key of c sharp minor at 94 bpm "
        f"with hip hop drums and fingered bass and distorted guitar lead and returning motif no drums {loop}"
    )
    fast = make_tokenizer(tmp_path)
    assert len(fast(longest)["input_ids"]) < fast.model_max_length
