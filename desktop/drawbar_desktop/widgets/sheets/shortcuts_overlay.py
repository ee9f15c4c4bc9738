"""The card that lists every key and gesture; the question mark opens it."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.basics import Tag, label
from drawbar_desktop.widgets.common.sheet import Sheet

SHORTCUTS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("PLAYING", (
        ("Space", "Play or pause what is shown"),
        ("Shift+Space", "New take; Enter in the prompt"),
        (".   V", "End the take; four variations"),
        ("B", "Bypass: the same take without the sliders"),
        ("A", "Slot A or B"),
        ("D", "Randomise the unlocked sliders"),
        ("L", "Loop on or off"),
        ("Ctrl+R", "Another seed"),
        ("Ctrl+O, Ctrl+S", "Open audio; export"),
    )),
    ("SLIDERS", (
        ("Drag, wheel, \u2191 \u2193", "Move; with Shift in fine steps"),
        ("Double-click, Ctrl-click, 0", "Back to zero"),
        ("Click the number", "Type an amount"),
        ("Page \u2191 \u2193, Home, End", "In large steps; to the ends"),
        ("Right-click", "MIDI learn; more"),
        ("Ctrl+Z, Ctrl+Shift+Z", "Undo, redo"),
    )),
    ("FINDING", (
        ("/", "Search features"),
        ("\u2193, then Enter", "Into the list; add to the rack"),
        ("P, F in a list", "Play the example; star"),
        ("Ctrl+1 2 3", "Feature, Hearing, Takes"),
        ("Enter, R in takes", "Play a take; restore its settings"),
        ("Ctrl+B", "Blind listening test"),
    )),
    ("TIMELINE", (
        ("Click", "Play from here (finished takes)"),
        ("Drag", "Choose a loop; draw in a lane"),
        ("Wheel, + \u2212", "Zoom; with Shift scroll"),
        ("Right-click", "Continue from here; pin a row; delete a point"),
        ("F7 F8 F9", "Fold features, side panel, timeline"),
        ("Ctrl+,   ?   F11", "Settings; this card; full screen"),
    )),
)  # fmt: skip


class ShortcutsOverlay(Sheet):
    """Any key closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Keys and gestures", width=860)
        columns = QHBoxLayout()
        columns.setSpacing(SPACE.xl)
        for half in (SHORTCUTS[:2], SHORTCUTS[2:]):
            column = QVBoxLayout()
            column.setSpacing(SPACE.s)
            for name, rows in half:
                column.addWidget(label(name, "caption"))
                grid = QGridLayout()
                grid.setHorizontalSpacing(SPACE.m)
                grid.setVerticalSpacing(6)
                grid.setColumnStretch(1, 1)
                for row, (keys, meaning) in enumerate(rows):
                    grid.addWidget(Tag(keys), row, 0, Qt.AlignmentFlag.AlignRight)
                    grid.addWidget(label(meaning, "soft"), row, 1)
                column.addLayout(grid)
                column.addSpacing(SPACE.s)
            column.addStretch(1)
            columns.addLayout(column)
        self.body.addLayout(columns)

    def toggle(self) -> None:
        if self.isVisible():
            self.dismiss()
        else:
            self.present()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self.dismiss()
