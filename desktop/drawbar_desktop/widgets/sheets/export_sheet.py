"""A take -> what to export of it: format, stems, rate, where; remembers the last choice."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLineEdit, QWidget

from drawbar_desktop.state.export import FORMATS, ExportChoice, ExportOffer
from drawbar_desktop.state.settings import Settings
from drawbar_desktop.state.transport import format_time
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.basics import Menu, button, label
from drawbar_desktop.widgets.common.file_dialogs import FileDialogs
from drawbar_desktop.widgets.common.sheet import Sheet


class ExportSheet(Sheet):
    """Asks; the application writes."""

    def __init__(self, parent: QWidget, settings: Settings, write: Callable[[ExportChoice], object]) -> None:
        super().__init__(parent, "Export", width=600)
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
        self.bypassed = QCheckBox("Also the bypassed take of the same seed, as a second stem")
        self.heard = QCheckBox("Level of the monitor gain (otherwise as generated)")
        self.note = label(
            "Prompt, seed, sliders and automation are written into the file and a JSON beside it: "
            "drop the file on Drawbar to restore them.", "faint", wrap=True,
        )  # fmt: skip
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE.m)
        grid.setVerticalSpacing(SPACE.s)
        where = QHBoxLayout()
        where.addWidget(self.path, 1)
        where.addWidget(browse)
        grid.addWidget(label("File", "faint"), 0, 0)
        grid.addLayout(where, 0, 1)
        grid.addWidget(label("Format", "faint"), 1, 0)
        grid.addWidget(self.format, 1, 1)
        grid.addWidget(self.bypassed, 2, 1)
        grid.addWidget(self.heard, 3, 1)
        self.body.addWidget(self._about)
        self.body.addLayout(grid)
        self._replacing: ExportChoice | None = None
        """What was asked about: another name asks again."""
        self._exists = label("", "alarm", wrap=True)
        self.body.addWidget(self._exists)
        self.body.addWidget(self.note)
        self.body.addStretch(1)
        self.add_button("Cancel", self.dismiss, "quiet")
        self.go = self.add_button("Export", self._export, "primary")

    def ask(self, offer: ExportOffer) -> None:
        ending = self._settings["export_format"]
        place = list(FORMATS).index(ending) if ending in FORMATS else 0
        self.format.setCurrentIndex(place)
        self.path.setText(str(self._files.folder / f"{offer.name}.{list(FORMATS)[place]}"))
        self._about.setText(f"{offer.about}   \u00b7   {format_time(offer.seconds)}")
        self.bypassed.setEnabled(offer.has_twin)
        self.bypassed.setChecked(False)
        self._forget()
        self.present()

    def _forget(self) -> None:
        self._replacing = None
        self._exists.hide()
        self.go.setText("Export")

    def choice(self) -> ExportChoice:
        ending = str(self.format.currentData())
        return ExportChoice(
            Path(self.path.text()).expanduser(), ending, self.bypassed.isChecked(), self.heard.isChecked()
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
        self._files.note(choice.path)
        self.dismiss()
        self._write(choice)
