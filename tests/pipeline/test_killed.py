"""SIGKILL at many points of a build -> the same tensors by byte and the same database by row."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from drawbar.pipeline import build
from drawbar.pipeline.build import STAGES
from tests.pipeline.fakes import FakeModel
from tests.pipeline.test_build import settings, tones

ROOT = Path(__file__).parents[2]


def tensors(run: Path) -> dict[str, bytes]:
    """Every file of numbers that a run leaves, but for databases."""
    kept = (".safetensors", ".csv")
    names = ("cfg.json", "history.json", "labels.json", "concepts.json")
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and (path.suffix in kept or path.name in names)
    }


def rows(run: Path) -> list[tuple[str, str]]:
    """The bank's database, row by row, the word index included."""
    with sqlite3.connect(run / "bank" / "bank.sqlite") as database:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        names = [name for (name,) in database.execute(tables)]
        return [
            (name, row)
            for name in names
            for row in sorted(map(repr, database.execute(f'SELECT * FROM "{name}"')))
        ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
@pytest.mark.parametrize(("how", "deaths"), [("anywhere", 5), ("stages", 2 * len(STAGES))])
def test_a_build_that_is_killed_again_and_again_ends_like_an_undisturbed_one(
    tmp_path: Path, how: str, deaths: int
) -> None:
    music = tones(tmp_path / "music")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        whole = build(settings(music, tmp_path / "whole"), model=FakeModel())
    finally:
        torch.set_num_threads(threads)
    done = subprocess.run(
        [sys.executable, "-m", "tests.pipeline.killed", str(music), str(tmp_path / "killed"), "1", how],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= deaths
    wanted, found = tensors(tmp_path / "whole"), tensors(tmp_path / "killed")
    assert wanted.keys() == found.keys()
    assert [name for name in wanted if wanted[name] != found[name]] == []
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    assert whole.features > 5
