"""The real window, driven by hand -> a screenshot of it playing, and an exit code."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget

from drawbar.files.destination import check_file
from drawbar_desktop.app import App, make_application
from drawbar_desktop.devtools.picture_file import save_picture
from drawbar_desktop.services.interfaces import Load
from drawbar_desktop.services.model_loading import load_embedded

LOAD_S, PLAY_S, SETTLE_S = 900.0, 300.0, 3.0
PROMPT = "slow piano in A minor with drums"


class SmokeError(Exception):
    """The window did not do what it should have done."""


def smoke_test(shot: Path, load: Load = load_embedded, size: tuple[int, int] = (1440, 900)) -> int:
    """Open, add features, play 3 s, move a slider, save `shot`; 0, or 1 with one line on stderr."""
    check_file(shot)
    application = make_application()
    app = App(load)
    try:
        _drive(application, app, shot, size)
    except SmokeError as error:
        sys.stderr.write(f"smoke test failed: {error}\n")
        return 1
    finally:
        app.window.close()
    return 0


def _drive(application: QApplication, app: App, shot: Path, size: tuple[int, int]) -> None:
    app.window.resize(*size)
    app.window.show()
    app.start()
    _wait(application, LOAD_S, "loading", lambda: app.transport.ready.value or app.failed is not None)
    if app.failed is not None:
        raise SmokeError(app.failed)
    app.transport.prompt.set(PROMPT)
    app.transport.set_seed(7)
    app.transport.seconds.set(8.0)
    app.rack_actions.add_best()
    if not app.rack.strips:
        raise SmokeError("the bank has no feature to put in the rack")
    app.new_take()
    _wait(application, PLAY_S, "playing 1 s", lambda: _heard(app, 1.0))
    first = app.rack.strips[0].id
    _drag(app, first, 1.2)
    if len(app.rack.strips) > 2:
        _drag(app, app.rack.strips[2].id, -0.7)
    if app.rack.strip(first).amount <= 0.5:
        raise SmokeError(f"the slider of {first} did not move: {app.rack.strip(first).amount}")
    _wait(application, PLAY_S, "playing 3 s", lambda: _heard(app, SETTLE_S))
    picture = app.window.grab()
    if picture.isNull():
        raise SmokeError("the window cannot be pictured")
    save_picture(picture, shot)


def _heard(app: App, seconds: float) -> bool:
    readout = app.transport.readout.value
    if readout.state == "error":
        raise SmokeError(readout.message or "the engine stopped with an error")
    return app.timeline.played_s >= seconds


def _wait(application: QApplication, limit_s: float, what: str, done: Callable[[], bool]) -> None:
    end = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > end:
            raise SmokeError(f"{what} took longer than {limit_s:.0f} s")
        application.processEvents()
        time.sleep(0.005)


def _drag(app: App, id: str, amount: float) -> None:
    slider = app.window.rack.strips[id].slider
    start = app.window.rack.centre_of(id)
    end = QPoint(start.x(), round(slider.y_of(amount)))
    for i, at in enumerate((start, QPoint(start.x(), (start.y() + end.y()) // 2), end, end)):
        kind = (
            QEvent.Type.MouseButtonPress,
            QEvent.Type.MouseMove,
            QEvent.Type.MouseMove,
            QEvent.Type.MouseButtonRelease,
        )
        _send(slider, kind[i], at)


def _send(widget: QWidget, kind: QEvent.Type, at: QPoint) -> None:
    held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else Qt.MouseButton.LeftButton
    event = QMouseEvent(
        kind,
        QPointF(at),
        QPointF(widget.mapToGlobal(at)),
        Qt.MouseButton.LeftButton,
        held,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(widget, event)
