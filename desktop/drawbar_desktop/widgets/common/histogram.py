"""Bin edges and counts -> a small bar picture with the 99th percentile marked."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from drawbar_desktop.style.theme import TYPE, P, font, qcolor

FOOT = 16


class Histogram(QWidget):
    """How often each strength of activation occurs (heights are square roots, so that the tail shows)."""

    accessible_role = "chart"

    def __init__(self, edges: Sequence[float], counts: Sequence[float], p99: float) -> None:
        super().__init__()
        self._edges = np.asarray(edges, float)
        self._heights = np.sqrt(np.maximum(np.asarray(counts, float), 0))
        self._p99 = p99
        self.setFixedHeight(74)
        self.setToolTip("Distribution of the activation; heights are square roots")
        self.setAccessibleName(f"Histogram of the activation; its 99th percentile is {p99:.2f}")

    def sizeHint(self) -> QSize:
        return QSize(220, 74)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._heights.size == 0 or len(self._edges) < 2 or self._heights.max() <= 0:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        base, top = self.height() - FOOT, 4.0
        low, high = float(self._edges[0]), float(max(self._edges[-1], self._p99 * 1.02))
        span = high - low or 1.0
        painter.setPen(Qt.PenStyle.NoPen)
        for left, right, height in zip(self._edges, self._edges[1:], self._heights, strict=False):
            x = (left - low) / span * self.width()
            width = (right - left) / span * self.width()
            tall = height / self._heights.max() * (base - top)
            painter.setBrush(QColor(P.fill) if left < self._p99 else QColor(P.fill_bright))
            painter.drawRoundedRect(QRectF(x, base - tall, max(1.0, width - 1), tall), 1, 1)
        painter.setPen(QPen(QColor(P.line_strong), 1))
        painter.drawLine(QPointF(0, base + 0.5), QPointF(self.width(), base + 0.5))
        x = (self._p99 - low) / span * self.width()
        painter.setPen(QPen(QColor(P.text_soft), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(x, top), QPointF(x, base))
        painter.setPen(QColor(P.text_faint))
        painter.setFont(font(TYPE.caption))
        foot = QRectF(0, base + 2, self.width(), FOOT - 2)
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, f"{low:.2g}")
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight, f"p99 {self._p99:.2g}")


class Sparkline(QWidget):
    """A feature's activation over one example; where it fires (half its peak or more) is lit."""

    accessible_role = "chart"

    def __init__(self, activations: Sequence[float]) -> None:
        super().__init__()
        self._values = np.maximum(np.asarray(activations, float), 0)
        self.setAccessibleName("Where it fires in the example")
        self.setFixedHeight(26)
        self.setMinimumWidth(60)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(P.well))
        painter.drawRoundedRect(QRectF(self.rect()), 4, 4)
        if self._values.size == 0:
            return
        columns = max(1, self.width() // 3)
        parts = np.array_split(self._values, min(columns, self._values.size))
        peak = float(self._values.max()) or 1.0
        pitch = self.width() / len(parts)
        for i, part in enumerate(parts):
            lit = part.max() >= 0.5 * peak
            tall = max(1.5, float(part.max()) / peak * (self.height() - 6))
            painter.setBrush(QColor(P.fill) if lit else qcolor(P.text_faint, 0.6))
            painter.drawRect(QRectF(i * pitch, self.height() - 3 - tall, pitch - 1, tall))
