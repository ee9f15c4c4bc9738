"""The blind test's state -> a card with clips to play, answers, progress and the result; all of it by keyboard."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from drawbar_desktop.state.blind_test import LENGTHS_S, TASKS, TRIALS, BlindChoice, BlindTest, Row
from drawbar_desktop.style.theme import SPACE, P, icon, icon_size, qcolor
from drawbar_desktop.widgets.common.basics import Menu, Tag, button, clear, label, plain
from drawbar_desktop.widgets.common.file_dialogs import FileDialogs
from drawbar_desktop.widgets.common.sheet import Sheet

CLIP_W, CLIP_H = 108, 92
STAGES = {"setup": 0, "making": 1, "asking": 1, "complete": 2, "result": 3}


class Listener(Protocol):
    """What the card asks of the application (`drawbar_desktop.controllers.blind_test`)."""

    state: BlindTest

    def left_over(self) -> Path | None:
        """A session that can be gone on with."""
        ...

    def begin(self, choice: BlindChoice) -> object: ...

    def resume(self, path: Path) -> object: ...

    def play(self, letter: str) -> object: ...

    def stop(self) -> object: ...

    def answer(self, letter: str) -> object: ...

    def undo(self) -> object: ...

    def finish(self) -> object: ...

    def leave(self) -> object:
        """Keep what was answered."""
        ...

    def export(self, path: Path) -> object: ...


class IntervalBar(QWidget):
    """The share of right answers with its interval, and where guessing lies."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self._row = row
        self.setFixedSize(QSize(200, 18))
        words = f"{row.share:.0%}, {row.low:.0%} to {row.high:.0%}; guessing {row.chance:.0%}"
        self.setToolTip(plain(words))
        self.setAccessibleName(words)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, row = QPainter(self), self._row
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width, middle = self.width() - 12, self.height() / 2

        def x(share: float) -> float:
            return 6 + share * width

        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(P.well))
        painter.drawRoundedRect(QRectF(2, middle - 5, self.width() - 4, 10), 5, 5)
        heard = row.low > row.chance
        color = P.fill if heard else P.text_faint
        painter.setBrush(qcolor(color, 0.45))
        painter.drawRoundedRect(QRectF(x(row.low), middle - 3, max(2.0, x(row.high) - x(row.low)), 6), 3, 3)
        painter.setPen(QPen(QColor(P.text), 1.5))
        painter.drawLine(round(x(row.chance)), 1, round(x(row.chance)), self.height() - 1)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(color))
        painter.drawEllipse(QRectF(x(row.share) - 4.5, middle - 4.5, 9, 9))


