"""The prompt's field: completes the words that the model knows, and underlines the others while one types."""

import re
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QStringListModel, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QCompleter, QLineEdit

from drawbar_desktop.style.theme import SPACE, P
from drawbar_desktop.widgets.common.basics import label, plain

LEAST_LETTERS = 2
OFFERED = 8


class PromptField(QLineEdit):
    """The description of the music."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("prompt")
        self.setPlaceholderText("Describe the music: slow piano in A minor with drums")
        self.setAccessibleName("Prompt")
        self._unknown: tuple[str, ...] = ()
        self._words = QStringListModel(self)
        self._completer = QCompleter(self._words, self)
        self._completer.setWidget(self)
        self._completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._completer.setMaxVisibleItems(OFFERED)
        self._completer.activated.connect(self.complete)
        popup = self._completer.popup()
        assert popup is not None  # made when it is asked for
        self._list = popup
        self.textEdited.connect(lambda _: self._offer())
        self.hint = label("", "promptHint")
        self.hint.setParent(self)
        self.hint.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hint.hide()

    # -- words ----------------------------------------------------------------------------------------

    def set_vocabulary(self, words: Sequence[str]) -> None:
        """What can be completed; empty for a model that takes any word."""
        self._words.setStringList(sorted(set(words)))

    def add_words(self, words: str) -> None:
        """Put words at the end."""
        text = self.text().rstrip()
        self.setText(f"{text} {words}" if text else words)

    def offers(self) -> list[str]:
        """What is offered for the word before the cursor."""
        model = self._completer.completionModel()
        return [str(model.index(row, 0).data()) for row in range(model.rowCount())]

    def _beginning(self) -> str:
        """The letters of the word that the cursor stands behind."""
        before = self.text()[: self.cursorPosition()]
        found = re.search(r"[\w#']+$", before)
        return found.group() if found else ""

    def _offer(self) -> None:
        beginning, popup = self._beginning(), self._list
        self._completer.setCompletionPrefix(beginning)
        offers = self.offers() if len(beginning) >= LEAST_LETTERS else []
        if not offers or offers == [beginning.lower()]:
            popup.hide()
            return
        rect = self.cursorRect()
        rect.setWidth(240)
        self._completer.complete(rect)

    def complete(self, word: str) -> None:
        """Put the rest of a word in."""
        at, text, beginning = self.cursorPosition(), self.text(), self._beginning()
        start = at - len(beginning)
        self.setText(text[:start] + word + text[at:])
        self.setCursorPosition(start + len(word))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """While words are offered, Enter and Tab take one; Ctrl+Enter always plays."""
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        popup = self._list
        if popup.isVisible() and (enter or event.key() == Qt.Key.Key_Tab) and popup.currentIndex().isValid():
            event.ignore()  # the completer's
            return
        if enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            popup.hide()
            self.returnPressed.emit()
            return
        super().keyPressEvent(event)

    def show_unknown(self, words: Sequence[str]) -> None:
        """Underline the words that will be dropped, and say so."""
        self._unknown = tuple(words)
        text = "underlined: not known to this model" if words else ""
        self.hint.setText(text)
        self.hint.setVisible(bool(words))
        self.setToolTip(plain(f"These words are ignored: {', '.join(words)}" if words else ""))
        self.setAccessibleDescription(self.toolTip())
        self._place()
        self.update()

    def underlined(self) -> list[str]:
        """The words that are underlined, as they stand in the text."""
        return [self.text()[start:end] for start, end in self._spans()]

    def _spans(self) -> list[tuple[int, int]]:
        found = []
        for words in self._unknown:
            pattern = r"(?<!\w)" + re.escape(words) + r"(?!\w)"
            found += [m.span() for m in re.finditer(pattern, self.text(), re.IGNORECASE)]
        return found

    # -- looks ----------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        spans = self._spans()
        if not spans:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(P.warn), 1.4))
        metrics, text = self.fontMetrics(), self.text()
        origin = self.cursorRect().center().x() - metrics.horizontalAdvance(text[: self.cursorPosition()])
        y = self.height() / 2 + metrics.ascent() / 2 + 3
        for start, end in spans:
            left = origin + metrics.horizontalAdvance(text[:start])
            right = origin + metrics.horizontalAdvance(text[:end])
            steps = range(int((right - left) // 3) + 1)
            painter.drawPolyline(QPolygonF([QPointF(left + 3 * i, y + (i % 2) * 2) for i in steps]))

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
