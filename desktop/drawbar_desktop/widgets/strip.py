"""One strip of the rack -> title, slider, live meter, read-out and switches."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QFocusEvent, QMouseEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QToolButton, QVBoxLayout, QWidget

from drawbar_desktop.state.library import Library
from drawbar_desktop.state.rack import Rack, Strip, feature_title
from drawbar_desktop.theme import SPACE
from drawbar_desktop.widgets.amount_slider import AmountSlider
from drawbar_desktop.widgets.meters import ActivationMeter
from drawbar_desktop.widgets.parts import ElidedLabel, Tag, badge, set_flag, tool_button

__all__ = ["STRIP_W", "StripWidget", "ValueEdit"]

STRIP_W = 120


class ValueEdit(QLineEdit):
    """The read-out: click, type "+1.5", Enter; Escape puts the old value back."""

    def __init__(self, rack: Rack, id: str) -> None:
        super().__init__()
        self._rack, self._id = rack, id
        self.setObjectName("value")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setToolTip("Amount, in units of the feature's 99th percentile. Click to type.")
        self.setAccessibleName("Amount")
        self.returnPressed.connect(self._commit_and_leave)

    def show_amount(self, amount: float) -> None:
        """Show the state's amount, unless the user is typing."""
        if not self.hasFocus():
            self.setText("0.00" if amount == 0 else f"{amount:+.2f}".replace("-", "\u2212"))

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Ready to overtype."""
        super().focusInEvent(event)
        self.selectAll()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Leaving commits."""
        super().focusOutEvent(event)
        self._commit()

    def keyPressEvent(self, event: object) -> None:
        """Escape gives up."""
        if event.key() == Qt.Key.Key_Escape:  # type: ignore[attr-defined]
            self.setText("")
            self.clearFocus()
            return
        super().keyPressEvent(event)  # type: ignore[arg-type]

    def _commit_and_leave(self) -> None:
        self.clearFocus()

    def _commit(self) -> None:
        text = self.text().replace("\u2212", "-").replace(",", ".").strip()
        try:
            amount = float(text)
        except ValueError:
            amount = float("nan")
        if amount == amount:
            self._rack.set_amount(self._id, amount)
        if self._id in self._rack:
            self.show_amount(self._rack.strip(self._id).amount)


class StripWidget(QFrame):
    """Everything of one feature in the rack; it follows the strip's state and stores none."""

    def __init__(self, rack: Rack, library: Library, id: str) -> None:
        super().__init__()
        self._rack, self._library, self.id = rack, library, id
        strip = rack.strip(id)
        self.setObjectName("strip")
        self.setFixedWidth(STRIP_W)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)

        self.title = ElidedLabel(feature_title(strip.feature), "stripTitle", lines=2)
        self.title.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.remove = tool_button("close", "Remove from the rack", px=13)
        self.slider = AmountSlider(rack, id)
        self.meter = ActivationMeter()
        self.value = ValueEdit(rack, id)
        self.mute = self._switch("volume-off", "Mute: apply 0, keep the amount")
        self.solo = self._switch("headphones", "Solo: apply only soloed strips")
        self.lock = self._switch("lock-outline", "Lock: Randomise leaves it alone")

        tags = QHBoxLayout()
        tags.setSpacing(SPACE.xs)
        tags.addWidget(Tag(f"L{strip.feature.layer}", tip=f"Layer {strip.feature.layer}, feature {id}"))
        if strip.feature.verdict == "proven":
            tags.addWidget(
                badge("check-decagram", "Proven: does what the label says, shown against controls")
            )
        tags.addStretch(1)
        tags.addWidget(self.remove)

        body = QHBoxLayout()
        body.setSpacing(SPACE.xs)
        body.addWidget(self.slider, 1)
        body.addWidget(self.meter)

        switches = QHBoxLayout()
        switches.setSpacing(0)
        for button in (self.mute, self.solo, self.lock):
            switches.addWidget(button, 1, Qt.AlignmentFlag.AlignHCenter)

        column = QVBoxLayout(self)
        column.setContentsMargins(10, 8, 10, 8)
        column.setSpacing(6)
        column.addLayout(tags)
        column.addWidget(self.title)
        column.addLayout(body, 1)
        column.addWidget(self.value)
        column.addLayout(switches)

        self.mute.toggled.connect(lambda on: rack.set_muted(id, on))
        self.solo.toggled.connect(lambda on: rack.set_soloed(id, on))
        self.lock.toggled.connect(lambda on: rack.set_locked(id, on))
        self.remove.clicked.connect(lambda: rack.remove(id))
        self.show_strip(strip)

    def show_strip(self, strip: Strip) -> None:
        """Follow the state."""
        self.slider.set_strip(strip)
        self.value.show_amount(strip.amount)
        for button, on in ((self.mute, strip.muted), (self.solo, strip.soloed), (self.lock, strip.locked)):
            button.setChecked(on)

    def show_selected(self, selected: str | None) -> None:
        """A brighter frame while the inspector shows this feature."""
        set_flag(self, "selected", selected == self.id)

    def tab_order(self) -> list[QWidget]:
        """The parts in the order that Tab visits them."""
        return [self.slider, self.value, self.mute, self.solo, self.lock, self.remove]

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click on the strip shows the feature in the inspector."""
        self._library.selected.set(self.id)
        super().mousePressEvent(event)

    def _switch(self, name: str, tip: str) -> QToolButton:
        return tool_button(name, tip, checkable=True, px=16)
