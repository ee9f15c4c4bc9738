"""A take -> what to export of it: format, stems, rate, where; remembers the last choice."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLineEdit, QWidget

from drawbar.live.takes.finishing import DEPTHS, RATES_HZ
from drawbar_desktop.state.export import FORMATS, TABLES, ExportChoice, ExportOffer
from drawbar_desktop.state.settings import Settings
from drawbar_desktop.state.transport import format_time
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.basics import Menu, button, label
from drawbar_desktop.widgets.common.file_dialogs import FileDialogs
from drawbar_desktop.widgets.common.sheet import Sheet

DEPTH_NAMES = {"16": "16 bit, dithered", "24": "24 bit", "32": "32 bit float"}
ABOUT = (
    "Prompt, seed, sliders and automation are written into the file and a JSON beside it: "
    "drop the file on Drawbar to restore them."
)


class ExportSheet(Sheet):
    """Asks; the application writes."""

    def __init__(self, parent: QWidget, settings: Settings, write: Callable[[ExportChoice], object]) -> None:
        super().__init__(parent, "Export", width=700)
        self._settings, self._write = settings, write
        self._files = FileDialogs(settings)
        self._about = label("", "small", wrap=True)
        self.path = QLineEdit()
        self.path.setAccessibleName("File")
        self.path.textChanged.connect(lambda _: self._forget())
        browse = button("Choose \u2026")
        browse.clicked.connect(self._browse)
        self.format = Menu()
        for ending, name in FORMATS.items():
            self.format.addItem(name, ending)
        self.format.setAccessibleName("Format")
        self.format.currentIndexChanged.connect(lambda _: self._set_ending())
        self.rate = Menu()
        for rate_hz in RATES_HZ:
            self.rate.addItem(f"{rate_hz / 1000:g} kHz" if rate_hz else "rate as generated", rate_hz)
        self.rate.setAccessibleName("Sample rate")
        self.bits = Menu()
        for bits in DEPTHS:
            self.bits.addItem(DEPTH_NAMES[bits], bits)
        self.bits.setAccessibleName("Word length")
        form = QHBoxLayout()
        for menu in (self.format, self.rate, self.bits):
            form.addWidget(menu, 1)
        self.loop = QCheckBox("Only the loop, so that it repeats without a seam")
        self.bars = QCheckBox("Whole bars: it begins on a bar line and ends on one")
        self.loop.toggled.connect(lambda on: self.bars.setChecked(False) if on else None)
        self.bars.toggled.connect(lambda on: self.loop.setChecked(False) if on else None)
        self.notes = QCheckBox("The notes that are heard in it, as a MIDI file")
        self.notes.setToolTip("Misses drums, bends and quiet notes. Needs the extra 'transcriber'")
        self.heat = QCheckBox("The activations of the heat-map, as a table")
        self.table = Menu()
        for name, title in TABLES.items():
            self.table.addItem(title, name)
        self.table.setAccessibleName("Format of the table")
        self.table.setToolTip("Parquet needs the extra 'cluster'")
        self.heat.toggled.connect(self.table.setEnabled)
        self.table.setEnabled(False)
        self.bypassed = QCheckBox("Also the bypassed take of the same seed, as a second stem")
        self.heard = QCheckBox("Level of the monitor gain (otherwise as generated)")
        self.note = label(ABOUT, "faint", wrap=True)
        self._offer: ExportOffer | None = None
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE.m)
        grid.setVerticalSpacing(SPACE.s)
        where = QHBoxLayout()
        where.addWidget(self.path, 1)
        where.addWidget(browse)
        grid.addWidget(label("File", "faint"), 0, 0)
        grid.addLayout(where, 0, 1)
        grid.addWidget(label("Format", "faint"), 1, 0)
        grid.addLayout(form, 1, 1)
        for row, check in enumerate(
            (self.loop, self.bars, self.bypassed, self.notes, self.heat, self.heard), 2
        ):
            if check is not self.heat:
                grid.addWidget(check, row, 1)
                continue
            table = QHBoxLayout()
            table.addWidget(check)
            table.addWidget(self.table)
            table.addStretch(1)
            grid.addLayout(table, row, 1)
        self.body.addWidget(self._about)
        self.body.addLayout(grid)
        self._replacing: ExportChoice | None = None
        """What was asked about: another name asks again."""
        self._exists = label("", "alarm", wrap=True)
        self.body.addWidget(self._exists)
        self.body.addWidget(self.note)
        self.body.addStretch(1)
        tip = "The take as a line for a terminal"
        self.command = self.add_button("Copy as a command", self._copy_command, "quiet", tip)
        self.add_button("Cancel", self.dismiss, "quiet")
        self.go = self.add_button("Export", self._export, "primary")

    def ask(self, offer: ExportOffer) -> None:
        ending = self._settings["export_format"]
        place = list(FORMATS).index(ending) if ending in FORMATS else 0
        self.format.setCurrentIndex(place)
        first = ExportChoice(
            self._files.folder / f"{offer.name}.{list(FORMATS)[place]}", list(FORMATS)[place]
        )
        self.path.setText(str(first.numbered().files[0]))
        self.note.setText(ABOUT)
        self._about.setText(f"{offer.about}   \u00b7   {format_time(offer.seconds)}")
        self._offer = offer
        self.rate.setCurrentIndex(max(0, self.rate.findData(self._settings["export_rate_hz"])))
        self.bits.setCurrentIndex(max(0, self.bits.findData(self._settings["export_depth"])))
        for check, there in (
            (self.bypassed, offer.has_twin), (self.loop, offer.loop is not None),
            (self.bars, offer.grid is not None), (self.notes, offer.notes),
        ):  # fmt: skip
            check.setEnabled(there)
            check.setChecked(False)
        self._forget()
        self.present()

    def _forget(self) -> None:
        self._replacing = None
        self._exists.hide()
        self.go.setText("Export")

    def choice(self) -> ExportChoice:
        ending = str(self.format.currentData())
        offer = self._offer
        return ExportChoice(
            Path(self.path.text()).expanduser(),
            ending,
            self.bypassed.isChecked(),
            self.heard.isChecked(),
            int(self.rate.currentData()),
            str(self.bits.currentData()),
            offer.loop if offer is not None and self.loop.isChecked() else None,
            offer.grid if offer is not None and self.bars.isChecked() else None,
            self.notes.isChecked(),
            self.heat.isChecked(),
            str(self.table.currentData()),
        )

    def _copy_command(self) -> None:
        if self._offer is not None:
            QGuiApplication.clipboard().setText(self._offer.command)
            missing = self._offer.untold
            self.note.setText(
                f"Copied: {self._offer.command}" + (f"\nIt cannot say: {missing}." if missing else "")
            )

    def _set_ending(self) -> None:
        path = Path(self.path.text() or "take")
        self.path.setText(str(path.with_suffix(f".{self.format.currentData()}")))

    def _browse(self) -> None:
        chosen = self._files.save_file(
            self, "Export the take", self.path.text(), "Sound (*.wav *.flac *.ogg)"
        )
        if chosen is not None:
            if chosen.suffix.lower().lstrip(".") in FORMATS:
                self.format.setCurrentIndex(list(FORMATS).index(chosen.suffix.lower().lstrip(".")))
            self.path.setText(str(chosen))

    def _export(self) -> None:
        choice = self.choice()
        there = [path for path in choice.files if path.exists()]
        if there and self._replacing != choice:
            self._replacing = choice
            self._exists.setText(f"{', '.join(path.name for path in there)}: there already. Replace?")
            self._exists.show()
            self.go.setText("Replace")
            return
        self._settings.set("export_format", choice.ending)
        self._settings.set("export_rate_hz", choice.rate_hz)
        self._settings.set("export_depth", choice.depth)
        self._files.note(choice.path)
        self.dismiss()
        self._write(choice)
