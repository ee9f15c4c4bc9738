"""A draw -> a command line of real words, specimens and nonsense, run in this process by its own front door."""

import contextlib
import io
import os
import random
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import typer

from drawbar import cli
from drawbar.errors import BadInputError

WORDS = (
    "", "-", "--", "x", "piano", "drums", "3/5", "-1", "0", "1", "2", "1e9", "nan", "inf", "9" * 400, "\x1b[31m",
    "\udcff", "..", ".", "/proc", "/dev/null", "/proc/self/mem", "/dev/zero", "a" * 5000, "drums=+0.5", "=", "3/1=x",
    "1,2", "1-999999999", "embedded", "small", "composed:2", "composed:x", "nobody/nothing", "cuda:9", "meta", "int4",
    "json", "é\0", "a.wav", "run", "%s", "{}",
)  # fmt: skip
FILES = (
    "bank", "b.drawbank", "sae", "hf", "hf/config.json", "takes", "a.wav", "run.json", "run.toml", "own.csv",
    "people.csv", "bank/bank.sqlite",
)  # fmt: skip
NOBODY = ["--model", "nobody/nothing"]
ENDINGS: dict[str, list[str]] = {
    "render": ["--seconds", "0.2"],
    "compose": ["--pieces", "0"],
    "blind": ["--trials", "0"],
    "verify": ["--frames", "0"],
    "report evidence": NOBODY,
    "study manifest": ["--composed", "0"],
    "study score": ["--pieces", "0"],
    "study positive": ["--tracks", "0"],
    "study null": ["--tracks", "0"],
    "bench search": ["--features", "20"],
    "bench tables": ["--rows", "50"],
    "bench scale": ["--pieces", "0"],
    "bench sae": ["--width", "8", "--features", "16", "--k", "2", "--batch", "8", "--steps", "1", "--rounds", "1"],
    "bench score": ["--features", "8", "--layers", "1", "--k", "1", "--clips", "1"],
    "bench decoder": ["--shape", "none"],
    "bench loading": ["--shape", "none"],
    "bench null": ["--runs", "0"],
    "bench synth-sae": ["--features", "8", "--width", "8", "--d-sae", "8", "--k", "1", "--steps", "1"],
}  # fmt: skip
"""What a command is told at last whose right use takes minutes; others get ``--plan``, or a model that there is not."""


def ending(words: str, leaf: Any) -> list[str]:
    """Words that make the command end soon, behind any other words."""
    options = {name for part in leaf.params for name in part.opts}
    if words in ENDINGS:
        return ENDINGS[words]
    if "--plan" in options:
        return ["--plan"]
    return NOBODY if words.startswith(("bench", "sliders")) and "--model" in options else []


@cache
def all_commands() -> list[tuple[list[str], Any]]:
    """Every command and the words that lead to it."""
    found: list[tuple[list[str], Any]] = []

    def walk(at: Any, words: list[str]) -> None:
        for name, below in getattr(at, "commands", {}).items():
            walk(below, [*words, name])
        if not getattr(at, "commands", None):
            found.append((words, at))

    walk(typer.main.get_command(cli.app), [])
    return found


def lay_out(home: Path, place: Path) -> None:
    """Copies of the specimens: a command may be told to write over what it was given."""
    place.mkdir(parents=True)
    for name in FILES:
        source = home / name
        if source.is_dir():
            shutil.copytree(source, place / name)
        elif not (place / name).exists():
            shutil.copy(source, place / name)


def random_line(draw: random.Random, place: Path) -> list[str]:
    """Any command with any words, most of them wrong, that ends soon."""
    words, leaf = draw.choice(all_commands())
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
    return line + ending(" ".join(words), leaf)


def command(draw: random.Random, home: Path, place: Path) -> None:
    """What a command raises is a fault, and so is an exit code that it does not have; 1 and 2 are refusals."""
    lay_out(home, place)
    line = random_line(draw, place)
    with (
        contextlib.chdir(place),
        open(os.devnull, "w") as nothing,
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(io.StringIO()) as said,
    ):
        code = cli.main(line)
    assert code in (0, 1, 2), f"exit code {code} of {line!r}"[:500]
    if code:
        last = said.getvalue().strip().rpartition("\n")[2] if code == 1 else ""
        raise BadInputError(last or f"exit code {code}")
