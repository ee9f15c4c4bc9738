"""Two commands on one folder: the second says who has it, in one line, and touches nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from drawbar import cli
from drawbar.corpus.composer.render import Renderer
from drawbar.files.lock import file_lock, folder_lock

COMMANDS: dict[str, Callable[[Path], list[object]]] = {
    "bench variants": lambda run: ["bench", "variants", "--out", run],
    "build": lambda run: ["build", "composed:2", "--out", run],
    "compose": lambda run: ["compose", run, "--pieces", 1],
    "prove": lambda run: ["prove", "embedded", "--out", run],
    "sliders": lambda run: ["sliders", "embedded", "--out", run],
}


def _refused(words: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(word) for word in words]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert "in use (working: process" in said


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_has_one_writer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(Renderer, "of", lambda font: None)  # a machine may have no soundfont
    run = tmp_path / "run"
    with folder_lock(run, "working"):
        before = sorted(run.iterdir())
        _refused(COMMANDS[name](run), capsys)
        assert sorted(run.iterdir()) == before
    assert list(run.iterdir()) == []


def test_a_session_and_a_reviewer_have_one_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with file_lock(tmp_path / "session.json", "working"):
        _refused(["blind", "--session", tmp_path / "session.json"], capsys)
    with file_lock(tmp_path / "decisions-me.jsonl", "working"):
        _refused(["review", "terminal", tmp_path, "--as", "me", "--silent"], capsys)
    assert list(tmp_path.iterdir()) == []
