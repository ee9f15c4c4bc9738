"""The transport's state -> prompt, seed, length, play, bypass, gain, level and the read-out."""

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from drawbar_desktop.state.transport import LENGTHS_S, SEED_MAX, Readout, Transport, format_time
from drawbar_desktop.theme import DARK, SPACE, icon, icon_size
from drawbar_desktop.widgets.logo import Logo
from drawbar_desktop.widgets.meters import LevelMeter
from drawbar_desktop.widgets.parts import Menu, label, set_flag, tool_button
from drawbar_desktop.widgets.play_button import PlayButton
from drawbar_desktop.widgets.prompt_field import PromptField

__all__ = ["TransportBar", "length_title"]

ALARM_HOLD_MS = 5_000


def length_title(seconds: float | None) -> str:
    """A length as the menu says it."""
    return "Endless" if seconds is None else f"{seconds:.0f} s"


class TransportBar(QFrame):
    """The top of the window."""

    def __init__(
        self, transport: Transport, toggle_play: Callable[[], object], export: Callable[[], object]
    ) -> None:
        super().__init__()
        self._transport = transport
        self.setObjectName("transport")
        self.play = PlayButton()
        self.play.clicked.connect(lambda: toggle_play())
        self.prompt = PromptField()
        self.prompt.textChanged.connect(transport.prompt.set)
        self.prompt.returnPressed.connect(lambda: toggle_play() if not transport.playing.value else None)
        self.level = LevelMeter()
        self.export = QPushButton(icon("export-variant"), "Export")
        self.export.setToolTip("Save this take as WAV or FLAC  (Ctrl+S)")
        self.export.clicked.connect(lambda: export())
        self.bypass = QPushButton(icon("directions-fork", on=DARK.accent_bright), "Bypass")
        self.bypass.setCheckable(True)
        self.bypass.setToolTip("Hear the same seed without the sliders  (B)")
        self.bypass.toggled.connect(transport.bypass.set)

        upper = QHBoxLayout()
        upper.setSpacing(SPACE.s)
        upper.addWidget(self.prompt, 1)
        upper.addLayout(self._seed_group())
        upper.addWidget(self._length_box())
        lower = QHBoxLayout()
        lower.setSpacing(SPACE.m)
        lower.addWidget(self._clock())
        lower.addWidget(self.bypass)
        lower.addWidget(self.export)
        lower.addStretch(1)
        lower.addLayout(self._output_group())
        lower.addWidget(self._readout())
        rows = QVBoxLayout()
        rows.setSpacing(SPACE.s)
        rows.addLayout(upper)
        rows.addLayout(lower)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(SPACE.l, SPACE.m, SPACE.l, SPACE.m)
        whole.setSpacing(SPACE.l)
        whole.addWidget(Logo())
        whole.addWidget(self.play)
        whole.addLayout(rows, 1)
        self._alarm = QTimer(self, singleShot=True, interval=ALARM_HOLD_MS)
        self._alarm.timeout.connect(lambda: set_flag(self.underruns, "alarm", False))
        self._follow()

    # -- groups ---------------------------------------------------------------------------------------

    def _seed_group(self) -> QHBoxLayout:
        transport = self._transport
        self.seed = QSpinBox()
        self.seed.setRange(0, SEED_MAX)
        self.seed.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.seed.setPrefix("Seed ")
        self.seed.setFixedWidth(122)
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
        self.length.currentIndexChanged.connect(lambda i: self._transport.seconds.set(LENGTHS_S[i]))
        return self.length

    def _clock(self) -> QWidget:
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(2, 0, 0, 0)
        row.setSpacing(SPACE.xs)
        self.clock = label("0:00.0", "clock")
        self.clock.setFixedWidth(78)
        self.total = label("", "faint")
        self.total.setFixedWidth(58)
        row.addWidget(self.clock)
        self.total.setContentsMargins(0, 6, 0, 0)
        row.addWidget(self.total)
        return box

    def _output_group(self) -> QHBoxLayout:
        self.gain = QSlider(Qt.Orientation.Horizontal)
        self.gain.setRange(-36, 6)
        self.gain.setFixedWidth(84)
        self.gain.setAccessibleName("Master gain")
        self.gain.valueChanged.connect(lambda db: self._transport.gain_db.set(float(db)))
        speaker = tool_button("volume-high", "Master gain: click for 0 dB", px=17)
        speaker.clicked.connect(lambda: self._transport.gain_db.set(0.0))
        self.gain_text = label("0 dB", "small")
        self.gain_text.setFixedWidth(42)
        self.level.setFixedWidth(120)
        group = QHBoxLayout()
        group.setSpacing(SPACE.s)
        for widget in (speaker, self.gain, self.gain_text, self.level):
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
            ("SPEED", self.rtf, "How many seconds of music a second of work makes; above 1 keeps up", 52),
            ("LATENCY", self.latency, "From moving a slider to hearing it", 62),
            ("UNDER-RUNS", self.underruns, "How often audio was not ready in time", 74),
        )
        for column, (caption, number, tip, width) in enumerate(cells):
            head = label(caption, "caption")
            head.setMinimumWidth(width)
            for widget, row in ((head, 0), (number, 1)):
                widget.setToolTip(tip)
                grid.addWidget(widget, row, column)
        return box

    # -- following the state --------------------------------------------------------------------------

    def _follow(self) -> None:
        t = self._transport
        t.prompt.bind(lambda text: self.prompt.setText(text) if text != self.prompt.text() else None)
        t.seed.bind(self.seed.setValue)
        t.seed_locked.bind(self._show_lock)
        t.seconds.bind(self._show_length)
        t.bypass.bind(self.bypass.setChecked)
        t.gain_db.bind(self._show_gain)
        t.playing.bind(self.play.set_playing)
        t.ready.bind(self.play.setEnabled)
        t.readout.bind(self._show_readout)
        t.position_s.bind(lambda s: self.clock.setText(format_time(s)))
        t.unknown.bind(self.prompt.show_unknown)

    def _show_lock(self, on: bool) -> None:
        self.lock.setChecked(on)
        self.lock.setIcon(icon("lock" if on else "lock-open-variant-outline"))
        self.lock.setIconSize(icon_size(17))

    def _show_length(self, seconds: float | None) -> None:
        self.length.setCurrentIndex(LENGTHS_S.index(seconds) if seconds in LENGTHS_S else -1)
        self.total.setText("endless" if seconds is None else f"/ {format_time(seconds)}")

    def _show_gain(self, db: float) -> None:
        self.gain.setValue(round(db))
        self.gain_text.setText("0 dB" if db == 0 else f"{db:+.0f} dB".replace("-", "\u2212"))

    def _show_readout(self, readout: Readout) -> None:
        factor, latency = readout.real_time_factor, readout.latency_ms
        self.rtf.setText("\u2013" if factor is None else f"\u00d7 {factor:.1f}")
        self.latency.setText("\u2013" if latency is None else f"{latency} ms")
        if self.underruns.text() not in ("\u2013", str(readout.underruns)) and readout.underruns:
            set_flag(self.underruns, "alarm", True)
            self._alarm.start()
        self.underruns.setText(str(readout.underruns))

    def minimumSizeHint(self) -> QSize:
        """Fits a window 1280 wide."""
        return QSize(1100, 110)
