"""A strip across the window for what waits for an answer: words and buttons, never a modal box."""

from collections.abc import Callable

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout

from drawbar_desktop.state.notices import Question
from drawbar_desktop.style.theme import SPACE, P
from drawbar_desktop.widgets.common.basics import Sign, button, clear, label

LEAST_H = 36


class Banner(QFrame):
    """One at a time; hidden without any."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(SPACE.m, 5, SPACE.s, 5)
        self._row.setSpacing(SPACE.s)
        self._open: list[Question] = []
        self.key = ""
        self.words = ""
        self.hide()

    def ask(self, question: Question) -> None:
        """Show words and answers; each answer closes it. An older question comes back when this one is settled."""
        self._open = [other for other in self._open if other.key != question.key] + [question]
        self._show(question)

    def _show(self, question: Question) -> None:
        clear(self._row)
        self.key, self.words = question.key, question.words
        picture = Sign(question.sign, P.text, 16)
        text = label(question.words, "bannerText", wrap=True)
        self._row.addWidget(picture)
        self._row.addWidget(text, 1)
        for i, (title, call) in enumerate(question.answers):
            one = button(title, "primary" if i == 0 else "quiet")
            one.setStyleSheet("min-height: 24px; font-size: 12px;")
            one.clicked.connect(lambda _=False, call=call: self._answer(call))
            self._row.addWidget(one)
        self._fit()
        self.show()

    def hasHeightForWidth(self) -> bool:
        """Its words wrap, but a scroll area that knew of it would ask for the full height of every part."""
        return False

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setFixedHeight(max(LEAST_H, self._row.heightForWidth(self.width())))

    def answer(self, index: int) -> None:
        """Press one of the buttons (the keyboard and tests)."""
        item = self._row.itemAt(2 + index)
        widget = item.widget() if item is not None else None
        if widget is not None:
            widget.click()  # type: ignore[attr-defined]

    def close_for(self, key: str) -> None:
        self._open = [other for other in self._open if other.key != key]
        if key != self.key:
            return
        self.key = self.words = ""
        if self._open:
            self._show(self._open[-1])
        else:
            self.hide()

    def _answer(self, call: Callable[[], object]) -> None:
        key = self.key
        call()
        self.close_for(key)