class BlindTestSheet(Sheet):
    """Letters play, digits answer, U takes back, S stops, Escape closes and keeps."""

    def __init__(self, parent: QWidget, listener: Listener, files: FileDialogs) -> None:
        super().__init__(parent, "Blind listening test", width=720, height=560)
        self._listener, self._state, self._files = listener, listener.state, files
        self._pages = QStackedWidget()
        for build in (self._setup_page, self._trial_page, self._complete_page, self._result_page):
            page = QWidget()
            column = QVBoxLayout(page)
            column.setContentsMargins(0, SPACE.s, 0, 0)
            column.setSpacing(SPACE.m)
            build(column)
            self._pages.addWidget(page)
        self._trouble = label("", "alarm", wrap=True)
        self.body.addWidget(self._pages, 1)
        self.body.addWidget(self._trouble)
        self.back = self.add_button("Take back  U", lambda: self._listener.undo(), "quiet")
        self.keep = self.add_button("Close and keep", self.dismiss, "quiet", "Go on later  (Esc)")
        self.save = self.add_button("Export table \u2026", self._export, "quiet")
        self.show_key = self.add_button("Show the result", lambda: self._listener.finish(), "primary")
        self.resume = self.add_button("Go on", self._resume)
        self.begin = self.add_button("Begin", self._begin, "primary")
        state = self._state
        state.stage.changed.connect(lambda _: self._follow())
        state.changed.connect(self._follow)
        state.playing.changed.connect(self._light)
        state.trouble.bind(self._tell)

    def open(self) -> None:
        """Show the first page, or the session that is open."""
        found = self._listener.left_over() if self._state.stage.value == "setup" else None
        self._left = found
        self.resume.setToolTip(plain(str(found or "")))
        self._follow()
        self.present()

    def dismiss(self) -> None:
        """Close; every answer is kept."""
        self._listener.leave()
        super().dismiss()

    # -- pages ----------------------------------------------------------------------------------------

    def _setup_page(self, column: QVBoxLayout) -> None:
        column.addWidget(
            label(
                "Does a slider do what its label says, to your ears? You hear clips without knowing which is "
                "which: steered, bypassed with the same seed, and pushed equally hard in a random direction. All are "
                "equally loud. Which is which stays sealed until the last answer.", "soft", wrap=True,
            )
        )  # fmt: skip
        self.trials, self.length, self.task, self.source = Menu(), Menu(), Menu(), Menu()
        for count in TRIALS:
            self.trials.addItem(f"{count} trials", count)
        self.trials.setCurrentIndex(1)
        for seconds in LENGTHS_S:
            self.length.addItem(f"{seconds:g} seconds", seconds)
        self.length.setCurrentIndex(1)
        for title, tasks in TASKS:
            self.task.addItem(title, tasks)
        self.source.addItem("The bank's best-founded labels", False)
        self.source.addItem("The sliders in the rack", True)
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE.l)
        grid.setVerticalSpacing(SPACE.s)
        grid.setColumnStretch(1, 1)
        rows = (
            ("Sliders", self.source),
            ("Question", self.task),
            ("How many", self.trials),
            ("Clip length", self.length),
        )
        for row, (name, menu) in enumerate(rows):
            menu.setAccessibleName(name)
            grid.addWidget(label(name, "soft"), row, 0)
            grid.addWidget(menu, row, 1)
        column.addLayout(grid)
        column.addWidget(
            label(
                "A quarter of the trials comes twice, to see whether you agree with yourself. Headphones help.",
                "faint", wrap=True,
            )
        )  # fmt: skip
        column.addStretch(1)

    def _trial_page(self, column: QVBoxLayout) -> None:
        self.count = label("", "caption")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.question = label("", "featureTitle", wrap=True)
        self.clips = QHBoxLayout()
        self.clips.setSpacing(SPACE.m)
        self.wait = label("", "faint")
        self.plays: dict[str, QPushButton] = {}
        self.answers: dict[str, QPushButton] = {}
        row = QHBoxLayout()
        row.addStretch(1)
        row.addLayout(self.clips)
        row.addStretch(1)
        keys = QHBoxLayout()
        keys.setSpacing(SPACE.xs)
        self._keys = [Tag(""), Tag("")]
        for tag, meaning in ((self._keys[0], "play"), (self._keys[1], "answer"), (Tag("S"), "stop")):
            keys.addWidget(tag)
            keys.addWidget(label(meaning, "faint"))
            keys.addSpacing(SPACE.s)
        keys.addStretch(1)
        for item in (self.count, self.bar, self.question):
            column.addWidget(item)
        column.addStretch(1)
        column.addLayout(row)
        column.addWidget(self.wait)
        column.addStretch(1)
        column.addLayout(keys)

    def _complete_page(self, column: QVBoxLayout) -> None:
        column.addWidget(label("Every trial is answered.", "featureTitle"))
        column.addWidget(
            label(
                "The key is still sealed: the last answer can be taken back. Once the result is shown, answers stand.",
                "soft", wrap=True,
            )
        )  # fmt: skip
        column.addStretch(1)

    def _result_page(self, column: QVBoxLayout) -> None:
        self.headline = label("", "soft", wrap=True)
        column.addWidget(self.headline)
        self._rows = QGridLayout()
        self._rows.setHorizontalSpacing(SPACE.m)
        self._rows.setVerticalSpacing(6)
        self._rows.setColumnStretch(0, 1)
        column.addLayout(self._rows)
        column.addWidget(
            label(
                "Point: right answers at the first hearing. Bar: exact 95 % interval. Line: guessing. Few trials per "
                "slider say little about that slider.", "faint", wrap=True,
            )
        )  # fmt: skip
        column.addStretch(1)

    # -- following ------------------------------------------------------------------------------------

    def _follow(self) -> None:
        state, stage = self._state, self._state.stage.value
        self._pages.setCurrentIndex(STAGES[stage])
        shown = {
            self.back: stage in ("making", "asking", "complete") and state.progress[0] > 0,
            self.keep: stage != "setup",
            self.save: stage == "result",
            self.show_key: stage == "complete",
            self.resume: stage == "setup" and getattr(self, "_left", None) is not None,
            self.begin: stage == "setup",
        }
        for widget, visible in shown.items():
            widget.setVisible(visible)
        self.keep.setText("Close" if stage == "result" else "Close and keep")
        if stage in ("making", "asking"):
            self._show_trial()
        elif stage == "complete":
            self.show_key.setFocus()
        elif stage == "result":
            self._show_result()

    def _show_trial(self) -> None:
        state = self._state
        done, total = state.progress
        self.count.setText(f"TRIAL {done + 1} OF {total}")
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.question.setText(state.question)
        if list(self.plays) != list(state.letters):
            self._make_clips(state.letters)
        ready = state.stage.value == "asking"
        if not ready:
            self.setFocus()  # a button that is switched off would hand the keys to the window behind
        for widget in (*self.plays.values(), *self.answers.values()):
            widget.setEnabled(ready)
        self.wait.setText("" if ready else "Making the clips \u2026")
        if ready and self.isVisible():
            self.plays[state.letters[0]].setFocus()

    def _make_clips(self, letters: str) -> None:
        clear(self.clips)
        self.plays.clear()
        self.answers.clear()
        for number, letter in enumerate(letters, start=1):
            play = button(f"{letter}", "clip", f"Play clip {letter}  ({letter})", checkable=True)
            play.setIcon(icon("play", on=P.text))
            play.setIconSize(icon_size(26))
            play.setFixedSize(QSize(CLIP_W, CLIP_H))
            play.setStyleSheet(f"font-size: 22px; font-weight: 600; min-height: {CLIP_H - 4}px;")
            play.clicked.connect(lambda _=False, of=letter: self._play(of))
            answer = button(f"This one   {number}", "", f"Answer {letter}  ({number})")
            answer.setAccessibleName(f"Answer {letter}")
            answer.setFixedWidth(CLIP_W)
            answer.clicked.connect(lambda _=False, of=letter: self._listener.answer(of))
            column = QVBoxLayout()
            column.setSpacing(SPACE.s)
            column.addWidget(play)
            column.addWidget(answer)
            self.clips.addLayout(column)
            self.plays[letter], self.answers[letter] = play, answer
        self._keys[0].setText(f"{letters[0]} \u2026 {letters[-1]}")
        self._keys[1].setText(f"1 \u2026 {len(letters)}")

    def _play(self, letter: str) -> None:
        if self._state.playing.value == letter:
            self._listener.stop()
        else:
            self._listener.play(letter)
        self._light(self._state.playing.value)

    def _light(self, playing: str) -> None:
        for letter, widget in self.plays.items():
            widget.setChecked(letter == playing)
            widget.setIcon(icon("stop" if letter == playing else "play", on=P.text))

    def _show_result(self) -> None:
        self.keep.setFocus()
        self.headline.setText(self._state.headline())
        clear(self._rows)
        for line, row in enumerate(self._state.rows()):
            self._rows.addWidget(label(row.title, "heading" if row.overall else "soft"), line, 0)
            self._rows.addWidget(label(f"{row.right} of {row.trials}", "small"), line, 1)
            self._rows.addWidget(IntervalBar(row), line, 2)
            self._rows.addWidget(label(f"p {row.p:.2g}", "faint"), line, 3)

    def _tell(self, text: str) -> None:
        self._trouble.setText(text)
        self._trouble.setVisible(bool(text))

    # -- doing ----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._listener.begin(
            BlindChoice(
                int(self.trials.currentData()), float(self.length.currentData()),
                tuple(self.task.currentData()), bool(self.source.currentData()),
            )
        )  # fmt: skip

    def _resume(self) -> None:
        if self._left is not None:
            self._listener.resume(self._left)

    def _export(self) -> None:
        path = self._files.save_file(self, "Export the table", "blind-test.csv", "Table (*.csv)")
        if path is not None:
            self._listener.export(path)

    # -- keys -----------------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Keys that the window uses otherwise (A, B, Space ...) belong to the card while it is open."""
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Letters play, digits answer, U takes back, S stops."""
        key = event.text().upper()
        calls: dict[str, Callable[[], object]] = {"U": self._listener.undo, "S": self._listener.stop}
        letters = self._state.letters
        for number, letter in enumerate(letters, start=1):
            calls[letter] = partial(self._listener.play, letter)
            calls[str(number)] = partial(self._listener.answer, letter)
        if key in calls and self._state.stage.value != "setup":
            calls[key]()
            event.accept()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            stage = self._state.stage.value
            {"setup": self._begin, "complete": self._listener.finish}.get(stage, lambda: None)()
            event.accept()
        else:
            super().keyPressEvent(event)
