"""State -> the main window: its panels, their places and the keys that work everywhere."""

import base64
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import (
    QCloseEvent,
    QContextMenuEvent,
    QIcon,
    QKeySequence,
    QMouseEvent,
    QShortcut,
    QShowEvent,
)
from PySide6.QtWidgets import QApplication, QMainWindow, QSplitter, QVBoxLayout, QWidget

from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.machine import About
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.browser.browser import Browser
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.banner import Banner
from drawbar_desktop.widgets.common.basics import LEARN, Item, popup
from drawbar_desktop.widgets.common.file_dialogs import FileDialogs
from drawbar_desktop.widgets.common.logo import mark_pixmap
from drawbar_desktop.widgets.common.sheet import Sheet
from drawbar_desktop.widgets.rack.rack_view import RackView
from drawbar_desktop.widgets.sheets.blind_test_sheet import BlindTestSheet, Listener
from drawbar_desktop.widgets.sheets.error_sheet import ErrorSheet
from drawbar_desktop.widgets.sheets.export_sheet import ExportSheet
from drawbar_desktop.widgets.sheets.making_sheet import Maker, MakingSheet
from drawbar_desktop.widgets.sheets.settings_sheet import Manager, SettingsSheet
from drawbar_desktop.widgets.sheets.shortcuts_overlay import ShortcutsOverlay
from drawbar_desktop.widgets.sheets.welcome_sheet import WelcomeSheet
from drawbar_desktop.widgets.side.side_panel import SidePanel
from drawbar_desktop.widgets.timeline.timeline_view import TimelineView
from drawbar_desktop.widgets.top.status_line import StatusLine
from drawbar_desktop.widgets.top.transport_bar import TransportBar

USUAL, LEAST = QSize(1440, 900), QSize(1160, 660)
RACK_H, RACK_USUAL_H, TIMELINE_H = 250, 360, 150
"""Heights in pixels: below the first a fader is no fader; with the second it can be set to a tenth."""


