"""State -> the main window: its panels, their places and the keys that work everywhere."""

import base64
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QByteArray, QSize
from PySide6.QtGui import (
    QCloseEvent,
    QContextMenuEvent,
    QIcon,
    QKeySequence,
    QMouseEvent,
    QResizeEvent,
    QShortcut,
)
from PySide6.QtWidgets import QApplication, QMainWindow, QScrollArea, QVBoxLayout, QWidget

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
from drawbar_desktop.widgets.panels import Panels
from drawbar_desktop.widgets.rack.rack_view import RackView
from drawbar_desktop.widgets.sheets.blind_test_sheet import BlindTestSheet, Listener
from drawbar_desktop.widgets.sheets.build_sheet import BuilderLike, BuildSheet
from drawbar_desktop.widgets.sheets.comparison_sheet import ComparisonSheet
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

LOW_H = 500
AUDIO = "Sound (*.wav *.flac *.ogg *.mp3 *.aiff *.aif *.m4a);;Everything (*)"
USUAL, LEAST = QSize(1440, 900), QSize(640, 360)
"""In pixels. Panels fold by themselves in a small window, and below 720 x 450 its contents can be scrolled."""


class MainWindow(QMainWindow):
    """Browser, rack and inspector side by side, the timeline below the rack, the transport above all."""

    def __init__(
        self,
        desk: Desk,
        actions: Actions,
        about: About,
        manager: Manager,
        listener: Listener,
        maker: Maker,
        builder: BuilderLike,
    ) -> None:
        super().__init__()
        actions = self.commands = replace(
            actions,
            export=self._ask_export,
            open_settings=self._open_settings,
            blind_test=lambda: self.blind.open(),
            make_slider=lambda: self.making.open(),
            build_bank=self._open_building,
            open_audio=self._open_audio,
            fold=lambda name: self.panels.toggle(name),
            compare_features=lambda one, other: self.comparison.compare(one, other),
        )
        """With what the window itself answers: its cards."""
        self._desk = desk
        self._dialogs = FileDialogs(desk.settings)
        self.setWindowTitle("Drawbar")
        self.setWindowIcon(QIcon(mark_pixmap(128)))
        room = self.screen().availableGeometry().size()
        self.setMinimumSize(room.boundedTo(LEAST))
        self.resize(room.boundedTo(USUAL))

        self.transport = TransportBar(desk, actions)
        self.browser = Browser(desk.library, desk.rack, actions, desk.words)
        self.rack = RackView(desk, actions, self._search)
        self.side = SidePanel(desk, actions)
        self.inspector = self.side.inspector
        self.timeline = TimelineView(desk, actions)
        self.status = StatusLine(desk.notices)
        self.banner = Banner()

        self.panels = Panels(self.browser, self.rack, self.timeline, self.side)
        self.panels.changed = lambda names: desk.settings.set("folded", list(names))

        middle = self._middle = QVBoxLayout()
        middle.setContentsMargins(SPACE.s, SPACE.s, SPACE.s, SPACE.xs)
        middle.setSpacing(SPACE.s)
        middle.addWidget(self.banner)
        middle.addWidget(self.panels, 1)
        root = QWidget()
        root.setObjectName("root")
        column = QVBoxLayout(root)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.transport)
        column.addLayout(middle, 1)
        column.addWidget(self.status)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(root)
        self.setCentralWidget(scroll)
        self.overlay = ShortcutsOverlay(root)
        self.settings = SettingsSheet(root, desk, about, manager, actions.set_theme, actions.build_bank)
        self.errors = ErrorSheet(root, about.log_file)
        self.export = ExportSheet(root, desk.settings, actions.write_export)
        self.blind = BlindTestSheet(root, listener, self._dialogs)
        self.making = MakingSheet(root, maker, self._dialogs)
        self.building = BuildSheet(root, builder, self._dialogs)
        self.comparison = ComparisonSheet(root, desk, actions)
        self.welcome = WelcomeSheet(root, actions.play_something, self.overlay.toggle)
        desk.midi.learning.bind(self._show_learning)
        desk.timeline.changed.connect(self._fill_timeline)
        notices = desk.notices
        notices.asked.connect(self.banner.ask)
        notices.settled.connect(self.banner.close_for)
        notices.broke.connect(self.errors.tell)
        notices.welcomed.connect(self.welcome.greet)
        self._keys()

    def _fill_timeline(self) -> None:
        timeline = self._desk.timeline
        self.panels.set_filled(timeline.generated_s > 0 or bool(timeline.title))

    def _open_settings(self, page: str = "Sound") -> None:
        self.settings.open_at(page)

    def _open_building(self) -> None:
        self.settings.dismiss()
        self.building.present()

    def _open_audio(self) -> None:
        path = self._dialogs.open_file(self, "Open audio", AUDIO)
        if path is not None:
            self.commands.drop_file(path)

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
            ("Shift+Space", actions.new_take),
            (".", actions.end_take),
            ("V", actions.vary),
            ("Ctrl+O", actions.open_audio),
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
            ("Ctrl+1", lambda: self._show_tab(0)),
            ("Ctrl+2", lambda: self._show_tab(1)),
            ("Ctrl+3", lambda: self._show_tab(2)),
            ("F7", lambda: self.panels.toggle("browser")),
            ("F8", lambda: self.panels.toggle("side")),
            ("F9", lambda: self.panels.toggle("timeline")),
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
        return any(
            sheet.isVisible()
            for sheet in self.sheets()
            if sheet is not self.overlay or call != self.overlay.toggle
        )

    def sheets(self) -> tuple[Sheet, ...]:
        """Every card that can cover the window."""
        return (
            self.settings, self.errors, self.export, self.welcome, self.blind, self.making, self.building,
            self.settings, self.errors, self.export, self.welcome, self.blind, self.making, self.comparison,
            self.overlay,
        )  # fmt: skip

    def _show_tab(self, index: int) -> None:
        if "side" in self.panels.folded:
            self.panels.fold("side", False)
        self.side.show_tab(index)

    def _search(self) -> None:
        if "browser" in self.panels.folded:
            self.panels.fold("browser", False)
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
        return geometry, self.panels.sizes()

    def restore_places(self, geometry: str, sizes: list[int], folded: list[object]) -> None:
        """Back to where it was; nonsense is ignored."""
        if geometry:
            self.restoreGeometry(QByteArray(base64.b64decode(geometry.encode(), validate=False)))
            self.resize(self.size().boundedTo(self.screen().availableGeometry().size()))
        self.panels.restore(folded, sizes)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a low window the margins go first."""
        super().resizeEvent(event)
        low = self.height() < LOW_H
        edge = 2 if low else SPACE.s
        self._middle.setContentsMargins(SPACE.s, edge, SPACE.s, min(edge, SPACE.xs))
        self.transport.set_low(low)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click on empty ground gives the keys back to the window."""
        self.setFocus()
        super().mousePressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop the engine first."""
        self.commands.closing()
        super().closeEvent(event)
