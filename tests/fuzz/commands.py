"""A draw -> a command line of real words, specimens and nonsense, run in this process by its own front door."""

import contextlib
import os
import random
import shutil
from pathlib import Path
from typing import Any

import typer

from drawbar import cli
from drawbar.errors import BadInputError

WORDS = (
    "", "-", "--", "x", "piano", "drums", "3/5", "-1", "0", "1", "2", "1e9", "nan", "inf", "9" * 400, "\x1b[31m",
    "\udcff", "../..", ".", "/", "/dev/null", "/proc/self/mem", "/dev/zero", "a" * 5000, "drums=+0.5", "=", "3/1=x",
    "1,2", "1-999999999", "embedded", "small", "composed:2", "composed:x", "nobody/nothing", "cuda:9", "meta", "int4",
    "json", "é\0", "a.wav", "run", "%s", "{}",
)  # fmt: skip
FILES = (
    "bank", "b.drawbank", "sae", "hf", "hf/config.json", "takes", "a.wav", "run.json", "run.toml", "own.csv",
    "people.csv", "bank/bank.sqlite",
)  # fmt: skip
LONG = {"bench", "prove", "study", "compose", "verify", "evidence", "survivors", "doctor"}
"""Whose right use takes minutes; they get a first word that ends early, or ``--plan`` where they have it."""
ALWAYS = {
    "render": ["--seconds", "0.2"],
    "build": ["--plan"],
    "prove": ["--plan"],
    "compose": ["--pieces", "0"],
    "blind": ["--trials", "0"],
}


def leaves() -> list[tuple[list[str], Any]]:
    """Every command and the words that lead to it."""
    found: list[tuple[list[str], Any]] = []

    def walk(at: Any, words: list[str]) -> None:
        for name, below in getattr(at, "commands", {}).items():
            walk(below, [*words, name])
        if not getattr(at, "commands", None):
            found.append((words, at))

    walk(typer.main.get_command(cli.app), [])
    return [leaf for leaf in found if not LONG & set(leaf[0]) or set(leaf[0]) & ALWAYS.keys()]


_LEAVES: list[tuple[list[str], Any]] = []


def command(draw: random.Random, home: Path, place: Path) -> None:
    """What a command raises is a fault, and so is an exit code that it does not have; 1 and 2 are refusals."""
    place.mkdir(parents=True)
    for name in FILES:  # copies: a command may be told to write over what it was given
        source = home / name
        if source.is_dir():
            shutil.copytree(source, place / name)
        elif not (place / name).exists():
            shutil.copy(source, place / name)
    _LEAVES.extend(leaves() if not _LEAVES else ())
    words, leaf = draw.choice(_LEAVES)
    line = list(words)

    def value() -> str:
        return str(place / draw.choice(FILES)) if draw.random() < 0.4 else draw.choice(WORDS)

    for part in leaf.params:
        if part.param_type_name == "argument":
            line += [value() for _ in range(draw.choice((1, 1, 1, 1, 0, 2)))]
        elif draw.random() < 0.3 and "--help" not in part.opts:
            line.append(draw.choice(part.opts))
            if not getattr(part, "is_flag", False) or draw.random() < 0.1:
                line.append(value())
    line += ALWAYS.get(words[0], [])
    with (
        contextlib.chdir(place),
        open(os.devnull, "w") as nothing,
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
    ):
        code = cli.main(line)
    assert code in (0, 1, 2), f"exit code {code} of {line!r}"[:500]
    if code:
        raise BadInputError(f"exit code {code}")
