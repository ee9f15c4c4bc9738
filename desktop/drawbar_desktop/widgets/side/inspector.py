"""The selected feature -> its page: labels, evidence, figures, histogram, examples, neighbours, caveats."""

from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from drawbar.bank.duplicates import group_of
from drawbar.bank.links import link_of
from drawbar.bank.records import Feature, Label
from drawbar.errors import DrawbarError
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.evidence import Card, caveats, marks_of, read_card, sentences
from drawbar_desktop.state.rack import feature_title
from drawbar_desktop.state.slider_making import is_mine
from drawbar_desktop.style.theme import SPACE, P, icon
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import (
    ElidedLabel,
    Item,
    Sign,
    Tag,
    button,
    label,
    plain,
    popup,
    separator,
    tool_button,
)
from drawbar_desktop.widgets.common.empty_state import EmptyState
from drawbar_desktop.widgets.common.histogram import Histogram, Sparkline
from drawbar_desktop.widgets.common.meters import ScoreBar
from drawbar_desktop.widgets.common.verdicts import VERDICTS, tick_of
from drawbar_desktop.widgets.side.dose_plot import DosePlot

CORRELATIONS, NEIGHBOURS, EXAMPLES, SIDE_EFFECTS = 6, 6, 10, 5
BIN_TITLES = {
    "top": "strongest",
    "q75": "upper",
    "q50": "middle",
    "q25": "lower",
    "silent": "silent",
}
TONES = {"proven": "good", "harmful": "warn", "weak": "accent"}


