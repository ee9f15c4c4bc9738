"""The card that every dialog is: over the window, with title, body and buttons; it blocks nothing."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.basics import button, label, tool_button

EDGE = 16
"""Least distance of a card from the window's edges, in pixels."""


class Sheet(QWidget):
    """Covers its parent; Escape or a click beside the card closes it."""

    def __init__(self, parent: QWidget, title: str, width: int = 560, height: int = 0) -> None:
        super().__init__(parent)
        self.setObjectName("scrim")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(title)
        self.card = QFrame()
        self.card.setObjectName("card")
        self._width = width
        self._height = height
        self._under = parent
        self._likeliest: QPushButton | None = None
        head = QHBoxLayout()
        head.addWidget(label(title, "sheetTitle"))
        head.addStretch(1)
        close = tool_button("close", "Close  (Esc)", px=16)
        close.clicked.connect(self.dismiss)
        head.addWidget(close)
        self.body = QVBoxLayout()
        self.body.setSpacing(SPACE.m)
        inside = QWidget()
        inside.setLayout(self.body)
        self.body.setContentsMargins(0, 0, SPACE.s, 0)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self._scroll.setWidget(inside)
        self._inside = inside
        self._foot = QHBoxLayout()
        self._foot.setSpacing(SPACE.s)
        self._foot.addStretch(1)
        column = QVBoxLayout(self.card)
        column.setContentsMargins(SPACE.xl, SPACE.l, SPACE.l, SPACE.l)
        column.setSpacing(SPACE.m)
        column.addLayout(head)
        column.addWidget(self._scroll, 1)
        column.addLayout(self._foot)
        whole = QVBoxLayout(self)
        whole.addWidget(self.card, 0, Qt.AlignmentFlag.AlignCenter)
        parent.installEventFilter(self)
        self.hide()

    def add_button(self, text: str, call: object, name: str = "", tip: str = "") -> QPushButton:
        """A button at the foot; the last one is the likeliest."""
        result = button(text, name, tip)
        result.clicked.connect(lambda: call())  # type: ignore[operator]
        self._foot.addWidget(result)
        self._likeliest = result
        return result

    def present(self) -> None:
        parent = self._under
        self.setGeometry(parent.rect())
        self._fit()
        self.raise_()
        self.show()
        self.setFocus()
        self.focusNextChild()

    def _fit(self) -> None:
        """As large as it wants to be, within the window."""
        parent = self._under
        wanted = self._height or self._inside.sizeHint().height() + 130
        self.card.setFixedHeight(max(120, min(wanted, parent.height() - 2 * EDGE)))
        self.card.setFixedWidth(min(self._width, parent.width() - 2 * EDGE))

    def dismiss(self) -> None:
        """Away with it; the window gets the keyboard back."""
        self.hide()
        self._under.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape closes, Enter presses the last button; nothing else reaches the window behind."""
        if event.key() == Qt.Key.Key_Escape:
            self.dismiss()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._likeliest is not None:
            self._likeliest.click()
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self.card.geometry().contains(event.position().toPoint()):
            self.dismiss()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self.setGeometry(self._under.rect())
            self._fit()
        return False
