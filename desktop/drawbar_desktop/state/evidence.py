"""A bank's evidence card -> what the window draws and says: doses, controls, marks, and a sentence on what is proven.

Effects are in standard deviations between unsteered takes; amounts in the slider's own unit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drawbar.bank.records import Feature
from drawbar_desktop.state.json_files import JsonObject
from drawbar_desktop.state.slider_making import is_mine

FORMAT = 1
LEVEL = 0.05
RANDOM = "random directions"
BASELINE = "difference in means"
_SIDES = {"up": 1, "down": -1}


@dataclass(frozen=True)
class Dose:
    """The effect at one amount, with its interval (for random directions their 5th to 95th percentile)."""

    amount: float
    effect: float
    low: float
    high: float


@dataclass(frozen=True)
class Side:
    """One sign of the slider; slopes are per +1 amount, so that a positive one means it does what it says."""

    slope: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    q: float | None = None
    usable: float | None = None
    """How far quality holds, as a positive number."""
    noticeable: float | None = None
    """The amount that moves the judge by one standard deviation, as a positive number."""
    saturation: float | None = None
    seeds_needed: int | None = None


@dataclass(frozen=True)
class Guard:
    """Whether the sound holds at one amount, and what broke."""

    amount: float
    holds: bool
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Second:
    """What another judge says."""

    judge: str
    measure: str
    slope: float | None
    agrees: bool


@dataclass(frozen=True)
class Card:
    """What was measured of one slider."""

    measure: str = ""
    judge: str = ""
    label_judged: bool = False
    """Whether the judge measured what the label says."""
    side: str = "up"
    """The side with the better evidence."""
    doses: tuple[Dose, ...] = ()
    slope: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    q: float | None = None
    up: Side = Side()
    down: Side = Side()
    controls: Mapping[str, tuple[Dose, ...]] = field(default_factory=dict)
    side_effects: tuple[tuple[str, float], ...] = ()
    specificity: float | None = None
    second: Second | None = None
    guards: tuple[Guard, ...] = ()
    preservation: tuple[float, float] | None = None
    """Area of effect against preservation: the slider's, and that of the difference in means."""
    notes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.doses and not self.notes

    @property
    def broken(self) -> frozenset[float]:
        """Amounts at which the sound does not hold."""
        return frozenset(guard.amount for guard in self.guards if not guard.holds)


def read_card(evidence: JsonObject | None) -> Card:
    """What the bank holds -> a card; an empty one for nothing, only a note for a card that cannot be read."""
    if not evidence:
        return Card()
    if evidence.get("format") != FORMAT:
        return Card(
            notes=(f"Its evidence has format {evidence.get('format')}, which this version does not read.",)
        )
    try:
        return _card(evidence)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Card(notes=("Its evidence is damaged: take the bank from where it came once more.",))


def _card(evidence: JsonObject) -> Card:
    sides = {name: _side(evidence[name]) for name in _SIDES}
    second, areas = evidence["second_judge"], evidence["auc"]
    pair = areas["effect_preservation"], areas["difference_in_means"]
    return Card(
        measure=str(evidence["measure"]),
        judge=str(evidence["judge"]),
        label_judged=bool(evidence["label_judged"]),
        side=str(evidence.get("side") or ("up" if evidence["q"] == evidence["up"]["q"] else "down")),
        doses=_doses(evidence["doses"]),
        slope=_number(evidence["slope"]),
        interval=_interval(evidence["interval"]),
        p=_number(evidence["p"]),
        q=_number(evidence["q"]),
        up=sides["up"],
        down=sides["down"],
        controls={
            str(name): _doses(values["doses"])
            for name, values in evidence["controls"].items()
            if values and values.get("doses")
        },
        side_effects=tuple(
            sorted(
                ((str(k), float(v)) for k, v in evidence["side_effects"].items() if v is not None),
                key=lambda pair: -abs(pair[1]),
            )
        ),
        specificity=_number(evidence["specificity"]),
        second=None
        if second is None
        else Second(
            str(second["judge"]), str(second["measure"]), _number(second["slope"]), bool(second["agrees"])
        ),
        guards=tuple(
            Guard(float(g["amount"]), bool(g["holds"]), tuple(map(str, g["broken"])))
            for g in evidence["guards"]
        ),
        preservation=None if None in pair else (float(pair[0]), float(pair[1])),
        notes=tuple(map(str, evidence["notes"])),
    )


def marks_of(card: Card, verdict: str) -> tuple[float, ...]:
    """The amounts at which the effect becomes noticeable, for each side that has one inside its usable range.

    Only where there is an effect: the slider is proven or weak, and the side passes by itself.
    """
    found = []
    if verdict not in ("proven", "weak"):
        return ()
    for name, sign in _SIDES.items():
        side: Side = getattr(card, name)
        shown = side.p is not None and side.p < LEVEL
        if shown and side.noticeable and (side.usable is None or side.noticeable <= side.usable + 1e-9):
            found.append(sign * side.noticeable)
    return tuple(sorted(found))


