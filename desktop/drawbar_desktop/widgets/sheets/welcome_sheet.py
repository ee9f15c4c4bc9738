"""The card of the first start: what is installed, on which device it plays, one button that makes music."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from drawbar_desktop.state.notices import Check
from drawbar_desktop.style.theme import SPACE, P
from drawbar_desktop.widgets.common.basics import Sign, clear, label
from drawbar_desktop.widgets.common.sheet import Sheet


class WelcomeSheet(Sheet):
    """Shown once; Settings and the ? card have everything later."""

    def __init__(self, parent: QWidget, play: Callable[[], object], tour: Callable[[], object]) -> None:
        super().__init__(parent, "Welcome to Drawbar", width=620)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(SPACE.m)
        self._grid.setVerticalSpacing(SPACE.s)
        self._grid.setColumnStretch(1, 1)
        self.body.addWidget(
            label(
                "A model plays music, and what it has learned by itself is on sliders: drums, a flute, a key, "
                "or a sound that nobody has named. Pull them while it plays.", "soft", wrap=True,
            )
        )  # fmt: skip
        self.body.addLayout(self._grid)
        self.body.addStretch(1)
        self.add_button("Keys and gestures", lambda: self._then(tour), "quiet")
        self.go = self.add_button("Play something", lambda: self._then(play), "primary")

    def _then(self, call: Callable[[], object]) -> None:
        self.dismiss()
        call()

    def greet(self, checks: Sequence[Check]) -> None:
        clear(self._grid)
        for row, (fine, what, finding) in enumerate(checks):
            sign = Sign(px=18)
            name, color = ("check-circle", P.good) if fine else ("information-outline", P.text_soft)
            sign.show_sign(name, color)
            sign.setAccessibleName("fine" if fine else "attention")
            self._grid.addWidget(sign, row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(label(f"{what}: {finding}", "small", wrap=True), row, 1)
        self.present()
