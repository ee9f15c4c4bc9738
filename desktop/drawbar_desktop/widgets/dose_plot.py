"""An evidence card -> effect against amount with intervals, the controls behind it, the usable range shaded."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from drawbar_desktop.state.evidence import Card
from drawbar_desktop.theme import TYPE, P, font, qcolor

__all__ = ["DosePlot"]

HEIGHT, LEFT, FOOT, TOP = 138, 34, 18, 6


class DosePlot(QWidget):
    """Drawn by hand: it is small and there are at most a few dozen points."""

    def __init__(self, card: Card, usable: tuple[float, float] | None) -> None:
        super().__init__()
        self._card, self._usable = card, usable
        self.setFixedHeight(HEIGHT)
        self.setToolTip(
            "Effect on the judge against the slider's amount; grey: controls; green: usable range"
        )
        words = ", ".join(f"{d.effect:+.2f} at {d.amount:+.1f}" for d in card.doses)
        self.setAccessibleName(f"Dose-response: {words}")

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(240, HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Axes, range, controls, line, points."""
        card = self._card
        if not card.doses:
            return
        xs = [d.amount for d in card.doses] + [x for c in card.controls.values() for x, _ in c]
        ys = [v for d in card.doses for v in (d.low, d.high)] + [
            y for c in card.controls.values() for _, y in c
        ]
        self._x = (min(*xs, -1.0), max(*xs, 1.0))
        low, high = min(*ys, 0.0), max(*ys, 0.0)
        pad = 0.08 * (high - low or 1.0)
        self._y = (low - pad, high + pad)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(LEFT, TOP, self.width() - LEFT - 4, self.height() - FOOT - TOP)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(P.well))
        painter.drawRoundedRect(box, 5, 5)
        if self._usable is not None:
            left, right = (self._at(box, a, 0.0).x() for a in self._usable)
            painter.setBrush(qcolor(P.good, 0.16))
            painter.drawRect(
                QRectF(
                    max(left, box.left()),
                    box.top(),
                    min(right, box.right()) - max(left, box.left()),
                    box.height(),
                )
            )
        painter.setPen(QPen(QColor(P.line_strong), 1))
        painter.drawLine(self._at(box, self._x[0], 0), self._at(box, self._x[1], 0))
        painter.drawLine(self._at(box, 0, self._y[0]), self._at(box, 0, self._y[1]))
        for line in card.controls.values():
            painter.setPen(QPen(qcolor(P.text_faint, 0.7), 1.2, Qt.PenStyle.DashLine))
            painter.drawPolyline(QPolygonF([self._at(box, x, y) for x, y in line]))
        painter.setPen(QPen(qcolor(P.fill, 0.7), 1.2))
        for dose in card.doses:
            painter.drawLine(self._at(box, dose.amount, dose.low), self._at(box, dose.amount, dose.high))
        painter.setPen(QPen(QColor(P.fill), 2))
        painter.drawPolyline(QPolygonF([self._at(box, d.amount, d.effect) for d in card.doses]))
        painter.setPen(QPen(QColor(P.well), 1.5))
        painter.setBrush(QColor(P.fill_bright))
        for dose in card.doses:
            painter.drawEllipse(self._at(box, dose.amount, dose.effect), 4, 4)
        self._numbers(painter, box)

    def _numbers(self, painter: QPainter, box: QRectF) -> None:
        painter.setFont(font(TYPE.caption))
        painter.setPen(QColor(P.text_faint))
        for dose in self._card.doses:
            x = self._at(box, dose.amount, 0).x()
            text = f"{dose.amount:+g}".replace("-", "\u2212")
            painter.drawText(
                QRectF(x - 18, box.bottom() + 2, 36, FOOT - 2), Qt.AlignmentFlag.AlignHCenter, text
            )
        for value in (self._y[0], 0.0, self._y[1]):
            y = self._at(box, 0, value).y()
            text = f"{value:+.2g}".replace("-", "\u2212") if value else "0"
            flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(0, min(max(y - 7, 0), box.bottom() - 12), LEFT - 5, 14), flags, text)

    def _at(self, box: QRectF, amount: float, effect: float) -> QPointF:
        x = (amount - self._x[0]) / (self._x[1] - self._x[0] or 1.0)
        y = (effect - self._y[0]) / (self._y[1] - self._y[0] or 1.0)
        return QPointF(box.left() + 8 + x * (box.width() - 16), box.bottom() - 4 - y * (box.height() - 8))
