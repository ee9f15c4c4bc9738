"""An evidence card -> effect against amount with intervals, the controls behind it, the usable range shaded."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from drawbar_desktop.state.evidence import BASELINE, RANDOM, Card, Dose
from drawbar_desktop.style.theme import TYPE, P, font, qcolor

HEIGHT, LEFT, FOOT, TOP, LEGEND = 176, 34, 18, 6, 30


class DosePlot(QWidget):
    """Drawn by hand: it is small and there are at most a few dozen points.

    A band for the middle nine tenths of the random directions, dashes for the difference in means, faint lines for the
    other controls; a hollow point where the sound breaks, an upright where it is noticed.
    """

    accessible_role = "chart"

    def __init__(self, card: Card, usable: tuple[float, float] | None, marks: tuple[float, ...] = ()) -> None:
        super().__init__()
        self._card, self._usable, self._marks = card, usable, marks
        self._x, self._y = (-1.0, 1.0), (0.0, 1.0)
        self.setFixedHeight(HEIGHT)
        self.setToolTip(
            "How far the judge moves, in standard deviations between takes, at each amount.\n"
            "Band: nine of ten random directions of the same size. Green: the sound holds. Hollow: it breaks."
        )
        words = ", ".join(f"{d.effect:+.2f} at {d.amount:+.1f}" for d in card.doses)
        self.setAccessibleName(f"Dose-response: {words}")

    def sizeHint(self) -> QSize:
        return QSize(240, HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        card = self._card
        if not card.doses:
            return
        drawn = [*card.doses, *(dose for line in card.controls.values() for dose in line)]
        xs = [d.amount for d in drawn]
        ys = [v for d in [*card.doses, *card.controls.get(RANDOM, ())] for v in (d.low, d.high)]
        ys += [d.effect for d in drawn]
        self._x = (min(*xs, -1.0), max(*xs, 1.0))
        low, high = min(*ys, 0.0), max(*ys, 0.0)
        pad = 0.08 * (high - low or 1.0)
        self._y = (low - pad, high + pad)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(LEFT, TOP, self.width() - LEFT - 4, self.height() - FOOT - TOP - LEGEND)
        self._ground(painter, box)
        self._controls(painter, box)
        self._line(painter, box)
        self._numbers(painter, box)
        self._legend(painter)

    def _ground(self, painter: QPainter, box: QRectF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(P.well))
        painter.drawRoundedRect(box, 5, 5)
        if self._usable is not None:
            left, right = (self._at(box, a, 0.0).x() for a in self._usable)
            left, right = max(left, box.left()), min(right, box.right())
            painter.setBrush(qcolor(P.good, 0.16))
            painter.drawRect(QRectF(left, box.top(), max(0.0, right - left), box.height()))
        painter.setPen(QPen(QColor(P.line_strong), 1))
        painter.drawLine(self._at(box, self._x[0], 0), self._at(box, self._x[1], 0))
        painter.drawLine(self._at(box, 0, self._y[0]), self._at(box, 0, self._y[1]))
        painter.setPen(QPen(qcolor(P.good, 0.8), 1, Qt.PenStyle.DotLine))
        for amount in self._marks:
            if self._x[0] <= amount <= self._x[1]:
                x = self._at(box, amount, 0).x()
                painter.drawLine(QPointF(x, box.top() + 2), QPointF(x, box.bottom() - 2))

    def _controls(self, painter: QPainter, box: QRectF) -> None:
        crowd = self._card.controls.get(RANDOM, ())
        if crowd:
            rim = [self._at(box, d.amount, d.high) for d in crowd]
            rim += [self._at(box, d.amount, d.low) for d in reversed(crowd)]
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(qcolor(P.text_faint, 0.28))
            painter.drawPolygon(QPolygonF(rim))
        for name, doses in self._card.controls.items():
            if name in (RANDOM, BASELINE):
                continue
            painter.setPen(QPen(qcolor(P.text_faint, 0.55), 1, Qt.PenStyle.DotLine))
            painter.drawPolyline(self._through(box, doses))
        baseline = self._card.controls.get(BASELINE, ())
        if baseline:
            painter.setPen(QPen(QColor(P.cool), 1.5, Qt.PenStyle.DashLine))
            painter.drawPolyline(self._through(box, baseline))

    def _line(self, painter: QPainter, box: QRectF) -> None:
        doses, broken = self._card.doses, self._card.broken
        painter.setPen(QPen(qcolor(P.fill, 0.7), 1.2))
        for dose in doses:
            painter.drawLine(self._at(box, dose.amount, dose.low), self._at(box, dose.amount, dose.high))
        painter.setPen(QPen(QColor(P.fill), 2))
        painter.drawPolyline(self._through(box, doses))
        for dose in doses:
            hollow = dose.amount in broken
            painter.setPen(QPen(QColor(P.warn if hollow else P.well), 1.5))
            painter.setBrush(QColor(P.well if hollow else P.fill_bright))
            painter.drawEllipse(self._at(box, dose.amount, dose.effect), 4, 4)

    def _through(self, box: QRectF, doses: tuple[Dose, ...]) -> QPolygonF:
        """Through 0 at amount 0, where nothing is added, if nothing was measured there."""
        points = sorted(
            {(d.amount, d.effect) for d in doses} | ({(0.0, 0.0)} if all(d.amount for d in doses) else set())
        )
        return QPolygonF([self._at(box, x, y) for x, y in points])

    def _numbers(self, painter: QPainter, box: QRectF) -> None:
        painter.setFont(font(TYPE.caption))
        painter.setPen(QColor(P.text_faint))
        right = -1e9
        for dose in self._card.doses:
            x = self._at(box, dose.amount, 0).x()
            if x - right < 26:  # +0.5 beside +1 in a narrow panel
                continue
            right = x
            text = f"{dose.amount:+g}".replace("-", "\u2212")
            painter.drawText(
                QRectF(x - 18, box.bottom() + 2, 36, FOOT - 2), Qt.AlignmentFlag.AlignHCenter, text
            )
        for value in (self._y[0], 0.0, self._y[1]):
            y = self._at(box, 0, value).y()
            text = f"{value:+.2g}".replace("-", "\u2212") if value else "0"
            flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(0, min(max(y - 7, 0), box.bottom() - 12), LEFT - 5, 14), flags, text)

    def _legend(self, painter: QPainter) -> None:
        """What the lines are, in the colours they have."""
        controls = self._card.controls
        entries = [("this slider", QColor(P.fill))]
        entries += [(RANDOM, qcolor(P.text_faint, 0.9))] if RANDOM in controls else []
        entries += [(BASELINE, QColor(P.cool))] if BASELINE in controls else []
        entries += (
            [("other controls", qcolor(P.text_faint, 0.6))] if set(controls) - {RANDOM, BASELINE} else []
        )
        painter.setFont(font(TYPE.caption))
        metrics = painter.fontMetrics()
        x, y = float(LEFT), float(self.height() - LEGEND + 4)
        for text, color in entries:
            width = metrics.horizontalAdvance(text) + 24
            if x + width > self.width():
                x, y = float(LEFT), y + 14
            painter.setPen(QPen(color, 2.5))
            painter.drawLine(QPointF(x, y + 6), QPointF(x + 10, y + 6))
            painter.setPen(QColor(P.text_faint))
            painter.drawText(QRectF(x + 14, y - 1, width, 14), Qt.AlignmentFlag.AlignVCenter, text)
            x += width

    def _at(self, box: QRectF, amount: float, effect: float) -> QPointF:
        x = (amount - self._x[0]) / (self._x[1] - self._x[0] or 1.0)
        y = (effect - self._y[0]) / (self._y[1] - self._y[0] or 1.0)
        return QPointF(box.left() + 8 + x * (box.width() - 16), box.bottom() - 4 - y * (box.height() - 8))
