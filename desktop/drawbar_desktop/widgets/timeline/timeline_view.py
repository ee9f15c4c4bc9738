"""The timeline's state -> waveform, spectrogram, heat-map and lane on one time axis with one playhead."""

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QFrame, QStackedLayout, QVBoxLayout, QWidget

from drawbar.bank.kinds import kind_of
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.spectrum import note_name, note_ticks
from drawbar_desktop.state.transport import format_time
from drawbar_desktop.style.theme import TYPE, P, font, qcolor
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import Item, popup
from drawbar_desktop.widgets.common.empty_state import EmptyState
from drawbar_desktop.widgets.timeline.lane_plot import LanePlot
from drawbar_desktop.widgets.timeline.row_signs import SIGN_ROOM, RowSigns
from drawbar_desktop.widgets.timeline.time_box import TimeBox
from drawbar_desktop.widgets.timeline.timeline_head import TimelineHead
from drawbar_desktop.widgets.timeline.wave_item import WaveItem

GUTTER = 148
LEAST_H = 110
COLUMNS = 1400
"""More columns than pixels are merged before they are drawn."""
SPECTRUM_MS = 100
Floats = NDArray[np.float32]


def heat_colors() -> pg.ColorMap:
    """Dark, ember, amber, ivory: monotone in lightness, so that it reads without colour too."""
    return _colors(P.palette.heat)


def _colors(steps: tuple[str, ...]) -> pg.ColorMap:
    return pg.ColorMap([0.0, 0.2, 0.45, 0.75, 1.0], [QColor(c) for c in steps])


