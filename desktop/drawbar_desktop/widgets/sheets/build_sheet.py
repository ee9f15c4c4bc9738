"""The state of a build -> a card: what to build from, what it would take, how far it is, pause and go on."""

from pathlib import Path
from typing import Any, Protocol

from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QRadioButton,
    QSpinBox,
    QWidget,
)

from drawbar.errors import BadInputError
from drawbar_desktop.state.building import MOST_TAKES, Building, Order
from drawbar_desktop.state.observable import Value
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.basics import ElidedLabel, button, label, plain
from drawbar_desktop.widgets.common.file_dialogs import FileDialogs
from drawbar_desktop.widgets.common.sheet import Sheet


class BuilderLike(Protocol):
    """What builds."""

    @property
    def state(self) -> Building: ...

    def order(self, corpus: str, layers: str, name: str) -> Order: ...

    def plan(self, order: Order) -> object: ...

    def begin(self, order: Order) -> object: ...

    def go_on(self) -> object: ...

    def pause(self) -> object: ...

    def forget(self) -> object: ...


class BuildSheet(Sheet):
    """One screen of planning before anything starts; then how far it is."""

    def __init__(self, parent: QWidget, builder: BuilderLike, files: FileDialogs) -> None:
        super().__init__(parent, "Build a bank", width=640, height=520)
        self._builder, self._state, self._files = builder, builder.state, files
        self._folder: Path | None = None
        self.body.addWidget(
            label(
                "A bank is what the loaded model knows, as sliders: takes or recordings are read by the model, "
                "features are found, named and written down. It runs beside the music at a low priority and "
                "can be paused at any moment; of several layers the first can be played while the others are made.",
                "small",
                wrap=True,
            )
        )
        self.own = QRadioButton("Takes that the model plays itself")
        self.own.setChecked(True)
        self.recorded = QRadioButton("Recordings in a folder")
        group = QButtonGroup(self)
        for one in (self.own, self.recorded):
            group.addButton(one)
            one.toggled.connect(lambda _: self._changed())
        self.takes = QSpinBox()
        self.takes.setRange(1, MOST_TAKES)
        self.takes.setValue(200)
        self.takes.setAccessibleName("How many takes")
        self.takes.valueChanged.connect(lambda _: self._changed())
        self.place = ElidedLabel("", "faint")
        self.browse = button("Choose \u2026", "quiet")
        self.browse.clicked.connect(self._choose)
        self.layers, self.name = QLineEdit(), QLineEdit()
        self.layers.setPlaceholderText("the middle one; or 2, 4")
        self.layers.setToolTip(plain("Counted from 0; each takes its time and its disk"))
        self.name.setPlaceholderText("the model's name")
        self.name.setMaxLength(60)
        for field in (self.layers, self.name):
            field.textChanged.connect(lambda _: self._changed())
        self._row(self.own, self.takes)
        self._row(self.recorded, self.place, self.browse)
        self._row(label("Layers", "faint"), self.layers)
        self._row(label("Name", "faint"), self.name)
        self.layers.setAccessibleName("Layers")
        self.name.setAccessibleName("Name of the bank")
        self.words = label("", "small", wrap=True)
        self.body.addWidget(self.words)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.body.addWidget(self.bar)
        self.body.addStretch(1)
        self.forget = self.add_button("Give it up", builder.forget, "quiet")
        self.ask = self.add_button("What would it take?", self._plan)
        self.go = self.add_button("Build", self._go, "primary")
        state = self._state
        watched: tuple[Value[Any], ...] = (
            state.order, state.phase, state.progress, state.plan, state.trouble, state.have,
        )  # fmt: skip
        for value in watched:
            value.changed.connect(lambda _: self._follow())
        self._follow()

    def _row(self, *widgets: QWidget) -> None:
        row = QHBoxLayout()
        row.setSpacing(SPACE.s)
        for widget in widgets:
            row.addWidget(widget, 1 if isinstance(widget, (QLineEdit, ElidedLabel)) else 0)
        if not any(isinstance(widget, (QLineEdit, ElidedLabel)) for widget in widgets):
            row.addStretch(1)
        self.body.addLayout(row)

    def _choose(self) -> None:
        folder = self._files.open_folder(self, "A folder of recordings")
        if folder is not None:
            self._folder = folder
            self.place.setText(str(folder))
            self.recorded.setChecked(True)
            self._changed()

    def _ordered(self) -> Order | None:
        """What the fields say; what is wrong with them is said."""
        corpus = f"self:{self.takes.value()}" if self.own.isChecked() else str(self._folder or "")
        try:
            return self._builder.order(corpus, self.layers.text(), self.name.text())
        except BadInputError as error:
            self._state.trouble.set(str(error))
            return None

    def _changed(self) -> None:
        """Another order: what was said of the one before holds no more."""
        self._state.plan.set("")
        self._state.trouble.set("")

    def _plan(self) -> None:
        if (order := self._ordered()) is not None:
            self._builder.plan(order)

    def _go(self) -> None:
        phase = self._state.phase.value
        if phase == "running":
            self._builder.pause()
        elif phase == "paused":
            self._builder.go_on()
        elif (order := self._ordered()) is not None:
            self._builder.begin(order)

    def _follow(self) -> None:
        state, phase = self._state, self._state.phase.value
        order = state.order.value
        for widget in (self.own, self.recorded, self.takes, self.browse, self.layers, self.name):
            widget.setEnabled(phase == "none")
        what, share = state.progress.value
        self.bar.setVisible(phase == "running")
        self.bar.setRange(0, 0 if share < 0 else 1000)
        self.bar.setValue(max(0, round(1000 * share)))
        now = (
            f"{order.words}: {'paused' if phase == 'paused' else what}"
            if order is not None
            else state.plan.value
        )
        self.words.setText("\n".join(filter(None, (state.have.value, now, state.trouble.value))))
        self.words.setAccessibleName(self.words.text())
        self.forget.setVisible(phase == "paused")
        self.ask.setVisible(phase == "none")
        self.go.setText({"none": "Build", "running": "Pause", "paused": "Go on"}[phase])
