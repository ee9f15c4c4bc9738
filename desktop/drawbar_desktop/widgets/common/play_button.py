"""The big round button that plays and pauses what is shown: lit while it sounds."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF, QRadialGradient
from PySide6.QtWidgets import QAbstractButton

from drawbar_desktop.style.theme import P, qcolor
from drawbar_desktop.widgets.common.basics import plain


class PlayButton(QAbstractButton):
    """Space does the same."""

    def __init__(self) -> None:
        super().__init__()
        self._playing = False
        self.setFixedSize(QSize(56, 56))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.set_playing(False)

    def set_playing(self, playing: bool) -> None:
        """Show two bars while playing, a triangle otherwise."""
        self._playing = playing
        name = "Pause" if playing else "Play"
        self.setAccessibleName(name)
        self.setToolTip(plain(f"{name}  (Space)"))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        disc = QRectF(self.rect()).adjusted(5, 5, -5, -5)
        lit, idle = (P.fill_bright, P.ivory_bright) if self.underMouse() else (P.fill, P.ivory)
        color = QColor((lit if self._playing else idle) if self.isEnabled() else P.raised)
        if self.isDown():
            color = color.darker(115)
        painter.setPen(Qt.PenStyle.NoPen)
        if self._playing:
            glow = QRadialGradient(disc.center(), disc.width() * 0.62)
            glow.setColorAt(0.75, qcolor(P.fill, 0.55))
            glow.setColorAt(1.0, qcolor(P.fill, 0.0))
            painter.setBrush(glow)
            painter.drawEllipse(QRectF(self.rect()))
        painter.setBrush(QColor(P.well))
        painter.drawEllipse(disc.adjusted(-2, -2, 2, 2))
        shine = QRadialGradient(disc.center() - QPointF(0, disc.height() * 0.25), disc.width() * 0.8)
        shine.setColorAt(0, color.lighter(112))
        shine.setColorAt(1, color.darker(125))
        painter.setBrush(shine)
        painter.drawEllipse(disc)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(P.text), 2))
            painter.drawEllipse(disc.adjusted(-3, -3, 3, 3))
        painter.setPen(Qt.PenStyle.NoPen)
        ink = P.on_fill if self._playing else P.on_ivory
        painter.setBrush(QColor(ink if self.isEnabled() else P.text_faint))
        c = disc.center()
        if self._playing:
            for left in (c.x() - 8.0, c.x() + 2.5):
                painter.drawRoundedRect(QRectF(left, c.y() - 9, 5.5, 18), 1.5, 1.5)
        else:
            left, right, half = c.x() - 7.0, c.x() + 12.0, 11.0
            painter.drawPolygon(
                QPolygonF([QPointF(left, c.y() - half), QPointF(right, c.y()), QPointF(left, c.y() + half)])
            )