def reduced(image: Floats, first: int, last: int, width: int = COLUMNS) -> tuple[Floats, int, int]:
    """The columns `first..last` of `[R, T]`, merged by maximum to at most `width` -> with what they span.

    Steps are aligned with the take, so that scrolling does not make the picture flicker.
    """
    first, last = max(0, first), min(image.shape[1], last)
    if last <= first or not image.shape[0]:
        return np.zeros((image.shape[0], 0), np.float32), first, first
    step = -(-(last - first) // width)
    first = first // step * step
    part = image[:, first:last]
    if step > 1:
        part = np.maximum.reduceat(part, np.arange(0, part.shape[1], step), axis=1)
        last = first + part.shape[1] * step
    return part, first, last


class TimelineView(QFrame):
    """The bottom of the window; heat-map and spectrogram are one image each, whatever the number of rows."""

    def __init__(self, desk: Desk, actions: Actions) -> None:
        super().__init__()
        self._desk, self._timeline, self._actions = desk, desk.timeline, actions
        self._built = False
        self._rows: tuple[str, ...] = ()
        self._reach = 0.0
        self._drag_from = 0.0
        self._curves: dict[str, pg.PlotCurveItem] = {}
        self.setObjectName("panel")
        self.setAcceptDrops(True)
        self.setAccessibleName("Timeline")
        self.plots = pg.GraphicsLayoutWidget()
        self.plots.ci.layout.setSpacing(3)
        self.plots.ci.layout.setContentsMargins(0, 0, 8, 2)
        self._boxes = [TimeBox() for _ in range(4)]
        self.wave_plot, self.mel_plot, self.heat_plot, self.lane_plot = (
            self._plot(row, box) for row, box in enumerate(self._boxes)
        )
        self._plots = (self.wave_plot, self.mel_plot, self.heat_plot, self.lane_plot)
        self._fill()
        self.lane = LanePlot(desk, self.lane_plot, self._boxes[3])
        self.signs = RowSigns(self.heat_plot)
        for box in self._boxes:
            box.zoomed = self._timeline.zoom
            box.scrolled = self._timeline.scroll
        for box in self._boxes[:3]:
            box.clicked = lambda x, _: actions.seek(max(0.0, x))
            box.drag_began, box.dragged = self._loop_begin, self._loop_drag
            box.double_clicked = lambda *_: self._timeline.loop.set(None)
            box.menu_wanted = self._menu
        self.head = TimelineHead(desk, actions, self._show_rows)
        self.empty = EmptyState(
            "waveform",
            "Nothing has been played yet",
            "Press Space. What the model plays, and which features fire, appears here. "
            "Or drop a sound file to see what fires in it.",
        )
        body = QWidget()
        self._pages = QStackedLayout(body)
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self.plots)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(body, 1)
        self._body = body
        self.setMinimumHeight(LEAST_H)
        self._spectrum_timer = QTimer(self, singleShot=True, interval=SPECTRUM_MS)
        self._spectrum_timer.timeout.connect(self._draw_spectrum)
        self.plots.scene().sigMouseMoved.connect(self._point_at)
        self._restyle()
        self._built = True
        self._follow()

    # -- building -------------------------------------------------------------------------------------

    def _plot(self, row: int, box: TimeBox) -> pg.PlotItem:
        plot = self.plots.addPlot(row=row, col=0, viewBox=box)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        box.setDefaultPadding(0)
        box.disableAutoRange()
        left, bottom = plot.getAxis("left"), plot.getAxis("bottom")
        left.setWidth(GUTTER)
        for axis in (left, bottom):
            axis.setStyle(tickLength=0, tickFont=font(TYPE.caption), tickTextOffset=8)
        bottom.setStyle(tickLength=-4, tickFont=font(TYPE.caption), tickTextOffset=4)
        bottom.setHeight(18)
        return plot

    def set_folded(self, on: bool) -> None:
        """Only the heading is seen."""
        self._body.setVisible(not on)
        self.head.fold.setChecked(on)
        high = self.head.sizeHint().height()
        self.setMinimumHeight(high if on else LEAST_H)
        self.setMaximumHeight(high if on else 16_777_215)

    def _fill(self) -> None:
        self.wave_plot.setYRange(-1, 1, padding=0.02)
        self.wave_plot.getAxis("left").setTicks([[]])
        self.wave = WaveItem()
        self.wave_plot.addItem(self.wave)
        self.mel = pg.ImageItem(axisOrder="row-major")
        self.heat = pg.ImageItem(axisOrder="row-major")
        for image, plot in ((self.mel, self.mel_plot), (self.heat, self.heat_plot)):
            plot.addItem(image)
        self.mel_plot.setYRange(0, len(self._timeline.mel.centres_hz), padding=0)
        self.heat_plot.invertY(True)
        self._veil = pg.LinearRegionItem(movable=False, pen=pg.mkPen(None))
        self._veil.setZValue(5)
        self.heat_plot.addItem(self._veil)
        self.edges = [pg.InfiniteLine(0, angle=90) for _ in self._plots]
        self.playheads = [pg.InfiniteLine(0, angle=90) for _ in self._plots]
        self.bars = [pg.PlotCurveItem(connect="pairs") for _ in self._plots]
        for plot, bar, end, line in zip(self._plots, self.bars, self.edges, self.playheads, strict=True):
            for item, z in ((bar, 4), (end, 8), (line, 10)):
                item.setZValue(z)
                plot.addItem(item, ignoreBounds=True)
        self.loop = pg.LinearRegionItem()
        self.loop.setZValue(7)
        self.loop.hide()
        self.loop.sigRegionChangeFinished.connect(self._loop_moved)
        self.wave_plot.addItem(self.loop, ignoreBounds=True)

    def _restyle(self) -> None:
        """The colours of the theme, for what pyqtgraph draws."""
        self.plots.setBackground(QColor(P.panel))
        for box, plot in zip(self._boxes, self._plots, strict=True):
            box.setBackgroundColor(QColor(P.well))
            for name, text in (("left", P.text_soft), ("bottom", P.text_faint)):
                plot.getAxis(name).setPen(pg.mkPen(QColor(P.line)))
                plot.getAxis(name).setTextPen(pg.mkPen(QColor(text)))
        self.heat.setColorMap(heat_colors())
        self.mel.setColorMap(_colors(P.palette.spectrum))
        self._veil.setBrush(qcolor(P.well, 0.55))
        for edge, head, bar in zip(self.edges, self.playheads, self.bars, strict=True):
            edge.setPen(pg.mkPen(qcolor(P.text_soft, 0.8), width=1, style=Qt.PenStyle.DotLine))
            head.setPen(pg.mkPen(QColor(P.text), width=1.5))
            bar.setPen(pg.mkPen(qcolor(P.text_soft, 0.28), width=1))
        self.loop.setBrush(qcolor(P.cool, 0.14))
        self.loop.setHoverBrush(qcolor(P.cool, 0.22))
        for line in self.loop.lines:
            line.setPen(pg.mkPen(QColor(P.cool), width=1.5))
        for curve in self._curves.values():
            self._color(curve)
        self.lane.show(self.lane.id)
        self.signs.show(self.signs.rows)
        self.wave.update()

    @staticmethod
    def _color(curve: pg.PlotCurveItem) -> None:
        curve.setPen(pg.mkPen(QColor(P.fill_bright), width=1.5))
        curve.setBrush(pg.mkBrush(qcolor(P.fill, 0.35)))

    def changeEvent(self, event: QEvent) -> None:
        """Another theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and self._built:
            self._restyle()

    def _follow(self) -> None:
        timeline, desk = self._timeline, self._desk
        timeline.changed.connect(self._redraw)
        timeline.moved.connect(self._move)
        timeline.view.changed.connect(lambda _: self._redraw())
        timeline.grid.changed.connect(lambda _: self._draw_bars())
        timeline.loop.bind(self._show_loop)
        timeline.pinned.changed.connect(lambda _: self._draw_heat())
        desk.lanes.changed.connect(self._lanes_changed)
        desk.rack.strip_changed.connect(
            lambda strip: self.lane.redraw() if strip.id == self.lane.id else None
        )
        desk.rack.layout_changed.connect(self._choose_lane)
        desk.library.selected.changed.connect(lambda _: self._choose_lane())
        self._show_rows()
        self._redraw()

    # -- drawing --------------------------------------------------------------------------------------

    def _redraw(self) -> None:
        timeline = self._timeline
        shown = timeline.generated_s > 0 or bool(timeline.title)
        self._pages.setCurrentIndex(1 if shown or self.head.lane.isChecked() else 0)
        self._write_legend()
        left, right = timeline.in_view()
        for plot in self._plots:
            plot.setXRange(left, right, padding=0)
        rate = timeline.sample_rate_hz
        pairs, first, last = timeline.peaks.between(int(left * rate), int(right * rate), COLUMNS)
        self.wave.set_peaks(pairs, first / rate, min(last / rate, max(timeline.audio_s, first / rate)))
        loudest = timeline.peaks.loudest
        reach = min(1.0, max(0.2, 0.1 * float(np.ceil(11.5 * loudest))))  # in steps, so that it seldom jumps
        if reach != self._reach:
            self._reach = reach
            self.wave_plot.setYRange(-reach, reach, padding=0.02)
        if not self._spectrum_timer.isActive():
            self._spectrum_timer.start()
        self._draw_heat()
        self._draw_bars()
        for edge in self.edges:
            edge.setValue(timeline.generated_s)
            edge.setVisible(not timeline.title and timeline.generated_s < timeline.span_s - 0.02)
        if not shown:
            self.mel.clear()
            self.heat.clear()

    def _write_legend(self) -> None:
        timeline = self._timeline
        if timeline.title:
            self.head.show_text(f"{timeline.title}   \u00b7   {format_time(timeline.audio_s)}", opened=True)
        elif timeline.generated_s > 0:
            words = f"{timeline.generated_s:.1f} s generated"
            ahead = timeline.generated_s - timeline.played_s
            words += "   \u00b7   bright: heard   \u00b7   dim: not heard yet" if ahead > 0.05 else ""
            self.head.show_text(words, opened=False)
        else:
            self.head.show_text("", opened=False)

    def _draw_spectrum(self) -> None:
        timeline = self._timeline
        if not self.mel_plot.isVisible() or not timeline.mel.columns:
            return
        left, right = timeline.in_view()
        rate = timeline.frame_rate_hz
        part, first, last = reduced(timeline.mel.image, int(left * rate), int(np.ceil(right * rate)))
        if part.shape[1]:
            self.mel.setImage(part, levels=(-72.0, -14.0), autoLevels=False)
            self.mel.setRect(QRectF(first / rate, 0, (last - first) / rate, part.shape[0]))

    def _draw_heat(self) -> None:
        timeline = self._timeline
        left, right = timeline.in_view()
        rate = timeline.frame_rate_hz
        part, first, last = reduced(timeline.heat, int(left * rate), int(np.ceil(right * rate)))
        rows = part.shape[0]
        if rows and part.shape[1]:
            self._draw_curves(part, first / rate, last / rate)
            image = part
            pinned = [i for i, id in enumerate(timeline.ids) if id in timeline.pinned.value]
            if pinned:
                image = part.copy()
                image[pinned] = 0.0
            self.heat.setImage(image, levels=(0.0, 1.2), autoLevels=False)
            self.heat.setRect(QRectF(first / rate, 0, (last - first) / rate, rows))
        if timeline.ids != self._rows:
            self._rows = timeline.ids
            self._label_rows()

    def _draw_curves(self, part: Floats, start_s: float, end_s: float) -> None:
        """Pinned rows are curves inside their row instead of colours."""
        timeline = self._timeline
        wanted = [id for id in timeline.pinned.value if id in timeline.ids]
        for id in [k for k in self._curves if k not in wanted]:
            self.heat_plot.removeItem(self._curves.pop(id))
        x = start_s + (np.arange(part.shape[1]) + 0.5) * (end_s - start_s) / part.shape[1]
        for id in wanted:
            if id not in self._curves:
                curve = pg.PlotCurveItem()
                self._color(curve)
                curve.setZValue(3)
                self.heat_plot.addItem(curve, ignoreBounds=True)
                self._curves[id] = curve
            row = timeline.ids.index(id)
            y = row + 0.97 - 0.9 * np.minimum(part[row], 1.2) / 1.2
            self._curves[id].setData(x, y, fillLevel=row + 0.97)

    def _draw_bars(self) -> None:
        timeline = self._timeline
        left, right = timeline.in_view()
        lines = list(timeline.grid.value.lines(left, right))
        xs = np.repeat([t for t, _ in lines], 2) if lines else np.zeros(0)
        for plot, item in zip(self._plots, self.bars, strict=True):
            low, high = plot.getViewBox().viewRange()[1]
            item.setData(xs, np.tile([low, high], len(lines)) if lines else np.zeros(0))
        ticks = [[(t, str(bar)) for t, bar in lines]] if lines else None
        for plot in self._plots:
            plot.getAxis("bottom").setTicks(ticks)

    def _move(self) -> None:
        timeline = self._timeline
        self.wave.set_played(timeline.played_s)
        for line in self.playheads:
            line.setValue(timeline.played_s)
        ahead = 0.0 if timeline.title else max(timeline.played_s, timeline.generated_s)
        self._veil.setRegion((timeline.played_s, max(timeline.played_s, ahead)))

    def _label_rows(self) -> None:
        metrics = QFontMetrics(font(TYPE.caption))
        names = [self._actions.title_of(id) for id in self._rows]
        titles = [
            metrics.elidedText(name, Qt.TextElideMode.ElideRight, GUTTER - 18 - SIGN_ROOM) for name in names
        ]
        room = max(1, int(self.heat_plot.getViewBox().height() // (metrics.height() + 1)))
        seen = titles[:room]  # the rack's come first; a row without its name says nothing
        self.heat_plot.setYRange(0, max(1, len(seen)), padding=0)
        self.heat_plot.getAxis("left").setTicks([[(i + 0.5, title) for i, title in enumerate(seen)]])
        self.signs.show([(kind_of(name), i + 0.5) for i, name in enumerate(names[:room])])

    def _label_notes(self) -> None:
        """As many Cs as there is room for, the low ones first."""
        height = max(1.0, self.mel_plot.getViewBox().height())
        bands, ticks, last = len(self._timeline.mel.centres_hz), [], -1e9
        for band, name in note_ticks(self._timeline.mel):
            if (band - last) / bands * height >= 15 and 7 <= band / bands * height <= height - 5:
                ticks.append((band, name))
                last = band
        self.mel_plot.getAxis("left").setTicks([ticks])

    # -- rows -----------------------------------------------------------------------------------------

    def _show_rows(self) -> None:
        """Which rows are open; the lowest one carries the time axis."""
        shown = (True, self.head.spectrum.isChecked(), True, self.head.lane.isChecked())
        layout = self.plots.ci.layout
        for row, (plot, on, stretch) in enumerate(zip(self._plots, shown, (2, 3, 6, 4), strict=True)):
            plot.setVisible(on)
            layout.setRowStretchFactor(row, stretch if on else 0)
            layout.setRowMinimumHeight(row, 0)
            layout.setRowPreferredHeight(row, 10 * stretch if on else 0)
            layout.setRowMaximumHeight(row, 10_000 if on else 0)
        last = max(row for row, on in enumerate(shown) if on)
        for row, plot in enumerate(self._plots):
            plot.showAxis("bottom", row == last)
        self._choose_lane()
        self._redraw()
        QTimer.singleShot(0, self, self._label_rows)

    def _choose_lane(self) -> None:
        """The lane of the selected strip; else of one that has a lane or is armed; else of the first."""
        rack, lanes = self._desk.rack, self._desk.lanes
        selected = self._desk.library.selected.value
        candidates = [selected] if selected in rack else []
        candidates += [self.lane.id] if self.lane.id in rack else []
        candidates += [s.id for s in rack.strips if s.id in lanes or s.armed]
        candidates += [s.id for s in rack.strips]
        self.lane.show(candidates[0] if candidates else None)
        self._label_notes()
        axis = self.lane_plot.getAxis("left")
        metrics = QFontMetrics(font(TYPE.caption))
        name = self.lane.title or "add a slider to automate it"
        middle = metrics.elidedText(name, Qt.TextElideMode.ElideRight, GUTTER - 34 - SIGN_ROOM)
        axis.setTicks([[(-2, "\u22122"), (-1, ""), (0, f"{middle}   0"), (1, ""), (2, "+2")]])

    def _lanes_changed(self) -> None:
        if self._desk.lanes.ids() and not self.head.lane.isChecked():
            self.head.lane.setChecked(True)
        self._choose_lane()

    # -- loop, menu, pointer --------------------------------------------------------------------------

    def _loop_begin(self, x: float, _: float) -> None:
        self._drag_from = self._timeline.grid.value.snap(max(0.0, x))

    def _loop_drag(self, x: float, _: float) -> None:
        end = self._timeline.grid.value.snap(max(0.0, x))
        low, high = sorted((self._drag_from, end))
        if high - low > 0.05:
            self._timeline.loop.set((low, high))

    def _loop_moved(self) -> None:
        low, high = self.loop.getRegion()
        if self._timeline.loop.value is not None and high - low > 0.05:
            self._timeline.loop.set((max(0.0, float(low)), float(high)))

    def _show_loop(self, loop: tuple[float, float] | None) -> None:
        self.loop.setVisible(loop is not None)
        if loop is not None and tuple(self.loop.getRegion()) != loop:
            self.loop.blockSignals(True)
            self.loop.setRegion(loop)
            self.loop.blockSignals(False)

    def _menu(self, x: float, y: float, at: QPointF) -> None:
        timeline, actions = self._timeline, self._actions
        items: list[Item] = [
            (f"Play from {format_time(x)}", lambda: actions.seek(x)),
            (f"Continue from {format_time(x)} with new music", lambda: actions.continue_from(x)),
        ]
        inside = (
            self.heat_plot.getViewBox()
            .sceneBoundingRect()
            .contains(self.plots.mapToScene(self.plots.mapFromGlobal(at.toPoint())))
        )
        row = int(y)
        if inside and 0 <= row < len(self._rows):
            items += [None, *self.row_menu(self._rows[row])]
        if timeline.loop.value is not None:
            items += [None, ("Clear the loop", lambda: timeline.loop.set(None))]
        popup(self, items, at.toPoint())

    def row_menu(self, id: str) -> list[Item]:
        """What can be done with a row of the heat-map."""
        pinned, library = self._timeline.pinned, self._desk.library
        title = self._actions.title_of(id)
        others = tuple(other for other in pinned.value if other != id)
        on = id in pinned.value
        return [
            (f"Make \u201c{title}\u201d a slider", lambda: self._actions.add(id)),
            (
                "Draw it as colours" if on else "Draw it as a curve",
                lambda: pinned.set(others if on else (*others, id)),
            ),
            ("Show in the inspector", lambda: library.selected.set(id)),
        ]

    def _point_at(self, scene: QPointF) -> None:
        """Say which note or feature is under the pointer."""
        for plot in (self.mel_plot, self.heat_plot):
            box = plot.getViewBox()
            if not plot.isVisible() or not box.sceneBoundingRect().contains(scene):
                continue
            point = box.mapSceneToView(scene)
            when, centres = format_time(max(0.0, point.x())), self._timeline.mel.centres_hz
            if plot is self.mel_plot:
                hz = float(np.interp(point.y(), np.arange(len(centres)) + 0.5, centres))
                self.head.show_text(
                    f"{when}   \u00b7   {note_name(hz)}   {hz:.0f} Hz", opened=bool(self._timeline.title)
                )
            elif 0 <= int(point.y()) < len(self._rows):
                name = self._actions.title_of(self._rows[int(point.y())])
                self.head.show_text(f"{when}   \u00b7   {name}", opened=bool(self._timeline.title))
            return

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        from pathlib import Path

        for url in event.mimeData().urls():
            if url.isLocalFile():
                self._actions.drop_file(Path(url.toLocalFile()))
                event.acceptProposedAction()
                return

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._label_notes()
        if self._rows:
            self._label_rows()
