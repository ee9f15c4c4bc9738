"""The rack's state -> a row of strips that scrolls sideways; features dropped on it are added."""

from collections.abc import Callable, Mapping
from itertools import pairwise

from PySide6.QtCore import QPoint, QSize, Qt, QTimer
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from drawbar_desktop.state.library import Library
from drawbar_desktop.state.rack import Rack, Strip
from drawbar_desktop.theme import SPACE
from drawbar_desktop.widgets.empty_state import EmptyState
from drawbar_desktop.widgets.feature_list import FEATURE_MIME
from drawbar_desktop.widgets.parts import label, tool_button
from drawbar_desktop.widgets.strip import STRIP_W, StripWidget

__all__ = ["RackView"]


class RackView(QFrame):
    """All strips; widgets are created and dropped as the state says."""

    def __init__(
        self,
        rack: Rack,
        library: Library,
        add: Callable[[str], object],
        add_best: Callable[[], object],
        search: Callable[[], object],
    ) -> None:
        super().__init__()
        self._rack, self._library, self._add = rack, library, add
        self.strips: dict[str, StripWidget] = {}
        self.setObjectName("rackFloor")
        self.setAcceptDrops(True)

        self.reset_all = tool_button("backup-restore", "Set every unlocked slider to zero", px=14)
        self.reset_all.setFixedHeight(20)
        self.reset_all.clicked.connect(self._zero)
        self._count = label("", "faint")
        head = QHBoxLayout()
        head.setContentsMargins(SPACE.m, SPACE.s + 2, SPACE.s, 2)
        head.addWidget(label("Rack", "heading"))
        head.addSpacing(SPACE.s)
        head.addWidget(self._count)
        head.addStretch(1)
        head.addWidget(self.reset_all)

        self._row = QWidget()
        self._layout = QHBoxLayout(self._row)
        self._layout.setContentsMargins(SPACE.s, SPACE.xs, SPACE.s, SPACE.s)
        self._layout.setSpacing(SPACE.s)
        self._slot = QPushButton("+\n\nadd a feature")
        self._slot.setObjectName("addSlot")
        self._slot.setToolTip("Search for a feature; or drop one here")
        self._slot.setFixedWidth(STRIP_W)
        self._slot.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self._slot.clicked.connect(lambda: search())
        self._layout.addWidget(self._slot)
        self._layout.addStretch(1)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(self._row)

        self.empty = EmptyState(
            "tune-vertical",
            "Pull a sound out of the model",
            "Double-click a feature on the left, press Enter on it, or drag it here. "
            "Then move its slider while the music plays.",
            "Add the four best",
            add_best,
        )
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self._scroll)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self._pages, 1)

        rack.layout_changed.connect(self.rebuild)
        rack.strip_changed.connect(self._follow)
        library.selected.bind(self._select)
        library.changed.connect(self._offer)
        self._offer()
        self.rebuild()

    def minimumSizeHint(self) -> QSize:
        """Two strips and their slider."""
        return QSize(280, 260)

    def rebuild(self) -> None:
        """Create, drop and reorder strips until they are those of the state."""
        wanted = [s.id for s in self._rack.strips]
        for id in [k for k in self.strips if k not in wanted]:
            widget = self.strips.pop(id)
            self._layout.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        added: StripWidget | None = None
        for at, id in enumerate(wanted):
            if id not in self.strips:
                added = self.strips[id] = StripWidget(self._rack, self._library, id)
                added.show_selected(self._library.selected.value)
            if self._layout.indexOf(self.strips[id]) != at:
                self._layout.removeWidget(self.strips[id])
                self._layout.insertWidget(at, self.strips[id])
        parts = [part for id in wanted for part in self.strips[id].tab_order()]
        for before, after in pairwise(parts):
            QWidget.setTabOrder(before, after)
        self._count.setText(f"{len(wanted)} slider{'s' if len(wanted) != 1 else ''}" if wanted else "")
        self.reset_all.setVisible(bool(wanted))
        self._pages.setCurrentIndex(1 if wanted else 0)
        if added is not None:
            target = added
            QTimer.singleShot(0, target, lambda: self._scroll.ensureWidgetVisible(target))

    def show_activations(self, now: Mapping[str, float]) -> None:
        """Live meters (30 Hz)."""
        for id, widget in self.strips.items():
            widget.meter.set_value(now.get(id, 0.0))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Features may be dropped."""
        if event.mimeData().hasFormat(FEATURE_MIME):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Add them."""
        ids = bytes(event.mimeData().data(FEATURE_MIME).data()).decode().split("\n")
        for id in ids:
            self._add(id)
        event.acceptProposedAction()

    def centre_of(self, id: str) -> QPoint:
        """Where a strip's cap is, in its slider's coordinates."""
        slider = self.strips[id].slider
        return QPoint(slider.width() // 2 + 7, round(slider.y_of(self._rack.strip(id).amount)))

    def _follow(self, strip: Strip) -> None:
        if strip.id in self.strips:
            self.strips[strip.id].show_strip(strip)
        for widget in self.strips.values():  # solo and mute change how the others look
            widget.slider.update()

    def _select(self, id: str | None) -> None:
        for widget in self.strips.values():
            widget.show_selected(id)

    def _offer(self) -> None:
        if self.empty.button is not None:
            self.empty.button.setVisible(self._library.total > 0)

    def _zero(self) -> None:
        for strip in self._rack.strips:
            if not strip.locked:
                self._rack.reset(strip.id)
