"""The logo: four drawbars pulled to different lengths, and the name."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from drawbar_desktop.style.theme import SPACE, P
from drawbar_desktop.widgets.common.basics import label

PULLED = (0.62, 0.95, 0.45, 0.78)


def draw_mark(painter: QPainter, box: QRectF) -> None:
    """Four drawbars, the second in the accent colour."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    pitch = box.width() / len(PULLED)
    width = pitch * 0.68
    for i, pulled in enumerate(PULLED):
        x = box.left() + i * pitch + (pitch - width) / 2
        bottom = box.top() + box.height() * pulled
        painter.setBrush(QColor(P.line_strong))
        painter.drawRoundedRect(QRectF(x + width * 0.3, box.top(), width * 0.4, bottom - box.top()), 1.5, 1.5)
        cap = QRectF(x, bottom - box.height() * 0.30, width, box.height() * 0.30)
        color = QColor(P.fill if i == 1 else P.ivory)
        shine = QLinearGradient(cap.topLeft(), cap.bottomLeft())
        shine.setColorAt(0, color.lighter(108))
        shine.setColorAt(1, color.darker(122))
        painter.setBrush(shine)
        painter.drawRoundedRect(cap, 2, 2)


def mark_pixmap(size: int) -> QPixmap:
    """The mark as a picture, for the window's icon."""
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    draw_mark(painter, QRectF(size * 0.08, size * 0.1, size * 0.84, size * 0.8))
    painter.end()
    return pixmap


class Mark(QWidget):
    """The mark as a widget."""

    def sizeHint(self) -> QSize:
        return QSize(46, 44)

    def paintEvent(self, event: QPaintEvent) -> None:
        draw_mark(QPainter(self), QRectF(self.rect()).adjusted(0, 2, 0, -2))


class Logo(QWidget):
    """Mark and name."""

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE.s + 2)
        mark = Mark()
        mark.setFixedSize(mark.sizeHint())
        row.addWidget(mark)
        self.name: QLabel = label("Drawbar", "wordmark")
        row.addWidget(self.name)
