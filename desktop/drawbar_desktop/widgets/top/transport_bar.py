"""The transport's state -> prompt, new take, play, seed, length, bypass, A/B, device, gain, level and a status dot."""

from collections.abc import Mapping
from functools import partial

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QGridLayout, QHBoxLayout, QSpinBox, QVBoxLayout, QWidget

from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.transport import (
    KEPT_BARS,
    LENGTHS_S,
    PREPARE_BYPASS,
    SEED_MAX,
    Readout,
    format_time,
    kept_title,
)
from drawbar_desktop.style.theme import SPACE, P, icon, icon_size
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import (
    Item,
    Menu,
    button,
    label,
    learnable,
    plain,
    popup,
    set_flag,
    tool_button,
)
from drawbar_desktop.widgets.common.fader import Fader
from drawbar_desktop.widgets.common.logo import Logo
from drawbar_desktop.widgets.common.meters import LevelMeter
from drawbar_desktop.widgets.common.play_button import PlayButton
from drawbar_desktop.widgets.common.value_edit import ValueEdit
from drawbar_desktop.widgets.common.wrap_row import WrapRow
from drawbar_desktop.widgets.top.advanced import AdvancedFold
from drawbar_desktop.widgets.top.blend_card import BlendCard
from drawbar_desktop.widgets.top.prompt_field import PromptField
from drawbar_desktop.widgets.top.vocabulary_card import VocabularyCard

ALARM_HOLD_MS = 5_000
NAMED_W, MARKED_W = 1360, 900
"""From these widths on there is room for the wordmark, and for the mark alone."""


def length_title(seconds: float | None) -> str:
    """A length as the menu says it."""
    if seconds is None:
        return "Endless"
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


