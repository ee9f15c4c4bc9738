"""Any text -> the words of the closed vocabulary, by rules that the model's tokenizer carries inside itself.

A rule is a pattern and the plain text that takes its place; the order matters. The same rules, run by the same library,
tell the window which words are unknown. In patterns, `\\K` keeps what stands before it.
"""

import functools
import re
from pathlib import Path

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

from drawbar.corpus.composer.chord_names import QUALITY_SPELLINGS, ROOT_SPELLINGS, SIMPLIFIED, SLASH_BASS
from drawbar.corpus.composer.instruments import KEYS
from drawbar.corpus.composer.prompt_words import (
    LONGEST_LOOP,
    PLACE_WORDS,
    PLACES,
    PROMPT_WORDS,
    QUALITY_WORDS,
    ROOT_WORDS,
    SYNONYMS,
    TEMPO_WORDS,
    tempo_word,
)

_Rules = list[tuple[str, str]]
# Two signs of Unicode's private use area, which no rule leaves behind.
_CHORD, _QUALITY = "\ue000", "\ue001"
_START, _END = r"(?<![\w#])", r"(?![\w#])"
_ANY_TEMPO_BPM = range(20, 421)


def _any_of(spellings: tuple[str, ...] | list[str]) -> str:
    return "(?:" + "|".join(map(re.escape, sorted(spellings, key=len, reverse=True))) + ")"


def _qualities(spellings: tuple[str, ...] | list[str]) -> str:
    """A pattern of what follows a root, to its very end; the dash of "A-F" is no minor, that of "A- F" is."""
    typed = _any_of([spelling for spelling in spellings if spelling])
    nothing = "|" if "" in spellings else ""
    return rf"(?:(?!-(?:>|[A-Ga-g](?!dd))){typed}{nothing})(?![\w#+°ºøØΔ∆^(])(?!-(?:[^A-Ga-g>]|add))"


_QUALITY_TYPED = _qualities(
    [typed for row in (*QUALITY_SPELLINGS.values(), *(row[2] for row in SIMPLIFIED)) for typed in row]
)
_KEY_FOLLOWS = r"[ -]?(?i:major|minor|maj|min|sharp|flat)\b"
# After a slash stands a bass, not a chord.
_SYMBOL = rf"{_START}(?<![\w#°)]/)[A-G][#b]?{_QUALITY_TYPED}(?!{_KEY_FOLLOWS})(?>(?:{SLASH_BASS})?)"
_LOWER_SYMBOL = _SYMBOL.replace("[A-G]", "[A-Ga-g]", 1)
_WITHOUT_BASS = rf"{_START}[A-G][#b]?{_QUALITY_TYPED}"
_BETWEEN = r"(?: *(?:->|[-,|/>;])+ *| ?,? (?:and|then|to) +| +)"
_ANNOUNCED = (
    rf"{_START}(?<!(?i:no) )(?<!(?i:without) )(?i:(?:chord )?(?:chords?|progression|changes)) ?[:=]? ?"
)


def _clean() -> _Rules:
    return [
        (f"[{_CHORD}{_QUALITY}]", ""),
        ("♯", "#"),
        ("♭", "b"),
        ("[‐‑‒–—−]", "-"),
        ("[→⇒➔]", "->"),
        (r"\s+", " "),
    ]


def _chords() -> _Rules:
    """Two chord symbols in a row are a list, so that the letter of "a song" is none; small letters take three.

    Each becomes its place in the list, its root and its quality. What the composer cannot write of it stays as a word
    that the vocabulary lacks, so that it is told.
    """
    following = f"(?={_SYMBOL})"
    lower = f"(?={_LOWER_SYMBOL}{_BETWEEN}{_LOWER_SYMBOL})"
    found: _Rules = [
        # "Am/F/C/G", three or more, is a list as well; "C/E" is a bass.
        (rf"{_WITHOUT_BASS}\K/(?={_WITHOUT_BASS}/)", " | "),
        (rf" \| {_WITHOUT_BASS}\K/(?={_WITHOUT_BASS})", " | "),
        # "in G, C D Em" names a key first.
        (rf"(?:(?<=[Ii]n )|(?<=of )){_SYMBOL}\K, ?(?={_SYMBOL}(?! ?,))", " . "),
        (rf"{_ANNOUNCED}(?:{following}|{lower})", _CHORD),
        (rf"{_SYMBOL}\K{_BETWEEN}{following}", f" {_CHORD}"),
        (rf"{_LOWER_SYMBOL}\K{_BETWEEN}{lower}", f" {_CHORD}"),
        (rf"{_CHORD}{_LOWER_SYMBOL}\K{_BETWEEN}(?={_LOWER_SYMBOL})", f" {_CHORD}"),
        (rf"(?<!{_CHORD})(?={_LOWER_SYMBOL} {_CHORD})", _CHORD),
    ]
    for typed, word in zip(ROOT_SPELLINGS, ROOT_WORDS, strict=True):
        roots = _any_of([*typed, *(name[0].lower() + name[1:] for name in typed)])
        found.append((rf"{_CHORD}{roots}(?={_QUALITY_TYPED})", f"{_CHORD} {word} {_QUALITY}"))
    found.append((rf"{_QUALITY}{_QUALITY_TYPED}\K{SLASH_BASS}", " slash_bass "))
    for quality, spellings in QUALITY_SPELLINGS.items():
        found.append((f"{_QUALITY}{_qualities(spellings)}", f"{QUALITY_WORDS[quality]} "))
    for lost, quality, spellings in SIMPLIFIED:
        found.append((f"{_QUALITY}{_qualities(spellings)}", f"{QUALITY_WORDS[quality]} {lost} "))
    # Each rule changes the first sign that is left.
    found += [(rf"\A[^{_CHORD}]*\K{_CHORD}", f" chord_{place} ") for place in range(1, LONGEST_LOOP + 1)]
    # How many there are is known once the last one is counted.
    for word, (place, count) in sorted(PLACES.items(), key=lambda item: -item[1][1]):
        last = rf"(?=.*\bchord_{count}\b)" if place < count else ""
        found.append((rf"\bchord_{place}\b{last}", word))
    return [*found, (f"[{_CHORD}{_QUALITY}]", " ")]


