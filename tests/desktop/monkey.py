"""A seed and a number of gestures -> the real window, handled at random: what broke, what was lost, what Qt said.

    python tests/desktop/monkey.py [--gestures 5000] [--seed 1]

Not collected by pytest: it takes minutes. Clicks, drags, wheels and keys reach widgets as from a hand, while the
embedded model plays. Dialogs of the system answer at once; the network is off. Exit code 1 where anything broke or
was lost.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SIZES = ((1440, 900), (1280, 720), (960, 600), (720, 450), (1920, 1080))
TEXTS = ("drums", "slow piano in A minor", "kazoo", "12", "-3", "", "\u2603 \u00e9", "a" * 300, "0.5")
LEFT_ALONE = ("Close", "Quit")
"""Names of what ends the window."""


class Monkey:
    """One window, one seed."""

    def __init__(self, app: Any, application: Any, seed: int) -> None:
        self.app, self.application = app, application
        self.rng = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.broken: list[str] = []
        self.complaints: Counter[str] = Counter()
        self.takes: dict[int, Any] = {}
        self.kept: set[str] = set()
        self.last = ""

    # -- gestures -------------------------------------------------------------------------------------

    def gesture(self) -> None:
        """One, of what a hand could do now."""
        popup = self.application.activePopupWidget()
        if popup is not None:
            self._in_popup(popup)
            return
        kinds = {
            self._click: 40, self._drag: 16, self._wheel: 8, self._key: 16, self._type: 6, self._double: 5,
            self._menu: 5, self._resize: 2, self._theme: 1, self._drop: 1,
        }  # fmt: skip
        self.rng.choices(list(kinds), list(kinds.values()))[0]()

    def _widget(self, wanted: Any = None) -> Any:
        """A visible, enabled widget, the open card's if there is one."""
        from PySide6.QtWidgets import QWidget

        window = self.app.window
        sheet = next((s for s in window.sheets() if s.isVisible()), None)
        inside = sheet if sheet is not None else window
        found = [
            w for w in inside.findChildren(wanted or QWidget)
            if w.isVisible() and w.isEnabled() and w.width() > 3 and w.accessibleName() not in LEFT_ALONE
        ]  # fmt: skip
        return self.rng.choice(found) if found else inside

    def _spot(self, widget: Any) -> Any:
        from PySide6.QtCore import QPoint

        return QPoint(self.rng.randrange(widget.width()), self.rng.randrange(max(1, widget.height())))

    def _note(self, kind: str, widget: Any = None) -> None:
        self.done[kind] += 1
        name = f"{type(widget).__name__} {widget.accessibleName()!r}" if widget is not None else ""
        self.last = f"{kind} {name}"

    def _click(self) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest
        from PySide6.QtWidgets import QAbstractButton

        widget = self._widget(QAbstractButton if self.rng.random() < 0.6 else None)
        self._note("click", widget)
        modifier = self.rng.choice(
            (Qt.KeyboardModifier.NoModifier,) * 8 + (Qt.KeyboardModifier.ControlModifier,)
        )
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, modifier, self._spot(widget))

    def _double(self) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        widget = self._widget()
        self._note("double-click", widget)
        QTest.mouseDClick(
            widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, self._spot(widget)
        )

    def _drag(self) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        from drawbar_desktop.widgets.rack.amount_slider import AmountSlider

        widget = self._widget(AmountSlider if self.rng.random() < 0.6 else None)
        self._note("drag", widget)
        none, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
        QTest.mousePress(widget, left, none, self._spot(widget))
        for _ in range(self.rng.randrange(1, 5)):
            if not self._alive(widget):
                return
            QTest.mouseMove(widget, self._spot(widget))
        if self._alive(widget):
            QTest.mouseRelease(widget, left, none, self._spot(widget))

    def _wheel(self) -> None:
        from PySide6.QtCore import QPoint, QPointF, Qt
        from PySide6.QtGui import QWheelEvent

        widget = self._widget()
        self._note("wheel", widget)
        at = QPointF(self._spot(widget))
        event = QWheelEvent(
            at, QPointF(widget.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, self.rng.choice((-240, -120, 120, 240))),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        self.application.sendEvent(widget, event)

    def _key(self) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        none, shift, ctrl = (
            Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier,
        )  # fmt: skip
        key, modifier = self.rng.choice((
            (Qt.Key.Key_Space, none), (Qt.Key.Key_Space, shift), (Qt.Key.Key_Period, none), (Qt.Key.Key_B, none),
            (Qt.Key.Key_A, none), (Qt.Key.Key_D, none), (Qt.Key.Key_L, none), (Qt.Key.Key_Escape, none),
            (Qt.Key.Key_Return, none), (Qt.Key.Key_Tab, none), (Qt.Key.Key_Up, none), (Qt.Key.Key_Down, none),
            (Qt.Key.Key_Delete, none), (Qt.Key.Key_Z, ctrl), (Qt.Key.Key_Y, ctrl), (Qt.Key.Key_S, ctrl),
            (Qt.Key.Key_1, ctrl), (Qt.Key.Key_2, ctrl), (Qt.Key.Key_3, ctrl), (Qt.Key.Key_F7, none),
            (Qt.Key.Key_F8, none), (Qt.Key.Key_F9, none), (Qt.Key.Key_Question, none), (Qt.Key.Key_V, none),
        ))  # fmt: skip
        target = self.application.focusWidget() or self.app.window
        self._note(f"key {key.name}", target)
        QTest.keyClick(target, key, modifier)

    def _type(self) -> None:
        from PySide6.QtTest import QTest
        from PySide6.QtWidgets import QLineEdit

        field = self._widget(QLineEdit)
        self._note("type", field)
        text = self.rng.choice(TEXTS)
        if isinstance(field, QLineEdit):
            field.setFocus()
            field.clear()
        if text.isascii():
            QTest.keyClicks(field, text)
        elif isinstance(field, QLineEdit):  # Qt's test module has keys for ASCII only, and aborts
            field.insert(text)

    def _menu(self) -> None:
        from PySide6.QtCore import QTimer
        from PySide6.QtGui import QContextMenuEvent

        widget = self._widget()
        self._note("menu", widget)
        # Qt's own menu of a number field waits inside of the event until somebody chooses.
        QTimer.singleShot(500, widget, self._close_popup)
        at = self._spot(widget)
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, widget.mapToGlobal(at))
        self.application.sendEvent(widget, event)

    def _close_popup(self) -> None:
        popup = self.application.activePopupWidget()
        if popup is not None:
            popup.close()

    def _in_popup(self, popup: Any) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest
        from PySide6.QtWidgets import QAbstractButton, QMenu

        self._note("popup", popup)
        actions = (
            [a for a in popup.actions() if a.isEnabled() and not a.isSeparator()]
            if isinstance(popup, QMenu)
            else []
        )
        chips = popup.findChildren(QAbstractButton)
        if actions and self.rng.random() < 0.7:
            chosen = self.rng.choice(actions)
            self.last += f" {chosen.text()!r}"
            chosen.trigger()
            popup.close()
        elif chips and self.rng.random() < 0.7:
            self.rng.choice(chips).click()
        else:
            QTest.keyClick(popup, Qt.Key.Key_Escape)
            popup.close()

    def _resize(self) -> None:
        self._note("resize")
        self.app.window.resize(*self.rng.choice(SIZES))

    def _theme(self) -> None:
        self._note("theme")
        self.app.actions.set_theme(self.rng.choice(("light", "dark")))

    def _drop(self) -> None:
        self._note("drop")
        store = self.app.desk.history.store
        takes = sorted(store.folder.glob("2*/take.wav")) if store is not None else []
        if takes:
            self.app.actions.drop_file(self.rng.choice(takes))

    @staticmethod
    def _alive(widget: Any) -> bool:
        from shiboken6 import isValid

        return bool(isValid(widget))

    # -- watching -------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Which takes have ended, and which of them were kept."""
        engine = self.app.links.engine
        take = engine.take if engine is not None else None
        if take is not None:
            self.takes[id(take)] = take

    def run(self, gestures: int) -> None:
        """Gestures with the event loop between them."""
        said = time.monotonic()
        for number in range(gestures):
            try:
                self.gesture()
            except RuntimeError as error:  # the widget went while it was handled, as it may
                if "already deleted" not in str(error):
                    self.broken.append(f"{self.last}: {error}")
            until = time.monotonic() + self.rng.choice((0.0, 0.0, 0.01, 0.05))
            self.application.processEvents()
            while time.monotonic() < until:
                self.application.processEvents()
                time.sleep(0.002)
            self.watch()
            if time.monotonic() - said > 10:
                said = time.monotonic()
                sys.stderr.write(
                    f"{number + 1} of {gestures}, {len(self.takes)} takes, {len(self.broken)} faults\n"
                )


