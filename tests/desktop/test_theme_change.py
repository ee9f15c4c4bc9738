"""Another theme: the same window in other colours, asked for with the keyboard, and nothing destroyed meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QComboBox

import drawbar_desktop
from drawbar_desktop.app import App
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.style.theme import DARK, P, apply_theme
from tests.desktop.fakes import FakeBank, FakeEngine, fake_load, start_or_stop


@pytest.fixture(autouse=True)
def dark_again(qapp: Any) -> Iterator[None]:
    yield
    if P.palette is not DARK:
        apply_theme(qapp, DARK)


def busy_window(home: Path) -> App:
    """Strips, a lane, a pinned row, a question and a take that plays: everything that has a colour."""
    desk, engine, bank = Desk(home), FakeEngine(), FakeBank()
    desk.settings.set("welcomed", True)
    app = App(fake_load(engine, bank), desk)
    app.load_now()
    app.window.resize(1280, 720)
    app.window.show()
    for row in bank.rows[:4]:
        app.rack_actions.add(row.id)
    ids = list(app.rack.ids())
    app.rack.set_amount(ids[0], 1.3)
    app.rack.set_amount(ids[1], -0.7)
    desk.lanes.restore({ids[0]: [(0.0, 0.0), (1.0, 1.0)]})
    desk.timeline.pinned.set((ids[0],))
    app.window.timeline.lane.show(ids[0])
    app.transport.set_seed(7)
    app.transport.seconds.set(8.0)
    start_or_stop(app)
    engine.step(3.0)
    app.poll_plots()
    app.poll_text()
    app.links.ask("question", "Something to answer", ("Yes", lambda: None))
    return app


def picture(app: App) -> NDArray[np.int16]:
    for _ in range(5):
        QApplication.processEvents()
    app.window.timeline._draw_spectrum()
    image = app.window.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    return pixels[..., :3].astype(np.int16)


def test_a_window_that_changes_its_theme_looks_like_one_that_opened_in_it(qapp: Any, tmp_path: Path) -> None:
    changed = busy_window(tmp_path / "changed")
    dark = picture(changed)
    changed.actions.set_theme("light")
    light = picture(changed)
    opened = busy_window(tmp_path / "opened")
    fresh = picture(opened)
    assert (np.abs(light - dark).max(-1) > 24).mean() > 0.5
    different = np.abs(light - fresh).max(-1) > 24
    assert different.mean() < 0.001, np.argwhere(different)[:5]
    for app in (changed, opened):
        app.window.close()
        app.window.deleteLater()


def test_every_menu_outlives_its_own_choice_made_with_the_keyboard(qtbot: Any, app: App) -> None:
    window = app.window
    app.desk.transport.devices.set(("Headphones", "Speakers"))
    pages = ("Sound", "MIDI", "Models", "Banks", "Appearance", "About")
    chosen: set[str] = set()
    for page in pages:
        app.actions.open_settings(page)
        for menu in window.findChildren(QComboBox):
            if not menu.isVisible() or menu.count() < 2 or menu.isEditable():
                continue
            menu.setFocus()
            menu.showPopup()
            qtbot.keyClick(menu.view(), Qt.Key.Key_Down)
            qtbot.keyClick(menu.view(), Qt.Key.Key_Return)
            QApplication.processEvents()
            assert menu.isVisible()
            assert menu.window() is window
            chosen.add(menu.accessibleName())
        window.settings.dismiss()
    assert {"Theme", "Size", "Output device", "Order"} <= chosen


def test_nothing_is_destroyed_before_the_event_that_asked_for_it_has_ended() -> None:
    for source in Path(drawbar_desktop.__file__).parent.rglob("*.py"):
        text = source.read_text(encoding="utf-8")
        for word in ("sendPostedEvents", "shiboken", "setParent(None)"):
            assert word not in text, f"{source.name} uses {word}: deleteLater is enough"
