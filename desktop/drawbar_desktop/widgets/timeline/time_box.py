"""Mouse and wheel over a plot -> seek, loop, zoom, scroll or draw, told as plain times and values."""

from collections.abc import Callable

import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt

Place = Callable[[float, float], object]


class TimeBox(pg.ViewBox):
    """A view whose x axis is time. It never moves itself: the timeline's state does."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.setMouseEnabled(x=False, y=False)
        self.clicked: Place = _nothing
        self.menu_wanted: Callable[[float, float, QPointF], object] = _nothing
        self.drag_began: Place = _nothing
        self.dragged: Place = _nothing
        self.drag_ended: Place = _nothing
        self.zoomed: Callable[[float, float], object] = _nothing
        """(factor, time under the pointer)."""
        self.scrolled: Callable[[float], object] = _nothing
        """By how many seconds."""
        self.double_clicked: Place = _nothing

    def _place(self, scene: QPointF) -> tuple[float, float]:
        point = self.mapSceneToView(scene)
        return float(point.x()), float(point.y())

    def _per_pixel(self) -> float:
        (left, right), _ = self.viewRange()
        return float(right - left) / max(1.0, float(self.width()))

    def mouseClickEvent(self, event: object) -> None:
        x, y = self._place(event.scenePos())  # type: ignore[attr-defined]
        pressed = event.button()  # type: ignore[attr-defined]
        if pressed == Qt.MouseButton.RightButton:
            self.menu_wanted(x, y, event.screenPos())  # type: ignore[attr-defined]
        elif pressed == Qt.MouseButton.LeftButton:
            (self.double_clicked if event.double() else self.clicked)(x, y)  # type: ignore[attr-defined]
        event.accept()  # type: ignore[attr-defined]

    def mouseDragEvent(self, event: object, axis: object = None) -> None:
        event.accept()  # type: ignore[attr-defined]
        if event.button() == Qt.MouseButton.MiddleButton:  # type: ignore[attr-defined]
            gone = event.scenePos().x() - event.lastScenePos().x()  # type: ignore[attr-defined]
            self.scrolled(-gone * self._per_pixel())
            return
        if event.button() != Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            return
        if event.isStart():  # type: ignore[attr-defined]
            self.drag_began(*self._place(event.buttonDownScenePos()))  # type: ignore[attr-defined]
        x, y = self._place(event.scenePos())  # type: ignore[attr-defined]
        self.dragged(x, y)
        if event.isFinish():  # type: ignore[attr-defined]
            self.drag_ended(x, y)

    def wheelEvent(self, event: object, axis: object = None) -> None:
        """Zoom around the pointer; with Shift (or a sideways wheel) scroll."""
        delta = event.delta()  # type: ignore[attr-defined]
        sideways = event.orientation() == Qt.Orientation.Horizontal  # type: ignore[attr-defined]
        if sideways or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:  # type: ignore[attr-defined]
            self.scrolled(-delta / 120 * 80 * self._per_pixel())
        else:
            x, _ = self._place(event.scenePos())  # type: ignore[attr-defined]
            self.zoomed(0.8 ** (delta / 120), x)
        event.accept()  # type: ignore[attr-defined]


def _nothing(*_: object) -> None:
    return None
