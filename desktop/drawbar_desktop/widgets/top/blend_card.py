"""The prompts of a take and their shares -> a card below the prompt: faders that are heard while it plays."""

from functools import partial

from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from drawbar.prompts import PromptPart
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.basics import button, clear, label, learnable, tool_button
from drawbar_desktop.widgets.common.fader import Fader

ABOUT = (
    "Shares move while the take plays; what they leave of 1 is no prompt. "
    "New words count from the next take on."
)


class BlendCard(QFrame):
    """Stays open while one works; Escape or a click elsewhere closes it."""

    def __init__(self, parent: QWidget, desk: Desk) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("card")
        self.setAccessibleName("Blend of prompts")
        self._transport, self._blending = desk.transport, desk.blending
        self._shown: tuple[bool, ...] | None = None
        self.faders: list[Fader] = []
        self.fields: list[QLineEdit] = []
        self._numbers: list[QLabel] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE.m, SPACE.s, SPACE.m, SPACE.m)
        column.setSpacing(SPACE.s)
        column.addWidget(label("BLEND OF PROMPTS", "caption"))
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(SPACE.s)
        self._grid.setVerticalSpacing(SPACE.xs)
        self._grid.setColumnStretch(1, 1)
        column.addLayout(self._grid)
        row = QHBoxLayout()
        self.more = button("Add a prompt", "quiet", "One more prompt to blend in", picture="plus")
        self.more.clicked.connect(lambda: self._blending.add())
        self.without = button(
            "Add what should not be heard", "quiet", "Guidance leads away from it", picture="minus"
        )
        self.without.clicked.connect(lambda: self._blending.add(unwanted=True))
        row.addWidget(self.more)
        row.addWidget(self.without)
        row.addStretch(1)
        column.addLayout(row)
        column.addWidget(label(ABOUT, "faint", wrap=True))
        self._blending.parts.bind(self._follow)
        self._blending.share.changed.connect(lambda _: self._show())
        self._transport.prompt.changed.connect(lambda _: self._show())

    def open_below(self, field: QWidget) -> None:
        """As wide as the field, within the screen."""
        self.setFixedWidth(min(max(field.width(), 460), field.screen().availableGeometry().width() - 40))
        self.adjustSize()
        self.move(field.mapToGlobal(QPoint(0, field.height() + 4)))
        self.show()

    def _follow(self, parts: tuple[PromptPart, ...]) -> None:
        kinds = tuple(part.unwanted for part in parts)
        if kinds != self._shown:
            self._shown = kinds
            QTimer.singleShot(0, self, self._lay_out)  # a row's own button must outlive its signal
        else:
            self._show()

    def _lay_out(self) -> None:
        clear(self._grid)
        self.faders, self.fields, self._numbers = [], [], []
        for place, unwanted in enumerate((False, *(self._shown or ()))):
            self._row(place, unwanted)
        self._show()
        if self.isVisible():
            self.adjustSize()

    def _row(self, place: int, unwanted: bool) -> None:
        kind = "not" if unwanted else ("and" if place else "prompt")
        field = QLineEdit()
        field.setReadOnly(place == 0)
        field.setAccessibleName("What should not be heard" if unwanted else f"Prompt {place + 1}")
        field.setPlaceholderText("what should not be heard" if unwanted else "another prompt")
        field.textEdited.connect(partial(self._blending.set_text, place))
        fader = Fader(0, 100, lambda: self._blending.set_share(place, 1.0))
        fader.setFixedWidth(130)
        fader.setAccessibleName(f"Share of prompt {place + 1}")
        fader.setToolTip("Share, moved live. Double-click: all of it")
        fader.valueChanged.connect(lambda v: self._blending.set_share(place, v / 100))
        learnable(fader, f"share:{place}")
        number = label("", "number")
        number.setFixedWidth(38)
        for column, widget in enumerate((label(kind, "faint"), field, fader, number)):
            self._grid.addWidget(widget, place, column)
        if place:
            away = tool_button("close", "Take this prompt out", px=14)
            away.clicked.connect(lambda: self._blending.remove(place))
            self._grid.addWidget(away, place, 4)
        self.fields.append(field)
        self.faders.append(fader)
        self._numbers.append(number)

    def _show(self) -> None:
        texts = [self._transport.prompt.value, *(part.text for part in self._blending.parts.value)]
        if len(texts) != len(self.fields):
            return
        for place, (text, field) in enumerate(zip(texts, self.fields, strict=True)):
            share = self._blending.share_of(place)
            if field.text() != text:
                field.setText(text)
            fader = self.faders[place]
            fader.blockSignals(True)
            fader.setValue(round(share * 100))
            fader.blockSignals(False)
            self._numbers[place].setText(f"{share:.2f}")
