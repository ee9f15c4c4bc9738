"""What is sounding now -> a ranked list of features with bars; each can become a slider with one click."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.hearing import Heard
from drawbar_desktop.state.rack import feature_title
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import ElidedLabel, button, clear, label, plain, tool_button
from drawbar_desktop.widgets.common.empty_state import EmptyState
from drawbar_desktop.widgets.common.meters import ScoreBar


class HearingPanel(QWidget):
    """ "What am I hearing?": asks the whole bank, not only the sliders."""

    def __init__(self, desk: Desk, actions: Actions) -> None:
        super().__init__()
        self._desk, self._actions = desk, actions
        hearing = desk.hearing
        self.now = button(
            "What am I hearing?", "primary", "Rank what fires in the last two seconds", picture=""
        )
        self.now.clicked.connect(lambda: actions.hear(False))
        self.live = QCheckBox("Keep listening")
        self.live.setToolTip("Rank again every two seconds while music plays")
        self.live.toggled.connect(hearing.on.set)
        self._source = ElidedLabel("", "faint")
        self._rows = QWidget()
        self._grid = QGridLayout(self._rows)
        self._grid.setContentsMargins(SPACE.m, 0, SPACE.m, SPACE.m)
        self._grid.setHorizontalSpacing(SPACE.s)
        self._grid.setVerticalSpacing(6)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._rows)
        self.empty = EmptyState(
            "ear-hearing",
            "What am I hearing?",
            "Play something, then ask: every feature of the bank is compared with the last two seconds.",
        )
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(scroll)
        top = QVBoxLayout()
        top.setContentsMargins(SPACE.m, SPACE.m, SPACE.m, 0)
        top.setSpacing(SPACE.s)
        top.addWidget(self.now)
        line = QHBoxLayout()
        line.addWidget(self.live)
        line.addWidget(self._source, 1)
        top.addLayout(line)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE.s)
        column.addLayout(top)
        column.addWidget(self._pages, 1)
        hearing.on.bind(self.live.setChecked)
        hearing.busy.bind(lambda busy: self.now.setText("Listening \u2026" if busy else "What am I hearing?"))
        hearing.source.bind(self._source.set_text)
        hearing.trouble.changed.connect(self._say)
        hearing.heard.bind(self._show)
        desk.rack.layout_changed.connect(lambda: self._show(hearing.heard.value))

    def _say(self, trouble: str) -> None:
        if trouble:
            self.empty.say("Nothing could be heard", trouble)
            self._pages.setCurrentIndex(0)

    def _show(self, heard: tuple[Heard, ...]) -> None:
        self._pages.setCurrentIndex(1 if heard else 0)
        clear(self._grid)
        for row, one in enumerate(heard):
            id = one.feature.id
            name = button(feature_title(one.feature), "link", f"Show {id} in the inspector")
            name.clicked.connect(lambda _=False, id=id: self._desk.library.selected.set(id))
            bar = ScoreBar(one.strength)
            bar.setToolTip(plain(f"{one.strength:.0%} of its 99th percentile, on average"))
            add = tool_button("plus-circle-outline", f"Make {feature_title(one.feature)} a slider", px=17)
            add.setEnabled(id not in self._desk.rack)
            add.clicked.connect(lambda _=False, id=id: self._actions.add(id))
            number = label(f"{one.strength:.2f}", "small")
            for column, widget in enumerate((name, bar, number, add)):
                self._grid.addWidget(widget, row, column)
        self._grid.setColumnStretch(0, 3)
        self._grid.setColumnStretch(1, 2)
        self._grid.setRowStretch(len(heard), 1)
