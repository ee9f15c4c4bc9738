"""The transport's state -> prompt, seed, length, play, bypass, A/B, device, gain, level and the read-out."""

from functools import partial

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.transport import LENGTHS_S, SEED_MAX, Readout, format_time
from drawbar_desktop.style.theme import SPACE, icon, icon_size
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import (
    Item,
    Menu,
    button,
    label,
    learnable,
    popup,
    set_flag,
    tool_button,
)
from drawbar_desktop.widgets.common.fader import Fader
from drawbar_desktop.widgets.common.logo import Logo
from drawbar_desktop.widgets.common.meters import LevelMeter
from drawbar_desktop.widgets.common.play_button import PlayButton
from drawbar_desktop.widgets.common.value_edit import ValueEdit
from drawbar_desktop.widgets.top.advanced import AdvancedFold
from drawbar_desktop.widgets.top.prompt_field import PromptField

ALARM_HOLD_MS = 5_000
GAIN_W, LEVEL_W = (44, 84), (36, 104)
"""Least and full width: what is not needed to play gives way in a narrow window."""


def length_title(seconds: float | None) -> str:
    """A length as the menu says it."""
    if seconds is None:
        return "Endless"
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


class TransportBar(QFrame):
    """The top of the window."""

    def __init__(self, desk: Desk, actions: Actions) -> None:
        super().__init__()
        self._desk, self._actions = desk, actions
        self._transport = transport = desk.transport
        self.setObjectName("transport")
        self.play = PlayButton()
        self.play.clicked.connect(lambda: actions.toggle_play())
        learnable(self.play, "play")
        self.prompt = PromptField()
        self.prompt.textChanged.connect(transport.prompt.set)
        self.prompt.returnPressed.connect(self._play_prompt)
        self.history = tool_button("chevron-down", "Earlier prompts", framed=True, px=17)
        self.history.clicked.connect(self._prompt_menu)
        self.advanced = tool_button(
            "tune-variant", "Guidance, temperature, top-k, twin", framed=True, checkable=True, px=18
        )
        self.fold = AdvancedFold(desk)
        self.advanced.toggled.connect(self.fold.setVisible)
        self.settings = tool_button("cog-outline", "Settings  (Ctrl+,)", framed=True, px=18)
        self.settings.clicked.connect(lambda: actions.open_settings("Sound"))

        upper = QHBoxLayout()
        upper.setSpacing(SPACE.xs)
        upper.addWidget(self.prompt, 1)
        upper.addWidget(self.history)
        upper.addSpacing(SPACE.xs)
        upper.addLayout(self._seed_group())
        upper.addSpacing(SPACE.xs)
        upper.addWidget(self._length_box())
        upper.addWidget(self.advanced)
        upper.addWidget(self.settings)
        lower = QHBoxLayout()
        lower.setSpacing(SPACE.s)
        lower.addWidget(self._clock())
        lower.addWidget(self._bypass())
        lower.addWidget(self._slots())
        lower.addWidget(self._export())
        lower.addStretch(1)
        lower.addLayout(self._output_group())
        lower.addWidget(self._readout())
        rows = QVBoxLayout()
        rows.setSpacing(SPACE.s)
        rows.addLayout(upper)
        rows.addWidget(self.fold)
        rows.addLayout(lower)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(SPACE.l, SPACE.m, SPACE.l, SPACE.m)
        whole.setSpacing(SPACE.l)
        whole.addWidget(Logo(), 0, Qt.AlignmentFlag.AlignVCenter)
        whole.addWidget(self.play)
        whole.addLayout(rows, 1)
        self._alarm = QTimer(self, singleShot=True, interval=ALARM_HOLD_MS)
        self._alarm.timeout.connect(lambda: set_flag(self.underruns, "alarm", False))
        self._follow()

    def _play_prompt(self) -> None:
        """Enter in the prompt: play, and give the keys back to the window."""
        self.prompt.clearFocus()
        if not self._transport.playing.value:
            self._actions.toggle_play()

    # -- groups ---------------------------------------------------------------------------------------

    def _seed_group(self) -> QHBoxLayout:
        transport = self._transport
        self.seed = QSpinBox()
        self.seed.setRange(0, SEED_MAX)
        self.seed.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.seed.setPrefix("Seed ")
        self.seed.setFixedWidth(116)
        self.seed.setKeyboardTracking(False)
        self.seed.setToolTip("The same seed and settings give the same music")
        self.seed.setAccessibleName("Seed")
        self.seed.valueChanged.connect(
            lambda seed: transport.set_seed(seed) if seed != transport.seed.value else None
        )
        self.dice = tool_button("dice-5-outline", "Another seed", framed=True, px=18)
        self.dice.clicked.connect(lambda: transport.roll())
        self.lock = tool_button(
            "lock-open-variant-outline", "Keep this seed for every take", framed=True, px=17
        )
        self.lock.setCheckable(True)
        self.lock.toggled.connect(transport.seed_locked.set)
        group = QHBoxLayout()
        group.setSpacing(SPACE.xs)
        for widget in (self.seed, self.dice, self.lock):
            group.addWidget(widget)
        return group

    def _length_box(self) -> Menu:
        self.length = Menu()
        self.length.setFixedWidth(92)
        for seconds in LENGTHS_S:
            self.length.addItem(length_title(seconds))
        self.length.setToolTip("Length of the take")
        self.length.setAccessibleName("Length")
        self.length.activated.connect(lambda i: self._transport.seconds.set(LENGTHS_S[i]))
        return self.length

    def _clock(self) -> QWidget:
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(2, 0, 0, 0)
        row.setSpacing(SPACE.xs)
        self.clock = label("0:00.0", "clock")
        self.clock.setFixedWidth(76)
        self.total = label("", "faint")
        self.total.setFixedWidth(54)
        self.total.setContentsMargins(0, 6, 0, 0)
        row.addWidget(self.clock)
        row.addWidget(self.total)
        return box

    def _bypass(self) -> QWidget:
        tip = "Hear the same seed without the sliders  (B)"
        self.bypass = button("Bypass", "", tip, picture="directions-fork", checkable=True)
        self.bypass.toggled.connect(self._transport.bypass.set)
        learnable(self.bypass, "bypass")
        return self.bypass

    def _slots(self) -> QWidget:
        slots = self._desk.slots
        box = QFrame()
        box.setObjectName("group")
        row = QHBoxLayout(box)
        row.setContentsMargins(3, 2, 6, 2)
        row.setSpacing(2)
        self.slots = QButtonGroup(self)
        for i, name in enumerate(slots.NAMES):
            one = button(name, "segment", f"Slot {name} of the rack  (A switches)", checkable=True)
            one.setAccessibleName(f"Slot {name}")
            learnable(one, "ab")
            self.slots.addButton(one, i)
            row.addWidget(one)
        self.slots.idClicked.connect(lambda i: slots.choose(slots.NAMES[i]))
        self.copy = tool_button("content-copy", "Copy this slot to the other; more", px=14)
        self.copy.clicked.connect(self._slot_menu)
        row.addWidget(self.copy)
        self.morph = Fader(0, 1000, lambda: slots.choose(slots.active.value))
        self.morph.setFixedWidth(72)
        self.morph.setToolTip("Morph: sliders on the way from A to B. Double-click: back to the slot")
        self.morph.setAccessibleName("Morph between A and B")
        self.morph.sliderMoved.connect(lambda v: slots.set_morph(v / 1000))
        self.morph.actionTriggered.connect(
            lambda _: QTimer.singleShot(0, self.morph, lambda: slots.set_morph(self.morph.value() / 1000))
        )
        learnable(self.morph, "morph")
        row.addSpacing(SPACE.xs)
        row.addWidget(self.morph)
        return box

    def _export(self) -> QWidget:
        tip = "Save a take as WAV, FLAC or Ogg, with its settings inside  (Ctrl+S)"
        self.export = button("Export", "", tip, picture="export-variant")
        self.export.clicked.connect(lambda: self._actions.export())
        return self.export

    def _output_group(self) -> QHBoxLayout:
        transport = self._transport
        self.level = LevelMeter()
        self.level.setFixedWidth(LEVEL_W[1])
        self.gain = Fader(-360, 60, lambda: transport.gain_db.set(0.0))
        self.gain.setSingleStep(5)
        self.gain.setFixedWidth(GAIN_W[1])
        self.gain.setAccessibleName("Monitor gain")
        self.gain.setToolTip(
            "Monitor gain, before a true-peak limiter; takes are not touched. Double-click: 0 dB"
        )
        self.gain.valueChanged.connect(lambda v: transport.gain_db.set(v / 10))
        learnable(self.gain, "gain")
        self.device = tool_button("speaker", "Output device", framed=True, px=17)
        self.device.clicked.connect(self._device_menu)
        self.gain_text = ValueEdit(
            lambda v: transport.gain_db.set(max(-36.0, min(6.0, v))),
            "Click to type, in dB",
            "Monitor gain in dB",
        )
        self.gain_text.setFixedWidth(56)
        group = QHBoxLayout()
        group.setSpacing(6)
        for widget in (self.device, self.gain, self.gain_text, self.level):
            group.addWidget(widget)
        return group

    def _readout(self) -> QWidget:
        box = QWidget()
        grid = QGridLayout(box)
        grid.setContentsMargins(SPACE.s, 0, 0, 0)
        grid.setHorizontalSpacing(SPACE.m)
        grid.setVerticalSpacing(0)
        self.rtf, self.latency, self.underruns = (label("\u2013", "number") for _ in range(3))
        cells = (
            ("SPEED", self.rtf, "How many seconds of music a second of work makes; above 1 keeps up", 46),
            ("LATENCY", self.latency, "From moving a slider to hearing it", 54),
            ("DROPS", self.underruns, "Under-runs: how often audio was not ready in time", 42),
        )
        for column, (caption, number, tip, width) in enumerate(cells):
            head = label(caption, "caption")
            head.setMinimumWidth(width)
            for widget, row in ((head, 0), (number, 1)):
                widget.setToolTip(tip)
                grid.addWidget(widget, row, column)
        return box

    # -- menus ----------------------------------------------------------------------------------------

    def _prompt_menu(self) -> None:
        prompts = self._transport.prompts.value
        items: list[Item] = [(p, lambda p=p: self._transport.prompt.set(p)) for p in prompts[:20]]
        items = items or [("No prompt has been played yet", lambda: None)]
        if prompts:
            items += [None, ("Forget them", lambda: self._transport.prompts.set(()))]
        popup(self.history, items)

    def _slot_menu(self) -> None:
        slots = self._desk.slots
        here = slots.active.value
        there = "B" if here == "A" else "A"
        popup(
            self.copy,
            (
                (f"Copy {here} to {there}", lambda: slots.copy(here, there)),
                (f"Copy {there} to {here}", lambda: slots.copy(there, here)),
                None,
                ("Compare equally loud", lambda: slots.match.set(not slots.match.value), slots.match.value),
            ),
        )

    def _device_menu(self) -> None:
        self._actions.refresh_devices()
        transport, choose = self._transport, self._actions.choose_device
        items: list[Item] = [("The system's device", lambda: choose(""), transport.device.value == "")]
        items += [
            (name, partial(choose, name), name == transport.device.value) for name in transport.devices.value
        ]
        items += [
            None,
            ("Look again", lambda: self._actions.refresh_devices()),
            ("Sound settings \u2026", lambda: self._actions.open_settings("Sound")),
        ]
        popup(self.device, items)

    # -- following the state --------------------------------------------------------------------------

    def _follow(self) -> None:
        t, slots = self._transport, self._desk.slots
        t.prompt.bind(lambda text: self.prompt.setText(text) if text != self.prompt.text() else None)
        t.seed.bind(self.seed.setValue)
        t.seed_locked.bind(self._show_lock)
        t.seconds.bind(self._show_length)
        t.bypass.bind(self.bypass.setChecked)
        t.gain_db.bind(self._show_gain)
        t.playing.bind(lambda _: self._show_playing())
        t.player.bind(lambda _: self._show_playing())
        t.wanted.bind(lambda _: self._show_playing())
        for value in (t.ready, t.loading):
            value.bind(lambda _: self.play.setEnabled(t.ready.value or t.loading.value))
        t.readout.bind(self._show_readout)
        t.trouble.bind(lambda on: set_flag(self.rtf, "alarm", on))
        t.position_s.bind(lambda s: self.clock.setText(format_time(s)))
        t.unknown.bind(self.prompt.show_unknown)
        slots.active.bind(lambda _: self._show_slots())
        slots.morph.bind(lambda _: self._show_slots())

    def _show_playing(self) -> None:
        t = self._transport
        self.play.set_playing(t.playing.value or t.player.value or t.wanted.value)

    def _show_slots(self) -> None:
        slots = self._desk.slots
        share = slots.morph.value
        self.slots.setExclusive(False)
        for i, name in enumerate(slots.NAMES):
            self.slots.button(i).setChecked(share is None and name == slots.active.value)
        self.slots.setExclusive(share is None)
        if not self.morph.isSliderDown():
            here = 0 if slots.active.value == "A" else 1000
            self.morph.setValue(here if share is None else round(share * 1000))

    def _show_lock(self, on: bool) -> None:
        self.lock.setChecked(on)
        self.lock.setIcon(icon("lock" if on else "lock-open-variant-outline"))
        self.lock.setIconSize(icon_size(17))

    def _show_length(self, seconds: float | None) -> None:
        if seconds in LENGTHS_S:
            self.length.setCurrentIndex(LENGTHS_S.index(seconds))
            self.length.setPlaceholderText("")
        else:
            self.length.setCurrentIndex(-1)
            self.length.setPlaceholderText("" if seconds is None else f"{seconds:.1f} s")
        self.total.setText("endless" if seconds is None else f"/ {format_time(seconds)}")

    def _show_gain(self, db: float) -> None:
        self.gain.setValue(round(db * 10))
        self.gain_text.show_text("0 dB" if db == 0 else f"{db:+.1f} dB".replace("-", "\u2212"))

    def _show_readout(self, readout: Readout) -> None:
        factor, latency = readout.real_time_factor, readout.latency_ms
        self.rtf.setText("\u2013" if factor is None else f"\u00d7 {factor:.1f}")
        self.latency.setText("\u2013" if latency is None else f"{latency} ms")
        if self.underruns.text() not in ("\u2013", str(readout.underruns)) and readout.underruns:
            set_flag(self.underruns, "alarm", True)
            self._alarm.start()
        self.underruns.setText(str(readout.underruns))
        self.device.setToolTip(f"Output device: {readout.output_name or 'opens with the first take'}")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a narrow window the level meter gives way first, then the monitor's gain."""
        super().resizeEvent(event)
        layout = self.layout()
        assert layout is not None  # the constructor made it
        rest = layout.minimumSize().width() - self.level.width() - self.gain.width()
        room = self.width() - rest - LEVEL_W[0]
        self.gain.setFixedWidth(max(GAIN_W[0], min(GAIN_W[1], room)))
        self.level.setFixedWidth(max(LEVEL_W[0], min(LEVEL_W[1], self.width() - rest - self.gain.width())))

    def minimumSizeHint(self) -> QSize:
        """Fits a window 1280 wide."""
        return QSize(1140, 110)