def _keys_as_symbols() -> _Rules:
    """ "in F#m", "Bbmaj" and, in small letters, all but the English word "am"."""
    found: _Rules = []
    for typed, key in zip(ROOT_SPELLINGS, KEYS, strict=True):
        roots = _any_of([*typed, *(name[0].lower() + name[1:] for name in typed)])
        mode = rf"(?=(?:m|mi|min|minor|maj|major){_END})"
        found.append((rf"{_START}(?!(?<!in )(?<!of )am{_END}){roots}{mode}", f"{key} {_QUALITY}"))
    return [
        *found,
        (rf"{_QUALITY}(?:maj|major){_END}", "major"),
        (rf"{_QUALITY}(?:m|mi|min|minor){_END}", "minor"),
    ]


def _tempi() -> _Rules:
    """ "at 94 bpm", "tempo: 94", "94 beats per minute" as the nearest tempo that the model knows."""
    found: _Rules = []
    for word in TEMPO_WORDS:
        number = (
            "(?:" + "|".join(str(bpm) for bpm in _ANY_TEMPO_BPM if tempo_word(bpm) == word) + r")(?:[.,]\d+)?"
        )
        before = r"(?:tempo|bpm|♩|at|@)(?: of| at| is)? ?[:=]? ?"
        after = r" ?-?(?:bpm|beats? (?:per|a) minute)"
        found.append(
            (rf"(?<![\w.])(?=[\dtba♩@])(?:(?:{before})?{number}{after}|{before}{number}){_END}", f" {word} ")
        )
    return found


def _keys_as_words() -> _Rules:
    """ "F-sharp", "f#" and "G flat" as the one name of that key."""
    found: _Rules = []
    for typed, key in zip(ROOT_SPELLINGS, KEYS, strict=True):
        names = [(name[0].lower(), name[1]) for name in typed if len(name) == 2]
        for letter, sign in names:
            spoken = "sharp" if sign == "#" else "flat"
            found.append((rf"{_START}{letter}(?: ?{sign}|[ -]?{spoken}){_END}".replace(" ?b", "b"), key))
    return found


def _synonyms() -> _Rules:
    """Longer phrases first, all that mean the same in one rule; then the article, which is no key.

    A key without a mode is major, unless another word says minor.
    """
    groups: dict[tuple[int, str], list[str]] = {}
    for said, meant in SYNONYMS.items():
        groups.setdefault((-len(said.split()), meant), []).append(said)
    ordered = sorted(groups.items(), key=lambda group: group[0])
    no_article = r"(?:major|minor|sharp|in|with|and|at|no|without|key)\b"
    return [
        (r"(?<=[a-z])-(?=[a-z])", " "),
        *((_START + _any_of(said) + _END, meant) for (_, meant), said in ordered),
        (rf"{_START}a +(?!{no_article})(?=[a-z]+\b)", ""),
        (r"\A(?!.*\b(?:major|minor)\b).*\b(?:in|key of|key) [a-g](?: sharp)?(?![\w#]| sharp)\K", " major"),
    ]


@functools.cache
def prompt_normalizer() -> normalizers.Normalizer:
    """Return the rules as a part of a tokenizer: what is saved with the model, and what the window asks."""
    typed = [*_clean(), *_chords(), *_keys_as_symbols()]
    lower = [*_tempi(), *_keys_as_words(), *_synonyms()]
    return normalizers.Sequence(
        [
            normalizers.NFC(),
            *(normalizers.Replace(Regex(pattern), content) for pattern, content in typed),
            normalizers.Lowercase(),
            *(normalizers.Replace(Regex(pattern), content) for pattern, content in lower),
        ]
    )


def prompt_splitter() -> pre_tokenizers.PreTokenizer:
    """Return what cuts a normalised prompt into words."""
    return pre_tokenizers.Whitespace()


def normalise_prompt(text: str, tokenizer: Path | None = None) -> tuple[list[str], list[str]]:
    """Return the known words of `text` in order, and the words that the model does not know.

    `tokenizer` is a model's tokenizer.json: one made before a word came in leaves it out, and says so in plain terms.
    """
    words = [word for word, _ in prompt_splitter().pre_tokenize_str(prompt_normalizer().normalize_str(text))]
    vocabulary = _KNOWN if tokenizer is None else _KNOWN & _vocabulary(tokenizer)
    known = [word for word in words if word in vocabulary]
    unknown = [_plain(word) for word in words if word not in vocabulary and re.search(r"\w", word)]
    return known, unknown if tokenizer is None else list(dict.fromkeys(unknown))


@functools.cache
def _vocabulary(tokenizer: Path) -> frozenset[str]:
    return frozenset(Tokenizer.from_file(str(tokenizer)).get_vocab())


def _plain(word: str) -> str:
    """What a word of ours stands for in a prompt."""
    if word not in _KNOWN:
        return word.replace("_", " ")
    return (
        "a list of chords"
        if word in (*PLACE_WORDS, *ROOT_WORDS, *QUALITY_WORDS.values())
        else word.replace("bpm_", "bpm ")
    )


_KNOWN = frozenset(PROMPT_WORDS)
