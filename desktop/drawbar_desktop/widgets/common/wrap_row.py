"""Widgets -> a row that goes on in the next line where the window is narrow; its last group stands at the right."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget, QWidgetItem


class WrapRow(QWidget):
    """As high as its lines need at the width it is given; it never asks for more width than its widest part."""

    def __init__(
        self, left: Sequence[QWidget], right: Sequence[QWidget], gap: int = 8, line_gap: int = 6
    ) -> None:
        super().__init__()
        self._left, self._right = list(left), list(right)
        self._gap, self._line_gap = gap, line_gap
        for widget in (*left, *right):
            widget.setParent(self)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._place(10_000)

    def sizeHint(self) -> QSize:
        return QSize(self._whole(), self.minimumHeight())

    def minimumSizeHint(self) -> QSize:
        return QSize(max(_hint(w).width() for w in (*self._left, *self._right)), self.minimumHeight())

    def arrange(self) -> None:
        """A part was shown, hidden or changed its size."""
        self._place(self.width())

    def _whole(self) -> int:
        parts = [_hint(w).width() for w in (*self._left, *self._right) if not w.isHidden()]
        return sum(parts) + self._gap * max(0, len(parts) - 1)

    def event(self, event: QEvent) -> bool:
        """A part wants another size, or the style has changed what they want."""
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.StyleChange, QEvent.Type.Show):
            self._place(self.width())
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place(self.width())

    def _place(self, width: int) -> None:
        """Lines from left to right; those of the right group are pushed to the edge of their line."""
        lines: list[list[QWidget]] = [[]]
        x = 0
        for widget in (*self._left, *self._right):
            if widget.isHidden():
                continue
            needed = _hint(widget).width()
            if lines[-1] and x + needed > width:
                lines.append([])
                x = 0
            lines[-1].append(widget)
            x += needed + self._gap
        y = 0
        for line in lines:
            high = max((_hint(w).height() for w in line), default=0)
            spare = max(0, width - sum(_hint(w).width() + self._gap for w in line) + self._gap)
            x = 0
            for widget in line:
                if widget in self._right and spare:
                    x, spare = x + spare, 0
                size = _hint(widget)
                widget.setGeometry(
                    x, y + (high - size.height()) // 2, min(size.width(), width), size.height()
                )
                x += size.width() + self._gap
            y += high + self._line_gap
        high = max(0, y - self._line_gap)
        if high != self.minimumHeight():
            self.setFixedHeight(high)


def _hint(widget: QWidget) -> QSize:
    """What it wants, within its own limits."""
    return QWidgetItem(widget).sizeHint() if not widget.isHidden() else QSize(0, 0)
