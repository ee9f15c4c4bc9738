"""Bars and a style name -> drum hits: six styles, three densities, fills and crashes."""

import random

from drawbar.corpus.composer.piece import Note
from drawbar.corpus.composer.timing import BEATS_PER_BAR, Bar, Grid

KICKS = frozenset({35, 36})
SNARES = frozenset({37, 38, 39, 40})
CYMBALS = frozenset({42, 44, 46, 49, 51, 53, 57, 59, 70, 69, 82})
_Hits = dict[int, str]
# One character is a sixteenth; digits are strength: 1 ghost, 2 normal, 3 accent.
_STYLES: dict[str, dict[str, _Hits]] = {
    "rock": {
        "sparse": {36: "3.......3.......", 38: "....3.......3...", 42: "2...2...2...2..."},
        "medium": {36: "3.......3.2.....", 38: "....3.......3...", 42: "2.2.2.2.2.2.2.2."},
        "busy": {36: "3..2..2.3.2...2.", 38: "....3..1.1..3..1", 42: "3.2.3.2.3.2.3.2."},
    },
    "jazz": {
        "sparse": {51: "2...2...2...2...", 44: "....3.......3...", 36: "2..............."},
        "medium": {51: "3...3.2.3...3.2.", 44: "....3.......3...", 36: "2.......1......."},
        "busy": {51: "3...3.2.3...3.2.", 44: "....3.......3...", 36: "2.....1.2.....1.",
                 38: "..2...2...1.2.2."},
    },
    "house": {
        "sparse": {36: "3...3...3...3...", 46: "..2...2...2...2."},
        "medium": {36: "3...3...3...3...", 39: "....3.......3...", 46: "..3...3...3...3."},
        "busy": {36: "3...3...3...3...", 39: "....3.......3..2", 46: "..3...3...3...3.",
                 42: "22.222.222.222.2"},
    },
    "hip hop": {
        "sparse": {36: "3.........3.....", 39: "....3.......3..."},
        "medium": {36: "3..2......3.....", 39: "....3.......3...", 42: "2.2.2.2.2.2.2.2."},
        "busy": {36: "3..2...2..3..2..", 39: "....3.......3...", 42: "2.2.22222.2.2222",
                 56: "..........2....."},
    },
    "latin": {
        "sparse": {75: "3..3..3...3.3...", 64: "2.......2.......", 63: "......2.......2."},
        "medium": {75: "3..3..3...3.3...", 70: "2.2.2.2.2.2.2.2.", 64: "......2.......22",
                   62: "..2.2.....2.2..."},
        "busy": {75: "3..3..3...3.3...", 70: "3222322232223222", 64: "......33......33",
                 62: "..2.2.....2.2...", 65: "3.......2.2.....", 36: "3.......3......."},
    },
    "march": {
        "sparse": {36: "3.......3.......", 38: "....3.......3..."},
        "medium": {36: "3.......3.......", 38: "..2.3.2...2.3.22"},
        "busy": {36: "3.......3.......", 38: "3.223.223.223222", 57: "3..............."},
    },
}  # fmt: skip
_FILLS: dict[str, _Hits] = {
    "rock": {38: "22......", 48: "..22....", 45: "....22..", 41: "......33"},
    "jazz": {38: "2.2.22.3", 36: "......2."},
    "house": {39: "2.2.2222"},
    "hip hop": {39: "2..2.2.3"},
    "latin": {65: "2.22....", 66: "....2.33"},
    "march": {38: "22222223"},
}
_CRASH = {"rock": 49, "jazz": 51, "house": 49, "hip hop": 49, "latin": 49, "march": 57}
_STRENGTH = {"1": -34.0, "2": -8.0, "3": 10.0}


def play_drums(grid: Grid, bars: list[Bar], style: str, density: str, rng: random.Random) -> None:
    """Write the drum part of every bar in which drums play."""
    groove = _STYLES[style][density]
    playing = False
    for bar in bars:
        if "drums" not in bar.roles:
            playing = False
            continue
        base = bar.index * BEATS_PER_BAR
        fill = bar.last and rng.random() < 0.7
        for pitch, line in groove.items():
            for i, mark in enumerate(line[:8] if fill else line):
                if mark != "." and not (mark == "1" and rng.random() < 0.3):
                    grid.add("drums", base + i / 4, 0.25, pitch, _STRENGTH[mark], loose=0.6)
        if fill:
            for pitch, line in _FILLS[style].items():
                for i, mark in enumerate(line):
                    if mark != ".":
                        grid.add("drums", base + 2 + i / 4, 0.25, pitch, _STRENGTH[mark], loose=0.6)
        if bar.first and (not playing or rng.random() < 0.6):
            grid.add("drums", base, 1.0, _CRASH[style], 6, loose=0.6)
        playing = True


def crash(style: str, beat_s: float) -> Note:
    """The cymbal that opens a phrase, at 0 s."""
    return Note(0.0, round(beat_s, 4), _CRASH[style], 96, "drums")
