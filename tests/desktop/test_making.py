"""Making a slider from examples in the window: what is needed is said, the work can be stopped, the strip appears."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication

from drawbar.errors import BadInputError
from drawbar_desktop.app import App
from drawbar_desktop.state.slider_making import LayerLine, Made, Making
from tests.desktop.fakes import FakeBank

LINES = (LayerLine(2, 0.61, 0.2, 0.7), LayerLine(3, 0.94, 0.03, 0.97))


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    for side in ("with", "without"):
        (tmp_path / side).mkdir()
        for number in range(4):
            (tmp_path / side / f"{side}{number}.wav").touch()
        (tmp_path / side / "notes.txt").touch()
    return tmp_path


def test_folders_bring_their_sounds_and_a_file_is_on_one_side_only(sounds: Path) -> None:
    making = Making()
    assert making.missing == "3 more files that have it"
    assert making.add("like", [sounds / "with"]) == 4
    assert making.add("like", [sounds / "with"]) == 0
    assert making.missing == "3 more files that lack it"
    making.add("unlike", [sounds / "without", sounds / "with" / "with0.wav"])
    assert len(making.files("like")) == 3
    assert making.missing == "a name"
    making.name.set("grit")
    assert making.missing == ""
    making.remove("unlike", making.files("unlike")[:3])
    assert making.missing == "1 more file that lacks it"


def test_the_result_says_when_it_is_worth_little() -> None:
    good, poor = Made("mine/x", 3, LINES), Made("mine/x", 2, LINES)
    assert "AUROC 0.94" in good.words
    assert "for your ears" in good.words
    assert "That is little" in poor.words


class Maker:
    """In place of model and files: waits until it is let go, as the test says."""

    def __init__(self, bank: FakeBank) -> None:
        self.go = threading.Event()
        self.asked: list[object] = []
        self.error: Exception | None = None
        self.bank = bank

    def __call__(self, name: str, like: Any, unlike: Any, tell: Callable[[str, float], None]) -> Made:
        self.asked = [name, len(like), len(unlike)]
        tell("reading with0.wav", 0.25)
        self.go.wait(20)
        tell("comparing at layer 3", 0.9)
        if self.error is not None:
            raise self.error
        row = replace(self.bank.rows[-1], id=f"mine/{name}", label=name, verdict="untested")
        self.bank.rows.append(row)
        return Made(row.id, 3, LINES)


@pytest.fixture
def maker(app: App, bank: FakeBank) -> Iterator[Maker]:
    made = Maker(bank)
    assert app.links.loaded is not None
    app.links.loaded = replace(app.links.loaded, make_direction=made)
    yield made
    made.go.set()


def settled(app: App, done: Callable[[], bool]) -> None:
    """Drain what jobs have posted until the state is as wanted."""
    for _ in range(2_000):
        app.jobs.drain()
        if done():
            return
        threading.Event().wait(0.005)
    raise AssertionError("the job did not end")


def filled(app: App, sounds: Path) -> Any:
    app.actions.make_slider()
    sheet = app.window.making
    state = app.making.state
    state.add("like", [sounds / "with"])
    state.add("unlike", [sounds / "without"])
    sheet.name.setText("grit")
    return sheet


def test_dropped_files_a_name_and_one_button_make_a_strip(app: App, maker: Maker, sounds: Path) -> None:
    app.window.browser.make.click()
    sheet = app.window.making
    assert sheet.isVisible()
    assert not sheet.go.isEnabled()
    for side, folder in (("like", "with"), ("unlike", "without")):
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(sounds / folder))])
        copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
        drop = QDropEvent(QPointF(QPoint(5, 5)), copy, data, Qt.MouseButton.LeftButton, none)
        sheet.lists[side].dropEvent(drop)
    assert sheet.counts["like"].text() == "4 files"
    assert "a name" in sheet.words.text()
    sheet.name.setText("grit")
    assert sheet.go.isEnabled()
    sheet.go.click()
    settled(app, lambda: app.making.state.progress.value[1] == 0.25)
    assert sheet.bar.value() == 250
    assert sheet.words.text() == "reading with0.wav"
    assert not sheet.go.isEnabled()
    maker.go.set()
    settled(app, lambda: app.making.state.made.value is not None)
    assert maker.asked == ["grit", 4, 4]
    assert "mine/grit" in app.rack
    assert app.library.selected.value == "mine/grit"
    assert "AUROC 0.94" in sheet.words.text()
    assert sheet.go.text() == "Close"
    sheet.go.click()
    assert not sheet.isVisible()
    app.actions.make_slider()
    assert sheet.name.text() == ""


def test_cancel_keeps_nothing_and_the_files_stay(app: App, maker: Maker, sounds: Path) -> None:
    sheet = filled(app, sounds)
    sheet.go.click()
    settled(app, lambda: bool(maker.asked))
    sheet.stop.click()
    maker.go.set()
    settled(app, lambda: not app.making.state.busy.value)
    assert app.making.state.made.value is None
    assert not any(id.startswith("mine/") for id in app.rack.ids())
    assert sheet.isVisible()
    assert len(app.making.state.files("like")) == 4


def test_what_goes_wrong_is_said_in_the_dialog(app: App, maker: Maker, sounds: Path) -> None:
    maker.error = BadInputError("with0.wav holds no sound")
    sheet = filled(app, sounds)
    maker.go.set()
    sheet.go.click()
    settled(app, lambda: not app.making.state.busy.value)
    assert sheet.words.text() == "with0.wav holds no sound"
    assert sheet.go.isEnabled()


def test_delete_takes_a_file_off(app: App, maker: Maker, sounds: Path, qtbot: Any) -> None:
    sheet = filled(app, sounds)
    sheet.lists["like"].setCurrentRow(1)
    qtbot.keyClick(sheet.lists["like"], Qt.Key.Key_Delete)
    assert [p.name for p in app.making.state.files("like")] == ["with0.wav", "with2.wav", "with3.wav"]
    QApplication.processEvents()


def test_the_page_of_an_own_slider_says_what_it_is_made_from(app: App, maker: Maker, sounds: Path) -> None:
    sheet = filled(app, sounds)
    maker.go.set()
    sheet.go.click()
    settled(app, lambda: app.making.state.made.value is not None)
    assert app.window.inspector.sections == ["MADE FROM EXAMPLES", "EVIDENCE", "CAVEATS"]
    app.library.star("mine/grit", True)
    app.library.hide("mine/grit", True)
    assert "mine/grit" in app.rack
