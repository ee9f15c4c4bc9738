"""Kinds of sound by row of a plot -> their signs in the axis beside it, in their colours."""

from collections.abc import Sequence

import pyqtgraph as pg
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QGraphicsPixmapItem

from drawbar_desktop.style.theme import P, icon
from drawbar_desktop.widgets.common.basics import plain
from drawbar_desktop.widgets.common.kinds import KIND_SIGNS, KIND_TITLES

SIGN_PX = 12
SIGN_ROOM = SIGN_PX + 6
"""What a name beside a sign has less."""


def kind_color(kind: str) -> str:
    """The palette's colour of a kind; faint for none."""
    return str(getattr(P, kind)) if kind else P.text_faint


class RowSigns:
    """Follows its plot's size; the truth is what `show` was told."""

    def __init__(self, plot: pg.PlotItem) -> None:
        self._axis, self._box = plot.getAxis("left"), plot.getViewBox()
        self._items: list[QGraphicsPixmapItem] = []
        self.rows: list[tuple[str, float]] = []
        """Kind, and the middle of its row as the plot counts."""
        self._box.sigResized.connect(lambda *_: self._place())
        self._box.sigYRangeChanged.connect(lambda *_: self._place())

    def show(self, rows: Sequence[tuple[str, float]]) -> None:
        """Kind and middle of every row that has a sign."""
        self.rows = list(rows)
        while len(self._items) > len(rows):
            item = self._items.pop()
            item.scene().removeItem(item)
        while len(self._items) < len(rows):
            self._items.append(QGraphicsPixmapItem(self._axis))
        for item, (kind, _) in zip(self._items, self.rows, strict=True):
            item.setPixmap(icon(KIND_SIGNS[kind], color=kind_color(kind)).pixmap(SIGN_PX, SIGN_PX))
            item.setToolTip(plain(KIND_TITLES.get(kind, "Unnamed")))
        self._place()

    def _place(self) -> None:
        for item, (_, middle) in zip(self._items, self.rows, strict=True):
            at = self._box.mapFromViewToItem(self._axis, QPointF(0, middle))
            item.setPos(4, at.y() - SIGN_PX / 2)
