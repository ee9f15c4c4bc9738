"""The card that tells an error: its words, a copy button, where the log file is."""

from pathlib import Path

from PySide6.QtWidgets import QApplication, QPlainTextEdit, QWidget

from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.basics import label
from drawbar_desktop.widgets.common.sheet import Sheet


class ErrorSheet(Sheet):
    """For what a line in the status bar cannot carry."""

    def __init__(self, parent: QWidget, log_file: Path | None) -> None:
        super().__init__(parent, "Something went wrong", width=620, height=380)
        self._words = label("", "soft", wrap=True)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setObjectName("mono")
        self.details.setAccessibleName("Details")
        self.body.setSpacing(SPACE.m)
        self.body.addWidget(self._words)
        self.body.addWidget(self.details, 1)
        if log_file is not None:
            self.body.addWidget(label(f"The log file has more: {log_file}", "faint", wrap=True))
        self.copy_button = self.add_button("Copy", self.copy, "", "Copy the message, to send it to somebody")
        self.add_button("Close", self.dismiss, "primary")

    def tell(self, words: str, details: str = "") -> None:
        self._words.setText(words)
        self.details.setPlainText(details or words)
        self.present()

    def copy(self) -> None:
        QApplication.clipboard().setText(f"{self._words.text()}\n\n{self.details.toPlainText()}")
        self.copy_button.setText("Copied")
