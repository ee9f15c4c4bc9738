"""The timeline's state -> waveform above, activation heat-map below, one time axis, one playhead."""

from collections.abc import Callable

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics
from PySide6.QtWidgets import QFrame, QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from drawbar_desktop.state.timeline import Timeline
from drawbar_desktop.theme import DARK, SPACE, TYPE, font, qcolor
from drawbar_desktop.widgets.empty_state import EmptyState
from drawbar_desktop.widgets.parts import label
from drawbar_desktop.widgets.wave_item import WaveItem

__all__ = ["TimelineView", "heat_colors"]

GUTTER = 148


def heat_colors() -> pg.ColorMap:
    """Dark, ember, amber, ivory: monotone in lightness, so that it reads without colour too."""
    return pg.ColorMap(
        [0.0, 0.2, 0.45, 0.75, 1.0],
        [QColor(c) for c in (DARK.well, "#3d2114", "#a85a1e", DARK.accent, "#fff1d6")],
    )


class TimelineView(QFrame):
    """The bottom of the window; the heat-map is one image, whatever the number of rows."""

    def __init__(self, timeline: Timeline, title_of: Callable[[str], str]) -> None:
        super().__init__()
        self._timeline, self._title_of = timeline, title_of
        self._rows: tuple[str, ...] = ()
        self._reach = 1.0
        self.setObjectName("panel")
        self.plots = pg.GraphicsLayoutWidget()
        self.plots.setBackground(None)
        self.plots.ci.layout.setSpacing(4)
        self.plots.ci.layout.setContentsMargins(0, 0, 8, 2)
        self.wave_plot = self._plot(0)
        self.heat_plot = self._plot(1)
        self.plots.ci.layout.setRowStretchFactor(0, 2)
        self.plots.ci.layout.setRowStretchFactor(1, 4)
        self.heat_plot.setXLink(self.wave_plot)
        self.wave_plot.hideAxis("bottom")
        self.wave_plot.setYRange(-1, 1, padding=0.02)
        self.wave_plot.getAxis("left").setTicks([[]])

        self.wave = WaveItem()
        self.wave_plot.addItem(self.wave)
        self.heat = pg.ImageItem(axisOrder="row-major")
        self.heat.setColorMap(heat_colors())
        self.heat_plot.addItem(self.heat)
        self.heat_plot.invertY(True)
        self._veil = pg.LinearRegionItem(movable=False, brush=qcolor(DARK.well, 0.55), pen=pg.mkPen(None))
        self._veil.setZValue(5)
        self.heat_plot.addItem(self._veil)
        pen = pg.mkPen(QColor(DARK.text), width=1.5)
        self.playheads = [pg.InfiniteLine(0, angle=90, pen=pen) for _ in range(2)]
        for plot, line in zip((self.wave_plot, self.heat_plot), self.playheads, strict=True):
            line.setZValue(10)
            plot.addItem(line)

        self._legend = label("", "faint")
        head = QHBoxLayout()
        head.setContentsMargins(SPACE.m, SPACE.s + 2, SPACE.m, 2)
        head.addWidget(label("Timeline", "heading"))
        head.addStretch(1)
        head.addWidget(self._legend)
        self.empty = EmptyState(
            "waveform",
            "Nothing has been played yet",
            "Press Space. What the model plays, and which features fire, appears here.",
        )
        body = QWidget()
        self._pages = QStackedLayout(body)
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self.plots)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, SPACE.xs)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(body, 1)
        timeline.changed.connect(self._redraw)
        timeline.moved.connect(self._move)
        self._redraw()

    def _plot(self, row: int) -> pg.PlotItem:
        plot = self.plots.addPlot(row=row, col=0)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setMouseEnabled(x=False, y=False)
        plot.getViewBox().setBackgroundColor(QColor(DARK.well))
        plot.getViewBox().setDefaultPadding(0)
        left, bottom = plot.getAxis("left"), plot.getAxis("bottom")
        left.setWidth(GUTTER)
        for axis in (left, bottom):
            axis.setPen(pg.mkPen(QColor(DARK.line)))
            axis.setTextPen(pg.mkPen(QColor(DARK.text_soft)))
            axis.setStyle(tickLength=0, tickFont=font(TYPE.caption), tickTextOffset=8)
        bottom.setStyle(tickLength=-4, tickFont=font(TYPE.caption), tickTextOffset=4)
        bottom.setTextPen(pg.mkPen(QColor(DARK.text_faint)))
        bottom.setHeight(20)
        return plot

    def _redraw(self) -> None:
        timeline = self._timeline
        shown = timeline.generated_s > 0
        self._pages.setCurrentIndex(1 if shown else 0)
        if not shown:
            self._legend.setText("")
            return
        self._legend.setText(
            f"{timeline.generated_s:.1f} s generated   \u00b7   bright: heard   \u00b7   dim: not heard yet"
        )
        self.wave_plot.setXRange(0, timeline.span_s, padding=0)
        self.wave.set_peaks(timeline.peaks, timeline.audio_s)
        loudest = float(np.abs(timeline.peaks).max()) if timeline.peaks.size else 0.0
        reach = min(1.0, max(0.2, 0.1 * np.ceil(11.5 * loudest)))  # in steps, so that it seldom jumps
        if reach != self._reach:
            self._reach = reach
            self.wave_plot.setYRange(-reach, reach, padding=0.02)
        rows, frames = timeline.heat.shape
        if rows and frames:
            self.heat.setImage(timeline.heat, levels=(0.0, 1.2), autoLevels=False)
            self.heat.setRect(QRectF(0, 0, frames / timeline.frame_rate_hz, rows))
        if timeline.ids != self._rows:
            self._rows = timeline.ids
            self.heat_plot.setYRange(0, max(1, len(self._rows)), padding=0)
            self._label_rows()

    def _move(self) -> None:
        timeline = self._timeline
        self.wave.set_played(timeline.played_s)
        for line in self.playheads:
            line.setValue(timeline.played_s)
        self._veil.setRegion((timeline.played_s, max(timeline.played_s, timeline.generated_s)))

    def _label_rows(self) -> None:
        metrics = QFontMetrics(font(TYPE.caption))
        titles = [
            metrics.elidedText(self._title_of(id), Qt.TextElideMode.ElideRight, GUTTER - 18)
            for id in self._rows
        ]
        room = max(1, int(self.heat_plot.getViewBox().height() // metrics.height()))
        every = max(1, int(np.ceil(len(titles) / room)))
        ticks = [(i + 0.5, title) for i, title in enumerate(titles) if i % every == 0]
        self.heat_plot.getAxis("left").setTicks([ticks])

    def resizeEvent(self, event: object) -> None:
        """How many row labels fit has changed."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        if self._rows:
            self._label_rows()
