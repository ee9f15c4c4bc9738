"""One strip of the rack -> title, slider, live meter, read-out and switches."""

from functools import partial

from PySide6.QtCore import QByteArray, QMimeData, QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QDrag, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QVBoxLayout, QWidget

from drawbar.bank.kinds import kind_of
from drawbar_desktop.state.lanes import Lanes
from drawbar_desktop.state.library import Library
from drawbar_desktop.state.macros import Macros
from drawbar_desktop.state.rack import MODES, Rack, Strip, feature_title
from drawbar_desktop.style.theme import SPACE, P, icon
from drawbar_desktop.widgets.common.basics import (
    ElidedLabel,
    Item,
    Sign,
    button,
    learnable,
    plain,
    popup,
    set_flag,
    switch,
    tool_button,
)
from drawbar_desktop.widgets.common.kinds import KIND_SIGNS, KIND_TITLES
from drawbar_desktop.widgets.common.meters import ActivationMeter
from drawbar_desktop.widgets.common.value_edit import ValueEdit
from drawbar_desktop.widgets.common.verdicts import tick_of
from drawbar_desktop.widgets.rack.amount_slider import AmountSlider

STRIP_W = 124
STRIP_MIME = "application/x-drawbar-strip"
FOOT_NEEDS_H, SWITCHES_NEED_H, TAGS_NEED_H = 290, 262, 226
"""Heights of a strip in pixels from which on there is room for mode and lock, for the switches, and for the tags."""
MODE_TITLES = {
    "add": "Add: push the music towards or away from it",
    "clamp": "Clamp: hold the activation at this amount",
    "mute": "Mute: take that share of the activation away",
}


