"""The window fits its screen, and at 1280 x 720 everything is inside, whole and large enough to be used."""

from typing import Any

import pytest
from PySide6.QtWidgets import QAbstractScrollArea, QWidget

from drawbar_desktop.app import App
from drawbar_desktop.state.machine import About
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.window import MainWindow
from tests.desktop.fakes import FakeBank, FakeEngine

LEAST_FADER_PX = 110


def outside(window: MainWindow) -> list[str]:
    """Widgets that a parent cuts off; what can be scrolled to is not cut off."""
    found = []
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or widget.window() is not window:
            continue
        inside, area = widget, widget.rect()
        while inside is not window and (parent := inside.parentWidget()) is not None:
            area.translate(inside.pos())
            inside = parent
            if isinstance(inside.parentWidget(), QAbstractScrollArea):
                break
            if not inside.rect().contains(area):
                name = widget.accessibleName() or widget.objectName()
                found.append(f"{type(widget).__name__} {name!r} at {area} of {inside.size()}")
                break
    return found


def busy(app: App, engine: FakeEngine, bank: FakeBank) -> None:
    for row in bank.rows[:6]:
        app.rack_actions.add(row.id)
    app.toggle_play()
    engine.step(3.0)
    app.poll_plots()
    app.poll_text()


@pytest.mark.parametrize("size", [(1280, 720), (1440, 900), (1920, 1080), (2560, 1440), (3840, 2160)])
def test_nothing_is_cut_off_and_the_faders_can_be_used(
    qtbot: Any, app: App, engine: FakeEngine, bank: FakeBank, size: tuple[int, int]
) -> None:
    window = app.window
    window.resize(*size)
    busy(app, engine, bank)
    qtbot.waitUntil(lambda: (window.width(), window.height()) == size, timeout=10_000)
    assert outside(window) == []
    for strip in window.rack.strips.values():
        assert strip.slider.height() >= LEAST_FADER_PX
    assert window.browser.height() == window.side.height()
    assert window.timeline.width() == window.rack.width(), "the timeline stands under the rack only"


def test_the_window_opens_inside_its_screen_whatever_was_remembered(qtbot: Any, app: App) -> None:
    room = app.window.screen().availableGeometry().size()
    app.window.resize(3000, 2000)
    geometry, sizes = app.window.places()
    window = MainWindow(app.desk, Actions(), About(), app.machinery, app.blind, app.making)
    qtbot.addWidget(window)
    assert window.size() == window.size().boundedTo(room)
    window.restore_places(geometry, sizes)
    assert window.size() == window.size().boundedTo(room)
    assert window.minimumSize() == window.minimumSize().boundedTo(room)
