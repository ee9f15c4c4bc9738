"""The library's state -> search field, shelves, filters, sort and the list of features."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from drawbar.bank.links import MARK, id_of
from drawbar_desktop.state.library import DENSITIES, KINDS, SHELVES, SORTS, Library
from drawbar_desktop.state.rack import Rack, feature_title
from drawbar_desktop.state.word_making import WordMaking
from drawbar_desktop.style.theme import SPACE, P, icon
from drawbar_desktop.widgets.browser.feature_list import FeatureList
from drawbar_desktop.widgets.browser.word_offer import WordOffer
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import (
    FlowLayout,
    Item,
    Menu,
    button,
    label,
    plain,
    popup,
    set_flag,
    tool_button,
)
from drawbar_desktop.widgets.common.empty_state import EmptyState
from drawbar_desktop.widgets.common.kinds import KIND_SIGNS


class Browser(QFrame):
    """Find a feature and put it in the rack."""

    def __init__(self, library: Library, rack: Rack, actions: Actions, words: WordMaking) -> None:
        super().__init__()
        self._library = library
        self.setObjectName("panel")
        self.search = _SearchField()
        self.search.textChanged.connect(self._searched)
        self.list = FeatureList(library, rack, actions.add, actions.preview)
        self.search.down = self._enter_list
        library.opened.connect(self._show_bank)
        self._count = _Count()
        self.empty = EmptyState("magnify", "", "")
        self._pages = QStackedWidget()
        self._pages.addWidget(self.list)
        self.offer = WordOffer(library, words, actions)
        nothing = QWidget()
        found_none = QVBoxLayout(nothing)
        found_none.setContentsMargins(0, 0, 0, 0)
        found_none.addWidget(self.empty, 1)
        found_none.addWidget(self.offer)
        self._pages.addWidget(nothing)
        self._pages.setMinimumHeight(60)
        self.ears = tool_button(
            "headphones", "Resting on a row plays its best example", checkable=True, px=15
        )
        self.ears.toggled.connect(self._listen)

        head = QHBoxLayout()
        head.addWidget(label("Features", "heading"))
        head.addWidget(self._count, 1)
        self.make = tool_button("plus-box-multiple-outline", "Make a slider from examples \u2026", px=16)
        self.make.clicked.connect(lambda: actions.make_slider())
        head.addWidget(self.make)
        head.addWidget(self.ears)
        fold = tool_button("chevron-double-left", "Fold this panel  (F7)", px=15)
        fold.clicked.connect(lambda: actions.fold("browser"))
        head.addWidget(fold)
        order = QHBoxLayout()
        order.setSpacing(SPACE.xs)
        order.addWidget(self._sort_menu())
        order.addStretch(1)
        self.filter = button("Filter", "quiet", "Layer, labeller, proof, activity", picture="filter-variant")
        self.filter.setCheckable(True)
        order.addWidget(self.filter)
        self._filters: QFrame = self._filter_panel()
        self.filter.toggled.connect(self._filters.setVisible)
        top = QVBoxLayout()
        top.setContentsMargins(SPACE.m, SPACE.s, SPACE.m, 0)
        top.setSpacing(SPACE.s)
        top.addLayout(head)
        top.addWidget(self.search)
        top.addWidget(self._chips())
        top.addLayout(order)
        top.addWidget(self._filters)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, SPACE.xs)
        column.setSpacing(SPACE.xs)
        column.addLayout(top)
        column.addWidget(self._pages, 1)
        library.changed.connect(self._follow)
        library.coming.changed.connect(lambda _: self._follow())
        library.shelf.changed.connect(lambda _: self._show_shelf())
        self._follow()

    # -- parts ----------------------------------------------------------------------------------------

    def _sort_menu(self) -> Menu:
        self.sort = Menu()
        for key, title in SORTS:
            self.sort.addItem(title, key)
        self.sort.setToolTip("Order of the list")
        self.sort.setAccessibleName("Order")
        self.sort.currentIndexChanged.connect(lambda i: self._library.sort.set(SORTS[i][0]))
        self.sort.setObjectName("plainMenu")
        return self.sort

    def _chips(self) -> QWidget:
        chips = QWidget()
        flow = FlowLayout(gap=3)
        chips.setLayout(flow)
        self.chips = QButtonGroup(self)
        for i, shelf in enumerate(SHELVES):
            starred = shelf.name == "starred"
            chip = button("" if starred else shelf.title, "chip", shelf.tip, checkable=True)
            chip.setAccessibleName(shelf.title)
            if starred:
                chip.setIcon(icon("star-outline", on=P.text))
                chip.setProperty("bare", "true")
                chip.setFixedWidth(30)
            self.chips.addButton(chip, i)
            flow.addWidget(chip)
        self.more = button("", "chip", "Your own shelves, and what you have hidden", checkable=True)
        self.more.setIcon(icon("dots-horizontal", on=P.text))
        self.more.setAccessibleName("More shelves")
        self.more.setProperty("bare", "true")
        self.more.setFixedWidth(30)
        self.more.clicked.connect(self._more_shelves)
        flow.addWidget(self.more)
        self.chips.idClicked.connect(lambda i: self._library.shelf.set(SHELVES[i].name))
        self._show_shelf()
        self.kinds: dict[str, QPushButton] = {}
        for name, title in KINDS:
            chip = button("", "chip", f"{title} only; click again for every kind", checkable=True)
            chip.setIcon(icon(KIND_SIGNS[name], color=getattr(P, name)))
            chip.setAccessibleName(title)
            chip.setProperty("bare", "true")
            chip.setFixedWidth(34)
            chip.toggled.connect(partial(self._choose_kind, name))
            self.kinds[name] = chip
            flow.addWidget(chip)
        self._library.kind.bind(self._show_kind)
        return chips

    def _choose_kind(self, name: str, on: bool) -> None:
        if on:
            self._library.kind.set(name)
        elif self._library.kind.value == name:
            self._library.kind.set(None)

    def _show_kind(self, kind: str | None) -> None:
        for name, chip in self.kinds.items():
            chip.setChecked(name == kind)

    def _filter_panel(self) -> QFrame:
        box = QFrame()
        box.setObjectName("group")
        grid = QGridLayout(box)
        grid.setContentsMargins(SPACE.s, SPACE.s, SPACE.s, SPACE.s)
        grid.setSpacing(6)
        self.layer, self.author, self.verdict, self.density = Menu(), Menu(), Menu(), Menu()
        self.doubles = Menu()
        for row, (name, menu) in enumerate(
            (
                ("Layer", self.layer),
                ("Named by", self.author),
                ("Proof", self.verdict),
                ("Fires", self.density),
                ("Doubles", self.doubles),
            )
        ):
            grid.addWidget(label(name, "faint"), row, 0)
            menu.setAccessibleName(name)
            menu.setStyleSheet("QComboBox { min-height: 24px; font-size: 11px; }")
            grid.addWidget(menu, row, 1)
        grid.setColumnStretch(1, 1)
        self.clear = button("Clear", "quiet", "Any layer, labeller, proof and activity")
        self.clear.clicked.connect(self._clear)
        grid.addWidget(self.clear, 5, 1)
        for i, (title, _, _) in enumerate(DENSITIES):
            self.density.addItem(title, i)
        self.doubles.addItem("One of each", False)
        self.doubles.addItem("All of them", True)
        self.doubles.setToolTip("Features that fire together or point the same way are one slider")
        self.layer.activated.connect(lambda: self._library.layer.set(self.layer.currentData()))
        self.author.activated.connect(lambda: self._library.author.set(self.author.currentData()))
        self.verdict.activated.connect(lambda: self._library.verdict.set(self.verdict.currentData()))
        self.density.activated.connect(lambda: self._library.density.set(self.density.currentData()))
        self.doubles.activated.connect(lambda: self._library.doubles.set(self.doubles.currentData()))
        box.hide()
        return box

    def _show_bank(self) -> None:
        """Offer what this bank can be filtered by."""
        bank = self._library.bank
        facets = bank.facets() if bank is not None else None
        for menu, name, values in (
            (self.layer, "Any layer", facets.layers if facets else {}),
            (self.author, "Anybody", facets.authors if facets else {}),
            (self.verdict, "Any verdict", facets.verdicts if facets else {}),
        ):
            menu.clear()
            menu.addItem(name, None)
            for value, count in values.items():
                title = f"Layer {value}" if menu is self.layer else str(value).replace("_", " ")
                menu.addItem(f"{title}  ({count:,})", value)

    # -- doing ----------------------------------------------------------------------------------------

    def _clear(self) -> None:
        for menu in (self.layer, self.author, self.verdict, self.density, self.doubles):
            menu.setCurrentIndex(0)
        self._library.clear_filters()

    def _listen(self, on: bool) -> None:
        self.list.listens = on

    def _more_shelves(self) -> None:
        shelves = self._library.shelves()[len(SHELVES) :]
        now = self._library.shelf.value
        items: list[Item] = [
            (s.title, partial(self._library.shelf.set, s.name), s.name == now) for s in shelves
        ]
        popup(self.more, items)
        self._show_shelf()

    def _show_shelf(self) -> None:
        now = self._library.shelf.value
        names = [shelf.name for shelf in SHELVES]
        self.more.setChecked(now not in names)
        self.chips.setExclusive(False)
        for i, name in enumerate(names):
            self.chips.button(i).setChecked(name == now)
        self.chips.setExclusive(now in names)

    def _follow(self) -> None:
        library = self._library
        all_of_them = library.count == library.total
        found = f"{library.count:,}" if all_of_them else f"{library.count:,} of {library.total:,}"
        self._count.show_words(found if library.total else "", f"{library.count:,}")
        self._count.setToolTip(plain(f"{found} features" if library.total else ""))
        filters = library.active_filters()
        self.filter.setText(f"Filter: {filters}" if filters else "Filter")
        set_flag(self.filter, "alarm", bool(filters))
        self._pages.setCurrentIndex(0 if library.count else 1)
        if library.count:
            return
        if library.bank is None:
            if library.coming.value:
                self.empty.say("Loading \u2026", library.coming.value)
                return
            yet = "" if library.why_none else " yet"
            why = library.why_none or "The features of the loaded model appear here."
            self.empty.say(f"No bank is open{yet}", why)
            return
        meant = [feature_title(f) for f in library.nearest()]
        text = library.text.value.strip()
        line = f"Nothing is called \u201c{text}\u201d" if text else "This shelf is empty"
        self.empty.say(
            line,
            "Did you mean " + " or ".join(meant) + "?" if meant else "Try another word, shelf or filter.",
        )

    def _searched(self, text: str) -> None:
        """A link, or an id as it stands in one, shows its feature; anything else searches."""
        if text.strip().startswith(MARK):
            self._library.selected.set(id_of(text))
        else:
            self._library.text.set(text)

    def _enter_list(self) -> None:
        if self._library.count:
            self.list.setFocus()
            if not self.list.currentIndex().isValid():
                self.list.setCurrentIndex(self.list.model().index(0, 0))


class _Count(QLabel):
    """How many are found: "12 of 1,512", or "12" where there is no room for more."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = self._short = ""
        self.setObjectName("faint")
        self.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def show_words(self, whole: str, short: str) -> None:
        """Both ways to say it."""
        self._whole, self._short = whole, short
        self.setAccessibleName(whole)
        self.updateGeometry()
        self._choose()

    def _choose(self) -> None:
        fits = self.fontMetrics().horizontalAdvance(self._whole) <= self.width()
        self.setText(self._whole if fits else self._short)

    def sizeHint(self) -> QSize:
        return self._size(self._whole)

    def minimumSizeHint(self) -> QSize:
        return self._size(self._short)

    def _size(self, words: str) -> QSize:
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(words) + 2, metrics.lineSpacing())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._choose()


class _SearchField(QLineEdit):
    def __init__(self) -> None:
        super().__init__()
        self.down: Callable[[], object] = lambda: None
        self.setObjectName("search")
        self.setPlaceholderText("Search labels   /")
        self.setClearButtonEnabled(True)
        self.setAccessibleName("Search features")
        glass = QAction(icon("magnify", color=P.text_faint), "", self)
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
