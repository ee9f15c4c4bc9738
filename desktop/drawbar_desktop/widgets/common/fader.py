"""A horizontal fader: drag, Shift for fine, wheel, arrows; double- or Ctrl-click resets."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QSlider

FINE = 0.1
HANDLE = 14


class Fader(QSlider):
    """A QSlider that obeys the same gestures as every other control; `reset` is what a double-click does."""

    def __init__(self, low: int, high: int, reset: Callable[[], object]) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(low, high)
        self._reset = reset
        self._drag: tuple[float, float] | None = None  # last pointer x, unrounded value

    def x_of(self, value: float) -> float:
        """Where the middle of the handle stands, in widget pixels."""
        return HANDLE / 2 + (value - self.minimum()) / (self.maximum() - self.minimum()) * self._span()

    def _span(self) -> float:
        return max(1.0, self.width() - HANDLE)

    def _per_pixel(self) -> float:
        return (self.maximum() - self.minimum()) / self._span()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Start a drag; beside the handle it jumps there first."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.MetaModifier):
            self._reset()
            return
        x, value = event.position().x(), float(self.value())
        self.setSliderDown(True)
        if abs(x - self.x_of(value)) > HANDLE / 2 + 2:
            value = self.minimum() + (x - HANDLE / 2) * self._per_pixel()
            self.setSliderPosition(round(value))
        self._drag = (x, value)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move; with Shift ten times finer."""
        if self._drag is None:
            return
        last, value = self._drag
        x = event.position().x()
        fine = FINE if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
        value = max(self.minimum(), min(self.maximum(), value + (x - last) * self._per_pixel() * fine))
        self._drag = (x, value)
        self.setSliderPosition(round(value))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._drag = None
        self.setSliderDown(False)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._drag = None
        self.setSliderDown(False)
        self._reset()
