"""The fold with guidance, temperature, top-k, bypass and loudness match."""

from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QVBoxLayout, QWidget

from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.observable import Value
from drawbar_desktop.state.transport import PREPARE_BYPASS
from drawbar_desktop.style.theme import SPACE
from drawbar_desktop.widgets.common.basics import button, label, number_box, plain
from drawbar_desktop.widgets.common.wrap_row import WrapRow


class AdvancedFold(QFrame):
    """Closed by default; what it says is used by the next take."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        t = desk.transport
        self.setObjectName("group")
        self.guidance = number_box(3.0, 0, 20, 0.1, "Guidance: how closely the prompt is followed", 1)
        self.temperature = number_box(1.0, 0, 5, 0.05, "Temperature: 0 always takes the likeliest", 2)
        self.top_k = number_box(250, 0, 4096, 10, "Top-k: from how many candidates is drawn; 0 = all", 0)
        self.twin = self._check(
            t.twin,
            PREPARE_BYPASS,
            "Costs speed from the first move of a slider on. Off: Bypass lets go of the sliders",
        )
        self.match = self._check(
            t.match_loudness, "Equal loudness", "Bypass and A/B are compared equally loud (ITU-R BS.1770)"
        )
        reset = button("Defaults", "quiet", "Guidance 3, temperature 1, top-k 250")
        reset.clicked.connect(lambda: (t.guidance.set(3.0), t.temperature.set(1.0), t.top_k.set(250)))
        fields = []
        for name, box in (
            ("Guidance", self.guidance), ("Temperature", self.temperature), ("Top-k", self.top_k),
        ):  # fmt: skip
            box.setFixedWidth(72)
            field = QWidget()
            line = QHBoxLayout(field)
            line.setContentsMargins(0, 0, SPACE.s, 0)
            line.addWidget(label(name, "small"))
            line.addWidget(box)
            fields.append(field)
        row = QVBoxLayout(self)
        row.setContentsMargins(SPACE.m, 4, SPACE.m, 4)
        row.addWidget(WrapRow((*fields, self.twin, self.match), (reset,)))
        self.guidance.valueChanged.connect(lambda v: t.guidance.set(round(v, 2)))
        self.temperature.valueChanged.connect(lambda v: t.temperature.set(round(v, 2)))
        self.top_k.valueChanged.connect(lambda v: t.top_k.set(round(v)))
        t.guidance.bind(self.guidance.setValue)
        t.temperature.bind(self.temperature.setValue)
        t.top_k.bind(self.top_k.setValue)
        self.hide()

    def _check(self, value: Value[bool], name: str, tip: str) -> QCheckBox:
        check = QCheckBox(name)
        check.setToolTip(plain(tip))
        check.toggled.connect(value.set)
        value.bind(check.setChecked)
        return check
