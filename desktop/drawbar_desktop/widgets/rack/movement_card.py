"""What moves sliders by itself, and a pad for two of them or four settings -> a card below the rack's heading."""

from functools import partial

from PySide6.QtCore import QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QFrame, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.modulation import FOLLOW, SHAPES, Modulator
from drawbar_desktop.state.pad import CORNERS, Pad
from drawbar_desktop.state.rack import feature_title
from drawbar_desktop.style.theme import SPACE, P
from drawbar_desktop.widgets.common.basics import Menu, button, clear, label, number_box, tool_button

NUDGE = 0.02
NOBODY = "\u2013"


class PadField(QWidget):
    """The square: drag the point, or move it with the arrows; double-click puts it in the middle."""

    def __init__(self, pad: Pad) -> None:
        super().__init__()
        self._pad = pad
        self.setFixedSize(150, 150)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("XY pad")
        self.setToolTip("Drag: two sliders at once, or between the corners. Double-click: the middle")
        pad.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(P.focus if self.hasFocus() else P.line))
        painter.setBrush(QColor(P.well))
        painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), 6, 6)
        at = self._place()
        painter.drawLine(QPointF(at.x(), 1), QPointF(at.x(), self.height() - 2))
        painter.drawLine(QPointF(1, at.y()), QPointF(self.width() - 2, at.y()))
        painter.setPen(Qt.PenStyle.NoPen)
        for corner, content in enumerate(self._pad.corners.value):
            if content is not None:
                x, y = corner % 2, corner // 2
                painter.setBrush(QColor(P.text))
                painter.drawEllipse(
                    QPointF(8 + x * (self.width() - 16), self.height() - 8 - y * (self.height() - 16)), 3, 3
                )
        painter.setBrush(QColor(P.accent))
        painter.drawEllipse(at, 7, 7)

    def _place(self) -> QPointF:
        point = self._pad.point.value
        return QPointF(point.x * (self.width() - 1), (1 - point.y) * (self.height() - 1))

    def _to(self, at: QPointF) -> None:
        self._pad.move(at.x() / (self.width() - 1), 1 - at.y() / (self.height() - 1))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pad.begin_gesture()
        self._to(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._to(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pad.end_gesture()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._pad.begin_gesture()
        self._pad.move(0.5, 0.5)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move it."""
        steps = {
            Qt.Key.Key_Left: (-NUDGE, 0.0), Qt.Key.Key_Right: (NUDGE, 0.0),
            Qt.Key.Key_Down: (0.0, -NUDGE), Qt.Key.Key_Up: (0.0, NUDGE),
        }  # fmt: skip
        step = steps.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
            return
        point = self._pad.point.value
        self._pad.begin_gesture()
        self._pad.move(point.x + step[0], point.y + step[1])
        self._pad.end_gesture()


class MovementCard(QFrame):
    """Stays open while one works; Escape or a click elsewhere closes it."""

    def __init__(self, parent: QWidget, desk: Desk) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("card")
        self.setAccessibleName("Movement")
        self._rack, self._modulation, self._pad = desk.rack, desk.modulation, desk.pad
        self._shown: tuple[str, ...] | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE.m, SPACE.s, SPACE.m, SPACE.m)
        column.setSpacing(SPACE.s)
        column.addWidget(label("SLIDERS THAT MOVE BY THEMSELVES", "caption"))
        self._rows = QGridLayout()
        self._rows.setHorizontalSpacing(SPACE.s)
        column.addLayout(self._rows)
        self.target = Menu()
        self.target.setAccessibleName("Slider to move")
        self.more = button(
            "Move it", "quiet", "An oscillator around where the slider stands", picture="sine-wave"
        )
        self.more.clicked.connect(self._add)
        row = QHBoxLayout()
        row.addWidget(self.target, 1)
        row.addWidget(self.more)
        column.addLayout(row)
        column.addWidget(label("XY PAD", "caption"))
        column.addLayout(self._pad_row())
        self._modulation.changed.connect(self._follow)
        self._rack.layout_changed.connect(self._fill)
        self._pad.changed.connect(self._show_axes)
        self._fill()
        self._lay_out()

    def open_below(self, field: QWidget) -> None:
        """At the right edge of what opened it."""
        self._fill()
        self.adjustSize()
        self.move(field.mapToGlobal(QPoint(field.width() - self.width(), field.height() + 4)))
        self.show()

    def _pad_row(self) -> QHBoxLayout:
        self.field = PadField(self._pad)
        self.axes = (Menu(), Menu())
        right = QVBoxLayout()
        for axis, menu in zip("XY", self.axes, strict=True):
            menu.setAccessibleName(f"Slider of the pad's {axis}")
            menu.activated.connect(
                lambda _, m=menu, a=axis: self._pad.choose(a.lower(), str(m.currentData() or ""))
            )
            line = QHBoxLayout()
            line.addWidget(label(axis, "faint"))
            line.addWidget(menu, 1)
            right.addLayout(line)
        corners = QGridLayout()
        self.corners = []
        for corner, name in enumerate(CORNERS):
            store = button(f"Set {name}", "quiet", f"The rack as it stands becomes the corner {name}")
            store.clicked.connect(partial(self._pad.fill, corner))
            corners.addWidget(store, 1 - corner // 2, corner % 2)
            self.corners.append(store)
        right.addLayout(corners)
        self.forget = button("Empty the corners", "quiet", "The pad moves two sliders again")
        self.forget.clicked.connect(self._pad.clear)
        right.addWidget(self.forget)
        right.addStretch(1)
        row = QHBoxLayout()
        row.setSpacing(SPACE.m)
        row.addWidget(self.field)
        row.addLayout(right, 1)
        return row

    def _fill(self) -> None:
        names = [(feature_title(strip.feature), strip.id) for strip in self._rack.strips]
        for menu, chosen in (
            (self.target, str(self.target.currentData() or "")),
            (self.axes[0], self._pad.x.value),
            (self.axes[1], self._pad.y.value),
        ):
            menu.clear()
            if menu is not self.target:
                menu.addItem(NOBODY, "")
            for name, id in names:
                menu.addItem(name, id)
            menu.setCurrentIndex(max(0, menu.findData(chosen)))
        self.more.setEnabled(bool(names))

    def _show_axes(self) -> None:
        """An undo, or what was remembered, may have chosen others."""
        for menu, chosen in zip(self.axes, (self._pad.x.value, self._pad.y.value), strict=True):
            menu.setCurrentIndex(max(0, menu.findData(chosen)))

    def _add(self) -> None:
        id = str(self.target.currentData() or "")
        if id:
            self._modulation.set(id, Modulator())

    def _follow(self) -> None:
        if tuple(self._modulation.all) != self._shown:
            QTimer.singleShot(0, self, self._lay_out)  # a row's own button must outlive its signal

    def _lay_out(self) -> None:
        clear(self._rows)
        self._shown = tuple(self._modulation.all)
        for row, (id, one) in enumerate(self._modulation.all.items()):
            self._row(row, id, one)
        if self.isVisible():
            self.adjustSize()

    def _row(self, row: int, id: str, one: Modulator) -> None:
        change = partial(self._modulation.change, id)
        name = feature_title(self._rack.strip(id).feature) if id in self._rack else id
        shape = Menu()
        shape.setAccessibleName(f"How {name} moves")
        for text in (*SHAPES, FOLLOW):
            shape.addItem(text, text)
        shape.setCurrentIndex(shape.findData(one.shape))
        shape.activated.connect(lambda _: change(shape=str(shape.currentData())))
        depth = number_box(one.depth, -4, 4, 0.1, f"How far {name} moves", 1)
        depth.valueChanged.connect(lambda v: change(depth=v))
        rate = number_box(one.rate, 0.01, 8, 0.05, "Cycles a second, or a bar", 2)
        rate.valueChanged.connect(lambda v: change(rate=v))
        bars = QCheckBox("per bar")
        bars.setChecked(one.synced)
        bars.toggled.connect(lambda on: change(synced=on))
        away = tool_button("close", f"{name} stands still again", px=14)
        away.clicked.connect(lambda: self._modulation.set(id, None))
        for column, widget in enumerate((label(name[:26], "small"), shape, depth, rate, bars, away)):
            self._rows.addWidget(widget, row, column)
