"""The selected feature -> its page: labels, figures, histogram, correlations, neighbours, examples."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from drawbar_desktop.state.library import Library
from drawbar_desktop.state.rack import Rack, feature_title
from drawbar_desktop.theme import SPACE
from drawbar_desktop.widgets.empty_state import EmptyState
from drawbar_desktop.widgets.histogram import Histogram, Sparkline
from drawbar_desktop.widgets.meters import ScoreBar
from drawbar_desktop.widgets.parts import ElidedLabel, Tag, label, separator, tool_button

__all__ = ["Inspector"]

CORRELATIONS, NEIGHBOURS, EXAMPLES = 6, 5, 6
BIN_TITLES = {"top": "strongest", "q75": "upper", "q50": "middle", "q25": "lower", "silent": "silent"}


class Inspector(QFrame):
    """Follows `library.selected`; asks the bank for one page at a time."""

    def __init__(
        self,
        library: Library,
        rack: Rack,
        add: Callable[[str], object],
        title_of: Callable[[str], str],
        listen: Callable[[Any], object],
    ) -> None:
        super().__init__()
        self._library, self._rack, self._add = library, rack, add
        self._title_of, self._listen = title_of, listen
        self._add_button: QPushButton | None = None
        self._shown: str | None = None
        self.setObjectName("panel")
        head = QHBoxLayout()
        head.setContentsMargins(SPACE.m, SPACE.s + 2, SPACE.m, 0)
        head.addWidget(label("Inspector", "heading"))
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._pages = QStackedWidget()
        self._pages.addWidget(
            EmptyState(
                "card-search-outline",
                "What is this feature?",
                "Select one to see who named it, when it fires and what it resembles.",
            )
        )
        self._pages.addWidget(self._scroll)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, SPACE.xs)
        column.setSpacing(SPACE.xs)
        column.addLayout(head)
        column.addWidget(self._pages, 1)
        library.selected.bind(self.show_feature)
        rack.layout_changed.connect(self._show_in_rack)

    def show_feature(self, id: str | None) -> None:
        """Build the page of a feature, or the empty state."""
        bank = self._library.bank
        self._shown = id if bank else None
        if id is None or bank is None:
            self._pages.setCurrentIndex(0)
            return
        feature = bank.feature(id)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(SPACE.m, SPACE.xs, SPACE.m, SPACE.m)
        column.setSpacing(SPACE.s)
        self._head(column, feature)
        self._labels(column, feature)
        self._figures(column, feature)
        self._correlations(column, feature)
        self._examples(column, feature)
        self._neighbours(column, feature)
        column.addStretch(1)
        self._scroll.setWidget(page)
        self._pages.setCurrentIndex(1)
        self._show_in_rack()

    def title(self) -> str:
        """What the shown page is about; empty when there is none."""
        bank = self._library.bank
        return feature_title(bank.feature(self._shown).row) if bank and self._shown else ""

    # -- sections -------------------------------------------------------------------------------------

    def _head(self, column: QVBoxLayout, feature: Any) -> None:
        column.addWidget(label(feature_title(feature.row), "featureTitle", wrap=True))
        tags = QHBoxLayout()
        tags.setSpacing(SPACE.xs)
        tags.addWidget(Tag(f"Layer {feature.row.layer}"))
        tags.addWidget(Tag(feature.row.id, tip="Layer / number"))
        verdict = feature.row.verdict or "untested"
        tags.addWidget(Tag(verdict, accent=verdict == "proven"))
        kind = feature.temporal.get("type")
        if kind:
            tags.addWidget(Tag(str(kind), tip="How it fires over time"))
        tags.addStretch(1)
        column.addLayout(tags)
        self._add_button = QPushButton("Add to rack")
        self._add_button.setObjectName("primary")
        self._add_button.clicked.connect(lambda: self._add(feature.row.id))
        column.addWidget(self._add_button)

    def _labels(self, column: QVBoxLayout, feature: Any) -> None:
        column.addWidget(_section("LABELS"))
        if not feature.labels:
            column.addWidget(label("Nobody has named this feature yet.", "small", wrap=True))
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE.s)
        grid.setVerticalSpacing(SPACE.xs)
        grid.setColumnStretch(0, 1)
        for row, one in enumerate(feature.labels[:6]):
            grid.addWidget(ElidedLabel(one.text, "soft"), row, 0)
            grid.addWidget(label(one.author, "faint"), row, 1)
            score = label("" if one.score is None else f"{one.score:.2f}", "small")
            score.setToolTip(f"{one.method}: how well the label predicts the activation on held-out clips")
            grid.addWidget(score, row, 2)
        column.addLayout(grid)

    def _figures(self, column: QVBoxLayout, feature: Any) -> None:
        column.addWidget(_section("WHEN IT FIRES"))
        column.addWidget(
            label(
                f"{feature.density:.2%} of frames, in {feature.clip_density:.0%} of clips", "small", wrap=True
            )
        )
        if feature.histogram.counts:
            column.addWidget(
                Histogram(feature.histogram.edges, feature.histogram.counts, feature.quantiles.p99)
            )
        if feature.usable_range:
            low, high = feature.usable_range
            text = f"Usable from {low:+.1f} to {high:+.1f}".replace("-", "\u2212")
            column.addWidget(label(text, "small"))

    def _correlations(self, column: QVBoxLayout, feature: Any) -> None:
        if not feature.correlations:
            return
        column.addWidget(_section("MOVES WITH"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE.s)
        grid.setVerticalSpacing(SPACE.xs)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        strongest = sorted(feature.correlations.items(), key=lambda item: -abs(item[1]))[:CORRELATIONS]
        for row, (name, value) in enumerate(strongest):
            grid.addWidget(ElidedLabel(_words(name), "soft"), row, 0)
            grid.addWidget(ScoreBar(value, signed=True), row, 1)
            grid.addWidget(label(f"{value:+.2f}".replace("-", "\u2212"), "small"), row, 2)
        column.addLayout(grid)

    def _examples(self, column: QVBoxLayout, feature: Any) -> None:
        bank = self._library.bank
        examples = list(bank.examples(feature.row.id))[:EXAMPLES] if bank else []
        if not examples:
            return
        column.addWidget(_section("EXAMPLES"))
        for example in examples:
            row = QHBoxLayout()
            row.setSpacing(SPACE.s)
            play = tool_button("play-circle-outline", f"Play this example of {example.clip}", px=20)
            play.clicked.connect(lambda _=False, e=example: self._listen(e))
            row.addWidget(play)
            row.addWidget(Sparkline(example.activations), 1)
            row.addWidget(label(BIN_TITLES.get(example.bin, example.bin), "faint"))
            column.addLayout(row)

    def _neighbours(self, column: QVBoxLayout, feature: Any) -> None:
        if not feature.neighbours:
            return
        column.addWidget(_section("RESEMBLES"))
        for id, cosine in feature.neighbours[:NEIGHBOURS]:
            row = QHBoxLayout()
            name = QPushButton(self._title_of(id))
            name.setObjectName("link")
            name.setToolTip(f"Show {id}")
            name.clicked.connect(lambda _=False, other=id: self._library.selected.set(other))
            row.addWidget(name)
            row.addStretch(1)
            row.addWidget(label(f"{cosine:.2f}", "faint"))
            column.addLayout(row)

    def _show_in_rack(self) -> None:
        if self._add_button is not None and self._shown is not None:
            inside = self._shown in self._rack
            self._add_button.setEnabled(not inside)
            self._add_button.setText("In the rack" if inside else "Add to rack")


def _section(text: str) -> QWidget:
    box = QWidget()
    column = QVBoxLayout(box)
    column.setContentsMargins(0, SPACE.s, 0, 0)
    column.setSpacing(6)
    column.addWidget(separator())
    column.addWidget(label(text, "caption"))
    return box


def _words(name: str) -> str:
    for unit in ("_hz", "_db", "_s"):
        name = name.removesuffix(unit)
    return name.replace("_", " ").replace(":", ": ")
