"""What the engine is doing and what went wrong -> one line at the foot of the window."""

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel

from drawbar_desktop.style.theme import SPACE, P, icon
from drawbar_desktop.widgets.common.basics import ElidedLabel

TOAST_MS = 5_000


class StatusLine(QFrame):
    """Left: what happens now, or a short-lived notice; right: where the sound goes."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("statusLine")
        self._phase = ("", False)
        self._sign = QLabel()
        self.text = ElidedLabel("", "small")
        self.output = ElidedLabel("", "faint")
        self.output.setAlignment(Qt.AlignmentFlag.AlignRight)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE.m + 2, 0, SPACE.m + 2, SPACE.xs)
        row.setSpacing(SPACE.s)
        row.addWidget(self._sign)
        row.addWidget(self.text, 4)
        row.addWidget(self.output, 2)
        self._toast = QTimer(self, singleShot=True, interval=TOAST_MS)
        self._toast.timeout.connect(self._show_phase)
        self._show_phase()

    def set_phase(self, text: str, *, error: bool = False) -> None:
        """What the program is doing; stays until it does something else."""
        if (text, error) != self._phase:
            self._phase = (text, error)
            if error:
                self._toast.stop()
            if not self._toast.isActive():
                self._show_phase()

    def notify(self, text: str) -> None:
        """A notice for five seconds."""
        self._show(text, error=False)
        self._toast.start()

    def set_output(self, text: str) -> None:
        """The device's name, or why there is none."""
        self.output.set_text(text)

    def _show_phase(self) -> None:
        self._show(self._phase[0], error=self._phase[1])

    def _show(self, text: str, *, error: bool) -> None:
        name, color = ("alert-circle", P.warn) if error else ("circle-medium", P.accent)
        self._sign.setPixmap(icon(name, color=color).pixmap(14, 14))
        self.text.set_text(text)
