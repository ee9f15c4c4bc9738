"""Any text -> the search words in it, the same for labels and for queries."""

import re
import unicodedata
from dataclasses import dataclass

MAX_QUERY_CHARS = 512
MAX_WORDS = 16

# A word: letters and digits (with the sharp of a key, "c#"), or one kana, CJK character or pictograph.
_WORD = re.compile("[\u3040-\u30ff\u3400-\u9fff\u2600-\u27bf\U0001f000-\U0001faff]|[^\\W_]+#?")
_ID = re.compile(r"(?<!\S)(\d{1,6})/(\d{0,9})(?!\S)", re.ASCII)
_ACCIDENTALS = str.maketrans({"♯": "#", "♭": "b"})


@dataclass(frozen=True)
class Wanted:
    """One thing that a matching feature must have: a word that starts so, or an id that starts so."""

    word: str
    """Folded, without quotes, blanks or operators: safe inside an FTS5 string."""
    whole: bool = False
    """The word must be equal, not only start so."""
    layer: int | None = None
    """Set for an id such as ``3/14``; ``word`` is then the start of the index, perhaps empty."""

    def fits(self, word: str) -> bool:
        return word == self.word if self.whole else word.startswith(self.word)


_TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Turn the direction of what follows, so that a label can disguise the text beside it."""


def clean_text(text: str) -> str:
    """``text`` as it can be stored and shown: one line, no control characters, no lone surrogates."""
    if text.isascii() and text.isprintable() and "  " not in text and text.strip() == text:
        return text
    valid = _TURNING.sub("", text.encode("utf-8", "ignore").decode("utf-8"))
    return " ".join("".join(c if unicodedata.category(c) != "Cc" else " " for c in valid).split())


def words_of(text: str) -> list[str]:
    """The words of ``text`` in order: case and accents folded, everything else dropped."""
    if not text.isascii():
        valid = text.translate(_ACCIDENTALS).encode("utf-8", "ignore").decode("utf-8")
        text = "".join(c for c in unicodedata.normalize("NFKD", valid) if not unicodedata.combining(c))
    return _WORD.findall(text.casefold())


def key_of(text: str) -> str:
    """What two labels have in common when they differ only in case, accents or punctuation."""
    return " ".join(words_of(text))


def wanted(text: str) -> list[Wanted]:
    """What a search box's text asks for. Every word is a prefix, but a single letter only at the end.

    Never raises; reads the first 512 characters and 16 words.
    """
    text = text[:MAX_QUERY_CHARS]
    found: dict[Wanted, None] = {}
    for layer, start in _ID.findall(text):
        found[Wanted(start, layer=int(layer))] = None
    words = words_of(_ID.sub(" ", text))
    finished = text[-1:].isspace()
    for position, word in enumerate(words):
        last = position == len(words) - 1 and not finished
        found[Wanted(word, whole=len(word) == 1 and not last and word.isascii())] = None
    return list(found)[:MAX_WORDS]
