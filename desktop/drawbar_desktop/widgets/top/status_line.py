"""What the engine is doing and what went wrong -> one line at the foot of the window."""

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout

from drawbar_desktop.state.notices import Notices, Phase
from drawbar_desktop.style.theme import SPACE, P
from drawbar_desktop.widgets.common.basics import ElidedLabel, Sign

TOAST_MS = 5_000


class StatusLine(QFrame):
    """Left: what happens now, or a short-lived notice; right: where the sound goes."""

    def __init__(self, notices: Notices) -> None:
        super().__init__()
        self.setObjectName("statusLine")
        self._phase = notices.phase.value
        self._sign = Sign(px=14)
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
        notices.phase.bind(self._follow)
        notices.told.connect(self.notify)
        notices.output.bind(self.output.set_text)

    def _follow(self, phase: Phase) -> None:
        self._phase = phase
        if phase.failed:
            self._toast.stop()
        if not self._toast.isActive():
            self._show_phase()

    def notify(self, text: str) -> None:
        """A notice for five seconds."""
        self._show(text, error=False)
        self._toast.start()

    def _show_phase(self) -> None:
        self._show(self._phase.text, error=self._phase.failed)

    def _show(self, text: str, *, error: bool) -> None:
        name, color = ("alert-circle", P.warn) if error else ("circle-medium", P.text_faint)
        self._sign.show_sign(name, color)
        self.text.set_text(text)
