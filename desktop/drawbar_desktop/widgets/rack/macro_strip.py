"""A macro -> a strip with one knob from 0 to 1; opened, it lists its members and from where to where they go."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLineEdit, QSizePolicy, QVBoxLayout, QWidget

from drawbar_desktop.state.macros import Macro, Macros
from drawbar_desktop.state.rack import Rack, feature_title
from drawbar_desktop.style.theme import SPACE, P, qcolor
from drawbar_desktop.widgets.common.accessible import value_changed
from drawbar_desktop.widgets.common.basics import (
    ElidedLabel,
    Tag,
    clear,
    label,
    learnable,
    number_box,
    plain,
    set_flag,
    tool_button,
)
from drawbar_desktop.widgets.common.value_edit import ValueEdit

MACRO_W, OPEN_W = 104, 330
PAD = 12.0
STEP = 0.02


class MacroFader(QWidget):
    """A fader from 0 at the bottom to 1 at the top; gestures as on an amount slider."""

    accessible_role = "slider"

    def __init__(self, macros: Macros, name: str) -> None:
        super().__init__()
        self._macros, self._name = macros, name
        self._drag: tuple[float, float] | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setToolTip("0 to 1: moves all its members. Shift for fine, double-click for 0")
        learnable(self, f"macro:{name}")

    def sizeHint(self) -> QSize:
        return QSize(60, 200)

    def _value(self) -> float:
        macro = self._macros.get(self._name)
        return macro.value if macro is not None else 0.0

    def _span(self) -> float:
        return max(1.0, self.height() - 2 * PAD)

    def y_of(self, value: float) -> float:
        return PAD + (1 - value) * self._span()

    def follow(self) -> None:
        self.setAccessibleName(f"Macro {self._name} {self._value():.2f}")
        value_changed(self, self._value())
        self.update()

    def accessible_value(self) -> str:
        """The position, as a screen reader says it."""
        return f"{self._value():.2f}"

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Start a drag; Ctrl-click resets."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.MetaModifier):
            self._macros.turn(self._name, 0.0)
            return
        self._macros.begin_gesture(self._name)
        self._drag = (event.position().y(), self._value())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag is None:
            return
        last, value = self._drag
        fine = 0.1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
        value = max(0.0, min(1.0, value + (last - event.position().y()) / self._span() * fine))
        self._drag = (event.position().y(), value)
        self._macros.turn(self._name, value)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """One drag is one undo step."""
        if self._drag is not None:
            self._drag = None
            self._macros.end_gesture()
            self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Back to 0."""
        self._drag = None
        self._macros.end_gesture()
        self._macros.turn(self._name, 0.0)

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._macros.turn(self._name, self._value() + event.angleDelta().y() / 120 * STEP)
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows step, Home and End go to the ends."""
        key = Qt.Key(event.key())
        steps = {
            Qt.Key.Key_Up: STEP,
            Qt.Key.Key_Down: -STEP,
            Qt.Key.Key_PageUp: 0.2,
            Qt.Key.Key_PageDown: -0.2,
        }
        if key in steps:
            self._macros.turn(self._name, self._value() + steps[key])
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_0):
            self._macros.turn(self._name, 1.0 if key == Qt.Key.Key_Home else 0.0)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        x, y = self.width() / 2, self.y_of(self._value())
        slot = QRectF(x - 5, PAD - 5, 10, self._span() + 10)
        painter.setPen(QPen(QColor(P.line_strong), 1))
        painter.setBrush(QColor(P.well))
        painter.drawRoundedRect(slot, 5, 5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(P.cool))
        painter.drawRoundedRect(QRectF(x - 3, y, 6, max(0.0, PAD + self._span() - y)), 3, 3)
        cap = QRectF(x - 20, y - 9, 40, 18)
        painter.setBrush(qcolor(P.shadow, 0.2))
        painter.drawRoundedRect(cap.adjusted(-1, 1, 1, 4), 5, 5)
        body = QLinearGradient(cap.topLeft(), cap.bottomLeft())
        body.setColorAt(0, QColor(P.ivory_bright if self.underMouse() or self._drag else P.ivory))
        body.setColorAt(1, QColor(P.ivory_shade))
        painter.setBrush(body)
        painter.drawRoundedRect(cap, 4, 4)
        painter.setPen(QPen(QColor(P.cool).darker(130), 2))
        painter.drawLine(QPointF(x - 13, y), QPointF(x + 13, y))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(P.focus), 2))
            painter.drawRoundedRect(cap.adjusted(-3, -3, 3, 3), 6, 6)


class MacroStrip(QFrame):
    """One macro in the rack."""

    def __init__(self, macros: Macros, rack: Rack, macro: Macro) -> None:
        super().__init__()
        self._macros, self._rack, self.name = macros, rack, macro.name
        self.setObjectName("strip")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(f"Macro {macro.name}")
        self.title = QLineEdit(macro.name)
        self.title.setObjectName("value")
        self.title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.title.setAccessibleName("Name of the macro")
        self.title.setToolTip("Name; type another one")
        self.title.editingFinished.connect(lambda: macros.rename(self.name, self.title.text()))
        self.fader = MacroFader(macros, macro.name)
        self.value = ValueEdit(
            lambda v: macros.turn(self.name, v), "From 0 to 1. Click to type.", f"{macro.name} value"
        )
        self.open = tool_button(
            "chevron-right", "Open: the members and how far they go", checkable=True, px=15
        )
        self.open.toggled.connect(self._toggle)
        self.remove = tool_button("close", "Ungroup: the sliders stay where they are", px=13)
        self.remove.clicked.connect(lambda: macros.remove(self.name))
        head = QHBoxLayout()
        head.addWidget(Tag("MACRO", tone="cool"))
        head.addStretch(1)
        head.addWidget(self.remove)
        knob = QVBoxLayout()
        knob.setSpacing(6)
        knob.addLayout(head)
        knob.addWidget(self.title)
        knob.addWidget(self.fader, 1)
        knob.addWidget(self.value)
        foot = QHBoxLayout()
        self._count = label("", "faint")
        foot.addWidget(self._count)
        foot.addStretch(1)
        foot.addWidget(self.open)
        knob.addLayout(foot)
        self._members = QWidget()
        self._grid = QGridLayout(self._members)
        self._grid.setContentsMargins(SPACE.s, 0, 0, 0)
        self._grid.setSpacing(6)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 8, 10, 8)
        row.addLayout(knob)
        row.addWidget(self._members, 1)
        self._members.hide()
        self.setFixedWidth(MACRO_W)
        self.show_macro(macro)

    def show_macro(self, macro: Macro) -> None:
        self.value.show_text(f"{macro.value:.2f}")
        self._count.setText(f"{len(macro.members)}")
        self._count.setToolTip(plain(f"{len(macro.members)} members"))
        self.fader.follow()
        if not self._members.isHidden():
            self._fill(macro)

    def _toggle(self, on: bool) -> None:
        self._members.setVisible(on)
        self.setFixedWidth(OPEN_W if on else MACRO_W)
        set_flag(self, "selected", on)
        macro = self._macros.get(self.name)
        if on and macro is not None:
            self._fill(macro)

    def _fill(self, macro: Macro) -> None:
        clear(self._grid)
        for column, head in enumerate(("MEMBER", "AT 0", "AT 1", "")):
            self._grid.addWidget(label(head, "caption"), 0, column)
        for row, (id, (low, high)) in enumerate(macro.members.items(), start=1):
            known = id in self._rack
            name = feature_title(self._rack.strip(id).feature) if known else f"{id} (not in the rack)"
            self._grid.addWidget(ElidedLabel(name, "soft"), row, 0)
            for column, value in ((1, low), (2, high)):
                box = number_box(value, -4, 4, 0.05, f"{name} at {column - 1}", 2)
                box.setFixedWidth(58)
                span = (lambda v, h=high: (v, h)) if column == 1 else (lambda v, lo=low: (lo, v))
                box.valueChanged.connect(
                    lambda v, id=id, span=span: self._macros.set_member(self.name, id, span(v))
                )
                self._grid.addWidget(box, row, column)
            out = tool_button("close", f"Take {name} out of the group", px=12)
            out.clicked.connect(lambda _=False, id=id: self._macros.set_member(self.name, id, None))
            self._grid.addWidget(out, row, 3)
        self._grid.setColumnStretch(0, 1)
        self._grid.setRowStretch(len(macro.members) + 1, 1)
