"""The words that a model knows, by kind -> a card of chips below the prompt; a click puts one into it."""

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.basics import FlowLayout, button, clear, label


class VocabularyCard(QFrame):
    """Stays open for several words; Escape or a click elsewhere closes it."""

    def __init__(self, parent: QWidget, choose: Callable[[str], object]) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("card")
        self.setAccessibleName("Words that this model knows")
        self._choose = choose
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(SPACE.m, SPACE.s, SPACE.m, SPACE.m)
        self._column.setSpacing(SPACE.xs)

    def show_words(self, vocabulary: Mapping[str, Sequence[str]]) -> None:
        """Kind -> its words."""
        clear(self._column)
        for kind, words in vocabulary.items():
            self._column.addWidget(label(kind.upper(), "caption"))
            chips = QWidget()
            flow = FlowLayout(gap=4)
            chips.setLayout(flow)
            for word in words:
                chip = button(word, "chip", f"Add \u201c{word}\u201d to the prompt")
                chip.clicked.connect(lambda _=False, word=word: self._choose(word))
                flow.addWidget(chip)
            self._column.addWidget(chips)

    def open_below(self, field: QWidget) -> None:
        """As wide as the field, within the screen."""
        width = min(max(field.width(), 420), field.screen().availableGeometry().width() - 40)
        self.setFixedWidth(width)
        self.setFixedHeight(self._column.totalHeightForWidth(width) + 4)
        self.move(field.mapToGlobal(QPoint(0, field.height() + 4)))
        self.show()
