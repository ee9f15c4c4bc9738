"""What an empty panel shows: an icon, a line, a hint and perhaps one button."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from drawbar_desktop.style.theme import SPACE, P
from drawbar_desktop.widgets.common.basics import Sign, label


class EmptyState(QWidget):
    """Says what could be here and how to get it."""

    def __init__(
        self,
        icon_name: str,
        line: str,
        hint: str,
        button: str | None = None,
        on_click: Callable[[], object] | None = None,
    ) -> None:
        super().__init__()
        picture = Sign(icon_name, P.text_faint, 36)
        picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.line = label(line, "heading", wrap=True)
        self.hint = label(hint, "small", wrap=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE.l, SPACE.m, SPACE.l, SPACE.m)
        column.setSpacing(6)
        column.addStretch(1)
        column.addWidget(picture)
        for text in (self.line, self.hint):
            text.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(text)
        self.button: QPushButton | None = None
        if button:
            self.button = QPushButton(button)
            self.button.setObjectName("primary")
            if on_click:
                self.button.clicked.connect(lambda: on_click())
            column.addSpacing(SPACE.s)
            column.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)

    def say(self, line: str, hint: str) -> None:
        self.line.setText(line)
        self.hint.setText(hint)
