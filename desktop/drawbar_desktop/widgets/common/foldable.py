"""A panel -> the same with a fold: to a thin rail at the side of the window, which opens it again."""

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QWidget

from drawbar_desktop.style.theme import TYPE, P, font, qcolor
from drawbar_desktop.widgets.common.basics import plain

RAIL_W = 26
MOST = 16_777_215


class Rail(QAbstractButton):
    """The name of a folded panel, written upwards."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.setText(title)
        self.setAccessibleName(f"Open {title}")
        self.setToolTip(plain(f"Open {title}"))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFixedWidth(RAIL_W)

    def sizeHint(self) -> QSize:
        return QSize(RAIL_W, 120)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(P.focus if self.hasFocus() else P.line))
        painter.setBrush(QColor(P.hover if self.underMouse() else P.panel))
        painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), 8, 8)
        painter.setFont(font(TYPE.small, QFont.Weight.DemiBold))
        painter.setPen(qcolor(P.text))
        painter.rotate(-90)
        box = self.rect().adjusted(0, 0, self.height() - self.width(), self.width() - self.height())
        painter.drawText(box.translated(-self.height(), 0), Qt.AlignmentFlag.AlignCenter, self.text())


class Foldable(QWidget):
    """Holds one panel; `toggled` is called when its rail is pressed."""

    def __init__(self, panel: QWidget, title: str, least: int) -> None:
        super().__init__()
        self.panel, self._least = panel, least
        self.toggled: Callable[[bool], object] = self.fold
        self.rail = Rail(title)
        self.rail.clicked.connect(lambda: self.toggled(False))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(panel, 1)
        row.addWidget(self.rail)
        self.fold(False)

    @property
    def folded(self) -> bool:
        """Whether only the rail is seen."""
        return self.panel.isHidden()

    def fold(self, on: bool) -> None:
        """To the rail, or back to what it was."""
        self.panel.setVisible(not on)
        self.rail.setVisible(on)
        self.setMinimumWidth(RAIL_W if on else self._least)
        self.setMaximumWidth(RAIL_W if on else MOST)
