"""State -> the main window: its panels, their places and the keys that work everywhere."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent, QIcon, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QSplitter, QVBoxLayout, QWidget

from drawbar_desktop.state import Library, Rack, Timeline, Transport, UndoStack
from drawbar_desktop.theme import SPACE
from drawbar_desktop.widgets.browser import Browser
from drawbar_desktop.widgets.inspector import Inspector
from drawbar_desktop.widgets.logo import mark_pixmap
from drawbar_desktop.widgets.rack_view import RackView
from drawbar_desktop.widgets.shortcuts_overlay import ShortcutsOverlay
from drawbar_desktop.widgets.status_line import StatusLine
from drawbar_desktop.widgets.timeline_view import TimelineView
from drawbar_desktop.widgets.transport_bar import TransportBar

__all__ = ["Actions", "MainWindow"]


@dataclass(frozen=True)
class Actions:
    """What the window asks of the application."""

    toggle_play: Callable[[], object]
    export: Callable[[], object]
    add: Callable[[str], object]
    add_best: Callable[[], object]
    title_of: Callable[[str], str]
    listen: Callable[[Any], object]
    closing: Callable[[], object]


class MainWindow(QMainWindow):
    """Browser, rack and inspector side by side, transport above, timeline below."""

    def __init__(
        self,
        transport: Transport,
        library: Library,
        rack: Rack,
        timeline: Timeline,
        undo: UndoStack,
        actions: Actions,
    ) -> None:
        super().__init__()
        self._actions, self._transport, self._undo = actions, transport, undo
        self._shown = False
        self.setWindowTitle("Drawbar")
        self.setWindowIcon(QIcon(mark_pixmap(128)))
        self.setMinimumSize(1120, 680)
        self.resize(1440, 880)

        self.transport = TransportBar(transport, actions.toggle_play, actions.export)
        self.browser = Browser(library, rack, actions.add)
        self.rack = RackView(rack, library, actions.add, actions.add_best, self._search)
        self.inspector = Inspector(library, rack, actions.add, actions.title_of, actions.listen)
        self.timeline = TimelineView(timeline, actions.title_of)
        self.status = StatusLine()

        across = _splitter(Qt.Orientation.Horizontal, self.browser, self.rack, self.inspector)
        across.setStretchFactor(1, 1)
        across.setSizes([300, 800, 300])
        self.browser.setMinimumWidth(240)
        self.inspector.setMinimumWidth(240)
        down = _splitter(Qt.Orientation.Vertical, across, self.timeline)
        down.setStretchFactor(0, 1)
        self._down = down
        self.timeline.setMinimumHeight(150)

        middle = QHBoxLayout()
        middle.setContentsMargins(SPACE.s, SPACE.s, SPACE.s, SPACE.xs)
        middle.addWidget(down)
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
        self._keys()

    def _keys(self) -> None:
        standard = QKeySequence.StandardKey
        keys: tuple[tuple[QKeySequence | QKeySequence.StandardKey | str, Callable[[], object]], ...] = (
            ("Space", self._actions.toggle_play),
            ("B", lambda: self._transport.bypass.set(not self._transport.bypass.value)),
            ("/", self._search),
            (standard.Save, self._actions.export),
            (standard.Undo, lambda: self._tell("Undone", self._undo.undo())),
            ("Ctrl+Shift+Z", lambda: self._tell("Redone", self._undo.redo())),
            ("?", self.overlay.toggle),
        )
        for sequence, call in keys:
            QShortcut(QKeySequence(sequence), self).activated.connect(lambda call=call: call())

    def _search(self) -> None:
        self.browser.search.setFocus()
        self.browser.search.selectAll()

    def _tell(self, verb: str, what: str | None) -> None:
        if what is not None:
            self.status.notify(f"{verb}: {what}")

    def showEvent(self, event: QShowEvent) -> None:
        """A third of the height for the timeline the first time, within reason."""
        super().showEvent(event)
        if not self._shown:
            self._shown = True
            room = self.height() - self.transport.height()
            timeline = max(210, min(300, round(room * 0.34)))
            self._down.setSizes([room - timeline, timeline])

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop the engine first."""
        self._actions.closing()
        super().closeEvent(event)


def _splitter(direction: Qt.Orientation, *parts: QWidget) -> QSplitter:
    result = QSplitter(direction)
    result.setHandleWidth(SPACE.s)
    result.setChildrenCollapsible(False)
    for part in parts:
        result.addWidget(part)
    return result
