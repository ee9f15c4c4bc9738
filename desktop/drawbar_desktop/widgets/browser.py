"""The library's state -> search field, shelves, sort and the list of features."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from drawbar_desktop.state.library import SHELVES, SORTS, Library
from drawbar_desktop.state.rack import Rack, feature_title
from drawbar_desktop.theme import DARK, SPACE, icon
from drawbar_desktop.widgets.empty_state import EmptyState
from drawbar_desktop.widgets.feature_list import FeatureList
from drawbar_desktop.widgets.parts import FlowLayout, Menu, label

__all__ = ["Browser"]


class Browser(QFrame):
    """Find a feature and put it in the rack."""

    def __init__(self, library: Library, rack: Rack, add: Callable[[str], object]) -> None:
        super().__init__()
        self._library = library
        self.setObjectName("panel")
        self.search = _SearchField()
        self.search.textChanged.connect(library.text.set)
        self.list = FeatureList(library, rack, add)
        self.search.down = self._enter_list
        self._count = label("", "faint")
        self._meant = QPushButton()
        self._meant.setObjectName("link")

        self.sort = Menu()
        for key, title in SORTS:
            self.sort.addItem(title, key)
        self.sort.setToolTip("Order of the list")
        self.sort.setAccessibleName("Order")
        self.sort.currentIndexChanged.connect(lambda i: library.sort.set(SORTS[i][0]))
        self.sort.setStyleSheet(
            f"QComboBox {{ border: 0; background: transparent; color: {DARK.text_soft}; min-height: 22px;"
            " padding: 0 20px 0 2px; font-size: 11px; }"
            f"QComboBox:focus {{ color: {DARK.accent_bright}; }}"
        )

        chips = QWidget()
        flow = FlowLayout(gap=4)
        chips.setLayout(flow)
        self.chips = QButtonGroup(self)
        for i, shelf in enumerate(SHELVES):
            chip = QPushButton("" if shelf.name == "starred" else shelf.title)
            if shelf.name == "starred":
                chip.setIcon(icon("star-outline", on=DARK.accent_bright))
                chip.setAccessibleName(shelf.title)
                chip.setProperty("bare", "true")
                chip.setFixedWidth(30)
            chip.setObjectName("chip")
            chip.setCheckable(True)
            chip.setToolTip(shelf.tip)
            chip.setChecked(i == 0)
            self.chips.addButton(chip, i)
            flow.addWidget(chip)
        self.chips.idClicked.connect(lambda i: library.shelf.set(SHELVES[i].name))

        self.empty = EmptyState("magnify", "", "")
        self._pages = QStackedWidget()
        self._pages.addWidget(self.list)
        self._pages.addWidget(self.empty)

        head = QHBoxLayout()
        head.addWidget(label("Features", "heading"))
        head.addStretch(1)
        head.addWidget(self._count)
        order = QHBoxLayout()
        order.addWidget(self.sort)
        order.addStretch(1)
        top = QVBoxLayout()
        top.setContentsMargins(SPACE.m, SPACE.s + 2, SPACE.m, 0)
        top.setSpacing(SPACE.s)
        top.addLayout(head)
        top.addWidget(self.search)
        top.addWidget(chips)
        top.addLayout(order)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, SPACE.xs)
        column.setSpacing(SPACE.xs)
        column.addLayout(top)
        column.addWidget(self._pages, 1)
        library.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        library = self._library
        found = (
            f"{library.count:,}"
            if library.count == library.total
            else f"{library.count:,} of {library.total:,}"
        )
        self._count.setText(found if library.total else "")
        self._pages.setCurrentIndex(0 if library.count else 1)
        if library.count:
            return
        if library.bank is None:
            self.empty.say("No bank is open yet", "The features of the loaded model appear here.")
            return
        meant = [feature_title(f) for f in library.nearest()]
        text = library.text.value.strip()
        line = f"Nothing is called \u201c{text}\u201d" if text else "This shelf is empty"
        self.empty.say(
            line, "Did you mean " + " or ".join(meant) + "?" if meant else "Try another word or shelf."
        )

    def _enter_list(self) -> None:
        if self._library.count:
            self.list.setFocus()
            if not self.list.currentIndex().isValid():
                self.list.setCurrentIndex(self.list.model().index(0, 0))


class _SearchField(QLineEdit):
    def __init__(self) -> None:
        super().__init__()
        self.down: Callable[[], object] = lambda: None
        self.setObjectName("search")
        self.setPlaceholderText("Search labels   /")
        self.setClearButtonEnabled(True)
        self.setAccessibleName("Search features")
        glass = QAction(icon("magnify", color=DARK.text_faint), "", self)
        self.addAction(glass, QLineEdit.ActionPosition.LeadingPosition)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Down goes into the list, Escape clears."""
        if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Return):
            self.down()
        elif event.key() == Qt.Key.Key_Escape:
            self.clear()
            self.clearFocus()
        else:
            super().keyPressEvent(event)
