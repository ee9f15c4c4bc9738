"""The panel on the right with three tabs: the feature's page, what is heard, the takes."""

from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from drawbar_desktop.state.desk import Desk
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import button, separator, tool_button
from drawbar_desktop.widgets.side.hearing_panel import HearingPanel
from drawbar_desktop.widgets.side.inspector import Inspector
from drawbar_desktop.widgets.side.takes_panel import TakesPanel

TABS = (("Feature", "Labels, evidence and examples of the selected feature  (Ctrl+1)"),
        ("Hearing", "What am I hearing?  (Ctrl+2)"),
        ("Takes", "Everything that was played  (Ctrl+3)"))  # fmt: skip


class SidePanel(QFrame):
    """Selecting a feature anywhere brings its page to the front."""

    def __init__(self, desk: Desk, actions: Actions) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.inspector = Inspector(desk, actions)
        self.hearing = HearingPanel(desk, actions)
        self.takes = TakesPanel(desk, actions)
        self.tabs = QButtonGroup(self)
        head = QHBoxLayout()
        head.setContentsMargins(SPACE.m, 4, SPACE.m, 0)
        head.setSpacing(SPACE.l)
        self._pages = QStackedWidget()
        pages: tuple[QWidget, ...] = (self.inspector, self.hearing, self.takes)
        for i, ((name, tip), page) in enumerate(zip(TABS, pages, strict=True)):
            tab = button(name, "tab", tip, checkable=True)
            self.tabs.addButton(tab, i)
            head.addWidget(tab)
            self._pages.addWidget(page)
        head.addStretch(1)
        fold = tool_button("chevron-double-right", "Fold this panel  (F8)", px=15)
        fold.clicked.connect(lambda: actions.fold("side"))
        head.addWidget(fold)
        self.tabs.idClicked.connect(self.show_tab)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, SPACE.xs)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(separator())
        column.addWidget(self._pages, 1)
        desk.library.selected.changed.connect(lambda id: self.show_tab(0) if id is not None else None)
        self.show_tab(0)

    def show_tab(self, index: int) -> None:
        self._pages.setCurrentIndex(index)
        self.tabs.button(index).setChecked(True)

    @property
    def tab(self) -> int:
        return self._pages.currentIndex()
