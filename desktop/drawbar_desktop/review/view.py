"""A review's state -> a window: two aligned clips, what to press, a note, and how far one has come."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QColor, QIcon, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QMainWindow,
    QProgressBar,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from drawbar.research.horizon.annotations import Annotation
from drawbar.research.horizon.review_clips import CONTEXT_S
from drawbar_desktop.review.state import Floats, ReviewDesk
from drawbar_desktop.state.note_image import FLOOR_DB, ROWS, note_image, octave_ticks
from drawbar_desktop.style.theme import SPACE, TYPE, P, font, qcolor
from drawbar_desktop.widgets.common.basics import button, label, separator
from drawbar_desktop.widgets.common.empty_state import EmptyState
from drawbar_desktop.widgets.common.logo import mark_pixmap
from drawbar_desktop.widgets.timeline.timeline_view import heat_colors
from drawbar_desktop.widgets.timeline.wave_item import WaveItem

ANSWERS = (
    ("y", "Yes", "The same motif is heard in both"),
    ("x", "Exact", "Yes, note for note"),
    ("t", "Transposed", "Yes, higher or lower"),
    ("v", "Varied", "Yes, with changes"),
    ("n", "No", "Nothing returns: the sound alone is alike"),
    ("a", "Ambiguous", "It cannot be told: the pair is left out"),
    ("r", "Reject", "The clips are not usable"),
)
SOUNDS = (("Space", "Both in turn", "both"), ("1", "First", "motif"), ("2", "Second", "recurrence"))
HEAD_MS = 33
POINTS = 900


class _Clip:
    """Waveform and notes of one clip, with the window's edges and a playhead."""

    def __init__(self, plots: pg.GraphicsLayoutWidget, row: int, title: str) -> None:
        self.wave_plot, self.note_plot = (_plot(plots, row + n) for n in range(2))
        self.wave_plot.setYRange(-1, 1, padding=0.02)
        self.wave_plot.getAxis("left").setTicks([[(0.0, title)]])
        self.wave, self.notes = WaveItem(), pg.ImageItem(axisOrder="row-major")
        self.notes.setColorMap(heat_colors())
        self.wave_plot.addItem(self.wave)
        self.note_plot.addItem(self.notes)
        self.note_plot.setYRange(0, ROWS, padding=0)
        self.note_plot.getAxis("left").setTicks([octave_ticks()])
        edge = pg.mkPen(qcolor(P.accent, 0.8), width=1, style=Qt.PenStyle.DotLine)
        self._lines = []
        self._heads = []
        for plot in (self.wave_plot, self.note_plot):
            lines = [pg.InfiniteLine(0, angle=90, pen=edge) for _ in range(2)]
            head = pg.InfiniteLine(0, angle=90, pen=pg.mkPen(QColor(P.text), width=1.5))
            for item in (*lines, head):
                item.setZValue(9)
                plot.addItem(item, ignoreBounds=True)
            head.hide()
            self._lines.append(lines)
            self._heads.append(head)

    def show(self, audio: Floats, rate_hz: int) -> None:
        seconds = len(audio) / rate_hz
        blocks = np.array_split(audio, POINTS) if len(audio) >= POINTS else []
        peaks = np.array([(b.min(), b.max()) for b in blocks], np.float32).reshape(-1, 2)
        self.wave.set_peaks(peaks, 0.0, seconds)
        self.wave.set_played(seconds)
        self.notes.setImage(note_image(audio, rate_hz), levels=(FLOOR_DB, 0.0), autoLevels=False)
        self.notes.setRect(QRectF(0, 0, max(seconds, 0.1), ROWS))
        for plot, lines in zip((self.wave_plot, self.note_plot), self._lines, strict=True):
            plot.setXRange(0, max(seconds, 0.1), padding=0)
            lines[0].setPos(CONTEXT_S)
            lines[1].setPos(seconds - CONTEXT_S)

    def set_head(self, at_s: float | None) -> None:
        for head in self._heads:
            head.setVisible(at_s is not None)
            if at_s is not None:
                head.setPos(at_s)


