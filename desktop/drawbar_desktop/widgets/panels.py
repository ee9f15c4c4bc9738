"""Browser, rack, timeline and side panel -> their places: folded in a small window, remembered where they were put."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.foldable import RAIL_W, Foldable

RACK_H, RACK_USUAL_H, TIMELINE_H = 250, 360, 110
"""Heights in pixels: below the first a fader is no fader; with the second it can be set to a tenth."""
SIDE_NEEDS_W, BROWSER_NEEDS_W, TIMELINE_NEEDS_H = 1000, 740, 470
"""Below these sizes of all of them together a panel folds by itself."""
NAMES = ("browser", "side", "timeline")


class Panels(QWidget):
    """The browser and the side panel stand as high as the window; the timeline stands under the rack only."""

    def __init__(self, browser: QWidget, rack: QWidget, timeline: QWidget, side: QWidget) -> None:
        """`timeline` has ``set_folded`` and ``needs_room``."""
        super().__init__()
        self.rack, self.timeline = rack, timeline
        self.browser, self.side = Foldable(browser, "Features", 240), Foldable(side, "Feature, takes", 270)
        self.changed: Callable[[Sequence[str]], object] = lambda _: None
        """Is told which panels the user has folded."""
        self._own: set[str] = set()
        self._narrow: set[str] = set()
        self._dragged = self._filled = False
        self.down = _splitter(Qt.Orientation.Vertical, rack, timeline)
        self.down.setStretchFactor(0, 1)
        self.across = _splitter(Qt.Orientation.Horizontal, self.browser, self.down, self.side)
        self.across.setStretchFactor(1, 1)
        for splitter in (self.down, self.across):
            splitter.splitterMoved.connect(lambda *_: self._was_dragged())
        rack.setMinimumHeight(RACK_H)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.across)
        self.browser.toggled = lambda on: self.fold("browser", on)
        self.side.toggled = lambda on: self.fold("side", on)
        self._apply()

    # -- folding --------------------------------------------------------------------------------------

    def fold(self, name: str, on: bool) -> None:
        """The user folds a panel, or opens it (also one that folded by itself)."""
        (self._own.add if on else self._own.discard)(name)
        self._narrow.discard(name)
        self._apply()
        self.changed(sorted(self._own))

    def toggle(self, name: str) -> None:
        self.fold(name, name not in self.folded)

    @property
    def folded(self) -> set[str]:
        """Names of the panels that are folded, by the user or for want of room."""
        return self._own | self._narrow

    def restore(self, folded: Sequence[object], sizes: Sequence[int]) -> None:
        """As they were left; nonsense is ignored."""
        self._own = {name for name in NAMES if name in folded}
        if len(sizes) == 5 and all(isinstance(s, int) and 0 < s < 10_000 for s in sizes):
            self._dragged = True
            self.across.setSizes(list(sizes[:3]))
            self.down.setSizes(list(sizes[3:]))
        self._apply()

    def sizes(self) -> list[int]:
        """Where the dividers were put; empty while nobody has moved one."""
        return [*self.across.sizes(), *self.down.sizes()] if self._dragged else []

    def set_filled(self, on: bool) -> None:
        """Whether the timeline has something to show: an empty one leaves its room to the rack."""
        if on != self._filled:
            self._filled = on
            self._arrange()

    def _was_dragged(self) -> None:
        self._dragged = True

    def _apply(self) -> None:
        folded = self.folded
        self.browser.fold("browser" in folded)
        self.side.fold("side" in folded)
        self.timeline.set_folded("timeline" in folded)  # type: ignore[attr-defined]
        self._arrange()

    # -- sizes ----------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        narrow = {
            name
            for name, room, needed in (
                ("side", self.width(), SIDE_NEEDS_W),
                ("browser", self.width(), BROWSER_NEEDS_W),
                ("timeline", self.height(), TIMELINE_NEEDS_H),
            )
            if room < needed
        }
        if narrow != self._narrow:
            self._narrow = narrow
            self._apply()
        else:
            self._arrange()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        """Until somebody drags a divider: the list as wide as it needs, a feature's page growing with the window."""
        if self._dragged:
            return
        width, height = self.width(), self.height()
        browser = RAIL_W if self.browser.folded else max(250, min(340, round(width * 0.2)))
        side = RAIL_W if self.side.folded else max(280, min(640, round(width * 0.22)))
        self.across.setSizes([browser, max(280, width - browser - side), side])
        filled = max(TIMELINE_H, min(460, round(height * 0.41), height - RACK_USUAL_H))
        timeline = filled if self._filled else TIMELINE_H
        if "timeline" in self.folded:
            timeline = self.timeline.minimumHeight()
        self.down.setSizes([max(RACK_H, height - timeline), timeline])


def _splitter(direction: Qt.Orientation, *parts: QWidget) -> QSplitter:
    result = QSplitter(direction)
    result.setHandleWidth(SPACE.s)
    result.setChildrenCollapsible(False)
    for part in parts:
        result.addWidget(part)
    return result