def main(arguments: Sequence[str]) -> int:
    """Run it -> 1 where anything broke or was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gestures", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(list(arguments))
    from drawbar_desktop.services.display import why_no_window

    if why_no_window() is not None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as home:
        found = _run(Path(home), given.gestures, given.seed)
    print(json.dumps(found, indent=1))
    return 1 if found["faults"] or found["lost"] else 0


def _run(home: Path, gestures: int, seed: int) -> dict[str, Any]:
    from PySide6.QtCore import qInstallMessageHandler

    from drawbar_desktop.app import App, make_application
    from drawbar_desktop.services.model_loading import load_embedded
    from drawbar_desktop.state.desk import Desk

    os.environ["DRAWBAR_HOME"] = str(home)
    desk = Desk(home)
    desk.settings.set("welcomed", True)
    desk.settings.set("seconds", 8.0)
    desk.transport.seconds.set(8.0)
    application = make_application(settings=desk.settings)
    app = App(load_embedded, desk)
    monkey = Monkey(app, application, seed)
    sys.excepthook = lambda kind, error, trace: monkey.broken.append(
        f"{monkey.last}: {''.join(traceback.format_exception(kind, error, trace))[-900:]}"
    )
    threading.excepthook = lambda args: monkey.broken.append(f"{monkey.last}: thread {args.exc_value!r}")
    desk.notices.broke.connect(
        lambda words, details: monkey.broken.append(f"{monkey.last}: {words} {details[-900:]}")
    )
    qInstallMessageHandler(lambda kind, context, text: monkey.complaints.update([text]))
    _answer_dialogs(monkey.rng, home)
    store = desk.history.store
    assert store is not None
    add = store.add

    def counted(take: Any, **more: Any) -> Any:
        monkey.kept.add(str(id(take)))
        monkey.takes[id(take)] = take
        return add(take, **more)

    store.add = counted  # type: ignore[method-assign]
    began = time.monotonic()
    app.window.show()
    app.start()
    while not app.transport.ready.value:
        application.processEvents()
        time.sleep(0.005)
    monkey.run(gestures)
    app.window.close()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        application.processEvents()
    qInstallMessageHandler(None)
    whole = [take for take in monkey.takes.values() if len(take.audio)]
    lost = [take.settings.seed for take in whole if str(id(take)) not in monkey.kept]
    return {
        "gestures": sum(monkey.done.values()), "seconds": round(time.monotonic() - began), "seed": seed,
        "takes": len(whole), "lost": lost, "faults": monkey.broken, "kinds": dict(monkey.done.most_common(12)),
        "complaints": dict(monkey.complaints.most_common(10)),
    }  # fmt: skip


def _answer_dialogs(rng: random.Random, home: Path) -> None:
    """Dialogs of the system would wait for a person."""
    from PySide6.QtWidgets import QFileDialog, QInputDialog

    def text(*_: Any, **__: Any) -> tuple[str, bool]:
        return rng.choice(TEXTS), rng.random() < 0.7

    def file(*_: Any, **__: Any) -> tuple[str, str]:
        return rng.choice(("", str(home / "out.wav"))), ""

    for dialog, name, answer in (
        (QInputDialog, "getText", text),
        (QFileDialog, "getSaveFileName", file),
        (QFileDialog, "getOpenFileName", file),
        (QFileDialog, "getOpenFileNames", lambda *_, **__: ([], "")),
        (QFileDialog, "getExistingDirectory", lambda *_, **__: ""),
    ):
        setattr(dialog, name, staticmethod(answer))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
