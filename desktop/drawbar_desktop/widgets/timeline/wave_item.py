"""Peaks over time -> one plot item: heard audio bright, audio still to be heard dim."""

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter, QPainterPath

from drawbar_desktop.style.theme import P, qcolor


class WaveItem(pg.GraphicsObject):
    """The outline of min and max over time, filled; split at the playhead without new data."""

    def __init__(self) -> None:
        super().__init__()
        self._path = QPainterPath()
        self._span = (0.0, 0.0)
        self._played_s = 0.0
        self._rect = QRectF(0, -1, 1, 2)

    def set_peaks(self, peaks: NDArray[np.float32], start_s: float, end_s: float) -> None:
        """Show peaks `[W, 2]` (min, max) that span `start_s`..`end_s`."""
        self.prepareGeometryChange()
        self._span = (start_s, end_s)
        self._rect = QRectF(start_s, -1, max(end_s - start_s, 1e-3), 2)
        self._path = QPainterPath()
        if len(peaks) > 1 and end_s > start_s:
            x = start_s + (np.arange(len(peaks)) + 0.5) * (end_s - start_s) / len(peaks)
            low = np.minimum(peaks[:, 0], -0.004)
            high = np.maximum(peaks[:, 1], 0.004)
            outline_x = np.concatenate([x, x[::-1]])
            outline_y = np.concatenate([high, low[::-1]])
            self._path = pg.arrayToQPath(outline_x, outline_y, connect="all")
            self._path.closeSubpath()
        self.update()

    def set_played(self, played_s: float) -> None:
        if played_s != self._played_s:
            self._played_s = played_s
            self.update()

    def boundingRect(self) -> QRectF:
        return self._rect

    def paint(self, painter: QPainter, *_: object) -> None:
        """Twice the same path, clipped at the playhead."""
        if self._path.isEmpty():
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        start, end = self._span
        split = min(max(self._played_s, start), end)
        for left, right, color in (
            (start, split, QColor(P.fill)),
            (split, end, qcolor(P.text_faint, 0.55)),
        ):
            if right > left:
                painter.save()
                painter.setClipRect(QRectF(left, -1, right - left, 2))
                painter.fillPath(self._path, color)
                painter.restore()
