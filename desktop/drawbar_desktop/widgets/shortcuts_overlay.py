"""The question mark -> a card over the window that lists every key."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QVBoxLayout, QWidget

from drawbar_desktop.theme import SPACE
from drawbar_desktop.widgets.parts import Tag, label

__all__ = ["SHORTCUTS", "ShortcutsOverlay"]

SHORTCUTS = (
    ("Space", "Play or stop"),
    ("B", "Bypass: the same seed without the sliders"),
    ("/", "Search features"),
    ("Enter", "Add the selected feature to the rack"),
    ("\u2191 \u2193", "Move a slider; with Shift in fine steps"),
    ("0 or double-click", "Slider back to zero"),
    ("Ctrl+Z, Ctrl+Shift+Z", "Undo, redo"),
    ("Ctrl+S", "Export the take"),
    ("?", "This card"),
)


class ShortcutsOverlay(QWidget):
    """Covers its parent; any key or click closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("scrim")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        card = QFrame()
        card.setObjectName("card")
        grid = QGridLayout(card)
        grid.setContentsMargins(SPACE.xl, SPACE.xl - 4, SPACE.xl, SPACE.xl)
        grid.setHorizontalSpacing(SPACE.xl)
        grid.setVerticalSpacing(SPACE.m)
        grid.addWidget(label("Keys", "featureTitle"), 0, 0, 1, 2)
        for row, (keys, meaning) in enumerate(SHORTCUTS, start=1):
            grid.addWidget(Tag(keys), row, 0, Qt.AlignmentFlag.AlignRight)
            grid.addWidget(label(meaning, "soft"), row, 1)
        column = QVBoxLayout(self)
        column.addWidget(card, 0, Qt.AlignmentFlag.AlignCenter)
        self._under = parent
        parent.installEventFilter(self)
        self.hide()

    def toggle(self) -> None:
        """Show or hide."""
        if self.isVisible():
            self.hide()
            return
        self.setGeometry(self._under.rect())
        self.raise_()
        self.show()
        self.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close."""
        self.hide()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Close."""
        self.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay as large as the window."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self.setGeometry(self._under.rect())
        return False
