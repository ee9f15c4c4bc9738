"""The blind test in the window: what keys do, what is shown, what is kept."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QApplication, QLabel, QPushButton

from drawbar.bank import Bank
from drawbar.errors import InUseError
from drawbar.files.lock import file_lock
from drawbar_desktop.app import App
from drawbar_desktop.services.midi_ports import MidiPorts
from drawbar_desktop.state.blind_test import BlindChoice
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.widgets.sheets.blind_test_sheet import IntervalBar
from tests.desktop.fake_midi import FakeMidi
from tests.desktop.fakes import FakeEngine, fake_load
from tests.evidence.evidence_bank import LAYER, fill, info_of

ESCAPE, RETURN, SPACE = Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Space


class FakeMaker:
    """Clips of a constant value that tells the trial and the place."""

    def __init__(self, session: Any) -> None:
        self.made: list[int] = []

    def clips(self, trial: Any) -> list[Any]:
        self.made.append(trial.number)
        return [np.full(3200, (trial.number + 1) + 0.1 * k, np.float32) for k in range(len(trial.letters))]


@pytest.fixture
def six(tmp_path: Path) -> Iterator[Bank]:
    with Bank.create(tmp_path / "six", info_of("f" * 64), edits=tmp_path / "edits") as bank:
        fill(bank)
    with Bank.open(tmp_path / "six", edits=tmp_path / "edits") as bank:
        yield bank


@pytest.fixture
def app(qapp: object, engine: FakeEngine, six: Bank, midi: FakeMidi, tmp_path: Path) -> Iterator[App]:
    """The application over a fake engine, with a real bank of six features."""
    desk = Desk(tmp_path / "home")
    desk.settings.set("welcomed", True)
    loaded = fake_load(engine)

    def load(say: Any) -> Any:
        return replace(loaded(say), bank=six, clip_maker=FakeMaker, ear=None)

    app = App(load, desk, ports=MidiPorts(midi))
    # Jobs run at once: nothing to wait for.
    app.jobs.run = _at_once  # type: ignore[method-assign]
    app.load_now()
    app.window.resize(1280, 720)
    app.window.show()
    yield app
    app.window.close()
    app.window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _at_once(work: Any, done: Any) -> None:
    try:
        result, error = work(), None
    except Exception as caught:
        result, error = None, caught
    done(result, error)


def press(qtbot: Any, app: App, key: Any) -> None:
    """A key, to whatever has the focus."""
    widget = QApplication.focusWidget() or app.window.blind
    (qtbot.keyClicks if isinstance(key, str) else qtbot.keyClick)(widget, key)


def started(app: App, trials: int = 4) -> Any:
    app.actions.blind_test()
    app.blind.begin(BlindChoice(trials, 4.0, ("steered",)))
    QApplication.processEvents()
    return app.blind.state.session


def words(app: App) -> str:
    sheet = app.window.blind
    found: list[Any] = [*sheet.findChildren(QLabel), *sheet.findChildren(QPushButton)]
    return " ".join(f"{w.text()} {w.toolTip()} {w.accessibleName()}" for w in found)


def test_it_opens_from_the_menu_and_asks_with_three_clips(qtbot: Any, app: App) -> None:
    qtbot.keyClick(app.window, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)
    sheet = app.window.blind
    assert sheet.isVisible()
    sheet.task.setCurrentIndex(1)
    sheet.begin.click()
    assert "more of" in sheet.question.text()
    assert list(sheet.plays) == ["A", "B", "C"]
    assert all(widget.isEnabled() for widget in sheet.answers.values())
    assert "TRIAL 1 OF 24" in sheet.count.text()


def test_the_keyboard_alone_runs_a_whole_session(qtbot: Any, app: App, engine: FakeEngine) -> None:
    bypass = app.transport.bypass.value
    session = started(app)
    press(qtbot, app, "b")
    assert engine.player.calls[-1][-1] == pytest.approx(1.1)
    assert app.window.blind.plays["B"].isChecked()
    assert app.transport.bypass.value == bypass, "B belongs to the card while it is open"
    press(qtbot, app, "s")
    assert not app.window.blind.plays["B"].isChecked()
    press(qtbot, app, "2")
    assert session.answered == 1
    press(qtbot, app, "u")
    assert session.answered == 0
    for _ in range(4):
        press(qtbot, app, "1")
    assert app.blind.state.stage.value == "complete"
    assert not app.window.blind.findChildren(IntervalBar)
    press(qtbot, app, RETURN)
    assert app.blind.state.stage.value == "result"
    assert session.finished
    assert app.window.blind.findChildren(IntervalBar)
    assert "guessing 33%" in app.window.blind.headline.text()
    press(qtbot, app, ESCAPE)
    assert not app.window.blind.isVisible()


def test_space_plays_the_clip_that_has_the_focus_and_no_take_starts(
    qtbot: Any, app: App, engine: FakeEngine
) -> None:
    started(app)
    app.window.blind.plays["C"].setFocus()
    press(qtbot, app, SPACE)
    assert engine.player.calls[-1][-1] == pytest.approx(1.2)
    assert not [call for call in engine.calls if call[0] == "play"]


def test_nothing_in_the_window_tells_the_key(app: App) -> None:
    session = started(app, 12)
    for _ in range(12):
        shown = words(app)
        trial = session.current
        hidden = session.hidden(trial)
        assert "sealed" in shown
        for secret in (str(hidden.seed), hidden.prompt):
            assert secret not in shown
        tips = [widget.toolTip() for widget in app.window.blind.plays.values()]
        assert not any(word in tip for tip in tips for word in ("steered", "bypassed", "random"))
        app.blind.answer("A")


def test_the_next_clips_are_made_while_these_are_heard_and_each_once(app: App) -> None:
    started(app)
    maker: Any = app.blind._maker
    assert maker.made == [0, 1]
    app.blind.answer("A")
    app.blind.undo()
    app.blind.answer("B")
    assert maker.made == [0, 1, 2]


def test_closing_keeps_the_answers_and_it_goes_on_later(qtbot: Any, app: App) -> None:
    session = started(app)
    press(qtbot, app, "3")
    press(qtbot, app, ESCAPE)
    assert not app.window.blind.isVisible()
    app.actions.blind_test()
    sheet = app.window.blind
    assert sheet.resume.isVisible()
    sheet.resume.click()
    assert app.blind.state.session.path == session.path
    assert "TRIAL 2 OF 4" in sheet.count.text()
    assert json.loads(session.path.read_text())["answers"][0]["letter"] == "C"


def test_the_table_is_exported(app: App, tmp_path: Path) -> None:
    started(app)
    for _ in range(4):
        app.blind.answer("A")
    app.blind.finish()
    app.blind.export(tmp_path / "t.csv")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert len(rows) == 4
    assert all(row["right_answer"] for row in rows)


def test_what_cannot_be_asked_is_said_in_the_card(app: App) -> None:
    app.actions.blind_test()
    app.blind.begin(BlindChoice(from_rack=True))
    assert "No slider in the rack has a name" in words(app)
    app.rack_actions.add(f"{LAYER}/0")
    app.blind.begin(BlindChoice(12, from_rack=True))
    assert {trial.feature for trial in app.blind.state.session.trials} == {f"{LAYER}/0"}


def test_a_session_is_answered_in_one_place_at_a_time(app: App, tmp_path: Path) -> None:
    """The second says who has it; when the first one leaves, it is free."""
    app.blind.begin(BlindChoice(trials=4))
    path = app.blind.left_over()
    assert path is not None
    with pytest.raises(InUseError, match="taking a blind test"), file_lock(path, "the other"):
        pass
    app.blind.leave()
    with file_lock(path, "the other"):
        app.blind.resume(path)
        assert "the other" in app.blind.state.trouble.value
    app.blind.resume(path)
    assert app.blind.state.trouble.value == ""
    app.window.close()
    with file_lock(path, "the other"):
        pass
    assert [file.name for file in path.parent.iterdir()] == [path.name]
