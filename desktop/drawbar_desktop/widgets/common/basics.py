"""Labels, tags, buttons, separators and a layout that wraps: what every panel uses."""

from collections.abc import Callable, Sequence
from html import escape

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRect, QSize, Qt
from PySide6.QtGui import (
    QAction,
    QColor,
    QFocusEvent,
    QFontMetrics,
    QIcon,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QLabel,
    QLayout,
    QLayoutItem,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from drawbar_desktop.style.theme import P, icon, icon_size

Item = tuple[str, Callable[[], object]] | tuple[str, Callable[[], object], bool] | None
"""A menu's line: title, what it does and whether it is ticked; None is a separator."""
LEARN = "midiTarget"


def plain(text: str) -> str:
    """Any text -> a tooltip that shows it as it is: Qt reads what looks like tags as rich text, pictures included."""
    if "<" not in text and "&" not in text:
        return text
    return f"<qt>{escape(text).replace(chr(10), '<br>')}"


def button(
    text: str, name: str = "", tip: str = "", *, picture: str = "", checkable: bool = False
) -> QPushButton:
    """A push button whose look is the style sheet's `#name`."""
    result = QPushButton(text)
    if name:
        result.setObjectName(name)
    if picture:
        result.setIcon(icon(picture, on=P.text))
    if tip:
        result.setToolTip(plain(tip))
    result.setAccessibleName(text or tip.split("  ")[0])
    result.setCheckable(checkable)
    return result


def switch(text: str, tip: str, tone: str = "") -> QPushButton:
    """A small lettered switch, as on a mixer."""
    result = button(text, "switch", tip, checkable=True)
    result.setAccessibleName(tip.split(":")[0])
    result.setProperty("tone", tone)
    return result


def number_box(
    value: float, low: float, high: float, step: float, name: str, decimals: int = 1, suffix: str = ""
) -> QDoubleSpinBox:
    """A field for a number with its unit; the wheel works only with the focus in it."""
    result = _NumberBox()
    result.setRange(low, high)
    result.setDecimals(decimals)
    result.setSingleStep(step)
    result.setSuffix(suffix)
    result.setValue(value)
    result.setKeyboardTracking(False)
    result.setAccessibleName(name)
    result.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
    result.default = value
    result.setToolTip(plain(f"{name}. Double- or Ctrl-click: back to {result.text()}"))
    return result


class _NumberBox(QDoubleSpinBox):
    """A click makes ready to overtype, a double or Ctrl-click brings back the value it began with."""

    default = 0.0

    def __init__(self) -> None:
        super().__init__()
        self._fresh = False
        self.lineEdit().installEventFilter(self)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """The click that brings the focus will select the number."""
        super().focusInEvent(event)
        self._fresh = event.reason() == Qt.FocusReason.MouseFocusReason

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QMouseEvent):
            ctrl = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.MetaModifier
            pressed = event.type() == QEvent.Type.MouseButtonPress
            if event.type() == QEvent.Type.MouseButtonDblClick or (pressed and event.modifiers() & ctrl):
                self.setValue(self.default)
                self.selectAll()
                return True
            if event.type() == QEvent.Type.MouseButtonRelease and self._fresh:
                self._fresh = False
                if not self.lineEdit().hasSelectedText():
                    self.selectAll()
        return super().eventFilter(watched, event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Do not change while a page is scrolled past."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


def popup(owner: QWidget, items: Sequence[Item], at: QPoint | None = None) -> QMenu:
    """Open a menu below a widget (or at a place on screen) -> the menu."""
    menu = QMenu(owner)
    for item in items:
        if item is None:
            menu.addSeparator()
            continue
        action = QAction(item[0], menu)
        action.triggered.connect(lambda _=False, call=item[1]: call())
        if len(item) == 3:
            action.setCheckable(True)
            action.setChecked(item[2])
        menu.addAction(action)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    menu.popup(at or owner.mapToGlobal(QPoint(0, owner.height() + 3)))
    return menu


def learnable(widget: QWidget, target: str) -> None:
    """Right-click offers to learn a MIDI control for this."""
    widget.setProperty(LEARN, target)


def clear(layout: QLayout) -> None:
    """Take everything out of a layout and delete it."""
    while (item := layout.takeAt(0)) is not None:
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
        elif inner is not None:
            clear(inner)


def label(text: str, role: str = "", *, wrap: bool = False) -> QLabel:
    """A label whose look is the style sheet's `#role`."""
    result = QLabel(text)
    result.setTextFormat(Qt.TextFormat.PlainText)
    if role:
        result.setObjectName(role)
    result.setWordWrap(wrap)
    return result


def Tag(text: str, *, accent: bool = False, tip: str = "", tone: str = "") -> QLabel:
    """A small framed word: a layer, a verdict."""
    result = label(text, "tag")
    result.setProperty("tone", tone or ("accent" if accent else "plain"))
    result.setToolTip(plain(tip))
    result.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
    return result


class Sign(QLabel):
    """An icon that is only looked at; it follows the theme."""

    def __init__(self, name: str = "", color: str = "", px: int = 15) -> None:
        super().__init__()
        self._icon, self._px = QIcon(), px
        if name:
            self.show_sign(name, color)

    def show_sign(self, name: str, color: str) -> None:
        self._icon = icon(name, color=color)
        self.setPixmap(self._icon.pixmap(self._px, self._px))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and not self._icon.isNull():
            self.setPixmap(self._icon.pixmap(self._px, self._px))


def badge(name: str, tip: str, px: int = 15) -> QLabel:
    """A small accent-coloured sign with a tooltip."""
    result = Sign(name, P.text_soft, px)
    result.setToolTip(plain(tip))
    result.setAccessibleName(tip)
    return result


class Menu(QComboBox):
    """A combo box with a chevron of our own."""

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(P.text_soft), 1.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        x, y = self.width() - 14.0, self.height() / 2
        painter.drawPolyline(QPolygonF([QPointF(x - 4, y - 2), QPointF(x, y + 2), QPointF(x + 4, y - 2)]))


def separator() -> QFrame:
    line = QFrame()
    line.setObjectName("separator")
    return line


def tool_button(
    name: str, tip: str, *, checkable: bool = False, framed: bool = False, px: int = 16
) -> QToolButton:
    """An icon button; the tooltip is its accessible name too."""
    button = QToolButton()
    button.setIcon(icon(name))
    button.setIconSize(icon_size(px))
    button.setToolTip(plain(tip))
    button.setAccessibleName(tip.split("  ")[0])
    button.setCheckable(checkable)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if framed:
        button.setObjectName("framed")
    return button


def set_flag(widget: QWidget, name: str, on: bool) -> None:
    """Set a property that the style sheet looks at; restyles only when it changed."""
    value = "true" if on else "false"
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


class ElidedLabel(QLabel):
    """Up to `lines` lines of text, the last one cut with an ellipsis; the whole text is the tooltip."""

    def __init__(self, text: str = "", role: str = "", lines: int = 1) -> None:
        super().__init__()
        self._full, self._lines = text, lines
        self.setObjectName(role)
        self.setToolTip(plain(text))
        self.setAccessibleName(text)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def set_text(self, text: str) -> None:
        if text != self._full:
            self._full = text
            self.setToolTip(plain(text))
            self.setAccessibleName(text)
            self.update()

    def text(self) -> str:
        """The whole text, not the part that fits."""
        return self._full

    def sizeHint(self) -> QSize:
        return QSize(40, self.fontMetrics().lineSpacing() * self._lines + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(10, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        metrics = self.fontMetrics()
        rows = _wrap(self._full, metrics, self.width(), self._lines)
        top = (self.height() - metrics.lineSpacing() * len(rows)) // 2 if self._lines == 1 else 0
        for i, row in enumerate(rows):
            box = QRect(0, top + i * metrics.lineSpacing(), self.width(), metrics.height())
            painter.drawText(box, self.alignment() | Qt.AlignmentFlag.AlignVCenter, row)


def _wrap(text: str, metrics: QFontMetrics, width: int, lines: int) -> list[str]:
    rows: list[str] = []
    words = text.split()
    while words and len(rows) < lines:
        row = words.pop(0)
        while words and metrics.horizontalAdvance(f"{row} {words[0]}") <= width:
            row += " " + words.pop(0)
        if len(rows) == lines - 1 and words:
            row, words = " ".join([row, *words]), []
        rows.append(metrics.elidedText(row, Qt.TextElideMode.ElideRight, width))
    return rows


class FlowLayout(QLayout):
    """Left to right, then on the next line."""

    def __init__(self, gap: int = 6) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self._gap = gap
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """One item, or None past the end."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._place(QRect(0, 0, width, 0), dry=True)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._place(rect, dry=False)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        size = QSize(0, 0)
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _place(self, rect: QRect, *, dry: bool) -> int:
        x, y, row = rect.x(), rect.y(), 0
        for item in self._items:
            hint = item.sizeHint()
            if x > rect.x() and x + hint.width() > rect.right() + 1:
                x, y, row = rect.x(), y + row + self._gap, 0
            if not dry:
                item.setGeometry(QRect(QPoint(x, y), hint))
            x += hint.width() + self._gap
            row = max(row, hint.height())
        return y + row - rect.y()
