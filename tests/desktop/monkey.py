"""A seed and a number of gestures -> the real window, handled at random: what broke, what was lost, what Qt said.

    xvfb-run -a -s "-screen 0 1920x1080x24" python tests/desktop/monkey.py [--gestures 5000] [--seed 1] [--sound]

Not collected by pytest: it takes minutes. Clicks, drags, wheels and keys reach widgets as from a hand, while the
embedded model plays (`--sound`: into a null sink of PulseAudio's). Dialogs of the system answer at once; the network is
off. A gesture counts as one that did something where state, focus, a menu, a card or the window's size differ after
it. Exit code 1 where anything broke or was lost; a crash leaves its traceback and the last gesture.
"""

import argparse
import contextlib
import faulthandler
import json
import logging
import os
import random
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.desktop.sound_stage import SoundStage, missing

SIZES = ((1440, 900), (1280, 720), (960, 600), (720, 450), (1920, 1080))
TEXTS = ("drums", "slow piano in A minor", "kazoo", "12", "-3", "", "\u2603 \u00e9", "a" * 300, "0.5")
LEFT_ALONE = ("Close", "Quit")
"""Names of what ends the window."""
PATIENCE_S = 600.0
"""For a model to load, and for what plays and saves at the end."""
TAKE_S = 4.0


class Monkey:
    """One window, one seed."""

    def __init__(self, app: Any, application: Any, seed: int) -> None:
        self.app, self.application = app, application
        self.rng = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.broken: list[str] = []
        self.complaints: Counter[str] = Counter()
        self.takes: dict[int, Any] = {}
        """Every take that the engine made, by its `id`; held, so that no other gets the same one."""
        self.kept: set[int] = set()
        self.last = ""
        self.said = 0
        """How often any state said that it changed."""
        self.acted = 0
        """Gestures that did something."""
        self.slowest: list[tuple[int, str]] = []
        """Milliseconds of this thread's work, and the gesture."""

    # -- gestures -------------------------------------------------------------------------------------

    def gesture(self) -> None:
        """One, of what a hand could do now."""
        popup = self.application.activePopupWidget()
        if popup is not None:
            self._in_popup(popup)
            return
        kinds = {
            self._click: 40, self._drag: 16, self._wheel: 8, self._key: 16, self._type: 6, self._double: 5,
            self._menu: 5, self._resize: 2, self._theme: 1, self._drop: 1, self._music: 5,
        }  # fmt: skip
        self.rng.choices(list(kinds), list(kinds.values()))[0]()

    def _looks(self) -> tuple[object, ...]:
        """What differs where a gesture did something."""
        window, application = self.app.window, self.application
        sheets = tuple(id(s) for s in window.sheets() if s.isVisible())
        return (
            self.said, id(application.focusWidget()), id(application.activePopupWidget()), sheets,
            window.width(), window.height(),
        )  # fmt: skip

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
        QTimer.singleShot(100, widget, self._close_popup)
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

    def _music(self) -> None:
        """What a gesture seldom hits: takes that begin, and are left alone until they end."""
        self._note("music")
        if not self.app.playing.busy:
            self.app.desk.transport.seconds.set(TAKE_S)
            self.app.actions.new_take()

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

    def run(self, gestures: int) -> None:
        """Gestures with the event loop between them; it never idles."""
        said = time.monotonic()
        for number in range(gestures):
            before, began = self._looks(), time.thread_time()
            try:
                self.gesture()
            except RuntimeError as error:  # the widget went while it was handled, as it may
                if "already deleted" not in str(error):
                    self.broken.append(f"{self.last}: {error}")
            self.acted += self._looks() != before
            self.application.processEvents()
            self.slowest = sorted([*self.slowest, (round(1e3 * (time.thread_time() - began)), self.last)])[
                -6:
            ]
            if time.monotonic() - said > 10:
                said = time.monotonic()
                sys.stderr.write(
                    f"{number + 1} of {gestures}, {self.acted} acted, {len(self.takes)} takes, "
                    f"{len(self.broken)} faults, last {self.last}\n"
                )

    def come_to_rest(self) -> None:
        """What plays ends, what is being saved is saved."""
        self.app.actions.end_take()
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and (self.app.playing.busy or self.unsaved()):
            self.application.processEvents()
            time.sleep(0.01)

    def unsaved(self) -> list[Any]:
        """Takes with sound that were not kept."""
        return [t for number, t in self.takes.items() if len(t.audio) and number not in self.kept]


