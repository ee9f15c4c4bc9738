"""An amount -> a bipolar drawbar with a notch at zero; gestures -> calls on the rack's state."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from drawbar_desktop.state.rack import Rack, Strip, feature_title
from drawbar_desktop.state.taper import AMOUNT_MAX, AMOUNT_STEP, detent
from drawbar_desktop.style.theme import TYPE, P, font, qcolor
from drawbar_desktop.widgets.common.accessible import value_changed
from drawbar_desktop.widgets.common.basics import plain

CAP_W, CAP_H, TRACK_W, PAD = 42.0, 24.0, 10.0, 16.0
FINE = 0.1
LABEL_H = 11.0
"""Numbers on the scale that would stand closer than this are left out, those near zero last."""


class AmountSlider(QWidget):
    """One strip's slider: drag, Shift for fine, wheel, arrows, double-click or Ctrl-click for zero."""

    accessible_role = "slider"

    def __init__(self, rack: Rack, id: str) -> None:
        super().__init__()
        self._rack, self._id = rack, id
        self._strip = rack.strip(id)
        self._ghost: float | None = None
        self._drag: tuple[float, float] | None = None  # last pointer y, unsnapped position
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.set_strip(self._strip)

    def set_strip(self, strip: Strip) -> None:
        self._strip = strip
        beyond = ", beyond the usable range" if strip.beyond else ""
        self.setAccessibleName(f"{feature_title(strip.feature)} amount {strip.amount:+.2f}{beyond}")
        self.setToolTip(plain(_tip(strip, self._rack.marks.get(self._id, ()))))
        value_changed(self, strip.amount)
        self.update()

    def accessible_value(self) -> str:
        """The amount, as a screen reader says it."""
        return f"{self._strip.amount:+.2f}"

    def sizeHint(self) -> QSize:
        return QSize(66, 220)

    def minimumSizeHint(self) -> QSize:
        return QSize(60, 100)

    # -- geometry -------------------------------------------------------------------------------------

    def _span(self) -> float:
        return max(1.0, self.height() - 2 * PAD)

    def _centre_x(self) -> float:
        return self.width() / 2 + 7

    def y_of(self, amount: float) -> float:
        """Where the middle of the cap stands for an amount, in widget pixels."""
        return PAD + (1 - self._strip.taper.to_position(amount)) * self._span()

    def _position_at(self, y: float) -> float:
        return 1 - (y - PAD) / self._span()

    # -- gestures -------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Start a drag; on the bare track the cap jumps there first."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.MetaModifier):
            self._rack.reset(self._id)
            return
        self._rack.begin_gesture(self._id)
        y = event.position().y()
        taper = self._strip.taper
        position = taper.to_position(self._strip.amount)
        if abs(y - self.y_of(self._strip.amount)) > CAP_H / 2 + 2:
            position = self._position_at(y)
            self._rack.set_amount(self._id, detent(taper.to_amount(position)))
        self._drag = (y, position)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the cap; Shift makes it ten times finer and skips the notch."""
        if self._drag is None:
            return
        last_y, position = self._drag
        y = event.position().y()
        fine = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        position = max(0.0, min(1.0, position + (last_y - y) / self._span() * (FINE if fine else 1.0)))
        self._drag = (y, position)
        amount = self._strip.taper.to_amount(position)
        self._rack.set_amount(self._id, amount if fine else detent(amount))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """One drag is one undo step."""
        if self._drag is not None and event.button() == Qt.MouseButton.LeftButton:
            self._drag = None
            self._rack.end_gesture(self._id)
            self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._drag = None
        self._rack.end_gesture(self._id)
        self._rack.reset(self._id)

    def wheelEvent(self, event: QWheelEvent) -> None:
        notches = (event.angleDelta().y() or event.angleDelta().x()) / 120
        fine = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self._nudge(notches * AMOUNT_STEP * (0.2 if fine else 1.0))
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows step, Page moves by a half, Home/End go to the ends, 0 or Delete resets."""
        fine = 0.2 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
        key = Qt.Key
        steps = {key.Key_Up: AMOUNT_STEP, key.Key_Right: AMOUNT_STEP, key.Key_Down: -AMOUNT_STEP,
                 key.Key_Left: -AMOUNT_STEP, key.Key_PageUp: 0.5, key.Key_PageDown: -0.5}  # fmt: skip
        pressed = Qt.Key(event.key())
        if pressed in steps:
            self._nudge(steps[pressed] * fine)
        elif pressed in (key.Key_0, key.Key_Delete, key.Key_Backspace):
            self._rack.reset(self._id)
        elif pressed in (key.Key_Home, key.Key_End):
            self._rack.set_amount(self._id, AMOUNT_MAX if pressed == key.Key_Home else -AMOUNT_MAX)
        else:
            super().keyPressEvent(event)

    def _nudge(self, delta: float) -> None:
        self._rack.set_amount(self._id, round(self._strip.amount + delta, 3))

    # -- drawing --------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_scale(painter)
        self._draw_slot(painter)
        self._draw_ghost(painter)
        self._draw_cap(painter)
        if self._drag is not None:
            self._draw_bubble(painter)

    def set_ghost(self, amount: float | None) -> None:
        """Where this slider stands in the other slot; None where it does not."""
        if amount != self._ghost:
            self._ghost = amount
            self.update()

    def _draw_ghost(self, painter: QPainter) -> None:
        """The other slot's cap, as an outline."""
        if self._ghost is None or abs(self._ghost - self._strip.amount) < 0.01:
            return
        y = self.y_of(self._ghost)
        cap = QRectF(self._centre_x() - CAP_W / 2 + 3, y - CAP_H / 2 + 3, CAP_W - 6, CAP_H - 6)
        painter.setPen(QPen(qcolor(P.text_soft, 0.8), 1.2, Qt.PenStyle.DashLine))
        painter.setBrush(qcolor(P.ivory, 0.10))
        painter.drawRoundedRect(cap, 4, 4)

    def _draw_bubble(self, painter: QPainter) -> None:
        """The amount beside the hand that hides the read-out."""
        text = "0.00" if self._strip.amount == 0 else _signed(self._strip.amount)
        painter.setFont(font(TYPE.small, QFont.Weight.DemiBold))
        width = painter.fontMetrics().horizontalAdvance(text) + 12
        y = self.y_of(self._strip.amount)
        top = y - CAP_H / 2 - 22 if y - CAP_H / 2 - 24 > 0 else y + CAP_H / 2 + 4
        box = QRectF(min(self.width() - width - 1.0, self._centre_x() - width / 2), top, width, 19)
        painter.setPen(QPen(QColor(P.warn if self._strip.beyond else P.line_hover), 1))
        painter.setBrush(QColor(P.raised))
        painter.drawRoundedRect(box, 5, 5)
        painter.setPen(QColor(P.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _draw_scale(self, painter: QPainter) -> None:
        x = self._centre_x()
        painter.setFont(font(TYPE.caption))
        labelled: list[float] = []
        for amount in sorted(self._strip.taper.ticks(), key=abs):
            y = self.y_of(amount)
            beyond = self._outside(amount)
            painter.setPen(QPen(QColor(P.text_faint if not beyond else P.line_strong), 1))
            painter.drawLine(QPointF(x - TRACK_W - 13, y), QPointF(x - TRACK_W - 4, y))
            painter.setPen(QPen(QColor(P.line_strong), 1))
            painter.drawLine(QPointF(x + TRACK_W + 4, y), QPointF(x + TRACK_W + 13, y))
            if any(abs(y - other) < LABEL_H for other in labelled):
                continue
            labelled.append(y)
            text = "0" if amount == 0 else f"{amount:+g}".replace("-", "\u2212")
            painter.setPen(QColor(P.text_soft if amount == 0 else P.text_faint))
            box = QRectF(0, y - 8, x - TRACK_W - 16, 16)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        for i in range(-7, 8):
            amount = i / 4
            if i % 4 and abs(self.y_of(amount) - self.y_of(amount - 0.25)) > 5:
                painter.setPen(QPen(QColor(P.line_strong), 1))
                length = 5 if i % 2 == 0 else 3
                y = self.y_of(amount)
                painter.drawLine(QPointF(x - TRACK_W - 4 - length, y), QPointF(x - TRACK_W - 4, y))
                painter.drawLine(QPointF(x + TRACK_W + 4, y), QPointF(x + TRACK_W + 4 + length, y))

    def _outside(self, amount: float) -> bool:
        usable = self._strip.usable
        return usable is not None and not usable[0] <= amount <= usable[1]

    def _draw_slot(self, painter: QPainter) -> None:
        x, top, bottom, zero = self._centre_x(), self.y_of(AMOUNT_MAX), self.y_of(-AMOUNT_MAX), self.y_of(0)
        slot = QRectF(x - TRACK_W / 2, top - 6, TRACK_W, bottom - top + 12)
        painter.setPen(QPen(QColor(P.line_strong), 1))
        painter.setBrush(QColor(P.well))
        painter.drawRoundedRect(slot, TRACK_W / 2, TRACK_W / 2)
        if self._strip.usable:
            low, high = self._strip.usable
            painter.setPen(QPen(qcolor(P.good), 2.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            edge = x + TRACK_W / 2 + 3.5
            painter.drawLine(QPointF(edge, self.y_of(high)), QPointF(edge, self.y_of(low)))
            painter.setPen(QPen(qcolor(P.warn, 0.55), 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(edge, top), QPointF(edge, self.y_of(high) - 3))
            painter.drawLine(QPointF(edge, self.y_of(low) + 3), QPointF(edge, bottom))
        for mark in self._rack.marks.get(self._id, ()):
            y = self.y_of(mark)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(P.good))
            tip = x + TRACK_W / 2 + 5
            painter.drawPolygon(
                QPolygonF([QPointF(tip, y), QPointF(tip + 6, y - 3.5), QPointF(tip + 6, y + 3.5)])
            )
        amount = self._strip.amount
        if amount:
            y = self.y_of(amount)
            color = P.warn if self._strip.beyond else P.fill
            fill = QLinearGradient(0, zero, 0, y)
            fill.setColorAt(0, qcolor(color, 0.45 if self._live() else 0.15))
            fill.setColorAt(1, qcolor(color, 1.0 if self._live() else 0.3))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill)
            painter.drawRoundedRect(QRectF(x - 3, min(zero, y), 6, abs(zero - y)), 3, 3)
        painter.setPen(QPen(QColor(P.text_soft), 1.5))
        painter.drawLine(QPointF(x - TRACK_W / 2, zero), QPointF(x + TRACK_W / 2, zero))

    def _draw_cap(self, painter: QPainter) -> None:
        x, y = self._centre_x(), self.y_of(self._strip.amount)
        cap = QRectF(x - CAP_W / 2, y - CAP_H / 2, CAP_W, CAP_H)
        painter.setPen(Qt.PenStyle.NoPen)
        for spread, alpha in ((3.0, 0.14), (1.5, 0.25)):
            painter.setBrush(qcolor(P.shadow, alpha))
            painter.drawRoundedRect(cap.adjusted(-spread, 0, spread, spread * 2), 6, 6)
        light, shade = QColor(P.ivory), QColor(P.ivory_shade)
        if not self._live():
            light, shade = QColor(P.ivory_off), QColor(P.ivory_off_shade)
        elif self._drag is not None or self.underMouse():
            light = QColor(P.ivory_bright)
        body = QLinearGradient(cap.topLeft(), cap.bottomLeft())
        body.setColorAt(0.0, light)
        body.setColorAt(0.42, light.darker(104))
        body.setColorAt(0.5, shade)
        body.setColorAt(0.58, light.darker(112))
        body.setColorAt(1.0, shade)
        painter.setBrush(body)
        painter.drawRoundedRect(cap, 5, 5)
        mark = P.warn if self._strip.beyond else P.fill if self._strip.amount else P.on_ivory
        painter.setPen(QPen(QColor(mark).darker(125), 2))
        painter.drawLine(QPointF(cap.left() + 6, y), QPointF(cap.right() - 6, y))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(P.focus), 2))
            painter.drawRoundedRect(cap.adjusted(-3, -3, 3, 3), 7, 7)

    def _live(self) -> bool:
        return not self._rack.silenced(self._strip) and not self._rack.bypassed.value


def _tip(strip: Strip, marks: tuple[float, ...]) -> str:
    if strip.usable is None:
        return "No evidence card: how far this slider can go is not known"
    low, high = (_signed(amount) for amount in strip.usable)
    state = "Beyond the usable range" if strip.beyond else "Usable"
    said = f"{state}: quality holds from {low} to {high}"
    if marks:
        said += f"\nNoticeable from {' and '.join(_signed(mark) for mark in marks)} on (green mark)"
    return said


def _signed(amount: float) -> str:
    return f"{amount:+.2f}".replace("-", "\u2212")
