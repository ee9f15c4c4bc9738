"""An evidence card as the bank stores it -> doses, controls and caveats ready to draw; tolerant of what is missing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Card", "Dose", "caveats", "read_card"]


@dataclass(frozen=True)
class Dose:
    """The effect at one amount, with its interval."""

    amount: float
    effect: float
    low: float
    high: float


@dataclass(frozen=True)
class Card:
    """What is known of one slider."""

    judge: str = ""
    doses: tuple[Dose, ...] = ()
    controls: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    """Control's name -> (amount, effect): random directions, wrong layer, inactive feature ..."""
    slope: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    q: float | None = None
    specificity: float | None = None
    side_effects: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self.doses and self.slope is None and not self.notes


def _number(value: Any) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _first(card: Mapping[str, Any], *names: str) -> Any:
    return next((card[name] for name in names if card.get(name) is not None), None)


def _pairs(values: Any) -> list[tuple[float, Mapping[str, Any] | float]]:
    """Doses as a list of records, a list of pairs or a mapping -> (amount, what is known there)."""
    if isinstance(values, Mapping):
        values = list(values.items())
    found: list[tuple[float, Mapping[str, Any] | float]] = []
    for value in values if isinstance(values, Sequence) and not isinstance(values, str) else ():
        if isinstance(value, Mapping):
            amount = _number(_first(value, "dose", "amount", "x"))
            if amount is not None:
                found.append((amount, value))
        elif isinstance(value, Sequence) and not isinstance(value, str) and len(value) >= 2:
            try:
                amount = float(value[0])
            except (TypeError, ValueError):
                continue
            rest = value[1]
            if isinstance(rest, Mapping):
                found.append((amount, rest))
            elif (effect := _number(rest)) is not None:
                found.append((amount, effect))
    return sorted(found, key=lambda pair: pair[0])


def _dose(amount: float, value: Mapping[str, Any] | float) -> Dose | None:
    if isinstance(value, float):
        return Dose(amount, value, value, value)
    effect = _number(_first(value, "effect", "mean", "estimate", "median", "y"))
    if effect is None:
        return None
    interval = _first(value, "interval", "ci")
    low, high = _number(_first(value, "low", "lower")), _number(_first(value, "high", "upper"))
    if isinstance(interval, Sequence) and len(interval) == 2:
        low, high = _number(interval[0]), _number(interval[1])
    return Dose(amount, effect, effect if low is None else low, effect if high is None else high)


def read_card(evidence: Mapping[str, Any] | None) -> Card:
    """What the bank holds -> a card; an empty one for nothing."""
    if not evidence:
        return Card()
    doses = [_dose(*pair) for pair in _pairs(_first(evidence, "doses", "dose_response", "points"))]
    controls = {}
    given = evidence.get("controls")
    for name, values in given.items() if isinstance(given, Mapping) else ():
        points = _first(values, "doses", "dose_response", "points") if isinstance(values, Mapping) else values
        line = tuple((d.amount, d.effect) for pair in _pairs(points) if (d := _dose(*pair)) is not None)
        if line:
            controls[str(name)] = line
    interval = _first(evidence, "interval", "ci", "slope_interval")
    ends = (
        (_number(interval[0]), _number(interval[1]))
        if isinstance(interval, Sequence) and not isinstance(interval, str) and len(interval) == 2
        else (None, None)
    )
    side = _first(evidence, "side_effects", "sides")
    sides = (
        [(str(k), v) for k, x in side.items() if (v := _number(x)) is not None]
        if isinstance(side, Mapping)
        else []
    )
    notes = _first(evidence, "caveats", "notes")
    return Card(
        judge=str(_first(evidence, "judge", "measure") or ""),
        doses=tuple(dose for dose in doses if dose is not None),
        controls=controls,
        slope=_number(evidence.get("slope")),
        interval=(ends[0], ends[1]) if ends[0] is not None and ends[1] is not None else None,
        p=_number(_first(evidence, "p", "p_value")),
        q=_number(_first(evidence, "q", "q_value")),
        specificity=_number(evidence.get("specificity")),
        side_effects=tuple(sorted(sides, key=lambda s: -abs(s[1]))[:5]),
        notes=tuple(str(n) for n in notes) if isinstance(notes, (list, tuple)) else (),
    )


def caveats(feature: Any, card: Card) -> list[str]:
    """What a careful person would want to know before believing a label."""
    found = list(card.notes)
    row = feature.row
    if row.verdict == "untested":
        found.append("Untested: the label says when it fires, not what the slider does.")
    if feature.usable_range is None:
        found.append("No usable range is known; large amounts may spoil the sound.")
    if row.label_score is not None and row.label_score < 0.75:
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