def main(arguments: Sequence[str]) -> int:
    """Run it -> 1 where anything broke or was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gestures", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sound", action="store_true", help="play into a null sink of PulseAudio's")
    given = parser.parse_args(list(arguments))
    from drawbar_desktop.services.display import why_no_window

    without = why_no_window()
    if without is not None:
        sys.stderr.write(f"{without}\nOn Qt's offscreen platform instead.\n")
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    os.environ["HF_HUB_OFFLINE"] = "1"
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as stage:
        if given.sound and not missing():
            sound = stage.enter_context(SoundStage(Path(stage.enter_context(tempfile.TemporaryDirectory()))))
            os.environ.update({k: sound.environment[k] for k in ("XDG_RUNTIME_DIR", "PULSE_SERVER")})
        found = _run(Path(home), given.gestures, given.seed)
    print(json.dumps(found, indent=1), flush=True)
    return 1 if found["faults"] or found["lost"] else 0


class _Errors(logging.Handler):
    """What the program itself logs as an error is a fault too."""

    def __init__(self, monkey: Monkey) -> None:
        super().__init__(logging.ERROR)
        self._monkey = monkey

    def emit(self, record: logging.LogRecord) -> None:
        error = "" if record.exc_info is None else "".join(traceback.format_exception(*record.exc_info))
        self._monkey.broken.append(f"{self._monkey.last}: logged {record.getMessage()} {error[-900:]}")


@contextlib.contextmanager
def _watched(monkey: Monkey, desk: Any) -> Iterator[None]:
    """Faults, complaints, changes of state, takes made and takes kept -> the monkey's counts."""
    from PySide6.QtCore import qInstallMessageHandler

    from drawbar.live.playback import Playback
    from drawbar_desktop.state.observable import Event

    def uncaught(kind: Any, error: Any, trace: Any) -> None:
        monkey.broken.append(
            f"{monkey.last}: {''.join(traceback.format_exception(kind, error, trace))[-900:]}"
        )

    sys.excepthook = uncaught
    threading.excepthook = lambda args: uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    logging.getLogger().addHandler(_Errors(monkey))
    desk.notices.broke.connect(
        lambda words, details: monkey.broken.append(f"{monkey.last}: {words} {details[-900:]}")
    )
    qInstallMessageHandler(lambda kind, context, text: monkey.complaints.update([text]))
    store, emit, made = desk.history.store, Event.emit, Playback.take
    add = store.add

    def kept(take: Any, **more: Any) -> Any:
        item = add(take, **more)
        monkey.kept.add(id(take))
        return item

    def counted(self: Any, *args: Any, **kwargs: Any) -> None:
        monkey.said += 1
        emit(self, *args, **kwargs)

    def taken(self: Any) -> Any:
        take = made(self)
        if take is not None:
            monkey.takes[id(take)] = take
        return take

    store.add, Event.emit, Playback.take = kept, counted, taken  # type: ignore[method-assign]
    yield
    qInstallMessageHandler(None)


def _run(home: Path, gestures: int, seed: int) -> dict[str, Any]:
    from drawbar_desktop.app import App, make_application
    from drawbar_desktop.services.model_loading import load_embedded
    from drawbar_desktop.state.desk import Desk

    os.environ["DRAWBAR_HOME"] = str(home)
    desk = Desk(home)
    desk.settings.set("welcomed", True)
    desk.transport.seconds.set(TAKE_S)
    application = make_application(settings=desk.settings)
    app = App(load_embedded, desk)
    monkey = Monkey(app, application, seed)
    with _watched(monkey, desk):
        _answer_dialogs(monkey.rng, home)
        _let_go(monkey)
        began = time.monotonic()
        app.window.show()
        app.start()
        while not app.transport.ready.value:
            if time.monotonic() - began > PATIENCE_S:
                raise SystemExit(f"the model is not loaded after {PATIENCE_S:.0f} s: {app.failed}")
            application.processEvents()
            time.sleep(0.005)
        loaded = time.monotonic()
        monkey.run(gestures)
        ended = time.monotonic()
        monkey.come_to_rest()
        app.window.close()
        application.processEvents()
    whole = [take for take in monkey.takes.values() if len(take.audio)]
    return {
        "seed": seed, "gestures": gestures, "acted": monkey.acted, "platform": application.platformName(),
        "output": app.links.engine.snapshot().output_name if app.links.engine is not None else "",
        "loading_s": round(loaded - began), "seconds": round(ended - loaded),
        "takes": len(whole), "to_their_end": sum(take.complete for take in whole),
        "lost": [take.settings.seed for take in monkey.unsaved()], "faults": monkey.broken,
        "kinds": dict(monkey.done.most_common(14)), "slowest_ms": dict((w, ms) for ms, w in monkey.slowest),
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


def _let_go(monkey: Monkey) -> None:
    """A drag would wait for a real mouse: it ends over a widget that takes drops, or nowhere."""
    from PySide6.QtCore import QPointF, Qt
    from PySide6.QtGui import QDrag, QDragEnterEvent, QDragMoveEvent, QDropEvent
    from PySide6.QtWidgets import QWidget

    def end(drag: Any, *_: Any) -> Any:
        takers = [w for w in monkey.app.window.findChildren(QWidget) if w.acceptDrops() and w.isVisible()]
        monkey.done["drop a drag"] += 1
        if not takers or monkey.rng.random() < 0.2:
            return Qt.DropAction.IgnoreAction
        taker = monkey.rng.choice(takers)
        at, data = monkey._spot(taker), drag.mimeData()
        moves, left, none = (
            Qt.DropAction.MoveAction,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        entered = QDragEnterEvent(at, moves, data, left, none)
        monkey.application.sendEvent(taker, entered)
        if entered.isAccepted():
            monkey.application.sendEvent(taker, QDragMoveEvent(at, moves, data, left, none))
            monkey.application.sendEvent(taker, QDropEvent(QPointF(at), moves, data, left, none))
        return moves

    setattr(QDrag, "exec", end)  # noqa: B010


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
