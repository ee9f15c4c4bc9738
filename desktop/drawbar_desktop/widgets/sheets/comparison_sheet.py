"""Two features -> their pages side by side, and how alike their directions are."""

from PySide6.QtWidgets import QHBoxLayout, QWidget

from drawbar.errors import DrawbarError
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.library import Library
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import label
from drawbar_desktop.widgets.common.sheet import Sheet
from drawbar_desktop.widgets.side.inspector import Inspector


class ComparisonSheet(Sheet):
    """Each side is the page that the inspector shows; links on it go on in the inspector."""

    def __init__(self, parent: QWidget, desk: Desk, actions: Actions) -> None:
        super().__init__(parent, "Two features side by side", width=900, height=760)
        self._library = desk.library
        self.alike = label("", "soft", wrap=True)
        self.pages = tuple(Inspector(desk, actions, follows=False) for _ in range(2))
        both = QHBoxLayout()
        both.setSpacing(SPACE.m)
        for page in self.pages:
            page.setMinimumHeight(300)
            both.addWidget(page, 1)
        self.body.addWidget(self.alike)
        self.body.addLayout(both, 1)
        self.add_button("Close", self.dismiss, "primary")
        desk.library.opened.connect(self.dismiss_if_open)

    def compare(self, one: str, other: str) -> None:
        """Show both."""
        for page, id in zip(self.pages, (one, other), strict=True):
            page.show_feature(id)
        self.alike.setText(alike_words(self._library, one, other))
        self.present()

    def dismiss_if_open(self) -> None:
        """Another bank: these features are gone."""
        if self.isVisible():
            self.dismiss()


def alike_words(library: Library, one: str, other: str) -> str:
    """How near two directions are, in a sentence; says why where it cannot be said."""
    layers = [id.split("/", 1)[0] for id in (one, other)]
    if layers[0] != layers[1]:
        return f"Layers {layers[0]} and {layers[1]}: their directions stand in different spaces, so no angle is shown."
    try:
        rows = library.bank.vectors([one, other])["W_dec"] if library.bank is not None else None
    except DrawbarError:  # a slider made from examples has no row in the bank
        rows = None
    if rows is None:
        return "One of them is not in the bank's dictionary, so no angle is shown."
    first, second = (row / max(float((row @ row) ** 0.5), 1e-12) for row in rows)
    cosine = float(first @ second)
    meaning = (
        "nearly the same push" if cosine > 0.9 else "nearly opposite" if cosine < -0.9 else "different pushes"
    )
    return f"Cosine of their directions: {cosine:+.2f} ({meaning}).".replace("-", "\u2212")
