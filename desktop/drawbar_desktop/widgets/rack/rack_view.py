"""The rack's state -> strips and macros in a row that scrolls sideways; features dropped on it are added."""

import random
from collections.abc import Mapping
from itertools import pairwise

from PySide6.QtCore import QPoint, QSize, Qt, QTimer
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.macros import Macro
from drawbar_desktop.state.rack import Strip
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.browser.feature_list import FEATURE_MIME
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import Item, button, label, popup, set_flag, tool_button
from drawbar_desktop.widgets.common.empty_state import EmptyState
from drawbar_desktop.widgets.rack.macro_strip import MacroStrip
from drawbar_desktop.widgets.rack.movement_card import MovementCard
from drawbar_desktop.widgets.rack.strip import STRIP_MIME, STRIP_W, StripWidget

INVITATION = (
    "Pull a sound out of the model",
    "Double-click a feature on the left, press Enter on it, or drag it here. "
    "Then move its slider while the music plays.",
)


class RackView(QFrame):
    """All strips; widgets are created and dropped as the state says."""

    def __init__(self, desk: Desk, actions: Actions, search: object) -> None:
        super().__init__()
        self._desk, self._actions = desk, actions
        self._rack, self._library = desk.rack, desk.library
        self.strips: dict[str, StripWidget] = {}
        self.macros: dict[str, MacroStrip] = {}
        self._silent: frozenset[str] = frozenset()
        self.setObjectName("rackFloor")
        self.setAcceptDrops(True)

        self._row = QWidget()
        self._layout = QHBoxLayout(self._row)
        self._layout.setContentsMargins(SPACE.s, SPACE.xs, SPACE.s, SPACE.s)
        self._layout.setSpacing(SPACE.s)
        self._slot = QPushButton("+\n\nadd a feature")
        self._slot.setObjectName("addSlot")
        self._slot.setToolTip("Search for a feature  (/); or drop one here")
        self._slot.setAccessibleName("Add a feature")
        self._slot.setFixedWidth(STRIP_W)
        self._slot.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self._slot.clicked.connect(search)
        self._layout.addWidget(self._slot)
        self._layout.addStretch(1)
        self._mark = QFrame(self._row)
        self._mark.setObjectName("dropMark")
        self._mark.hide()
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(self._row)

        self.empty = EmptyState(
            "tune-vertical",
            *INVITATION,
            "Add the four best",
            actions.add_best,
        )
        desk.notices.unplayable.changed.connect(self._say_why)
        self._library.coming.changed.connect(lambda _: self._say_why(desk.notices.unplayable.value))
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self._scroll)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._head())
        column.addWidget(self._pages, 1)

        self._rack.layout_changed.connect(self.rebuild)
        self._rack.strip_changed.connect(self._follow)
        desk.macros.changed.connect(self.rebuild)
        desk.macros.turned.connect(self._turned)
        desk.lanes.changed.connect(self._show_lanes)
        self._library.selected.bind(self._select)
        self._rack.bypassed.bind(self._dim)
        desk.slots.active.changed.connect(lambda _: self._show_ghosts())
        desk.slots.changed.connect(self._show_ghosts)
        self._library.changed.connect(self._offer)
        self._offer()
        self.rebuild()

    def _head(self) -> QHBoxLayout:
        self.preset = button("Presets", "quiet", "Load or save a rack", picture="bookmark-outline")
        self.preset.clicked.connect(self._preset_menu)
        self.dice = tool_button("dice-multiple-outline", "Randomise the unlocked sliders  (D)", px=16)
        self.dice.clicked.connect(lambda: self._rack.randomise(random.Random()))
        self.group = tool_button("group", "Group into a macro: one knob for several sliders", px=16)
        self.group.clicked.connect(self._group_menu)
        self.reset_all = tool_button("backup-restore", "Set every unlocked slider to zero", px=16)
        self.reset_all.clicked.connect(self._rack.zero)
        self.movement_card = MovementCard(self, self._desk)
        self.movement = tool_button("sine-wave", "Sliders that move by themselves, and the XY pad", px=16)
        self.movement.clicked.connect(lambda: self.movement_card.open_below(self.movement))
        self._count = label("", "faint")
        head = QHBoxLayout()
        head.setContentsMargins(SPACE.m, SPACE.s, SPACE.s, 2)
        head.setSpacing(SPACE.xs)
        head.addWidget(label("Rack", "heading"))
        head.addSpacing(SPACE.s)
        head.addWidget(self._count)
        head.addStretch(1)
        for one in (self.preset, self.dice, self.group, self.movement, self.reset_all):
            head.addWidget(one)
        return head

    def minimumSizeHint(self) -> QSize:
        return QSize(280, 260)

    def rebuild(self) -> None:
        """Create, drop and reorder strips until they are those of the state."""
        wanted = [s.id for s in self._rack.strips]
        macros = {m.name: m for m in self._desk.macros.all}
        _drop(self._layout, self.strips, wanted)
        _drop(self._layout, self.macros, macros)
        added: QWidget | None = None
        for at, (name, macro) in enumerate(macros.items()):
            if name not in self.macros:
                added = self.macros[name] = MacroStrip(self._desk.macros, self._rack, macro)
            self.macros[name].show_macro(macro)
            self._put(self.macros[name], at)
        for at, id in enumerate(wanted, start=len(macros)):
            if id not in self.strips:
                added = self.strips[id] = StripWidget(
                    self._rack, self._library, self._desk.macros, self._desk.lanes, id
                )
                self.strips[id].show_selected(self._library.selected.value)
            self._put(self.strips[id], at)
        parts = [part for id in wanted for part in self.strips[id].tab_order()]
        for before, after in pairwise(parts):
            QWidget.setTabOrder(before, after)
        self._count_text()
        self._dim(self._rack.bypassed.value)
        self._show_ghosts()
        for one in (self.reset_all, self.dice, self.group, self.movement):
            one.setVisible(bool(wanted))
        self._pages.setCurrentIndex(1 if wanted else 0)
        if added is not None:
            target = added
            QTimer.singleShot(0, target, lambda: self._scroll.ensureWidgetVisible(target))

    def _count_text(self) -> None:
        count = len(self._rack)
        words = f"{count} slider{'s' if count != 1 else ''}" if count else ""
        self._count.setText(f"{words}: bypassed" if words and self._rack.bypassed.value else words)

    def _put(self, widget: QWidget, at: int) -> None:
        if self._layout.indexOf(widget) != at:
            self._layout.removeWidget(widget)
            self._layout.insertWidget(at, widget)

    def show_activations(self, now: Mapping[str, float]) -> None:
        """Live meters (30 Hz)."""
        for id, widget in self.strips.items():
            widget.meter.set_value(now.get(id, 0.0))

    def centre_of(self, id: str) -> QPoint:
        """Where a strip's cap is, in its slider's coordinates."""
        slider = self.strips[id].slider
        return QPoint(slider.width() // 2 + 7, round(slider.y_of(self._rack.strip(id).amount)))

    # -- dropping -------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasFormat(FEATURE_MIME) or event.mimeData().hasFormat(STRIP_MIME):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        at = self.place_at(event.position().toPoint())
        widgets = [self.strips[id] for id in self._rack.ids()]
        if widgets:
            box = widgets[min(at, len(widgets) - 1)].geometry()
            x = box.left() - 5 if at < len(widgets) else box.right() + 4
            self._mark.setGeometry(x, box.top(), 3, box.height())
            self._mark.show()
            self._mark.raise_()
        event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._mark.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        """Add the features, or put the strip where it was dropped."""
        self._mark.hide()
        data, at = event.mimeData(), self.place_at(event.position().toPoint())
        if data.hasFormat(STRIP_MIME):
            id = bytes(data.data(STRIP_MIME).data()).decode()
            ids = list(self._rack.ids())
            if id in ids:
                self._rack.move(id, at - 1 if ids.index(id) < at else at)
        else:
            for offset, id in enumerate(bytes(data.data(FEATURE_MIME).data()).decode().split("\n")):
                self._actions.add(id, at + offset)
        event.acceptProposedAction()

    def place_at(self, point: QPoint) -> int:
        """Between which strips a point of this widget lies."""
        x = self._row.mapFrom(self, point).x()
        return sum(x > self.strips[id].geometry().center().x() for id in self._rack.ids())

    # -- menus ----------------------------------------------------------------------------------------

    def _preset_menu(self) -> None:
        presets, load = self._desk.presets, self._actions.load_preset
        items: list[Item] = [(p.name, lambda p=p: load(p)) for p in presets.user()]
        if items:
            items.append(None)
        items += [(f"{p.name}  (factory)", lambda p=p: load(p)) for p in presets.all() if p.factory]
        items += [None, ("Save the rack \u2026", self._save_preset)]
        items += [(f"Delete \u201c{p.name}\u201d", lambda p=p: presets.delete(p)) for p in presets.user()]
        items += [None, ("Blind listening test \u2026", self._actions.blind_test)]
        popup(self.preset, items)

    def _save_preset(self) -> None:
        name, given = QInputDialog.getText(self, "Save the rack", "Name of the preset:")
        if given and name.strip():
            self._actions.save_preset(name)

    def _group_menu(self) -> None:
        strips, macros = self._rack.strips, self._desk.macros
        moved = [s.id for s in strips if s.amount]
        items: list[Item] = [("All strips", lambda: macros.make([s.id for s in strips], "All"))]
        if moved:
            items.append(("Strips that are not at zero", lambda: macros.make(moved, "Moved")))
        soloed = [s.id for s in strips if s.soloed]
        if soloed:
            items.append(("Soloed strips", lambda: macros.make(soloed, "Solo")))
        popup(self.group, items)

    # -- following ------------------------------------------------------------------------------------

    def _follow(self, strip: Strip) -> None:
        if strip.id in self.strips:
            self.strips[strip.id].show_strip(strip)
        silent = frozenset(s.id for s in self._rack.strips if self._rack.silenced(s))
        for id in silent ^ self._silent:  # solo and mute change how the others look
            if id in self.strips:
                self.strips[id].slider.update()
        self._silent = silent

    def _dim(self, bypassed: bool) -> None:
        """While the take is heard without them, the sliders step back; they can still be moved."""
        for widget in self.strips.values():
            set_flag(widget, "bypassed", bypassed)
            widget.slider.update()
        self._count_text()

    def _show_ghosts(self) -> None:
        ghosts = self._desk.slots.other()
        for id, widget in self.strips.items():
            widget.slider.set_ghost(ghosts.get(id))

    def _turned(self, macro: Macro) -> None:
        if macro.name in self.macros:
            self.macros[macro.name].show_macro(macro)

    def _show_lanes(self) -> None:
        for widget in self.strips.values():
            widget.show_lane()

    def _select(self, id: str | None) -> None:
        for widget in self.strips.values():
            widget.show_selected(id)

    def _say_why(self, unplayable: str) -> None:
        coming = self._library.coming.value
        line, hint = ("Loading \u2026", coming) if coming else INVITATION
        if unplayable:
            line, hint = "Nothing can be played yet", unplayable
        self.empty.say(line, hint)

    def _offer(self) -> None:
        if self.empty.button is not None:
            self.empty.button.setVisible(self._library.total > 0)


def _drop(layout: QHBoxLayout, widgets: dict, wanted: object) -> None:  # type: ignore[type-arg]
    for key in [k for k in widgets if k not in wanted]:  # type: ignore[operator]
        widget = widgets.pop(key)
        layout.removeWidget(widget)
        widget.hide()
        widget.deleteLater()
