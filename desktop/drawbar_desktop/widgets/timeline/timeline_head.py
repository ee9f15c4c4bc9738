"""The timeline's state -> its heading: what is shown, tempo and bars, loop, zoom, and which rows are open."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QInputDialog, QWidget

from drawbar_desktop.state.beat_grid import Grid
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.quantise import STEPS
from drawbar_desktop.state.rack import feature_title
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import (
    ElidedLabel,
    Item,
    button,
    label,
    number_box,
    popup,
    tool_button,
)

BARS_NEED_W, ZOOMS_NEED_W = 680, 380
"""From these widths in pixels on there is room for them."""


def parse_bars(text: str) -> tuple[int, int] | None:
    """ "5-9", "5 to 9" or "5" -> first and last bar; None for anything else."""
    parts = text.lower().replace("to", "-").replace("bar", "").replace("s", "").split("-")
    try:
        first, last = int(parts[0]), int(parts[-1])
    except ValueError:
        return None
    return (first, last) if 1 <= first <= last <= 9999 and len(parts) <= 2 else None


class TimelineHead(QWidget):
    """One row of small controls."""

    def __init__(self, desk: Desk, actions: Actions, show_rows: Callable[[], object]) -> None:
        super().__init__()
        self._desk, self._actions = desk, actions
        timeline = desk.timeline
        self.title = label("Timeline", "heading")
        self.legend = ElidedLabel("", "faint")
        self.back = button(
            "Back to live", "quiet", "Show the take that is being played", picture="arrow-left"
        )
        self.back.clicked.connect(actions.stop_take)
        self.tempo = number_box(0, 0, 300, 1, "Tempo, in beats a minute; 0 = no bars", 1, " bpm")
        self.tempo.setSpecialValueText("no tempo")
        self.tempo.setFixedWidth(84)
        self.offset = number_box(0, -10, 10, 0.01, "Where bar 1 begins, in seconds", 2, " s")
        self.offset.setFixedWidth(64)
        self.beats = number_box(4, 1, 16, 1, "Beats a bar", 0, "/bar")
        self.beats.setFixedWidth(58)
        for box in (self.tempo, self.offset, self.beats):
            box.setStyleSheet("min-height: 22px; font-size: 11px; padding: 0 5px;")
            box.valueChanged.connect(lambda _: self._set_grid())
        self.detect = tool_button("metronome", "Find tempo and bars of what is shown", px=16)
        self.detect.clicked.connect(lambda: actions.detect_tempo())
        self.tap = tool_button("gesture-tap", "Tap the tempo", px=16)
        self.tap.pressed.connect(lambda: actions.tap())
        tip = "Slider moves and A/B: at once, or on the next beat or bar"
        self.quantise = tool_button("magnet", tip, px=16, checkable=True)
        self.quantise.clicked.connect(self._quantise_menu)
        self.steer = tool_button("arrow-expand-horizontal", "Steer a region: bars or the loop", px=16)
        self.steer.clicked.connect(self._steer_menu)
        self.loop = tool_button(
            "repeat", "Loop: drag over the waveform to choose; click to clear  (L)", px=16, checkable=True
        )
        self.loop.clicked.connect(self._toggle_loop)
        self.spectrum = tool_button("chart-histogram", "Show the spectrogram", checkable=True, px=16)
        self.lane = tool_button("vector-polyline", "Show the automation lane", checkable=True, px=16)
        self.spectrum.setChecked(True)
        self.spectrum.toggled.connect(lambda _: show_rows())
        self.lane.toggled.connect(lambda _: show_rows())
        self.follow = tool_button("arrow-collapse-right", "Follow the playhead", checkable=True, px=16)
        self.follow.toggled.connect(timeline.follow.set)
        self.out = tool_button("magnify-minus-outline", "Zoom out  (-)", px=16)
        self.into = tool_button("magnify-plus-outline", "Zoom in  (+)", px=16)
        self.fit = tool_button("arrow-expand", "Show everything", px=15)
        self.out.clicked.connect(lambda: self.zoom(2.0))
        self.into.clicked.connect(lambda: self.zoom(0.5))
        self.fit.clicked.connect(lambda: timeline.view.set(None))
        self.fold = tool_button("chevron-down", "Fold the timeline, or open it  (F9)", px=16, checkable=True)
        self.fold.clicked.connect(lambda: actions.fold("timeline"))
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE.m, 6, SPACE.s, 2)
        row.setSpacing(2)
        row.addWidget(self.title)
        row.addSpacing(SPACE.s)
        row.addWidget(self.back)
        row.addWidget(self.legend, 1)
        for group in (
            (self.tempo, self.offset, self.beats, self.tap, self.detect, self.quantise),
            (self.steer, self.loop),
            (self.spectrum, self.lane),
            (self.follow, self.out, self.into, self.fit),
            (self.fold,),
        ):
            row.addSpacing(SPACE.s)
            for widget in group:
                row.addWidget(widget)
        self._bars = (self.tempo, self.offset, self.beats, self.tap, self.detect, self.quantise)
        self._zooms = (self.follow, self.out, self.into, self.fit)
        timeline.follow.bind(self.follow.setChecked)
        timeline.loop.bind(lambda loop: self.loop.setChecked(loop is not None))
        timeline.grid.bind(self._show_grid)
        desk.quantiser.step.bind(lambda step: self.quantise.setChecked(bool(step)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a narrow window tempo and bars go first, then the zoom buttons (the wheel does the same)."""
        super().resizeEvent(event)
        for group, needed in ((self._bars, BARS_NEED_W), (self._zooms, ZOOMS_NEED_W)):
            for widget in group:
                widget.setVisible(self.width() >= needed)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, super().minimumSizeHint().height())

    def zoom(self, factor: float) -> None:
        """Around the playhead if it is in sight, else the middle."""
        timeline = self._desk.timeline
        left, right = timeline.in_view()
        at = timeline.played_s if left <= timeline.played_s <= right else (left + right) / 2
        timeline.zoom(factor, at)

    def show_text(self, legend: str, *, opened: bool) -> None:
        """What is shown; `opened` when it is not the live take."""
        self.legend.set_text(legend)
        self.back.setVisible(opened)

    def _quantise_menu(self) -> None:
        step = self._desk.quantiser.step
        self.quantise.setChecked(bool(step.value))
        items: list[Item] = [
            (f"Slider moves and A/B {words}", partial(step.set, name), name == step.value)
            for name, words in STEPS.items()
        ]
        items += [None, ("Keep this loop with the take", lambda: self._actions.keep_loop())]
        popup(self.quantise, items)

    def _set_grid(self) -> None:
        grid = Grid(self.tempo.value(), self.offset.value(), round(self.beats.value()))
        self._desk.timeline.grid.set(grid)

    def _show_grid(self, grid: Grid) -> None:
        for box, value in (
            (self.tempo, grid.tempo_bpm), (self.offset, grid.offset_s), (self.beats, grid.beats_per_bar),
        ):  # fmt: skip
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)

    def _toggle_loop(self) -> None:
        timeline = self._desk.timeline
        if timeline.loop.value is not None:
            timeline.loop.set(None)
        else:
            left, right = timeline.in_view()
            third = (right - left) / 3
            grid = timeline.grid.value
            timeline.loop.set((grid.snap(left + third, third / 2), grid.snap(right - third, third / 2)))
        self.loop.setChecked(timeline.loop.value is not None)

    def _steer_menu(self) -> None:
        desk, loop = self._desk, self._desk.timeline.loop.value
        items: list[Item] = []
        for strip in desk.rack.strips:
            name = feature_title(strip.feature)
            amount = strip.amount or 1.0
            if loop is not None:
                items.append(
                    (
                        f"{name} at {amount:+.2f} in the loop",
                        lambda i=strip.id, a=amount: self.steer_span(i, *loop, a),
                    )
                )
            if desk.timeline.grid.value.bar_s:
                items.append(
                    (f"{name} at {amount:+.2f} in bars \u2026", lambda i=strip.id, a=amount: self._ask(i, a))
                )
        if not items:
            items = [("Add a slider, then choose a loop or a tempo", lambda: None)]
        popup(self.steer, items)

    def _ask(self, id: str, amount: float) -> None:
        text, given = QInputDialog.getText(self, "Steer bars", "From bar to bar, for example 5-9:")
        bars = parse_bars(text) if given else None
        if bars is not None:
            start, end = self._desk.timeline.grid.value.span(*bars)
            self.steer_span(id, start, end, amount)

    def steer_span(self, id: str, start_s: float, end_s: float, amount: float) -> None:
        """Write the stretch into the feature's lane and show it."""
        self._desk.lanes.between(id, start_s, end_s, amount)
        self._desk.library.selected.set(id)
        self.lane.setChecked(True)
