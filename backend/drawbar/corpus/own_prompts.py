"""A number -> one of two thousand prompts: instruments x genres x moods x tempi, for corpora that a model plays itself.

Written as factors, so that every word stands in many prompts and its takes can be told from the others'.
"""

import random
from functools import cache

COUNT = 2_000
"""Different prompts; corpora that are larger use them again with other seeds."""

INSTRUMENTS = (
    "piano", "electric piano", "organ", "harpsichord", "acoustic guitar", "distorted guitar", "electric bass",
    "upright bass", "synth bass", "strings", "violin", "cello", "choir", "flute", "clarinet", "saxophone",
    "trumpet", "brass", "accordion", "marimba", "bells", "harp", "banjo", "sitar", "synth pads", "synth lead",
    "drums", "hand percussion", "taiko drums", "drum machine",
)  # fmt: skip
GENRES = (
    "ambient", "jazz", "swing", "blues", "rock", "metal", "punk", "pop", "house", "techno", "drum and bass",
    "hip hop", "reggae", "funk", "soul", "latin", "bossa nova", "salsa", "folk", "country", "bluegrass",
    "classical", "baroque", "march", "waltz", "film score", "gospel", "lo-fi", "new age", "electronic",
)  # fmt: skip
MOODS = (
    "happy", "sad", "calm", "energetic", "dark", "bright", "dreamy", "tense", "romantic", "playful", "solemn",
    "angry", "hopeful", "mysterious", "warm", "melancholic", "epic", "gentle",
)  # fmt: skip
TEMPI = (
    "very slow",
    "slow",
    "medium tempo",
    "fast",
    "very fast",
    "70 bpm",
    "90 bpm",
    "110 bpm",
    "130 bpm",
    "160 bpm",
)
KEYS = ("a minor", "c major", "d minor", "e minor", "f major", "g major")

_WITH_MOOD, _WITH_TEMPO, _WITH_KEY = 0.7, 0.6, 0.25


def prompt(number: int) -> str:
    """The prompt of this number, counted from 0; they begin again after ``COUNT``."""
    return _all()[number % COUNT]


@cache
def _all() -> tuple[str, ...]:
    rng = random.Random(2_000)
    found: dict[str, None] = {}
    while len(found) < COUNT:
        found[_line(rng)] = None
    return tuple(found)


def _line(rng: random.Random) -> str:
    players = rng.sample(INSTRUMENTS, rng.choice((1, 1, 2, 2, 3)))
    words = [rng.choice(MOODS)] if rng.random() < _WITH_MOOD else []
    if rng.random() < _WITH_TEMPO:
        words.insert(rng.randrange(len(words) + 1), rng.choice(TEMPI))
    words.append(rng.choice(GENRES))
    head = " ".join(words)
    key = f" in {rng.choice(KEYS)}" if rng.random() < _WITH_KEY else ""
    return f"{head}{key} with {' and '.join(players)}"
