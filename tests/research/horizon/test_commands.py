"""`drawbar study` and `drawbar review` -> from a folder of recordings to verified events, as a user types it."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from drawbar import cli
from drawbar.research.horizon.events import load_events
from drawbar.research.horizon.review import Review, read_decisions, read_queue
from tests.research.horizon.bands import MOTIF, RATE, line, loop, piece

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object, keys: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{key}\n" for key in keys)))
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    sound = loop(44.0) + line(piece(list(MOTIF)), 44.0)
    soundfile.write(folder / "returns.flac", 0.2 * sound, RATE)
    soundfile.write(folder / "loop.flac", 0.2 * loop(44.0), RATE)
    soundfile.write(folder / "short.flac", 0.2 * loop(4.0), RATE)
    return folder


def test_from_a_folder_of_recordings_to_verified_events(run: Run, music: Path, tmp_path: Path) -> None:
    study, folder, out = tmp_path / "study", tmp_path / "review", tmp_path / "events.jsonl"
    code, said, noted = run("study", "manifest", study, music, "--licence", "CC-BY-4.0")
    assert code == 0
    assert "2 verified tracks; CC-BY-4.0" in said
    assert "refused short.flac: lasts 4.0 s" in noted

    assert run("study", "verify", study, "--audio", music)[0] == 0
    assert run("study", "events", study, "--audio", music)[0] == 0
    assert load_events(study / "events.jsonl") == ()
    found = load_events(study / "events.jsonl", verified_only=False)
    assert {event.track for event in found} == {"returns.flac"}
    assert {event.kind for event in found} >= {"exact", "none"}

    code, said, _ = run("review", "queue", study, folder, "--audio", music)
    assert code == 0
    assert f"{len(found)} proposals of 1 tracks" in said
    right = "".join("n" if row.event_type == "none" else "y" for row in read_queue(folder))
    code, _, noted = run("review", "terminal", folder, "--as", "ann", "--silent", keys=" 1?" + right[0] + "q")
    assert code == 0
    assert "-motif.flac" in noted
    assert f"1 of {len(found)} decided; they are kept" in noted
    assert run("review", "terminal", folder, "--as", "ann", "--silent", keys=right[1:] + "q")[0] == 0
    assert Review(folder, "ann").current is None

    code, said, _ = run("review", "export", folder, "--out", out, "--annotations", tmp_path / "rows.jsonl")
    assert code == 0
    assert load_events(out) == load_events(out, verified_only=False)
    assert sorted(e.kind for e in load_events(out)) == sorted(e.kind for e in found)
    rows = [json.loads(text) for text in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["licence"] for row in rows} == {"CC-BY-4.0"}

    run("review", "terminal", folder, "--as", "bob", "--silent", keys="a" * len(found) + "q")
    code, said, _ = run("review", "agreement", folder, "ann", "bob")
    assert code == 0
    assert "kappa 0.00" in said
    assert run("review", "export", folder, "--out", out)[0] == 0
    assert load_events(out) == ()


def test_a_note_goes_with_the_decision_and_undo_with_its_key(run: Run, music: Path, tmp_path: Path) -> None:
    study, folder = tmp_path / "study", tmp_path / "review"
    run("study", "manifest", study, music, "--licence", "CC0-1.0")
    run("study", "events", study, "--audio", music)
    run("review", "queue", study, folder, "--audio", music)
    run("review", "terminal", folder, "--as", "ann", "--silent", keys="nuohm\rvq")
    assert [(row.event_type, row.notes) for row in read_decisions(folder, "ann").values()] == [
        ("varied", "hm")
    ]


def test_what_cannot_be_done_is_said_in_one_line(run: Run, music: Path, tmp_path: Path) -> None:
    for arguments, said in (
        (("study", "manifest", tmp_path / "s"), "one of them"),
        (("study", "manifest", tmp_path / "s", music), "no licence is named"),
        (("study", "events", tmp_path / "s"), "drawbar study manifest"),
        (("review", "terminal", tmp_path, "--as", "ann"), "drawbar review queue"),
        (("review", "export", tmp_path, "--out", tmp_path / "e"), "nobody has decided"),
        (("study", "score", "--split", "all"), "there are train, valid, test"),
    ):
        code, _, noted = run(*arguments)
        assert code == 1
        assert said in noted


def test_a_changed_file_no_longer_verifies(run: Run, music: Path, tmp_path: Path) -> None:
    copy = tmp_path / "music"
    copy.mkdir()
    (copy / "loop.flac").write_bytes((music / "loop.flac").read_bytes())
    run("study", "manifest", tmp_path / "s", copy, "--licence", "CC0-1.0")
    (copy / "loop.flac").write_bytes((music / "returns.flac").read_bytes())
    code, _, noted = run("study", "verify", tmp_path / "s", "--audio", copy)
    assert code == 1
    assert "refused loop.flac" in noted
