"""Chord symbols as people type them -> root pitch class and quality of `harmony`, and back.

Knows nothing of prompts.
"""

import re

from drawbar.errors import BadInputError

_MINOR = ("m", "min", "mi", "-")
_MAJOR = ("maj", "Maj", "ma", "M", "Δ", "∆", "^")
_HALF_DIMINISHED = ("ø", "Ø", "ø7", "Ø7", "m7(b5)", "m7-5")


def _each(stems: tuple[str, ...], *ends: str) -> tuple[str, ...]:
    return tuple(stem + end for end in ends for stem in stems)


ROOT_SPELLINGS: tuple[tuple[str, ...], ...] = (
    ("C", "B#"), ("C#", "Db"), ("D",), ("D#", "Eb"), ("E", "Fb"), ("F", "E#"),
    ("F#", "Gb"), ("G",), ("G#", "Ab"), ("A",), ("A#", "Bb"), ("B", "Cb"),
)  # fmt: skip
"""Per pitch class, from C: how its name is typed; the first is ours."""
QUALITY_SPELLINGS: dict[str, tuple[str, ...]] = {
    "maj": ("", "maj", "Maj", "M", "major"),
    "min": (*_MINOR, "Min", "minor"),
    "dim": ("dim", "Dim", "°", "º"),
    "maj7": (*_each(_MAJOR, "7"), "Δ", "∆", "^", "major7"),
    "min7": (*_each(_MINOR, "7"), "minor7"),
    "7": ("7", "dom7"),
    "m7b5": (*_each(_MINOR, "7b5"), *_HALF_DIMINISHED),
    "maj9": (*_each(_MAJOR, "9"), "major9"),
    "min9": (*_each(_MINOR, "9"), "minor9"),
    "9": ("9", "dom9"),
    "sus2": ("sus2",),
    "sus4": ("sus4", "sus"),
    "add9": ("add9", "add2", "(add9)"),
    "madd9": _each(_MINOR, "add9", "add2", "(add9)"),
}
"""Per quality of `harmony`: what is typed after the root; the first is ours. Upper and lower case differ (M7, m7)."""
SIMPLIFIED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("added_sixth", "maj", ("6", "maj6", "M6")),
    ("added_sixth", "min", _each(_MINOR, "6")),
    ("eleventh", "9", ("11",)),
    ("eleventh", "min9", _each(_MINOR, "11")),
    ("thirteenth", "9", ("13",)),
    ("thirteenth", "min9", _each(_MINOR, "13")),
    ("thirteenth", "maj9", _each(_MAJOR, "13")),
    ("augmented_fifth", "maj", ("aug", "+")),
    ("missing_third", "maj", ("5",)),
    ("diminished_seventh", "dim", ("dim7", "°7", "º7")),
    ("major_seventh", "min", ("mMaj7", "mM7", "mmaj7", "m(maj7)")),
    ("altered_notes", "7", ("7b9", "7#9", "7(b9)", "7(#9)", "7b5", "7#5", "7#11", "7alt")),
    ("suspended_seventh", "sus4", ("7sus4", "7sus", "9sus4")),
)
"""Chords that the composer does not write: what is lost, the quality that stands in, how they are typed."""
SLASH_BASS = r"/[A-Ga-g][#b]?(?![\w#/])"
"""A pattern of the bass note of "C/E", which the composer does not write either."""
_QUALITY_OF = {
    typed: quality
    for quality, spellings in (*QUALITY_SPELLINGS.items(), *((row[1], row[2]) for row in SIMPLIFIED))
    for typed in spellings
}
_ROOT_OF = {typed: root for root, spellings in enumerate(ROOT_SPELLINGS) for typed in spellings}


def plain_accidentals(text: str) -> str:
    """Return `text` with the signs ♯ and ♭ as # and b."""
    return text.replace("♯", "#").replace("♭", "b")


def chord_name(root: int, quality: str) -> str:
    """Return the plain name of a chord: "C#m7b5" for pitch class 1 and quality "m7b5"."""
    return ROOT_SPELLINGS[root % 12][0] + QUALITY_SPELLINGS[quality][0]


def parse_chord(name: str) -> tuple[int, str]:
    """Return the root's pitch class and the quality of a chord symbol; a slash bass is left out.

    Chords that the composer does not write become the nearest that it does. Raises BadInputError for anything else.
    """
    plain = re.sub(SLASH_BASS + "$", "", plain_accidentals(name.strip()))
    found = re.fullmatch(r"([A-G][#b]?)(.*)", plain)
    if found is None or found[2] not in _QUALITY_OF:
        raise BadInputError(
            f"{name!r} is not a chord: write a letter from A to G and its kind, as in Am or F#m7b5"
        )
    return _ROOT_OF[found[1]], _QUALITY_OF[found[2]]
