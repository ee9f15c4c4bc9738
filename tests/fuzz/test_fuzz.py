"""Files that are nearly right, of every kind that is read: used or refused in one short line, never a traceback.

`pytest tests/fuzz --long` takes thousands of inputs of each kind, and `python -m tests.fuzz` as many as there is time
for. An input that fails is named by its seed.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import pytest

from drawbar.errors import BadInputError
from tests.fuzz.commands import command
from tests.fuzz.guard import Finding, Target, attempt, run
from tests.fuzz.results import add, write_table
from tests.fuzz.soak import soak
from tests.fuzz.specimens import write_specimens
from tests.fuzz.targets import TARGETS, audiocraft, bank_rows, hugging_face, query

SLOW = {audiocraft, bank_rows, command, hugging_face, query}
watched = pytest.mark.skipif(sys.platform != "linux", reason="the watchdog forks and reads /proc")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One valid file or folder of every kind."""
    home = tmp_path_factory.mktemp("whole")
    write_specimens(home)
    return home


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target.__name__))
def test_what_is_nearly_right_is_used_or_refused(
    whole: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    target: Target,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if request.config.getoption("--long"):
        found = [f for f in run(target, range(2500), whole, tmp_path / "work") if isinstance(f, Finding)]
    else:
        monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path / "home"))
        seeds = range(8 if target in SLOW else 30)
        tried = [attempt(target, seed, whole, tmp_path / str(seed)) for seed in seeds]
        found = [f for f in tried if isinstance(f, Finding)]
    assert not found, "\n".join(f"{f.seed} {f.kind}: {f.words}" for f in found[:5])


class Raw(BadInputError):
    """One whose words nobody shortens."""

    __str__ = Exception.__str__


@watched
def test_the_watchdog_sees_what_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors, hangs, memory, deaths, writes outside and long words; the inputs after them are still tried."""
    from tests.fuzz import guard

    monkeypatch.setattr(guard, "MOST_S", 0.5)
    monkeypatch.setattr(guard, "MOST_BYTES", 1 << 62)
    (tmp_path / "home").mkdir()

    def bad(draw: object, home: Path, place: Path) -> None:
        seed = int(place.name)
        if seed == 0:
            raise KeyError("x")
        if seed == 1:
            while True:
                pass
        if seed == 2:
            os._exit(7)
        if seed == 3:
            (tmp_path / "outside").write_text("x")
        if seed == 4:
            raise Raw("x" * 5000)
        if seed == 5:
            raise Raw("\x1b[31mred")
        if seed == 6:
            place.mkdir()
            (place / "inside").write_text("x")
            raise BadInputError("a refusal")

    found = list(run(bad, range(8), tmp_path / "home", tmp_path / "work"))
    assert [(f.seed, f.kind) for f in found if isinstance(f, Finding)] == [
        (0, "uncaught"), (1, "hang"), (2, "died"), (3, "outside"), (4, "long"), (5, "control"),
    ]  # fmt: skip
    assert found[6:] == ["refused", "used"]


@watched
def test_random_commands_lose_nothing(
    whole: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setenv("DRAWBAR_HOME", str(root / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(root))
    done = soak(root, whole, seed=1, steps=3000 if request.config.getoption("--long") else 30)
    assert not done.findings, "\n".join(done.findings)
    assert len(done.counts) > 5


def test_the_document_names_tests_that_there_are() -> None:
    root = Path(__file__).parents[2]
    named = re.findall(
        r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (root / "docs" / "security.md").read_text(encoding="utf-8")
    )
    assert len(named) > 30
    for file, test in named:
        assert f"def {test}" in (root / file).read_text(encoding="utf-8"), f"{file} {test}"


def test_runs_add_up_to_one_table(tmp_path: Path) -> None:
    add(tmp_path / "a.jsonl", "midi", 0, {"used": 90, "refused": 10})
    add(tmp_path / "a.jsonl", "midi", 100, {"used": 1, "hang": 2})
    add(tmp_path / "a.jsonl", "midi", 100, {"used": 3})
    (tmp_path / "page.md").write_text("before\n<!-- fuzz: begin -->\nold\n<!-- fuzz: end -->\nafter\n")
    write_table(tmp_path / "page.md", tmp_path / "a.jsonl")
    page = (tmp_path / "page.md").read_text()
    assert "| midi | 103 | 93 | 10 | 0 |" in page
    assert page.startswith("before")
    assert page.endswith("after\n")
    assert "old" not in page