class MainWindow(QMainWindow):
    """Browser, rack and inspector side by side, the timeline below the rack, the transport above all."""

    def __init__(
        self, desk: Desk, actions: Actions, about: About, manager: Manager, listener: Listener, maker: Maker
    ) -> None:
        super().__init__()
        actions = self.commands = replace(
            actions,
            export=self._ask_export,
            open_settings=self._open_settings,
            blind_test=lambda: self.blind.open(),
            make_slider=lambda: self.making.open(),
        )
        """With what the window itself answers: its cards."""
        self._desk = desk
        self._shown = False
        self.setWindowTitle("Drawbar")
        self.setWindowIcon(QIcon(mark_pixmap(128)))
        room = self.screen().availableGeometry().size()
        self.setMinimumSize(room.boundedTo(LEAST))
        self.resize(room.boundedTo(USUAL))

        self.transport = TransportBar(desk, actions)
        self.browser = Browser(desk.library, desk.rack, actions)
        self.rack = RackView(desk, actions, self._search)
        self.side = SidePanel(desk, actions)
        self.inspector = self.side.inspector
        self.timeline = TimelineView(desk, actions)
        self.status = StatusLine(desk.notices)
        self.banner = Banner()

        down = _splitter(Qt.Orientation.Vertical, self.rack, self.timeline)
        down.setStretchFactor(0, 1)
        across = _splitter(Qt.Orientation.Horizontal, self.browser, down, self.side)
        across.setStretchFactor(1, 1)
        across.setSizes([290, 790, 300])
        self.browser.setMinimumWidth(240)
        self.side.setMinimumWidth(270)
        self.rack.setMinimumHeight(RACK_H)
        self.timeline.setMinimumHeight(TIMELINE_H)
        self._across, self._down = across, down

        middle = QVBoxLayout()
        middle.setContentsMargins(SPACE.s, SPACE.s, SPACE.s, SPACE.xs)
        middle.setSpacing(SPACE.s)
        middle.addWidget(self.banner)
        middle.addWidget(across, 1)
        root = QWidget()
        root.setObjectName("root")
        column = QVBoxLayout(root)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.transport)
        column.addLayout(middle, 1)
        column.addWidget(self.status)
        self.setCentralWidget(root)
        self.overlay = ShortcutsOverlay(root)
        self.settings = SettingsSheet(root, desk, about, manager, actions.set_theme)
        self.errors = ErrorSheet(root, about.log_file)
        self.export = ExportSheet(root, desk.settings, actions.write_export)
        self.blind = BlindTestSheet(root, listener, FileDialogs(desk.settings))
        self.making = MakingSheet(root, maker, FileDialogs(desk.settings))
        self.welcome = WelcomeSheet(root, actions.toggle_play, self.overlay.toggle)
        desk.midi.learning.bind(self._show_learning)
        notices = desk.notices
        notices.asked.connect(self.banner.ask)
        notices.settled.connect(self.banner.close_for)
        notices.broke.connect(self.errors.tell)
        notices.welcomed.connect(self.welcome.greet)
        self._keys()

    def _open_settings(self, page: str = "Sound") -> None:
        self.settings.open_at(page)

    def _ask_export(self) -> None:
        offer = self.commands.offer_export()
        if offer is not None:
            self.export.ask(offer)

    def _keys(self) -> None:
        standard = QKeySequence.StandardKey
        desk, actions, timeline = self._desk, self.commands, self.timeline.head
        transport = desk.transport
        keys: tuple[tuple[QKeySequence | QKeySequence.StandardKey | str, Callable[[], object]], ...] = (
            ("Space", actions.toggle_play),
            ("B", lambda: transport.bypass.set(not transport.bypass.value)),
            ("A", desk.slots.toggle),
            ("D", lambda: desk.rack.randomise(random.Random())),
            ("L", timeline.loop.click),
            ("Ctrl+R", transport.roll),
            ("/", self._search),
            ("Ctrl+F", self._search),
            (standard.Save, actions.export),
            (standard.Undo, lambda: self._tell("Undone", desk.undo.undo())),
            ("Ctrl+Shift+Z", lambda: self._tell("Redone", desk.undo.redo())),
            ("Ctrl+Y", lambda: self._tell("Redone", desk.undo.redo())),
            ("?", self.overlay.toggle),
            ("Ctrl+,", lambda: actions.open_settings("Sound")),
            ("Ctrl+B", actions.blind_test),
            ("Ctrl+1", lambda: self.side.show_tab(0)),
            ("Ctrl+2", lambda: self.side.show_tab(1)),
            ("Ctrl+3", lambda: self.side.show_tab(2)),
            ("+", lambda: timeline.zoom(0.5)),
            ("=", lambda: timeline.zoom(0.5)),
            ("-", lambda: timeline.zoom(2.0)),
            ("F11", lambda: self.showNormal() if self.isFullScreen() else self.showFullScreen()),
            ("Ctrl+Q", self.close),
        )
        for sequence, call in keys:
            shortcut = QShortcut(QKeySequence(sequence), self)
            shortcut.activated.connect(lambda call=call: None if self._covered(call) else call())

    def _covered(self, call: object) -> bool:
        """While a card is open, the keys belong to it; only its own key still works."""
        sheets: tuple[Sheet, ...] = (
            self.settings, self.errors, self.export, self.welcome, self.blind, self.making,
        )  # fmt: skip
        return any(sheet.isVisible() for sheet in sheets) or (
            self.overlay.isVisible() and call != self.overlay.toggle
        )

    def _search(self) -> None:
        self.browser.search.setFocus()
        self.browser.search.selectAll()

    def _tell(self, verb: str, what: str | None) -> None:
        if what is not None:
            self.status.notify(f"{verb}: {what}")

    # -- MIDI learn -----------------------------------------------------------------------------------

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Right-click on anything that can be moved by MIDI."""
        widget = QApplication.widgetAt(event.globalPos()) or self.childAt(event.pos())
        target = self.target_of(widget)
        if target:
            popup(self, self.learn_menu(target), event.globalPos())

    @staticmethod
    def target_of(widget: QWidget | None) -> str:
        """What a widget (or one around it) can be learned as; empty for nothing."""
        while widget is not None:
            if target := widget.property(LEARN):
                return str(target)
            widget = widget.parentWidget()
        return ""

    def learn_menu(self, target: str) -> list[Item]:
        midi = self._desk.midi
        mapped = midi.of(target)
        items: list[Item] = [("MIDI learn: then move a control", lambda: midi.learn(target))]
        if mapped is not None:
            items.append((f"Forget {mapped.control.title}", lambda: midi.forget(target)))
            if mapped.control.kind != "note":
                items += [
                    (f"It is {kind}", partial(midi.set_kind, target, kind), kind == mapped.control.kind)
                    for kind in ("absolute", "14-bit", "relative")
                ]
        if target.startswith("amount:"):
            id = target.removeprefix("amount:")
            items += [None, ("Back to zero", lambda: self._desk.rack.reset(id))]
        items += [None, ("MIDI settings \u2026", lambda: self.commands.open_settings("MIDI"))]
        return items

    def _show_learning(self, target: str | None) -> None:
        midi = self._desk.midi
        if target is None:
            self._desk.notices.settle("midi")
        else:
            self._desk.notices.ask(
                "midi", "Move the knob, fader or key that shall do this.", ("Give up", lambda: midi.learn(None)),
                sign="midi-port",
            )  # fmt: skip

    # -- places ---------------------------------------------------------------------------------------

    def places(self) -> tuple[str, list[int]]:
        """Geometry and splitters, as the settings keep them."""
        geometry = base64.b64encode(bytes(self.saveGeometry().data())).decode()
        return geometry, [*self._across.sizes(), *self._down.sizes()]

    def restore_places(self, geometry: str, sizes: list[int]) -> None:
        """Back to where it was; nonsense is ignored."""
        if geometry:
            self.restoreGeometry(QByteArray(base64.b64decode(geometry.encode(), validate=False)))
            self.resize(self.size().boundedTo(self.screen().availableGeometry().size()))
        if len(sizes) == 5 and all(isinstance(s, int) and 0 < s < 10_000 for s in sizes):
            self._across.setSizes(sizes[:3])
            self._down.setSizes(sizes[3:])
            self._shown = True

    def showEvent(self, event: QShowEvent) -> None:
        """The first time: what the faders need for the rack, and up to a good third for the timeline."""
        super().showEvent(event)
        if not self._shown:
            self._shown = True
            room = self._down.height()
            timeline = max(TIMELINE_H, min(460, round(room * 0.41), room - RACK_USUAL_H))
            self._down.setSizes([room - timeline, timeline])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click on empty ground gives the keys back to the window."""
        self.setFocus()
        super().mousePressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop the engine first."""
        self.commands.closing()
        super().closeEvent(event)


def _splitter(direction: Qt.Orientation, *parts: QWidget) -> QSplitter:
    result = QSplitter(direction)
    result.setHandleWidth(SPACE.s)
    result.setChildrenCollapsible(False)
    for part in parts:
        result.addWidget(part)
    return result
