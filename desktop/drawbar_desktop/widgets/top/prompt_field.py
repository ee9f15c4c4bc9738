"""The prompt's field; it names the words that the model does not know."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLineEdit

from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.basics import label


class PromptField(QLineEdit):
    """The description of the music."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("prompt")
        self.setPlaceholderText("Describe the music: slow piano in A minor with drums")
        self.setAccessibleName("Prompt")
        self.hint = label("", "promptHint")
        self.hint.setParent(self)
        self.hint.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hint.hide()

    def show_unknown(self, words: Sequence[str]) -> None:
        """Name the words that will be dropped; none hides the hint."""
        shown = ", ".join(f"\u201c{word}\u201d" for word in words[:3]) + (" \u2026" if len(words) > 3 else "")
        text = f"not known to this model: {shown}" if words else ""
        self.hint.setText(text)
        self.hint.setVisible(bool(words))
        self.setToolTip(f"These words are ignored: {', '.join(words)}" if words else "")
        self._place()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        size = self.hint.sizeHint()
        width = min(size.width(), self.width() // 2)
        self.hint.setGeometry(
            self.width() - width - SPACE.s, (self.height() - size.height()) // 2, width, size.height()
        )
        self.setTextMargins(0, 0, width + SPACE.s if self.hint.text() else 0, 0)
