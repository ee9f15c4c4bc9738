"""A number as text -> a read-out that is clicked, typed into and committed; Escape puts the old value back."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QLineEdit

from drawbar_desktop.widgets.common.basics import plain


def parse_number(text: str) -> float | None:
    """What a person typed, with or without sign and unit -> the number, or None."""
    kept = text.replace("\u2212", "-").replace(",", ".").strip().lower()
    while kept and not (kept[-1].isdigit() or kept[-1] == "."):
        kept = kept[:-1]
    try:
        value = float(kept)
    except ValueError:
        return None
    return value if value == value and abs(value) < 1e6 else None


class ValueEdit(QLineEdit):
    """The read-out below a slider."""

    def __init__(self, commit: Callable[[float], object], tip: str, name: str) -> None:
        super().__init__()
        self._commit_to = commit
        self._shown = ""
        self.setObjectName("value")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setToolTip(plain(tip))
        self.setAccessibleName(name)
        self.returnPressed.connect(self.clearFocus)

    def show_text(self, text: str) -> None:
        """Show the state's value, unless the user is typing."""
        self._shown = text
        if not self.hasFocus():
            self.setText(text)

    def show_amount(self, amount: float) -> None:
        self.show_text("0.00" if amount == 0 else f"{amount:+.2f}".replace("-", "\u2212"))

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.selectAll()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        value = parse_number(self.text())
        if value is not None and self.text() != self._shown:
            self._commit_to(value)
        self.setText(self._shown)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.setText(self._shown)
            self.clearFocus()
            return
        super().keyPressEvent(event)
