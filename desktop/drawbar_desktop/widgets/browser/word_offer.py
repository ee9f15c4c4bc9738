"""A search that found nothing -> a button that makes a slider of the word, and how far that is."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from drawbar_desktop.state.library import Library
from drawbar_desktop.state.word_making import WordMaking
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import button, label


class WordOffer(QWidget):
    """Shown below "nothing is called so"; it stays while a slider is being made."""

    def __init__(self, library: Library, making: WordMaking, actions: Actions) -> None:
        super().__init__()
        self._library, self._making, self._actions = library, making, actions
        self.make = button(
            "",
            "primary",
            "The model plays takes with and without the word; the slider is what tells them apart",
        )
        self.make.clicked.connect(self._pressed)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.words = label("", "small", wrap=True)
        self.words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE.l, 0, SPACE.l, SPACE.l)
        column.setSpacing(SPACE.s)
        column.addWidget(self.make, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self.bar)
        column.addWidget(self.words)
        library.changed.connect(self._follow)
        for change in (making.possible, making.busy, making.progress, making.trouble):
            change.changed.connect(lambda _: self._follow())
        self._follow()

    def _pressed(self) -> None:
        if self._making.busy.value:
            self._actions.stop_word()
        else:
            self._actions.make_word(self._library.text.value)

    def _follow(self) -> None:
        making, text = self._making, " ".join(self._library.text.value.split())
        busy = making.busy.value
        nothing = bool(text) and not self._library.count
        self.setVisible(bool(busy) or (nothing and making.possible.value))
        self.make.setText("Stop" if busy else "Make it a slider")
        what, share = making.progress.value
        self.bar.setVisible(bool(busy))
        self.bar.setValue(round(1000 * share))
        word, why = making.trouble.value
        self.words.setText(what if busy else why if why and word.casefold() == text.casefold() else "")
        self.words.setVisible(bool(self.words.text()))
        self.words.setAccessibleName(self.words.text())