class ReviewWindow(QMainWindow):
    """The queue, one proposal at a time; every key's decision is on disk before the next one is shown."""

    def __init__(self, desk: ReviewDesk, closing: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._desk, self._closing = desk, closing
        self.setWindowTitle("Drawbar: review")
        self.setWindowIcon(QIcon(mark_pixmap(128)))
        self.setMinimumSize(880, 600)
        self.resize(1180, 780)
        self._build()
        self._connect()
        desk.row.bind(self._show)
        desk.note.bind(self._show_note)
        desk.said.bind(self.said.setText)

    def _build(self) -> None:
        self.place = label("", "heading")
        self.where = label("", "small")
        self.said = label("", "small")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress.setAccessibleName("Decided")
        self.plots = pg.GraphicsLayoutWidget()
        self.plots.setBackground(QColor(P.panel))
        self.plots.ci.layout.setSpacing(3)
        self.clips = (_Clip(self.plots, 0, "first"), _Clip(self.plots, 2, "second"))
        for row, stretch in ((0, 2), (1, 5), (2, 2), (3, 5)):
            self.plots.ci.layout.setRowStretchFactor(row, stretch)
        self.note = QLineEdit()
        self.note.setPlaceholderText("Note (O to write, Return to go on)")
        self.note.setAccessibleName("Note")
        self.note.setMaxLength(2000)
        self.buttons = {key: button(f"{text}  {key.upper()}", "", tip) for key, text, tip in ANSWERS}
        self.sounds = {which: button(f"{text}  {key}", "", text) for key, text, which in SOUNDS}
        self.back = button("Undo  U", "", "Take the last decision back")
        self.done = EmptyState(
            "check", "Every proposal is decided", "Undo takes the last one back. The decisions are saved."
        )
        self._pages = QStackedWidget()
        self._pages.addWidget(self.plots)
        self._pages.addWidget(self.done)

        head = QHBoxLayout()
        head.addWidget(self.place)
        head.addSpacing(SPACE.m)
        head.addWidget(self.where, 1)
        head.addWidget(label(f"reviewer: {self._desk.reviewer}", "small"))
        sounds, answers = QHBoxLayout(), QHBoxLayout()
        for one in self.sounds.values():
            sounds.addWidget(one)
        sounds.addWidget(self.note, 1)
        answers.addWidget(label("Is one motif heard in both?", "heading"))
        answers.addStretch(1)
        for key, one in self.buttons.items():
            one.setProperty("key", key)
            answers.addWidget(one)
        answers.addSpacing(SPACE.m)
        answers.addWidget(self.back)
        column = QVBoxLayout()
        column.setContentsMargins(SPACE.m, SPACE.m, SPACE.m, SPACE.s)
        column.setSpacing(SPACE.s)
        column.addLayout(head)
        column.addWidget(self.progress)
        column.addWidget(self._pages, 1)
        column.addLayout(sounds)
        column.addWidget(separator())
        column.addLayout(answers)
        column.addWidget(self.said)
        root = QWidget()
        root.setObjectName("root")
        root.setLayout(column)
        self.setCentralWidget(root)

    def _connect(self) -> None:
        desk = self._desk
        calls: dict[str, Callable[[], object]] = {key: partial(desk.press, key) for key, _, _ in ANSWERS}
        calls |= {key: partial(desk.play, which) for key, _, which in SOUNDS}
        calls |= {"U": desk.undo, "S": desk.stop, "O": self.note.setFocus, "Ctrl+Q": self.close}
        for key, call in calls.items():
            QShortcut(QKeySequence(key.upper() if len(key) == 1 else key), self).activated.connect(
                partial(_call, call)
            )
        for key, one in self.buttons.items():
            one.clicked.connect(partial(_call, calls[key]))
        for which, one in self.sounds.items():
            one.clicked.connect(partial(_call, partial(desk.play, which)))
        self.back.clicked.connect(partial(_call, desk.undo))
        for one in (*self.buttons.values(), *self.sounds.values(), self.back):
            one.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.note.textEdited.connect(desk.note.set)
        self.note.returnPressed.connect(self.plots.setFocus)
        self._timer = QTimer(self, interval=HEAD_MS)
        self._timer.timeout.connect(self._heads)
        self._timer.start()

    def _show(self, row: Annotation | None) -> None:
        desk = self._desk
        self.progress.setRange(0, desk.total)
        self.progress.setValue(desk.decided)
        self._pages.setCurrentWidget(self.done if row is None else self.plots)
        for one in (*self.buttons.values(), *self.sounds.values(), self.note):
            one.setEnabled(row is not None)
        if row is None:
            self.place.setText(f"{desk.total} of {desk.total}")
            self.where.setText("")
            return
        self.place.setText(f"{desk.number} of {desk.total}")
        first, second = row.motif, row.recurrence
        self.where.setText(
            f"{row.track}   {first.start_s:.1f} to {first.end_s:.1f} s, "
            f"and {second.start_s:.1f} to {second.end_s:.1f} s"
        )
        for view, audio in zip(self.clips, desk.clips, strict=True):
            view.show(audio, desk.rate_hz)
        self.plots.setFocus()

    def _show_note(self, text: str) -> None:
        if self.note.text() != text:
            self.note.setText(text)

    def _heads(self) -> None:
        for view, at_s in zip(self.clips, self._desk.heads(), strict=True):
            view.set_head(at_s)

    def closeEvent(self, event: QCloseEvent) -> None:
        self._timer.stop()
        self._desk.stop()
        self._closing()
        super().closeEvent(event)


def _call(call: Callable[[], object], *_: object) -> None:
    call()


def _plot(plots: pg.GraphicsLayoutWidget, row: int) -> pg.PlotItem:
    plot = plots.addPlot(row=row, col=0)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    box = plot.getViewBox()
    box.setMouseEnabled(False, False)
    box.setBackgroundColor(QColor(P.well))
    box.setDefaultPadding(0)
    box.disableAutoRange()
    left, bottom = plot.getAxis("left"), plot.getAxis("bottom")
    left.setWidth(52)
    for axis in (left, bottom):
        axis.setPen(pg.mkPen(QColor(P.line)))
        axis.setTextPen(pg.mkPen(QColor(P.text_soft)))
        axis.setStyle(tickLength=0, tickFont=font(TYPE.caption), tickTextOffset=8)
    bottom.setStyle(showValues=row % 2 == 1)
    bottom.setHeight(18 if row % 2 else 2)
    return plot
