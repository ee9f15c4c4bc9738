"""Peaks over time -> one plot item: heard audio bright, audio still to be heard dim."""

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter, QPainterPath

from drawbar_desktop.theme import DARK, qcolor

__all__ = ["WaveItem"]


class WaveItem(pg.GraphicsObject):
    """The outline of min and max over time, filled; split at the playhead without new data."""

    def __init__(self) -> None:
        super().__init__()
        self._path = QPainterPath()
        self._seconds = 0.0
        self._played_s = 0.0
        self._rect = QRectF(0, -1, 1, 2)

    def set_peaks(self, peaks: NDArray[np.float32], seconds: float) -> None:
        """Show peaks `[W, 2]` (min, max) that span 0..`seconds`."""
        self.prepareGeometryChange()
        self._seconds = seconds
        self._rect = QRectF(0, -1, max(seconds, 1e-3), 2)
        self._path = QPainterPath()
        if len(peaks) > 1 and seconds > 0:
            x = (np.arange(len(peaks)) + 0.5) * seconds / len(peaks)
            low = np.minimum(peaks[:, 0], -0.004)
            high = np.maximum(peaks[:, 1], 0.004)
            outline_x = np.concatenate([x, x[::-1]])
            outline_y = np.concatenate([high, low[::-1]])
            self._path = pg.arrayToQPath(outline_x, outline_y, connect="all")
            self._path.closeSubpath()
        self.update()

    def set_played(self, played_s: float) -> None:
        """Where bright ends and dim begins."""
        if played_s != self._played_s:
            self._played_s = played_s
            self.update()

    def boundingRect(self) -> QRectF:
        """Seconds wide, full scale tall."""
        return self._rect

    def paint(self, painter: QPainter, *_: object) -> None:
        """Twice the same path, clipped at the playhead."""
        if self._path.isEmpty():
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for left, right, color in (
            (0.0, self._played_s, QColor(DARK.accent)),
            (self._played_s, self._seconds, qcolor(DARK.ivory_shade, 0.38)),
        ):
            if right > left:
                painter.save()
                painter.setClipRect(QRectF(left, -1, right - left, 2))
                painter.fillPath(self._path, color)
                painter.restore()
