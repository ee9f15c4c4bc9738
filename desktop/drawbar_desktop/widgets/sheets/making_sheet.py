"""The state of making a slider -> a card with two lists to drop files on, a name, progress and what came out."""

from pathlib import Path
from typing import Any, Protocol

from PySide6.QtCore import Qt
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragMoveEvent,
    QDropEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from drawbar_desktop.state.observable import Value
from drawbar_desktop.state.slider_making import LEAST, SIDES, Making
from drawbar_desktop.style.theme import SPACE, P
from drawbar_desktop.widgets.common.basics import clear, label, plain, tool_button
from drawbar_desktop.widgets.common.file_dialogs import FileDialogs
from drawbar_desktop.widgets.common.meters import ScoreBar
from drawbar_desktop.widgets.common.sheet import Sheet

_TITLES = {"like": "More like these", "unlike": "Less like these"}
_TIPS = {
    "like": "Sounds that have what the slider shall move",
    "unlike": "Sounds that lack it and are alike in everything else",
}


class Maker(Protocol):
    """What makes the slider."""

    @property
    def state(self) -> Making: ...

    def begin(self) -> object: ...

    def cancel(self) -> object: ...


class MakingSheet(Sheet):
    """Files on both sides, a name, and one button."""

    def __init__(self, parent: QWidget, maker: Maker, files: FileDialogs) -> None:
        super().__init__(parent, "Make a slider from examples", width=720, height=560)
        self._maker, self._state, self._files = maker, maker.state, files
        self.body.addWidget(
            label(
                "The slider is what your examples have in common and the others lack. Ten files of each, alike in "
                "everything else, are a good start; the first minute of each is read.",
                "small",
                wrap=True,
            )
        )
        sides = QHBoxLayout()
        sides.setSpacing(SPACE.m)
        self.lists = {side: _Files(self._state, side) for side in SIDES}
        self.counts = {side: label("", "faint") for side in SIDES}
        for side in SIDES:
            sides.addLayout(self._side(side), 1)
        self.body.addLayout(sides, 1)
        name = QHBoxLayout()
        name.addWidget(label("Name", "faint"))
        self.name = QLineEdit()
        self.name.setAccessibleName("Name of the slider")
        self.name.setPlaceholderText("more grit")
        self.name.setMaxLength(60)
        self.name.textChanged.connect(self._state.name.set)
        name.addWidget(self.name, 1)
        self.body.addLayout(name)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.body.addWidget(self.bar)
        self.words = label("", "small", wrap=True)
        self.body.addWidget(self.words)
        self.layers = QGridLayout()
        self.layers.setHorizontalSpacing(SPACE.m)
        self.layers.setVerticalSpacing(2)
        self.layers.setColumnStretch(1, 1)
        self.body.addLayout(self.layers)
        self.stop = self.add_button("Cancel", self._stop, "quiet")
        self.go = self.add_button("Make it", self._go, "primary")
        state = self._state
        state.files_changed.connect(self._follow)
        watched: tuple[Value[Any], ...] = (state.name, state.busy, state.progress, state.trouble, state.made)
        for value in watched:
            value.changed.connect(lambda _: self._follow())
        self._follow()

    def open(self) -> None:
        """Show it; what is left from a finished one is cleared away."""
        if self._state.made.value is not None:
            self._state.clear()
            self.name.clear()
        self.present()

    def _side(self, side: str) -> QVBoxLayout:
        head = QHBoxLayout()
        title = label(_TITLES[side], "soft")
        title.setToolTip(plain(_TIPS[side]))
        head.addWidget(title)
        head.addStretch(1)
        head.addWidget(self.counts[side])
        files = tool_button("file-plus-outline", f"{_TITLES[side]}: add files", px=16)
        files.clicked.connect(lambda: self._browse(side))
        folder = tool_button("folder-plus-outline", f"{_TITLES[side]}: add a folder", px=16)
        folder.clicked.connect(lambda: self._browse_folder(side))
        head.addWidget(files)
        head.addWidget(folder)
        column = QVBoxLayout()
        column.setSpacing(SPACE.xs)
        column.addLayout(head)
        column.addWidget(self.lists[side], 1)
        return column

    def _browse(self, side: str) -> None:
        kinds = "Sound (*.wav *.flac *.mp3 *.ogg *.aif *.aiff *.opus);;All files (*)"
        self._state.add(side, self._files.open_files(self, _TITLES[side], kinds))

    def _browse_folder(self, side: str) -> None:
        path = self._files.open_folder(self, _TITLES[side])
        if path is not None:
            self._state.add(side, [path])

    def _go(self) -> None:
        if self._state.made.value is not None:
            self.dismiss()
        else:
            self._maker.begin()

    def _stop(self) -> None:
        if self._state.busy.value:
            self._maker.cancel()
        else:
            self.dismiss()

    def _follow(self) -> None:
        state = self._state
        busy, made = state.busy.value, state.made.value
        for side in SIDES:
            count = len(state.files(side))
            self.counts[side].setText(
                f"{count} file{'s' if count != 1 else ''}" if count else f"at least {LEAST}"
            )
            self.lists[side].setEnabled(not busy)
        if self.name.text() != state.name.value:
            self.name.setText(state.name.value)
        self.name.setEnabled(not busy)
        self.bar.setVisible(busy)
        what, share = state.progress.value
        self.bar.setValue(round(1000 * share))
        missing = state.missing
        self.words.setText(
            what
            if busy
            else made.words
            if made is not None
            else state.trouble.value or (f"Needed: {missing}." if missing else "Ready.")
        )
        self.words.setAccessibleName(self.words.text())
        self.stop.setVisible(made is None)
        self.go.setEnabled(not busy and (made is not None or not missing))
        self.go.setText("Close" if made is not None else "Make it")
        clear(self.layers)
        for row, line in enumerate(made.lines if made is not None else ()):
            mark = "  (taken)" if made is not None and line.layer == made.layer else ""
            self.layers.addWidget(label(f"layer {line.layer}{mark}", "small"), row, 0)
            self.layers.addWidget(ScoreBar(max(0.0, 2 * line.difference - 1)), row, 1)
            self.layers.addWidget(label(f"{line.difference:.2f} \u00b1 {line.spread:.2f}", "small"), row, 2)


class _Files(QListWidget):
    """One side: drop files or folders, Delete takes the selected ones off."""

    def __init__(self, state: Making, side: str) -> None:
        super().__init__()
        self._state, self._side = state, side
        self.setAcceptDrops(True)
        self.setSelectionMode(QListWidget.SelectionMode.ExtendedSelection)
        self.setAccessibleName(_TITLES[side])
        self.setToolTip(plain(f"{_TIPS[side]}.\nDrop files or folders here; Delete takes them off"))
        self.setMinimumHeight(150)
        self.setObjectName("fileList")
        state.files_changed.connect(self._fill)
        self._fill()

    def _fill(self) -> None:
        self.clear()
        for path in self._state.files(self._side):
            item = QListWidgetItem(path.name)
            item.setToolTip(plain(str(path)))
            item.setData(Qt.ItemDataRole.UserRole, path)
            self.addItem(item)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.count():
            painter = QPainter(self.viewport())
            painter.setPen(QColor(P.text_faint))
            painter.drawText(
                self.viewport().rect(), Qt.AlignmentFlag.AlignCenter, "Drop sound files or a folder here"
            )

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            self._state.add(self._side, paths)
            event.acceptProposedAction()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            chosen = [item.data(Qt.ItemDataRole.UserRole) for item in self.selectedItems()]
            self._state.remove(self._side, chosen)
        else:
            super().keyPressEvent(event)
