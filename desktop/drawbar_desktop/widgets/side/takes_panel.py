"""The list of takes -> a panel with a filter above it and, below, what can be done with the selected one."""

from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from drawbar_desktop.state.desk import Desk
from drawbar_desktop.style.theme import SPACE, P, icon
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import button, label, tool_button
from drawbar_desktop.widgets.common.empty_state import EmptyState
from drawbar_desktop.widgets.side.take_list import TakeList


class TakesPanel(QWidget):
    """Filter above, list, and what can be done with the selected take below."""

    def __init__(self, desk: Desk, actions: Actions) -> None:
        super().__init__()
        self._history, self._actions = desk.history, actions
        history = desk.history
        self.search = QLineEdit()
        self.search.setPlaceholderText("Filter: prompt, notes, seed")
        self.search.setAccessibleName("Filter takes")
        self.search.setClearButtonEnabled(True)
        self.search.setStyleSheet("min-height: 28px; font-size: 12px;")
        self.search.textChanged.connect(history.text.set)
        self.stars = tool_button("star-outline", "Starred only", checkable=True, framed=True, px=16)
        self.stars.toggled.connect(history.starred_only.set)
        self.list = TakeList(desk, actions)
        self.empty = EmptyState(
            "history", "No takes yet", "Every take lands here by itself, with all that made it, and stays."
        )
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self.list)
        top = QHBoxLayout()
        top.setContentsMargins(SPACE.m, SPACE.m, SPACE.m, 0)
        top.setSpacing(SPACE.xs)
        top.addWidget(self.search, 1)
        top.addWidget(self.stars)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE.s)
        column.addLayout(top)
        column.addWidget(self._pages, 1)
        column.addWidget(self._foot())
        history.changed.connect(self._follow)
        history.selected.bind(lambda _: self._show_selected())
        history.against.changed.connect(lambda _: self._show_selected())
        history.playing.changed.connect(lambda _: self._show_selected())
        self._follow()

    def _foot(self) -> QWidget:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(SPACE.m, 0, SPACE.m, SPACE.s)
        column.setSpacing(6)
        self.notes = _Notes(self._save_notes)
        row = QHBoxLayout()
        row.setSpacing(SPACE.xs)
        self.play = tool_button("play", "Play this take  (Enter)", framed=True, px=16)
        self.star = tool_button("star-outline", "Star  (F)", framed=True, px=16)
        self.recall = button("Restore", "", "Restore prompt, seed, sliders and automation exactly  (R)")
        self.compare = button("Compare", "", "Switch between this take and the other one, equally loud")
        self.compare.setCheckable(True)
        self.away = tool_button("delete-outline", "Delete; undo brings it back  (Del)", framed=True, px=16)
        self.play.clicked.connect(self._toggle_play)
        self.star.clicked.connect(self._toggle_star)
        self.recall.clicked.connect(lambda: self._selected(self._actions.recall))
        self.compare.clicked.connect(lambda: self._actions.compare())
        self.away.clicked.connect(lambda: self._selected(self._actions.delete_take))
        for widget in (self.play, self.star, self.recall, self.compare, self.away):
            row.addWidget(widget, 1 if widget in (self.recall, self.compare) else 0)
        self._hint = label("", "faint", wrap=True)
        column.addWidget(self.notes)
        column.addLayout(row)
        column.addWidget(self._hint)
        self._box = box
        return box

    # -- doing ----------------------------------------------------------------------------------------

    def _selected(self, call: object) -> None:
        if self._history.selected.value is not None:
            call(self._history.selected.value)  # type: ignore[operator]

    def _toggle_play(self) -> None:
        history = self._history
        if history.playing.value is not None and history.playing.value == history.selected.value:
            self._actions.stop_take()
        else:
            self._selected(self._actions.play_take)

    def _toggle_star(self) -> None:
        item = self._history.get(self._history.selected.value)
        if item is not None:
            self._history.mark(item.id, starred=not item.starred)

    def _save_notes(self, text: str) -> None:
        item = self._history.get(self._history.selected.value)
        if item is not None and text.strip() != item.notes:
            self._history.mark(item.id, notes=text)

    # -- following ------------------------------------------------------------------------------------

    def _follow(self) -> None:
        history = self._history
        shown = len(history.shown())
        self._pages.setCurrentIndex(1 if shown else 0)
        if not shown:
            if history.total:
                self.empty.say("No take matches", f"{history.total} takes are hidden by the filter.")
            else:
                self.empty.say(
                    "No takes yet", "Every take lands here by itself, with all that made it, and stays."
                )
        self._show_selected()

    def _show_selected(self) -> None:
        history = self._history
        item = history.get(history.selected.value)
        self._box.setVisible(item is not None)
        if item is None:
            return
        if not self.notes.hasFocus():
            self.notes.setPlainText(item.notes)
        self.star.setIcon(
            icon("star" if item.starred else "star-outline", color=P.solo if item.starred else None)
        )
        self.play.setIcon(icon("stop" if history.playing.value == item.id else "play"))
        other = history.get(history.against.value)
        ready = other is not None and other.id != item.id
        self.compare.setEnabled(ready)
        self._hint.setText(
            f"Compare: this one and \u201c{other.settings.prompt or 'no prompt'}\u201d, seed {other.settings.seed}"
            if ready and other is not None
            else "Right-click another take to compare with it. Drag a take into a DAW."
        )


class _Notes(QPlainTextEdit):
    def __init__(self, save: object) -> None:
        super().__init__()
        self._save = save
        self.setPlaceholderText("Notes")
        self.setAccessibleName("Notes")
        self.setFixedHeight(48)
        self.setTabChangesFocus(True)

    def focusOutEvent(self, event: object) -> None:
        super().focusOutEvent(event)  # type: ignore[arg-type]
        self._save(self.toPlainText())  # type: ignore[operator]