class TransportBar(QFrame):
    """The top of the window: what is asked for above, what is heard below."""

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
        self.words = VocabularyCard(self, self.prompt.add_words)
        self.blend_card = BlendCard(self, desk)
        self._logo = Logo()
        self.fold = AdvancedFold(desk)

        upper = QHBoxLayout()
        upper.setSpacing(SPACE.xs)
        upper.addWidget(self.prompt, 1)
        for widget in self._prompt_tools():
            upper.addWidget(widget)
        self._lower = WrapRow(
            (
                self._clock(), self._seed_group(), self._length_box(), self.advanced, self._bypass(), self._slots(),
            ),
            (self._output_group(), self._status(), self._readout(), *self._last()),
        )  # fmt: skip
        rows = self._rows = QVBoxLayout()
        rows.addLayout(upper)
        rows.addWidget(self.fold)
        rows.addWidget(self._lower)
        whole = self._whole = QHBoxLayout(self)
        whole.setSpacing(SPACE.m)
        whole.addWidget(self._logo, 0, Qt.AlignmentFlag.AlignVCenter)
        whole.addWidget(self.play)
        whole.addLayout(rows, 1)
        self.set_low(False)
        self._alarm = QTimer(self, singleShot=True, interval=ALARM_HOLD_MS)
        self._alarm.timeout.connect(self._calm_down)
        self._follow()

    def set_low(self, low: bool) -> None:
        """In a low window lines stand closer."""
        edge = 3 if low else SPACE.s
        self._whole.setContentsMargins(SPACE.m, edge, SPACE.m, edge)
        self._rows.setSpacing(edge)

    def _play_prompt(self) -> None:
        """Enter in the prompt: a new take, and the keys go back to the window."""
        self.prompt.clearFocus()
        self._actions.new_take()

    # -- groups ---------------------------------------------------------------------------------------

    def _prompt_tools(self) -> tuple[QWidget, ...]:
        self.vocabulary = tool_button("text-box-plus-outline", "Words that this model knows", px=18)
        self.vocabulary.clicked.connect(lambda: self.words.open_below(self.prompt))
        self.blend = tool_button(
            "vector-combine", "Blend prompts, and what should not be heard", px=17, checkable=True
        )
        self.blend.clicked.connect(lambda: self._open_blend())
        self.history = tool_button("history", "Earlier prompts", px=17)
        self.history.clicked.connect(self._prompt_menu)
        self.new_take = button("New take", "primary", "Make new music  (Enter in the prompt, Shift+Space)")
        self.new_take.clicked.connect(lambda: self._actions.new_take())
        learnable(self.new_take, "new")
        self.again = tool_button("replay", "The same take again: same seed, sliders as they are now", px=18)
        self.again.clicked.connect(lambda: self._actions.again())
        self.vary = tool_button("call-split", "", px=18)
        self.vary.clicked.connect(lambda: self._actions.vary())
        self.vary.setAccessibleName("Vary: four near variations to choose from")
        self.vary.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.vary.customContextMenuRequested.connect(lambda _: popup(self.vary, self.vary_menu()))
        self.advanced = tool_button(
            "tune-variant",
            f"Guidance, temperature, top-k, {PREPARE_BYPASS}, equal loudness",
            checkable=True,
            px=18,
        )
        self.advanced.toggled.connect(self.fold.setVisible)
        return self.vocabulary, self.blend, self.history, self.new_take, self.again, self.vary

    def vary_menu(self) -> list[Item]:
        """How near."""
        kept = self._transport.kept_bars
        return [
            (f"Keep {kept_title(bars)}", partial(kept.set, bars), bars == kept.value) for bars in KEPT_BARS
        ]

    def _tell_vary(self, bars: int) -> None:
        words = f"Vary: four near variations that keep {kept_title(bars)}  (V). Right-click: how near"
        self.vary.setToolTip(plain(words))

    def _open_blend(self) -> None:
        self.blend_card.open_below(self.prompt)
        self._show_blend()

    def _show_blend(self) -> None:
        """Lit while more than the prompt decides."""
        self.blend.setChecked(self._desk.blending.used)

    def _seed_group(self) -> QWidget:
        transport = self._transport
        self.seed = QSpinBox()
        self.seed.setRange(0, SEED_MAX)
        self.seed.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.seed.setPrefix("Seed ")
        self.seed.setFixedWidth(100)
        self.seed.setKeyboardTracking(False)
        self.seed.setToolTip("The same seed and settings give the same music")
        self.seed.setAccessibleName("Seed")
        self.seed.valueChanged.connect(
            lambda seed: transport.set_seed(seed) if seed != transport.seed.value else None
        )
        self.dice = tool_button("dice-5-outline", "Another seed  (Ctrl+R)", px=17)
        self.dice.clicked.connect(lambda: transport.roll())
        self.lock = tool_button("lock-open-variant-outline", "Keep this seed for every take", px=16)
        self.lock.setCheckable(True)
        self.lock.toggled.connect(transport.seed_locked.set)
        return _group(self.seed, self.dice, self.lock, gap=1)

    def _length_box(self) -> Menu:
        self.length = Menu()
        self.length.setFixedWidth(84)
        for seconds in LENGTHS_S:
            self.length.addItem(length_title(seconds))
        self.length.setToolTip("Length of the take")
        self.length.setAccessibleName("Length")
        self.length.activated.connect(lambda i: self._transport.seconds.set(LENGTHS_S[i]))
        return self.length

    def _clock(self) -> QWidget:
        self.clock = label("0:00.0", "clock")
        self.clock.setFixedWidth(70)
        self.total = label("", "faint")
        self.total.setFixedWidth(50)
        self.total.setContentsMargins(0, 6, 0, 0)
        self.end = tool_button("stop", "End the take that is being made; what was heard is kept  (.)", px=17)
        self.end.clicked.connect(lambda: self._actions.end_take())
        return _group(self.clock, self.total, self.end)

    def _bypass(self) -> QWidget:
        self.bypass = button("Bypass", "", "", picture="directions-fork", checkable=True)
        self.bypass.toggled.connect(self._transport.bypass.set)
        learnable(self.bypass, "bypass")
        return self.bypass

    def _tell_bypass(self, prepared: bool) -> None:
        """What the switch does in a take that begins now."""
        whole = "Hear the same take without the sliders"
        self.bypass.setToolTip(
            plain(
                f"{whole}  (B)"
                if prepared
                else f"Let go of the sliders from here on  (B). {whole}: {PREPARE_BYPASS}"
            )
        )

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
        self.morph.setFixedWidth(60)
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

    def _last(self) -> tuple[QWidget, ...]:
        self.open = tool_button("folder-music-outline", "Open audio \u2026  (Ctrl+O)", px=18)
        self.open.clicked.connect(lambda: self._actions.open_audio())
        tip = "Export a take as WAV, FLAC or Ogg, with its settings inside  (Ctrl+S)"
        self.export = tool_button("export-variant", tip, px=18)
        self.export.clicked.connect(lambda: self._actions.export())
        self.settings = tool_button("cog-outline", "Settings  (Ctrl+,)", px=18)
        self.settings.clicked.connect(lambda: self._actions.open_settings("Sound"))
        return self.open, self.export, self.settings

    def _output_group(self) -> QWidget:
        transport = self._transport
        self.level = LevelMeter()
        self.level.setFixedWidth(70)
        self.gain = Fader(-360, 60, lambda: transport.gain_db.set(0.0))
        self.gain.setSingleStep(5)
        self.gain.setFixedWidth(56)
        self.gain.setAccessibleName("Monitor gain")
        self.gain.setToolTip(
            "Monitor gain, before a true-peak limiter; takes are not touched. Double-click: 0 dB"
        )
        self.gain.valueChanged.connect(lambda v: transport.gain_db.set(v / 10))
        learnable(self.gain, "gain")
        self.device = tool_button("speaker", "Output device", px=17)
        self.device.clicked.connect(self._device_menu)
        self.gain_text = ValueEdit(
            lambda v: transport.gain_db.set(max(-36.0, min(6.0, v))),
            "Click to type, in dB",
            "Monitor gain in dB",
        )
        self.gain_text.setFixedWidth(52)
        return _group(self.device, self.gain, self.gain_text, self.level, gap=5)

    def _status(self) -> QWidget:
        self.dot = tool_button(
            "circle-medium", "How it keeps up: speed, latency, drops", checkable=True, px=18
        )
        self.dot.toggled.connect(self._show_figures)
        return self.dot

    def _readout(self) -> QWidget:
        self._figures = QWidget()
        grid = QGridLayout(self._figures)
        grid.setContentsMargins(0, 0, SPACE.xs, 0)
        grid.setHorizontalSpacing(SPACE.m)
        grid.setVerticalSpacing(0)
        self.rtf, self.latency, self.underruns = (label("\u2013", "number") for _ in range(3))
        cells = (
            ("SPEED", self.rtf, "How many seconds of music are made in a second; above 1 keeps up", 44),
            ("LATENCY", self.latency, "From moving a slider to hearing it", 52),
            ("DROPS", self.underruns, "Under-runs: how often audio was not ready in time", 40),
        )
        for column, (caption, number, tip, width) in enumerate(cells):
            head = label(caption, "caption")
            head.setMinimumWidth(width)
            for widget, row in ((head, 0), (number, 1)):
                widget.setToolTip(plain(tip))
                grid.addWidget(widget, row, column)
        self._figures.hide()
        return self._figures

    def _show_figures(self, on: bool) -> None:
        self._figures.setVisible(on)
        self._lower.arrange()

    def _calm_down(self) -> None:
        set_flag(self.underruns, "alarm", False)
        if not self._transport.trouble.value:
            self.dot.setChecked(False)

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
        t.twin.bind(self._tell_bypass)
        t.kept_bars.bind(self._tell_vary)
        t.gain_db.bind(self._show_gain)
        for value in (t.playing, t.player, t.wanted, t.paused):
            value.bind(lambda _: self._show_playing())
        for value in (t.ready, t.loading):
            value.bind(lambda _: self._enable())
        t.readout.bind(self._show_readout)
        t.trouble.bind(self._show_trouble)
        t.position_s.bind(lambda s: self.clock.setText(format_time(s)))
        t.unknown.bind(self.prompt.show_unknown)
        for one in (self._desk.blending.parts, self._desk.blending.share):
            one.changed.connect(lambda _: self._show_blend())
        self._show_blend()
        t.vocabulary.bind(self._show_vocabulary)
        slots.active.bind(lambda _: self._show_slots())
        slots.morph.bind(lambda _: self._show_slots())

    def _enable(self) -> None:
        on = self._transport.ready.value or self._transport.loading.value
        for one in (self.play, self.new_take):
            one.setEnabled(on)
        for other in (self.again, self.vary):
            other.setEnabled(self._transport.ready.value)

    def _show_playing(self) -> None:
        t = self._transport
        self.play.set_playing((t.playing.value or t.player.value or t.wanted.value) and not t.paused.value)
        self.end.setEnabled(t.playing.value)

    def _show_trouble(self, on: bool) -> None:
        """The dot opens by itself, and stays open as long as there is something to see."""
        set_flag(self.rtf, "alarm", on)
        self.dot.setIcon(icon("alert-circle" if on else "circle-medium", color=P.warn if on else P.good))
        if on:
            self.dot.setChecked(True)
        elif not self._alarm.isActive():
            self.dot.setChecked(False)

    def _show_vocabulary(self, vocabulary: Mapping[str, tuple[str, ...]]) -> None:
        self.vocabulary.setVisible(bool(vocabulary))
        self.words.show_words(vocabulary)
        self.prompt.set_vocabulary([word for words in vocabulary.values() for word in words])

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
        self.lock.setIconSize(icon_size(16))

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
        self.rtf.setText(
            "\u2013" if factor is None else f"\u00d7 {factor:.1f}" if factor >= 1 else f"\u00d7 {factor:.2g}"
        )
        self.latency.setText("\u2013" if latency is None else f"{latency} ms")
        if self.underruns.text() not in ("\u2013", str(readout.underruns)) and readout.underruns:
            set_flag(self.underruns, "alarm", True)
            self.dot.setChecked(True)
            self._alarm.start()
        self.underruns.setText(str(readout.underruns))
        told = f"speed {self.rtf.text()}, latency {self.latency.text()}, drops {self.underruns.text()}"
        self.dot.setToolTip(plain(f"How it keeps up: {told}"))
        self.device.setToolTip(plain(f"Output device: {readout.output_name or 'opens with the first take'}"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a narrow window the name goes first, then the mark."""
        super().resizeEvent(event)
        self._logo.setVisible(self.width() >= MARKED_W)
        self._logo.name.setVisible(self.width() >= NAMED_W)

    def minimumSizeHint(self) -> QSize:
        """Everything else goes on in the next line."""
        return QSize(480, super().minimumSizeHint().height())


def _group(*widgets: QWidget, gap: int = 4) -> QWidget:
    box = QWidget()
    row = QHBoxLayout(box)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(gap)
    for widget in widgets:
        row.addWidget(widget)
    return box
