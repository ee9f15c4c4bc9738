"""The settings -> a card with pages: sound, MIDI, models, banks, appearance, about."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QStackedWidget,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from drawbar.live.audio_out.buffer import BUFFERS_MS
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.machine import About
from drawbar_desktop.state.midi import KINDS, TARGETS
from drawbar_desktop.state.models import BankEntry, ModelEntry
from drawbar_desktop.state.settings import SCALES, THEMES
from drawbar_desktop.state.transport import PREPARE_BYPASS
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.basics import (
    ElidedLabel,
    Menu,
    Tag,
    button,
    clear,
    label,
    plain,
    separator,
    tool_button,
)
from drawbar_desktop.widgets.common.file_dialogs import FileDialogs
from drawbar_desktop.widgets.common.sheet import Sheet

PAGES = ("Sound", "MIDI", "Models", "Banks", "Appearance", "About")


class Manager(Protocol):
    """What the pages ask of the application (`drawbar_desktop.controllers.device_and_model_settings`)."""

    def choose_device(self, name: str) -> object:
        """Play through another device."""
        ...

    def choose_buffer(self, buffer_ms: int) -> object:
        """Have the output hold so much; 0: as measured."""
        ...

    def refresh(self) -> object:
        """Look at everything again."""
        ...

    def load_model(self, entry: ModelEntry) -> object:
        """In place of the loaded one."""
        ...

    def unload_model(self) -> object:
        """Give the memory back."""
        ...

    def add_model(self, folder: Path) -> object:
        """A folder goes on the list."""
        ...

    def fetch_model(self, name: str) -> object:
        """Download one."""
        ...

    def cancel_fetch(self) -> object:
        """Stop downloading."""
        ...

    def clock_outputs(self) -> tuple[str, ...]:
        """Where our MIDI clock can be sent to."""
        ...

    def send_clock(self, name: str) -> object:
        """To an output; empty is off."""
        ...

    def switch_osc(self, on: bool) -> object:
        """Listen to OSC, or stop."""
        ...

    def open_bank(self, entry: BankEntry) -> object:
        """Load the model again with this bank."""
        ...

    def add_bank(self, path: Path) -> object:
        """A folder or a .drawbank."""
        ...

    def remove_bank(self, entry: BankEntry) -> object:
        """Off the list."""
        ...


class SettingsSheet(Sheet):
    """One page at a time; everything takes effect at once unless it says otherwise."""

    def __init__(
        self,
        parent: QWidget,
        desk: Desk,
        about: About,
        manager: Manager,
        set_theme: Callable[[str], object],
        build_bank: Callable[[], object],
    ) -> None:
        super().__init__(parent, "Settings", width=720, height=560)
        self._desk, self._machine, self._manager = desk, desk.machine, manager
        self._about_words = about
        self._set_theme, self._files = set_theme, FileDialogs(desk.settings)
        self._build_bank = build_bank
        self.tabs = QButtonGroup(self)
        row = QHBoxLayout()
        row.setSpacing(SPACE.l)
        self._pages = QStackedWidget()
        builders = (self._sound, self._midi, self._models, self._banks, self._appearance, self._about)
        for i, (name, build) in enumerate(zip(PAGES, builders, strict=True)):
            tab = button(name, "tab", checkable=True)
            self.tabs.addButton(tab, i)
            row.addWidget(tab)
            page = QWidget()
            column = QVBoxLayout(page)
            column.setContentsMargins(0, SPACE.s, 0, 0)
            column.setSpacing(SPACE.m)
            build(column)
            column.addStretch(1)
            self._pages.addWidget(page)
        row.addStretch(1)
        self.tabs.idClicked.connect(self._pages.setCurrentIndex)
        self.body.addLayout(row)
        self.body.addWidget(separator())
        self.body.addWidget(self._pages, 1)

    def open_at(self, page: str) -> None:
        place = PAGES.index(page) if page in PAGES else 0
        self.tabs.button(place).setChecked(True)
        self._pages.setCurrentIndex(place)
        self._manager.refresh()
        self.present()

    # -- sound ----------------------------------------------------------------------------------------

    def _sound(self, column: QVBoxLayout) -> None:
        transport = self._desk.transport
        self.device = Menu()
        self.device.setAccessibleName("Output device")
        self.device.activated.connect(
            lambda _: self._manager.choose_device(str(self.device.currentData() or ""))
        )
        again = button("Look again", "quiet")
        again.clicked.connect(lambda: self._manager.refresh())
        row = QHBoxLayout()
        row.addWidget(self.device, 1)
        row.addWidget(again)
        column.addWidget(label("OUTPUT DEVICE", "caption"))
        column.addLayout(row)
        self._output = label("", "small", wrap=True)
        column.addWidget(self._output)
        self.buffer = Menu()
        self.buffer.setAccessibleName("Output buffer")
        self.buffer.addItem("Auto: the smallest without a drop-out", 0)
        for size_ms in BUFFERS_MS:
            self.buffer.addItem(f"{size_ms} ms", size_ms)
        self.buffer.activated.connect(
            lambda _: self._manager.choose_buffer(int(self.buffer.currentData() or 0))
        )
        transport.buffer_ms.bind(
            lambda size_ms: self.buffer.setCurrentIndex(max(0, self.buffer.findData(size_ms)))
        )
        column.addWidget(label("BUFFER", "caption"))
        column.addWidget(self.buffer)
        column.addWidget(
            label(
                "The device keeps its own sample rate; Drawbar resamples. A limiter (\u22121 dB true peak) guards "
                "the monitor only: takes and exports are untouched.", "faint", wrap=True,
            )
        )  # fmt: skip
        for value, name in (
            (
                transport.twin,
                f"{PREPARE_BYPASS}: make the same take without the sliders beside it (costs speed)",
            ),
            (transport.match_loudness, "Equal loudness: Bypass and A/B are compared equally loud"),
        ):
            check = QCheckBox(name)
            check.toggled.connect(value.set)
            value.bind(check.setChecked)
            column.addWidget(check)
        transport.devices.bind(lambda _: self._fill_devices())
        transport.device.bind(lambda _: self._fill_devices())
        transport.readout.bind(
            lambda r: self._output.setText(
                f"Now: {r.output_name or 'opens with the first take'}"
                + (f", {r.buffer_ms} ms in its buffer" if r.buffer_ms else "")
            )
        )

    def _fill_devices(self) -> None:
        transport = self._desk.transport
        self.device.clear()
        self.device.addItem("The system's device", "")
        names = list(transport.devices.value)
        if transport.device.value and transport.device.value not in names:
            names.insert(0, transport.device.value)
        for name in names:
            gone = name not in transport.devices.value
            self.device.addItem(f"{name}  (not connected)" if gone else name, name)
        self.device.setCurrentIndex(max(0, self.device.findData(transport.device.value)))

    def _fill_clock(self) -> None:
        chosen = self._desk.settings["midi_clock_out"]
        self.clock_out.clear()
        self.clock_out.addItem("nowhere", "")
        for name in self._manager.clock_outputs():
            self.clock_out.addItem(name, name)
        self.clock_out.setCurrentIndex(max(0, self.clock_out.findData(chosen)))

    # -- MIDI -----------------------------------------------------------------------------------------

    def _midi(self, column: QVBoxLayout) -> None:
        machine, midi = self._machine, self._desk.midi
        self._midi_state = label("", "small", wrap=True)
        column.addWidget(self._midi_state)
        settings = self._desk.settings
        self.clock_in = QCheckBox("Follow MIDI clock: tempo, start, stop, continue and song position")
        self.clock_in.setChecked(bool(settings["midi_clock_in"]))
        self.clock_in.toggled.connect(lambda on: settings.set("midi_clock_in", on))
        self.clock_out = Menu()
        self.clock_out.setAccessibleName("Send MIDI clock to")
        self.clock_out.activated.connect(
            lambda _: self._manager.send_clock(str(self.clock_out.currentData() or ""))
        )
        clock = QHBoxLayout()
        clock.addWidget(self.clock_in, 1)
        clock.addWidget(label("Send MIDI clock to", "small"))
        clock.addWidget(self.clock_out)
        column.addLayout(clock)
        machine.midi_ports.bind(lambda _: self._fill_clock())
        self.osc = QCheckBox(f"Listen to OSC on this machine, port {settings['osc_port']} (docs/studio.md)")
        self.osc.setChecked(bool(settings["osc"]))
        self.osc.toggled.connect(self._manager.switch_osc)
        column.addWidget(self.osc)
        self._mappings = QGridLayout()
        self._mappings.setHorizontalSpacing(SPACE.s)
        self._mappings.setColumnStretch(0, 1)
        box = QWidget()
        box.setLayout(self._mappings)
        column.addWidget(label("MAPPINGS", "caption"))
        column.addWidget(box)
        self._target = Menu()
        for i in range(8):
            self._target.addItem(f"Slider {i + 1} of the bank", f"strip:{i}")
        for target, name in TARGETS.items():
            self._target.addItem(name, target)
        self._target.setAccessibleName("What to learn")
        learn = button("Learn", "", "Then move the control")
        learn.clicked.connect(lambda: midi.learn(str(self._target.currentData())))
        row = QHBoxLayout()
        row.addWidget(self._target, 1)
        row.addWidget(learn)
        column.addLayout(row)
        column.addWidget(
            label("Or right-click any slider, macro, Play, Bypass, A/B, morph or gain.", "faint", wrap=True)
        )
        midi.changed.connect(self._fill_mappings)
        for value in (machine.midi_ports, machine.midi_trouble, midi.activity, midi.learning, midi.bank):
            value.changed.connect(lambda _: self._say_midi())
        self._fill_mappings()
        self._say_midi()

    def _say_midi(self) -> None:
        machine, midi = self._machine, self._desk.midi
        if machine.midi_trouble.value:
            self._midi_state.setText(machine.midi_trouble.value)
            return
        ports = ", ".join(machine.midi_ports.value) or "no device is connected; plug one in at any time"
        words = f"Listening to: {ports}.   Bank {midi.bank.value + 1}."
        if midi.learning.value:
            words += "   Move a control to learn it; Esc gives up."
        elif midi.activity.value:
            words += f"   Last: {midi.activity.value}."
        self._midi_state.setText(words)

    def _fill_mappings(self) -> None:
        midi = self._desk.midi
        clear(self._mappings)
        if not midi.mapped:
            self._mappings.addWidget(label("Nothing is mapped yet.", "faint"), 0, 0)
        for row, mapped in enumerate(midi.mapped):
            self._mappings.addWidget(ElidedLabel(self._target_title(mapped.target), "soft"), row, 0)
            self._mappings.addWidget(label(mapped.control.title, "small"), row, 1)
            kind = Menu()
            kind.setStyleSheet("min-height: 24px; font-size: 11px;")
            for name in KINDS[:3] if mapped.control.kind != "note" else KINDS[3:]:
                kind.addItem(name, name)
            kind.setCurrentIndex(max(0, kind.findData(mapped.control.kind)))
            kind.activated.connect(lambda _, k=kind, t=mapped.target: midi.set_kind(t, str(k.currentData())))
            self._mappings.addWidget(kind, row, 2)
            away = tool_button("close", f"Forget the control of {mapped.target}", px=13)
            away.clicked.connect(lambda _=False, t=mapped.target: midi.forget(t))
            self._mappings.addWidget(away, row, 3)

    def _target_title(self, target: str) -> str:
        kind, _, rest = target.partition(":")
        if kind == "amount":
            rack = self._desk.rack
            return f"Slider {rack.strip(rest).feature.label or rest}" if rest in rack else f"Slider {rest}"
        if kind == "strip":
            return f"Slider {int(rest) + 1} of the bank"
        return f"Macro {rest}" if kind == "macro" else TARGETS.get(target, target)

    # -- models and banks -----------------------------------------------------------------------------

    def _models(self, column: QVBoxLayout) -> None:
        machine, manager = self._machine, self._manager
        memory = label("", "small", wrap=True)
        machine.memory.bind(memory.setText)
        column.addWidget(memory)
        self._model_rows = QVBoxLayout()
        self._model_rows.setSpacing(SPACE.s)
        column.addLayout(self._model_rows)
        add = button(
            "Add a folder \u2026", "", "A MusicGen checkpoint, in Hugging Face's or audiocraft's layout"
        )
        add.clicked.connect(lambda: self._folder(manager.add_model, "A model folder"))
        unload = button("Unload", "", "Give the memory back")
        unload.clicked.connect(lambda: manager.unload_model())
        row = QHBoxLayout()
        row.addWidget(add)
        row.addWidget(unload)
        row.addStretch(1)
        column.addLayout(row)
        column.addWidget(separator())
        column.addWidget(label("DOWNLOAD", "caption"))
        self.hub_name = QLineEdit("facebook/musicgen-small")
        self.hub_name.setAccessibleName("Name on the Hugging Face Hub")
        self.accept_licence = QCheckBox(
            "I accept CC-BY-NC-4.0: not for commercial use, and neither is what it makes"
        )
        self.accept_licence.setChecked("CC-BY-NC-4.0" in self._desk.settings["accepted_licences"])
        self.fetch = button("Download", "primary")
        self.fetch.setEnabled(self.accept_licence.isChecked())
        self.accept_licence.toggled.connect(self._accept)
        self.fetch.clicked.connect(lambda: manager.fetch_model(self.hub_name.text().strip()))
        row = QHBoxLayout()
        row.addWidget(self.hub_name, 1)
        row.addWidget(self.fetch)
        column.addLayout(row)
        column.addWidget(self.accept_licence)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar_words = label("", "small")
        cancel = button("Cancel", "quiet")
        cancel.clicked.connect(lambda: manager.cancel_fetch())
        self._fetching = QWidget()
        row = QHBoxLayout(self._fetching)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._bar, 1)
        row.addWidget(self._bar_words)
        row.addWidget(cancel)
        column.addWidget(self._fetching)
        machine.download.bind(self._show_fetch)
        machine.models.bind(self._fill_models)

    def _accept(self, on: bool) -> None:
        others = [name for name in self._desk.settings["accepted_licences"] if name != "CC-BY-NC-4.0"]
        self._desk.settings.set("accepted_licences", [*others, "CC-BY-NC-4.0"] if on else others)
        self.fetch.setEnabled(on and self._machine.download.value is None)

    def _show_fetch(self, state: tuple[str, float] | None) -> None:
        self._fetching.setVisible(state is not None)
        self.fetch.setEnabled(state is None and self.accept_licence.isChecked())
        if state is not None:
            words, share = state
            self._bar.setRange(0, 0 if share < 0 else 1000)
            self._bar.setValue(round(max(0.0, share) * 1000))
            self._bar_words.setText(words)

    def _fill_models(self, models: tuple[ModelEntry, ...]) -> None:
        clear(self._model_rows)
        for entry in models:
            row = QHBoxLayout()
            words = QVBoxLayout()
            words.setSpacing(0)
            words.addWidget(label(entry.title))
            words.addWidget(ElidedLabel(entry.words, "faint"))
            row.addLayout(words, 1)
            if entry.licence:
                row.addWidget(Tag(entry.licence, tone="warn" if "NC" in entry.licence else ""))
            use = button("Loaded" if entry.loaded else "Load", "quiet")
            use.setEnabled(not entry.loaded and not entry.trouble)
            use.setToolTip(plain(entry.trouble))
            use.clicked.connect(lambda _=False, e=entry: self._manager.load_model(e))
            row.addWidget(use)
            self._model_rows.addLayout(row)

    def _banks(self, column: QVBoxLayout) -> None:
        machine, manager = self._machine, self._manager
        column.addWidget(
            label("A bank belongs to one model; a bank of another model is refused.", "faint", wrap=True)
        )
        self._bank_rows = QVBoxLayout()
        self._bank_rows.setSpacing(SPACE.s)
        column.addLayout(self._bank_rows)
        row = QHBoxLayout()
        add = button("Add a bank folder \u2026")
        add.clicked.connect(lambda: self._folder(manager.add_bank, "A bank folder"))
        install = button("Install a .drawbank \u2026")
        install.clicked.connect(self._install)
        make = button("Build a bank \u2026", "", "From the loaded model's own takes, or from recordings")
        make.clicked.connect(lambda: self._build_bank())
        row.addWidget(add)
        row.addWidget(install)
        row.addWidget(make)
        row.addStretch(1)
        column.addLayout(row)
        machine.banks.bind(self._fill_banks)

    def _fill_banks(self, banks: tuple[BankEntry, ...]) -> None:
        clear(self._bank_rows)
        for entry in banks:
            row = QHBoxLayout()
            words = QVBoxLayout()
            words.setSpacing(0)
            words.addWidget(label(entry.title))
            words.addWidget(ElidedLabel(entry.words, "faint"))
            row.addLayout(words, 1)
            use = button("Open now" if not entry.open else "Open", "quiet")
            use.setEnabled(not entry.open and not entry.trouble)
            use.setToolTip(plain(entry.trouble))
            use.clicked.connect(lambda _=False, e=entry: self._manager.open_bank(e))
            row.addWidget(use)
            if not entry.embedded:
                away = tool_button("close", "Take it off the list; its files stay", px=13)
                away.clicked.connect(lambda _=False, e=entry: self._manager.remove_bank(e))
                row.addWidget(away)
            self._bank_rows.addLayout(row)

    def _install(self) -> None:
        path = self._files.open_file(self, "Install a bank", "Banks (*.drawbank)")
        if path is not None:
            self._manager.add_bank(path)

    def _folder(self, use: Callable[[Path], object], title: str) -> None:
        path = self._files.open_folder(self, title)
        if path is not None:
            use(path)

    # -- appearance and about -------------------------------------------------------------------------

    def _appearance(self, column: QVBoxLayout) -> None:
        settings = self._desk.settings
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE.l)
        grid.setVerticalSpacing(SPACE.m)
        grid.setColumnStretch(2, 1)
        self.theme, self.scale = Menu(), Menu()
        for name in THEMES:
            self.theme.addItem(name.capitalize(), name)
        for percent in SCALES:
            self.scale.addItem(f"{percent} %", percent)
        self.theme.setCurrentIndex(self.theme.findData(settings["theme"]))
        self.scale.setCurrentIndex(self.scale.findData(settings["scale_percent"]))
        self.theme.activated.connect(lambda _: self._set_theme(str(self.theme.currentData())))
        self.scale.activated.connect(lambda _: settings.set("scale_percent", int(self.scale.currentData())))
        self.author = QLineEdit(settings["author"])
        self.author.editingFinished.connect(
            lambda: settings.set("author", self.author.text().strip() or "me")
        )
        for row, (name, widget) in enumerate(
            (("Theme", self.theme), ("Size", self.scale), ("Your name on labels", self.author))
        ):
            widget.setAccessibleName(name)
            widget.setFixedWidth(200)
            grid.addWidget(label(name, "soft"), row, 0)
            grid.addWidget(widget, row, 1)
        column.addLayout(grid)
        column.addWidget(label("Another size takes effect at the next start.", "faint"))

    def _about(self, column: QVBoxLayout) -> None:
        about = self._about_words
        words = label(about.words, "soft", wrap=True)
        words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(words)
        if about.log_file is not None:
            log = label(f"Log: {about.log_file}", "faint", wrap=True)
            log.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            column.addWidget(log)
        text = QTextBrowser()
        text.setMarkdown(about.licences)
        text.setOpenExternalLinks(True)
        text.setMinimumHeight(260)
        text.setAccessibleName("Licences")
        column.addWidget(text, 1)