class StripWidget(QFrame):
    """Everything of one feature in the rack; it follows the strip's state and stores none."""

    def __init__(self, rack: Rack, library: Library, macros: Macros, lanes: Lanes, id: str) -> None:
        super().__init__()
        self._rack, self._library, self._macros, self._lanes, self.id = rack, library, macros, lanes, id
        self._pressed: QPoint | None = None
        strip = rack.strip(id)
        title = feature_title(strip.feature)
        self.setObjectName("strip")
        self.setFixedWidth(STRIP_W)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(f"Strip {title}")

        self.title = ElidedLabel(title, "stripTitle", lines=2)
        self.title.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.title.setToolTip(plain(f"{title}\nDrag to reorder"))
        self.remove = tool_button("close", "Remove from the rack", px=13)
        self.slider = AmountSlider(rack, id)
        learnable(self.slider, f"amount:{id}")
        self.meter = ActivationMeter()
        tip = "Amount, in units of the feature's 99th percentile. Click to type."
        self.value = ValueEdit(lambda amount: rack.set_amount(id, amount), tip, f"{title} amount")
        self.mute = switch("M", "Mute: apply nothing, keep the amount")
        self.solo = switch("S", "Solo: apply only soloed strips", "solo")
        self.arm = switch(
            "R", "Record: moves are written into the automation lane while a take plays", "record"
        )
        self.lock = tool_button(
            "lock-open-variant-outline", "Lock: Randomise leaves it alone", checkable=True, px=15
        )
        self.mode = button("add", "quiet", "How it acts")
        self.mode.setStyleSheet("min-height: 18px; max-height: 18px; padding: 0 6px; font-size: 11px;")
        self.mode.clicked.connect(self._choose_mode)
        self._alike = Sign()
        self._lane_mark = Sign()

        column = QVBoxLayout(self)
        column.setContentsMargins(10, 8, 10, 9)
        column.setSpacing(5)
        column.addLayout(self._tags(strip))
        column.addWidget(self.title)
        body = QHBoxLayout()
        body.setSpacing(SPACE.xs)
        body.addWidget(self.slider, 1)
        body.addWidget(self.meter)
        column.addLayout(body, 1)
        column.addWidget(self.value)
        switches = QHBoxLayout()
        switches.setSpacing(SPACE.xs)
        for one in (self.mute, self.solo, self.arm):
            switches.addWidget(one, 1)
        column.addLayout(switches)
        foot = QHBoxLayout()
        foot.setSpacing(0)
        foot.addWidget(self.mode)
        foot.addStretch(1)
        foot.addWidget(self._alike)
        foot.addWidget(self._lane_mark)
        foot.addWidget(self.lock)
        column.addLayout(foot)
        self._switches = (self.mute, self.solo, self.arm)
        self._foot = (self.mode, self.lock)

        self.mute.toggled.connect(lambda on: rack.set_muted(id, on))
        self.solo.toggled.connect(lambda on: rack.set_soloed(id, on))
        self.arm.toggled.connect(lambda on: rack.set_armed(id, on))
        self.lock.toggled.connect(lambda on: rack.set_locked(id, on))
        self.remove.clicked.connect(lambda: rack.remove(id))
        self.show_strip(strip)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a low window the fader keeps its length; the menu of the strip has what is not seen."""
        super().resizeEvent(event)
        for group, needed in (
            (self._foot, FOOT_NEEDS_H),
            (self._switches, SWITCHES_NEED_H),
            (self._top, TAGS_NEED_H),
        ):
            for widget in group:
                widget.setVisible(self.height() >= needed)
        if self.height() >= FOOT_NEEDS_H:
            self._show_marks()

    def _tags(self, strip: Strip) -> QHBoxLayout:
        tags = QHBoxLayout()
        tags.setSpacing(SPACE.xs)
        kind = kind_of(strip.feature.label)
        self.kind = Sign(KIND_SIGNS[kind], getattr(P, kind) if kind else P.text_faint, 16)
        self.kind.setToolTip(
            plain(f"{KIND_TITLES.get(kind, 'Unnamed')}; layer {strip.feature.layer}, feature {self.id}")
        )
        self.badge = Sign()
        tags.addWidget(self.kind)
        tags.addWidget(self.badge)
        tags.addStretch(1)
        tags.addWidget(self.remove)
        self._top = (self.kind, self.badge, self.remove)
        return tags

    def show_strip(self, strip: Strip) -> None:
        self.slider.set_strip(strip)
        name, tone, tip = tick_of(strip.feature.verdict, strip.usable)
        self.badge.show_sign(name, getattr(P, tone))
        self.badge.setToolTip(plain(tip))
        self.badge.setAccessibleName(tip)
        self.value.show_amount(strip.amount)
        for one, on in (
            (self.mute, strip.muted),
            (self.solo, strip.soloed),
            (self.arm, strip.armed),
            (self.lock, strip.locked),
        ):
            one.setChecked(on)
        self.lock.setIcon(icon("lock" if strip.locked else "lock-open-variant-outline"))
        self.mode.setText(strip.mode)
        self.mode.setToolTip(plain(MODE_TITLES[strip.mode]))
        self.mode.setAccessibleName(f"Mode: {strip.mode}")
        self._show_marks()

    def _show_marks(self) -> None:
        others = self._rack.alike.get(self.id, ())
        self._alike.setVisible(bool(others))
        if others:
            names = ", ".join(feature_title(self._rack.strip(o).feature) for o in others if o in self._rack)
            tip = f"Much the same way as {names}: their amounts add up. Keep one, or halve both."
            self._alike.show_sign("call-merge", P.warn)
            self._alike.setToolTip(plain(tip))
            self._alike.setAccessibleName(tip)
        self.show_lane()

    def show_lane(self) -> None:
        """A mark while an automation lane moves this slider."""
        on = self.id in self._lanes
        self._lane_mark.setVisible(on)
        if on:
            self._lane_mark.show_sign("vector-polyline", P.cool)
            self._lane_mark.setToolTip("An automation lane moves this slider in the next take")

    def show_selected(self, selected: str | None) -> None:
        """A brighter frame while the inspector shows this feature."""
        set_flag(self, "selected", selected == self.id)

    def tab_order(self) -> list[QWidget]:
        """The parts in the order that Tab visits them."""
        return [
            self.slider, self.value, self.mute, self.solo, self.arm, self.mode, self.lock, self.remove,
        ]  # fmt: skip

    # -- gestures -------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click on the strip shows the feature in the inspector; a drag of it reorders."""
        self._library.selected.set(self.id)
        self._pressed = event.position().toPoint() if event.button() == Qt.MouseButton.LeftButton else None
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None:
            return
        gone = (event.position().toPoint() - self._pressed).manhattanLength()
        if gone < QApplication.startDragDistance():
            return
        self._pressed = None
        data = QMimeData()
        data.setData(STRIP_MIME, QByteArray(self.id.encode()))
        drag = QDrag(self)
        drag.setMimeData(data)
        drag.setPixmap(
            self.grab().scaledToWidth(STRIP_W * 2 // 3, Qt.TransformationMode.SmoothTransformation)
        )
        drag.exec(Qt.DropAction.MoveAction)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pressed = None
        super().mouseReleaseEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """What can be done with the strip (the slider's own menu is MIDI learn)."""
        if self.slider.geometry().contains(event.pos()):
            event.ignore()
            return
        id, rack = self.id, self._rack
        place, strip = list(rack.ids()).index(id), rack.strip(id)
        popup(
            self,
            (
                ("Show in the inspector", lambda: self._library.selected.set(id)),
                ("Make a macro of it", lambda: self._macros.make([id])),
                ("Mute", lambda: rack.set_muted(id, not strip.muted), strip.muted),
                ("Solo", lambda: rack.set_soloed(id, not strip.soloed), strip.soloed),
                ("Record moves", lambda: rack.set_armed(id, not strip.armed), strip.armed),
                ("Lock", lambda: rack.set_locked(id, not strip.locked), strip.locked),
                *((MODE_TITLES[m], partial(rack.set_mode, id, m), m == strip.mode) for m in MODES),
                None,
                ("Move left", lambda: rack.move(id, place - 1)),
                ("Move right", lambda: rack.move(id, place + 1)),
                None,
                ("Clear its automation", lambda: self._lanes.clear(id)),
                ("Back to zero", lambda: rack.reset(id)),
                ("Remove", lambda: rack.remove(id)),
            ),
            event.globalPos(),
        )

    def _choose_mode(self) -> None:
        now = self._rack.strip(self.id).mode
        items: list[Item] = [
            (MODE_TITLES[m], partial(self._rack.set_mode, self.id, m), m == now) for m in MODES
        ]
        popup(self.mode, items)