def sentences(card: Card, verdict: str, label: str) -> list[str]:
    """What is proven and what is not, for a musician; ``label`` is empty for an unnamed feature."""
    if verdict == "untested":
        return ["Untested: nobody has measured what this slider does."]
    if not card.doses:
        if verdict == "not shown":
            return ["Not shown: a first short test found too little to look closer."]
        return [f"{verdict.capitalize()}, says the bank, but it holds no dose-response."]
    what = _measured(card.measure)
    said = [_verdict_sentence(card, verdict, what)]
    if verdict in ("proven", "weak"):
        if not card.label_judged and label:
            said.append(
                f"The label itself ({label}) was not put to a judge: what holds is that {what} moves."
            )
        other = card.down if card.side == "up" else card.up
        name = "Turned down" if card.side == "up" else "Turned up"
        if other.usable == 0:
            said.append(f"{name} it costs quality at every amount tested, so nothing is shown there.")
        elif other.q is not None:
            shown = (
                "does the opposite, and that is shown too"
                if other.q < LEVEL
                else "is not shown to do anything"
            )
            said.append(f"{name} it {shown} (q {_small(other.q)}).")
    if card.second is not None:
        verb = "agrees" if card.second.agrees else "contradicts it"
        said.append(f"A second judge ({card.second.judge}) {verb}.")
    if card.preservation is not None and verdict == "proven":
        own, baseline = card.preservation
        better = "more" if own >= baseline else "less"
        said.append(f"For the same loss of the rest it moves {better} than a difference of means.")
    return said


def caveats(feature: Feature, card: Card) -> list[str]:
    """What a careful person would want to know before believing a label."""
    found = list(card.notes)
    row = feature.row
    if is_mine(row.id) and row.verdict == "untested":
        found.append("Made from your examples: untested beyond telling them apart.")
    elif row.verdict == "untested":
        found.append("Untested: the label says when it fires, not what the slider does.")
    if feature.usable_range is None:
        found.append("No usable range is known; large amounts may spoil the sound.")
    if row.label_score is not None and row.label_score < 0.75 and not is_mine(row.id):
        found.append(f"The label fits loosely (score {row.label_score:.2f}).")
    if not feature.labels:
        found.append("Nobody has named it: listen to the examples.")
    if feature.density > 0.25:
        found.append(
            f"It fires in {feature.density:.0%} of all frames: it may be too general to be one concept."
        )
    if str(feature.temporal.get("type", "")).startswith("position"):
        found.append("It follows the position in the clip, not the music.")
    runner_up = max(
        (float(x.evidence.get("runner_up_auroc_train", 0) or 0) for x in feature.labels if x.evidence),
        default=0.0,
    )
    if row.label_score is not None and runner_up and row.label_score - runner_up < 0.05:
        found.append("Another label fits almost as well.")
    return found


def _verdict_sentence(card: Card, verdict: str, what: str) -> str:
    way = "up" if card.side == "up" else "down"
    size = "" if card.slope is None else f" by {abs(card.slope):.2g} sd per 1"
    if card.interval is not None and card.slope is not None:
        low, high = sorted(abs(end) for end in card.interval)
        if card.interval[0] * card.interval[1] > 0:
            size += f" ({low:.2g} to {high:.2g})"
    odds = f"q {_small(card.q)}" if card.q is not None else "q unknown"
    rises = card.slope is not None and (card.slope > 0) == (card.side == "up")
    if verdict == "proven":
        verb = "rises" if rises else "falls"
        return f"Proven: turned {way}, {what} {verb}{size}, further than with random directions of its size ({odds})."
    if verdict == "weak":
        verb = "rise" if rises else "fall"
        return f"Weak: turned {way}, {what} seems to {verb}{size}, but not beyond doubt ({odds})."
    if verdict == "harmful":
        broken = next((g for g in sorted(card.guards, key=lambda g: abs(g.amount)) if not g.holds), None)
        why = f" ({', '.join(broken.broken)} at {broken.amount:+g})" if broken is not None else ""
        return f"Harmful: the sound breaks{why} before an effect comes."
    needed = (card.up if card.side == "up" else card.down).seeds_needed
    more = f"; {needed} seeds would have been needed" if needed else ""
    return f"Not shown: tested, but {what} moves no further than with random directions ({odds}{more})."


def _measured(measure: str) -> str:
    """``detector:drums`` -> how a sentence names it."""
    judge, _, what = measure.partition(":")
    role, _, kind = what.partition(":")
    words = (f"{kind} {role}" if kind else role).replace("_", " ") or judge
    return f"what the {judge} hears of {words}" if judge in ("detector", "clap") else words


def _small(value: float) -> str:
    return f"{value:.2g}" if value >= 0.001 else "< 0.001"


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _interval(value: Sequence[Any] | None) -> tuple[float, float] | None:
    if value is None or None in value:
        return None
    return float(value[0]), float(value[1])


def _doses(values: Sequence[JsonObject]) -> tuple[Dose, ...]:
    """By rising amount; a dose without an effect is left out, one without an interval has none."""
    found = []
    for value in values:
        effect = _number(value["effect"])
        if effect is None:
            continue
        low, high = _number(value.get("low")), _number(value.get("high"))
        found.append(
            Dose(
                float(value["amount"]),
                effect,
                effect if low is None else low,
                effect if high is None else high,
            )
        )
    return tuple(sorted(found, key=lambda dose: dose.amount))


def _side(value: JsonObject | None) -> Side:
    if value is None:
        return Side()
    needed = value["seeds_needed"]
    return Side(
        _number(value["slope"]),
        _interval(value["interval"]),
        _number(value["p"]),
        _number(value["q"]),
        _number(value["usable"]),
        _number(value["noticeable"]),
        _number(value["saturation"]),
        None if needed is None else int(needed),
    )