class Inspector(QStackedWidget):
    """Follows `library.selected`, unless told not to; asks the bank for one page at a time."""

    def __init__(self, desk: Desk, actions: Actions, *, follows: bool = True) -> None:
        """``follows`` off: it shows what `show_feature` is told."""
        super().__init__()
        self._desk, self._actions = desk, actions
        self._before: str | None = None
        """What was shown before."""
        self._library, self._rack = desk.library, desk.rack
        self._add_button: QPushButton | None = None
        self._shown: str | None = None
        self.label_field: QLineEdit | None = None
        self.sections: list[str] = []
        """Headings of the page, in order."""
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.addWidget(
            EmptyState(
                "card-search-outline",
                "What is this feature?",
                "Select one to see who named it, when it fires, what it resembles, and what is proven.",
            )
        )
        self.addWidget(self._scroll)
        if follows:
            self._library.selected.bind(self.show_feature)
        self._library.edited.connect(lambda id: self.show_feature(id) if id == self._shown else None)
        desk.votes.changed.connect(lambda id: self.show_feature(id) if id == self._shown else None)
        self._rack.layout_changed.connect(self._show_in_rack)

    def show_feature(self, id: str | None) -> None:
        """Build the page of a feature, or the empty state."""
        bank = self._library.bank
        again = id is not None and id == self._shown
        place = self._scroll.verticalScrollBar().value() if again else 0
        self._before = self._before if again else self._shown
        self._shown = id if bank else None
        if id is None or bank is None:
            self.setCurrentIndex(0)
            return
        try:
            feature = bank.feature(id)
        except DrawbarError:
            self._shown = None
            self.setCurrentIndex(0)
            return
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(SPACE.m, SPACE.s, SPACE.m, SPACE.m)
        column.setSpacing(SPACE.s)
        self.sections = []
        card = read_card(feature.evidence)
        self._head(column, feature)
        if is_mine(feature.row.id):
            self._made_from(column, feature)
        else:
            self._examples(column, feature)
            self._labels(column, feature)
        self._proof = QWidget()
        behind = QVBoxLayout(self._proof)
        behind.setContentsMargins(0, 0, 0, 0)
        behind.setSpacing(SPACE.s)
        self._fold(column, feature)
        self._evidence(behind, feature, card)
        if not is_mine(feature.row.id):
            self._twins(behind, feature)
            self._figures(behind, feature)
            self._correlations(behind, feature)
            self._neighbours(behind, feature)
        self._caveats(behind, feature, card)
        column.addWidget(self._proof)
        column.addStretch(1)
        self._scroll.setWidget(page)
        self.setCurrentIndex(1)
        self._show_in_rack()
        self._scroll.verticalScrollBar().setValue(place)

    def title(self) -> str:
        """What the shown page is about; empty when there is none."""
        bank = self._library.bank
        return feature_title(bank.feature(self._shown).row) if bank and self._shown else ""

    # -- sections -------------------------------------------------------------------------------------

    def _section(self, column: QVBoxLayout, text: str) -> None:
        self.sections.append(text)
        column.addSpacing(SPACE.xs)
        column.addWidget(separator())
        column.addWidget(label(text, "caption"))

    def _fold(self, column: QVBoxLayout, feature: Feature) -> None:
        """The button that shows numbers, layers and statistics; it stays as it was left."""
        column.addWidget(separator())
        self.evidence = button(
            "Evidence", "quiet", "Proof, layer, judge, figures and caveats", picture="flask-outline"
        )
        self.evidence.setCheckable(True)
        self.evidence.toggled.connect(self._show_proof)
        self.evidence.setChecked(bool(self._desk.settings["evidence_open"]))
        self._proof.setVisible(self.evidence.isChecked())
        column.addWidget(self.evidence, 0, Qt.AlignmentFlag.AlignLeft)

    def _show_proof(self, on: bool) -> None:
        self._desk.settings.set("evidence_open", on)
        self._proof.setVisible(on)

    def _head(self, column: QVBoxLayout, feature: Feature) -> None:
        row = feature.row
        head = QHBoxLayout()
        head.addWidget(label(feature_title(row), "featureTitle", wrap=True), 1)
        star = tool_button("star" if row.starred else "star-outline", "Star", checkable=True, px=18)
        star.setChecked(row.starred)
        star.clicked.connect(lambda on: self._library.star(row.id, on))
        hide = tool_button(
            "eye-outline" if feature.hidden else "eye-off-outline", "Hide from the list", px=17
        )
        hide.clicked.connect(lambda: self._library.hide(row.id, not feature.hidden))
        copy = tool_button("link-variant", f"Copy the id or a link: {row.id}", px=17)
        copy.clicked.connect(lambda: self._copy_menu(copy, row.id))
        compare = tool_button("compare", "Side by side with \u2026", px=17)
        compare.clicked.connect(lambda: popup(compare, self.compare_menu(feature)))
        head.addWidget(compare, 0, Qt.AlignmentFlag.AlignTop)
        head.addWidget(copy, 0, Qt.AlignmentFlag.AlignTop)
        if not is_mine(row.id):
            head.addWidget(star, 0, Qt.AlignmentFlag.AlignTop)
            head.addWidget(hide, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(head)
        verdict = row.verdict or "untested"
        sign, tone, words = tick_of(verdict, feature.usable_range)
        told = QHBoxLayout()
        told.setSpacing(SPACE.xs)
        told.addWidget(Sign(sign, getattr(P, tone), 16))
        told.addWidget(label(words, "small", wrap=True), 1)
        column.addLayout(told)
        if feature.usable_range is not None:
            safe = "Safe from {:+.2g} to {:+.2g}".format(*feature.usable_range).replace("-", "\u2212")
            column.addWidget(label(safe, "small"))
        self._add_button = button("Add to rack", "primary")
        self._add_button.clicked.connect(lambda: self._actions.add(row.id))
        column.addWidget(self._add_button)

    def compare_menu(self, feature: Feature) -> list[Item]:
        """With what a feature can be seen side by side: the one before, the rack's, what resembles it."""
        id = feature.row.id
        near = [other for other, _ in feature.neighbours[:NEIGHBOURS]]
        others = dict.fromkeys((*([self._before] if self._before else []), *self._rack.ids(), *near))
        titles = [(other, self._actions.title_of(other)) for other in others if other != id]
        items: list[Item] = [
            (f"{title}   {other}", partial(self._actions.compare_features, id, other))
            for other, title in titles
        ]
        return items or [("Show another feature first", lambda: None)]

    def _copy_menu(self, place: QWidget, id: str) -> None:
        """What others need to find the feature: the search field takes both."""
        bank = self._library.bank
        link = link_of(str(getattr(getattr(bank, "info", None), "name", "")), id)
        clipboard = QGuiApplication.clipboard()
        items: list[Item] = [
            (f"Copy the id {id}", lambda: clipboard.setText(id)),
            (f"Copy the link {link}", lambda: clipboard.setText(link)),
        ]
        popup(place, items)

    def _made_from(self, column: QVBoxLayout, feature: Feature) -> None:
        """Of a slider of the user's own: its examples, and how well they are told apart."""
        words = any(one.method == "made from words" for one in feature.labels)
        self._section(column, "MADE FROM WORDS" if words else "MADE FROM EXAMPLES")
        for one in feature.labels:
            text = str(one.evidence.get("phrase", one.text))
            column.addWidget(label(text[:1].upper() + text[1:] + ".", "small", wrap=True))

    def _labels(self, column: QVBoxLayout, feature: Feature) -> None:
        self._section(column, "LABELS")
        if not feature.labels:
            column.addWidget(label("Nobody has named this feature yet.", "small", wrap=True))
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE.xs)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(0, 1)
        seen: set[tuple[str, str]] = set()
        for one in feature.labels:
            if (one.text, one.author) in seen or len(seen) >= 8:
                continue
            row = len(seen)
            seen.add((one.text, one.author))
            grid.addWidget(ElidedLabel(one.text, "soft"), row, 0)
            grid.addWidget(label(one.author, "faint"), row, 1)
            score = label("" if one.score is None else f"{one.score:.2f}", "small")
            score.setToolTip(
                plain(f"{one.method}: how well the label predicts the activation on held-out clips")
            )
            grid.addWidget(score, row, 2)
            for column_at, widget in enumerate(self._vote_buttons(feature.row.id, one), start=3):
                grid.addWidget(widget, row, column_at)
        column.addLayout(grid)
        self.label_field = QLineEdit()
        self.label_field.setPlaceholderText("Name it yourself, then Enter")
        self.label_field.setAccessibleName("Your own label")
        self.label_field.setStyleSheet("min-height: 26px; font-size: 12px;")
        field = self.label_field
        field.returnPressed.connect(lambda: self._name(feature.row.id, field.text()))
        column.addWidget(field)

    def _vote_buttons(self, id: str, one: Label) -> list[QWidget]:
        if one.method == "people":
            edit = tool_button("pencil-outline", "Edit your label", px=13)
            edit.clicked.connect(lambda: self._edit(id, one.text))
            away = tool_button("close", "Take your label away", px=13)
            away.clicked.connect(lambda: self._library.remove_label(id, one.text))
            return [edit, away]
        votes = self._desk.votes
        result: list[QWidget] = []
        for value, name, tip in (
            (1, "thumb-up", "This label fits"),
            (-1, "thumb-down", "This label does not fit"),
        ):
            on = votes.of(id, one.author, one.text) == value
            thumb = tool_button(name if on else f"{name}-outline", tip, px=13)
            thumb.setIcon(icon(name if on else f"{name}-outline", color=P.text if on else None))
            thumb.clicked.connect(lambda _=False, v=value: votes.vote(id, one.author, one.text, v))
            result.append(thumb)
        return result

    def _name(self, id: str, text: str) -> None:
        if text.strip():
            try:
                self._library.add_label(id, text, self._desk.settings["author"])
            except DrawbarError as error:
                if self.label_field is not None:
                    self.label_field.setToolTip(plain(str(error)))

    def _edit(self, id: str, text: str) -> None:
        self._library.remove_label(id, text)
        if self.label_field is not None:
            self.label_field.setText(text)
            self.label_field.setFocus()

    def _evidence(self, column: QVBoxLayout, feature: Feature, card: Card) -> None:
        self._section(column, "EVIDENCE")
        row = feature.row
        tags = QHBoxLayout()
        tags.setSpacing(SPACE.xs)
        tags.addWidget(Tag(f"Layer {row.layer}"))
        tags.addWidget(Tag(row.id, tip="Layer / number"))
        verdict = row.verdict or "untested"
        tags.addWidget(
            Tag(verdict, tone=TONES.get(verdict, ""), tip=VERDICTS.get(verdict, VERDICTS["untested"])[2])
        )
        kind = feature.temporal.get("type")
        if kind:
            tags.addWidget(Tag(str(kind), tip="How it fires over time"))
        tags.addStretch(1)
        column.addLayout(tags)
        for text in sentences(card, verdict, row.label):
            column.addWidget(label(text.replace("-", "\u2212"), "small", wrap=True))
        marks = marks_of(card, row.verdict)
        if card.doses:
            column.addWidget(DosePlot(card, feature.usable_range, marks))
        figures = [f"judge: {card.judge}"] if card.judge else []
        figures += [f"specificity {card.specificity:.2g}"] if card.specificity is not None else []
        if feature.usable_range:
            figures.append("usable from {:+.2g} to {:+.2g}".format(*feature.usable_range))
        if marks:
            figures.append("noticeable at " + " and ".join(f"{amount:+.2g}" for amount in marks))
        if figures:
            column.addWidget(label(";  ".join(figures).replace("-", "\u2212"), "small", wrap=True))
        for name, value in card.side_effects[:SIDE_EFFECTS]:
            line = QHBoxLayout()
            line.addWidget(ElidedLabel(f"also moves {_words(name)}", "faint"), 1)
            line.addWidget(label(f"{value:+.2f}".replace("-", "\u2212"), "faint"))
            column.addLayout(line)

    def _twins(self, column: QVBoxLayout, feature: Feature) -> None:
        """Features that are the same slider; the one with the best evidence is the one to use."""
        bank = self._library.bank
        if bank is None:
            return
        group = group_of(bank, feature.row.id)
        others = [id for id in group.members if id != feature.row.id][:NEIGHBOURS]
        if not others:
            return
        self._section(column, "THE SAME SLIDER AS")
        for id in others:
            line = QHBoxLayout()
            name = button(self._actions.title_of(id), "link", f"Show {id}")
            name.clicked.connect(lambda _=False, other=id: self._library.selected.set(other))
            line.addWidget(name)
            line.addStretch(1)
            best = id == group.representative
            line.addWidget(label("take this one" if best else id, "soft" if best else "faint"))
            column.addLayout(line)
        words = "They fire at the same moments, or point the same way: in the rack their amounts add up."
        column.addWidget(label(words, "faint", wrap=True))

    def _figures(self, column: QVBoxLayout, feature: Feature) -> None:
        self._section(column, "WHEN IT FIRES")
        text = f"{feature.density:.2%} of frames, in {feature.clip_density:.0%} of clips"
        column.addWidget(label(text, "small", wrap=True))
        if feature.histogram.counts:
            column.addWidget(
                Histogram(feature.histogram.edges, feature.histogram.counts, feature.quantiles.p99)
            )

    def _examples(self, column: QVBoxLayout, feature: Feature) -> None:
        bank = self._library.bank
        examples = list(bank.examples(feature.row.id))[:EXAMPLES] if bank else []
        if not examples:
            return
        self._section(column, "LISTEN")
        for example in examples:
            row = QHBoxLayout()
            row.setSpacing(SPACE.s)
            play = tool_button("play-circle-outline", f"Play this example of {example.clip}", px=20)
            play.clicked.connect(lambda _=False, e=example: self._actions.listen(e))
            row.addWidget(play)
            spark = Sparkline(example.activations.tolist())
            spark.setToolTip(plain(f"{example.clip}: lit where it fires. {example.licence}".strip()))
            row.addWidget(spark, 1)
            name = label(BIN_TITLES.get(example.bin, example.bin), "faint")
            name.setFixedWidth(58)
            name.setToolTip(plain(BIN_TITLES.get(example.bin, example.bin)))
            row.addWidget(name)
            column.addLayout(row)

    def _correlations(self, column: QVBoxLayout, feature: Feature) -> None:
        if not feature.correlations:
            return
        self._section(column, "MOVES WITH")
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

    def _neighbours(self, column: QVBoxLayout, feature: Feature) -> None:
        if not feature.neighbours:
            return
        self._section(column, "RESEMBLES")
        for id, cosine in feature.neighbours[:NEIGHBOURS]:
            row = QHBoxLayout()
            name = button(self._actions.title_of(id), "link", f"Show {id}")
            name.clicked.connect(lambda _=False, other=id: self._library.selected.set(other))
            row.addWidget(name)
            row.addStretch(1)
            row.addWidget(label(f"{cosine:.2f}", "faint"))
            column.addLayout(row)

    def _caveats(self, column: QVBoxLayout, feature: Feature, card: Card) -> None:
        found = caveats(feature, card)
        if found:
            self._section(column, "CAVEATS")
            for text in found:
                column.addWidget(label(f"\u2022  {text}", "small", wrap=True))

    def _show_in_rack(self) -> None:
        if self._add_button is not None and self._shown is not None:
            inside = self._shown in self._rack
            self._add_button.setEnabled(not inside)
            self._add_button.setText("In the rack" if inside else "Add to rack")


def _words(name: str) -> str:
    for unit in ("_hz", "_db", "_s"):
        name = name.removesuffix(unit)
    return name.replace("_", " ").replace(":", ": ")
