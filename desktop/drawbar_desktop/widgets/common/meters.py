"""Meters: a column or bar of light for a number that changes fast; repaints only when a lamp changes."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from drawbar_desktop.style.theme import P, qcolor

FALL = 0.08


class ActivationMeter(QWidget):
    """How strongly a feature fires now: full height is its 99th percentile."""

    LAMPS = 24
    accessible_role = "meter"

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Live activation")
        self._value = 0.0
        self._lit = 0
        self.setFixedWidth(9)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setToolTip("Live activation; full = the 99th percentile of when it fires")

    def accessible_value(self) -> str:
        """In percent of the 99th percentile."""
        return f"{self._value:.0%}"

    @property
    def lit(self) -> int:
        return self._lit

    def set_value(self, value: float) -> None:
        """Rise at once, fall slowly (called at 30 Hz)."""
        self._value = max(min(1.25, value), self._value - FALL)
        lit = max(0, min(self.LAMPS, round(self._value * self.LAMPS)))
        if lit != self._lit:
            self._lit = lit
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        dark = qcolor(P.fill, 0.13)
        pitch = self.height() / self.LAMPS
        for i in range(self.LAMPS):
            top = self.height() - (i + 1) * pitch
            on = P.fill_bright if i >= self.LAMPS * 0.85 else P.fill
            color = QColor(on) if i < self._lit else dark
            painter.fillRect(QRectF(0, top + 0.75, self.width(), max(1.0, pitch - 1.5)), color)


class LevelMeter(QWidget):
    """The output's peak level, -60 to 0 dB, with a held peak and a clip lamp."""

    FLOOR_DB = -60.0
    HOLD_TICKS = 30
    accessible_role = "meter"

    def __init__(self) -> None:
        super().__init__()
        self._db = self._hold_db = self.FLOOR_DB
        self._hold = 0
        self.setFixedHeight(12)
        self.setMinimumWidth(40)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Output level, \u221260 to 0 dB")
        self.setAccessibleName("Output level")

    def accessible_value(self) -> str:
        """In decibels."""
        return f"{self._db:.0f} dB"

    def set_db(self, level_db: float) -> None:
        """Rise at once, fall 1.5 dB a tick (30 Hz)."""
        db = max(level_db, self._db - 1.5, self.FLOOR_DB)
        hold_db = self._hold_db
        if db >= hold_db:
            hold_db, self._hold = db, self.HOLD_TICKS
        elif self._hold > 0:
            self._hold -= 1
        else:
            hold_db = max(self.FLOOR_DB, hold_db - 1.0)
        if (db, hold_db) != (self._db, self._hold_db):
            self._db, self._hold_db = db, hold_db
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(130, 12)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        lamps = max(12, self.width() // 5)
        pitch = self.width() / lamps
        held = round(self._fraction(self._hold_db) * lamps) - 1
        for i in range(lamps):
            db = self.FLOOR_DB * (1 - (i + 1) / lamps)
            color = P.warn if db > -1.5 else P.fill_bright if db > -9 else P.fill
            on = i < self._fraction(self._db) * lamps or (i == held and held > 0)
            lamp = QColor(color) if on else qcolor(color, 0.13)
            painter.fillRect(QRectF(i * pitch, 0, pitch - 1.5, self.height()), lamp)

    def _fraction(self, db: float) -> float:
        return 1 - db / self.FLOOR_DB


class ScoreBar(QWidget):
    """A score between 0 and 1 (or -1 and 1, drawn from the middle)."""

    def __init__(self, score: float, *, signed: bool = False) -> None:
        super().__init__()
        self._score, self._signed = score, signed
        self.setFixedHeight(6)
        self.setMinimumWidth(40)
        self.setAccessibleName(f"{score:.2f}")

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(P.well))
        painter.drawRoundedRect(QRectF(self.rect()), 3, 3)
        value = max(-1.0, min(1.0, self._score))
        start = 0.5 if self._signed else 0.0
        end = 0.5 + value / 2 if self._signed else max(0.0, value)
        painter.setBrush(QColor(P.fill if value >= 0 else P.text_faint))
        left, right = sorted((start, end))
        painter.drawRoundedRect(
            QRectF(left * self.width(), 0, max(2.0, (right - left) * self.width()), self.height()), 3, 3
        )
