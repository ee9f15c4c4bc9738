"""A bank built from the window: planned, begun, paused, found again after a restart, usable after its first layer."""

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from drawbar_desktop.app import App
from drawbar_desktop.controllers.builder import Builder
from drawbar_desktop.state.building import Building, Order

PROGRAM = """
import json, pathlib, sys, time
words = sys.argv[1:]
run = pathlib.Path(words[words.index("--out") + 1])
if "--plan" in words:
    plan = {"tracks": 5, "audio_s": 100, "seconds": 7200, "disk_bytes": 2e9, "memory_bytes": 1e9}
    print(json.dumps(plan | {"stages": [{"folder": "tokens", "state": "run", "seconds": 120.0}]}))
    raise SystemExit
run.mkdir(parents=True, exist_ok=True)
with (run / "log").open("a") as log:
    log.write(" ".join(words) + "\\n")
if (run / "broken").exists():
    sys.stderr.write("no usable audio: give more\\n")
    raise SystemExit(2)
sys.stderr.write("tokens: 2 of 5 tracks, 0.1 tracks/s\\n")
(run / "bank-first").mkdir(exist_ok=True)
sys.stderr.write("saes: layer 4: 40%\\n")
sys.stderr.flush()
while not (run / "go").exists():
    time.sleep(0.01)
(run / "bank").mkdir()
"""
"""In place of `drawbar`: as it speaks, and as long as the test wants."""


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    monkeypatch.setattr(
        "drawbar_desktop.services.build_process.drawbar_command", lambda: [sys.executable, "-S", str(file)]
    )
    monkeypatch.setattr("drawbar.cli.build.installed", lambda folder: folder)


def settled(app: App, done: Callable[[], bool]) -> None:
    """Drain what was posted until the state is as wanted; a process takes its time to start."""
    for _ in range(12_000):
        app.jobs.drain()
        if done():
            return
        threading.Event().wait(0.005)
    raise AssertionError("the process did not come so far")


def test_planned_begun_paused_and_gone_on_with_after_a_restart(app: App) -> None:
    app.actions.build_bank()
    sheet, state = app.window.building, app.desk.building
    assert sheet.isVisible()
    sheet.takes.setValue(5)
    sheet.layers.setText("2, 4")
    sheet.ask.click()
    settled(app, lambda: "2.0 h" in state.plan.value)
    assert "2.0 GB of disk, 1.0 GB of memory" in sheet.words.text()
    assert "tokens 2 min" in sheet.words.text()
    sheet.go.click()
    settled(app, lambda: state.progress.value == ("saes: layer 4: 40%", 0.4))
    assert sheet.bar.value() == 400
    assert not sheet.takes.isEnabled()
    order = state.order.value
    assert order is not None
    settled(app, lambda: "The first layer of" in state.have.value)  # playable while the others are made
    assert str(Path(order.run) / "bank-first") in app.desk.settings["banks"]
    assert sheet.go.text() == "Pause"
    sheet.go.click()
    settled(app, lambda: state.phase.value == "paused")
    assert (sheet.go.text(), state.trouble.value) == ("Go on", "")

    home = app.desk.home
    assert home is not None
    again = Building(home / "build.json")  # what the next window finds
    assert (again.phase.value, again.order.value) == ("paused", order)
    app.links.desk.building = again
    builder = Builder(app.links, again, app.machinery.open_bank_folder)
    (Path(order.run) / "go").touch()
    builder.go_on()
    settled(app, lambda: "All of" in again.have.value)
    assert again.phase.value == "none"
    assert not (home / "build.json").exists()
    words = (Path(order.run) / "log").read_text().splitlines()
    assert words == [f"build self:5 --out {order.run} --model embedded --layers 2,4"] * 2


def test_a_window_that_closes_pauses_its_build(app: App) -> None:
    state = app.desk.building
    app.builder.begin(app.builder.order("self:3", "", "mine"))
    settled(app, lambda: state.progress.value[1] == 0.4)
    process = app.builder._process
    app.close()
    assert process is not None
    process.wait(0)
    home = app.desk.home
    assert home is not None
    left = Building(home / "build.json")
    assert left.phase.value == "paused"
    assert left.order.value is not None
    assert left.order.value.words == "mine from 3 takes of embedded"


def test_what_ends_a_build_is_said_and_it_can_be_given_up(app: App, tmp_path: Path) -> None:
    app.actions.build_bank()
    sheet, state = app.window.building, app.desk.building
    sheet.layers.setText("two")
    sheet.go.click()
    assert "layers 'two'" in sheet.words.text()
    sheet.layers.clear()
    sheet.recorded.setChecked(True)
    sheet.go.click()
    assert "a folder of recordings" in sheet.words.text()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "broken").touch()
    app.builder.begin(Order(str(tmp_path), str(tmp_path / "run")))
    settled(app, lambda: state.phase.value == "paused")
    assert "no usable audio: give more" in sheet.words.text()
    sheet.forget.click()
    assert state.order.value is None
    assert sheet.go.text() == "Build"


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"corpus": "self:0", "run": "x"})])
def test_a_damaged_note_of_a_build_is_no_build(tmp_path: Path, text: str) -> None:
    (tmp_path / "build.json").write_text(text)
    assert Building(tmp_path / "build.json").phase.value == "none"
