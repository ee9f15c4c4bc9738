"""One feature's automation lane -> a line with points to click, drag, draw and delete, below the heat-map."""

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from drawbar.bank.kinds import kind_of
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.rack import feature_title
from drawbar_desktop.style.theme import P, qcolor
from drawbar_desktop.widgets.timeline.row_signs import RowSigns, kind_color
from drawbar_desktop.widgets.timeline.time_box import TimeBox

GRAB_PX = 8.0


class LanePlot:
    """What is drawn into one plot row; the truth is in `desk.lanes`."""

    def __init__(self, desk: Desk, plot: pg.PlotItem, box: TimeBox) -> None:
        self._desk, self._plot, self._box = desk, plot, box
        self.id: str | None = None
        self._grabbed: int | None = None
        self._stroke: list[tuple[float, float]] = []
        self.signs = RowSigns(plot)
        self.line = pg.PlotCurveItem(antialias=True)
        self.dots = pg.ScatterPlotItem(size=8, pxMode=True)
        self.stroke = pg.PlotCurveItem()
        self._zero = pg.InfiniteLine(0, angle=0)
        self.now = pg.InfiniteLine(0, angle=0)
        for item in (self._zero, self.now, self.line, self.stroke, self.dots):
            plot.addItem(item)
        box.clicked = self.click
        box.double_clicked = self.click
        box.menu_wanted = lambda x, y, _: self.delete_at(x, y)
        box.drag_began, box.dragged, box.drag_ended = self.begin, self.drag, self.end

    def restyle(self) -> None:
        """The colours of the theme, and of the kind of sound."""
        color = kind_color(self.kind) if self.kind else P.cool
        self.line.setPen(pg.mkPen(QColor(color), width=2))
        self.dots.setPen(pg.mkPen(QColor(P.well), width=1))
        self.dots.setBrush(pg.mkBrush(QColor(color)))
        self.stroke.setPen(pg.mkPen(qcolor(color, 0.6), width=2, style=Qt.PenStyle.DotLine))
        self._zero.setPen(pg.mkPen(QColor(P.line_strong), width=1))
        self.now.setPen(pg.mkPen(qcolor(P.fill, 0.7), width=1, style=Qt.PenStyle.DashLine))

    @property
    def title(self) -> str:
        """The feature's name; empty without one."""
        return feature_title(self._desk.rack.strip(str(self.id)).feature) if self._known() else ""

    @property
    def kind(self) -> str:
        """The feature's kind of sound; empty without one."""
        return kind_of(self._desk.rack.strip(str(self.id)).feature.label) if self._known() else ""

    def show(self, id: str | None) -> None:
        self.id = id if id in self._desk.rack else None
        self.restyle()
        self.signs.show([(self.kind, 0.0)] if self._known() else [])
        self.redraw()

    def redraw(self) -> None:
        points = self._desk.lanes.points(self.id) if self.id else ()
        end = max(self._desk.timeline.span_s, points[-1][0] if points else 0.0)
        xs = [0.0, *(t for t, _ in points), end] if points else []
        ys = [points[0][1], *(a for _, a in points), points[-1][1]] if points else []
        self.line.setData(xs, ys)
        self.dots.setData([t for t, _ in points], [a for _, a in points])
        reach = max([2.0, *(abs(a) for _, a in points)]) * 1.15
        self._plot.setYRange(-reach, reach, padding=0)
        self.now.setVisible(self._known())
        if self._known():
            self.now.setValue(self._desk.rack.strip(str(self.id)).amount)

    # -- gestures (times and amounts) -----------------------------------------------------------------

    def near(self, time_s: float, amount: float) -> int | None:
        width, height = self._box.viewPixelSize()
        points = self._desk.lanes.points(self.id) if self.id else ()
        for index, (t, a) in enumerate(points):
            if abs(t - time_s) < GRAB_PX * width and abs(a - amount) < GRAB_PX * abs(height):
                return index
        return None

    def click(self, time_s: float, amount: float) -> None:
        """Put a point, on the beat if one is near."""
        if self.id is not None and self.near(time_s, amount) is None:
            self._desk.lanes.put(self.id, self._snapped(time_s), _notched(amount))

    def delete_at(self, time_s: float, amount: float) -> None:
        """Right-click on a point takes it away."""
        index = self.near(time_s, amount)
        if self.id is not None and index is not None:
            self._desk.lanes.delete(self.id, index)

    def begin(self, time_s: float, amount: float) -> None:
        """Take hold of a point, or start to draw."""
        if self.id is None:
            return
        self._desk.lanes.begin_gesture()
        self._grabbed = self.near(time_s, amount)
        self._stroke = [] if self._grabbed is not None else [(time_s, amount)]

    def drag(self, time_s: float, amount: float) -> None:
        """Move the point, or go on drawing."""
        if self.id is None:
            return
        if self._grabbed is not None:
            self._desk.lanes.move(self.id, self._grabbed, self._snapped(time_s), _notched(amount))
        elif self._stroke:
            self._stroke.append((time_s, amount))
            ordered = sorted(self._stroke)
            self.stroke.setData([t for t, _ in ordered], [a for _, a in ordered])

    def end(self, time_s: float, amount: float) -> None:
        """One undo step, whichever it was."""
        if self.id is None:
            return
        if len(self._stroke) > 1:
            self._desk.lanes.draw(self.id, self._stroke)
        self._stroke, self._grabbed = [], None
        self.stroke.setData([], [])
        self._desk.lanes.end_gesture()

    def _snapped(self, time_s: float) -> float:
        left, right = self._desk.timeline.in_view()
        return max(0.0, self._desk.timeline.grid.value.snap(time_s, (right - left) * 0.01))

    def _known(self) -> bool:
        return self.id is not None and self.id in self._desk.rack


def _notched(amount: float) -> float:
    return 0.0 if abs(amount) < 0.06 else round(amount, 2)
