"""One slider's figures -> its evidence card: JSON values that the bank stores and the window draws.

Effects and slopes are in standard deviations between unsteered takes; slopes per +1 amount, so that on the minus
side, too, a positive one means the slider does what it says. What is not known is null.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drawbar.evidence.statistics.effects import Dose, Slope
from drawbar.evidence.statistics.preservation import Matched
from drawbar.evidence.statistics.responses import judge_of
from drawbar.evidence.statistics.usable_range import GuardRow
from drawbar.files.json_object import JsonMapping, JsonObject

CARD_FORMAT = 1


@dataclass(frozen=True)
class CardSide:
    """One sign of a slider."""

    slope: Slope
    p: float
    q: float
    usable: float
    noticeable: float | None
    saturation: float | None
    seeds_needed: int | None
    moved: str | None
    """The measure that moved most against random directions."""
    moved_p: float
    moved_q: float
    area: float | None
    """Of effect against preservation."""
    baseline_area: float | None
    anti_steerable: float | None = None
    """Share of the pairs that it moves the wrong way."""


def finite(value: Any) -> Any:
    """JSON values with every figure that is not finite as null, the others with six digits."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def card(
    *,
    measure: str,
    label_judged: bool,
    better: int,
    sides: Mapping[int, CardSide],
    doses: list[Dose],
    controls: JsonMapping,
    sides_moved: Mapping[str, float],
    specificity: JsonMapping | None,
    largest_specificity: float | None,
    second: JsonMapping | None,
    guards: tuple[GuardRow, ...],
    moves: list[JsonObject],
    matched: Matched | None,
    notes: list[str],
) -> JsonObject:
    """Put together; ``better`` is the sign whose evidence is stronger."""
    best = sides[better]
    found = {
        "format": CARD_FORMAT,
        "measure": measure,
        "judge": judge_of(measure),
        "unit": "sd between takes",
        "label_judged": label_judged,
        "side": _NAMES[better],
        "doses": [
            {"amount": dose.amount, "effect": dose.effect, "low": dose.low, "high": dose.high}
            for dose in doses
        ],
        "slope": best.slope.slope,
        "interval": [best.slope.low, best.slope.high],
        "p": best.p,
        "q": best.q,
        **{_NAMES[sign]: _side(sides[sign]) for sign in (1, -1)},
        "controls": dict(controls),
        "moves": moves,
        "side_effects": dict(sides_moved),
        "specificity": None if specificity is None else specificity["ratio"],
        "specificity_told": None if specificity is None else dict(specificity),
        "specificity_of_largest": largest_specificity,
        "second_judge": second,
        "guards": [_guard(row) for row in guards],
        "auc": {
            "effect_preservation": best.area,
            "difference_in_means": best.baseline_area,
            **{_NAMES[sign]: _areas(sides[sign]) for sign in (1, -1)},
            "matched": None if matched is None else _matched(matched),
        },
        "notes": notes,
    }
    result: JsonObject = finite(found)
    return result


_NAMES = {1: "up", -1: "down"}


def _side(side: CardSide) -> JsonObject:
    return {
        "slope": side.slope.slope,
        "interval": [side.slope.low, side.slope.high],
        "p": side.p,
        "q": side.q,
        "usable": side.usable,
        "noticeable": side.noticeable,
        "saturation": side.saturation,
        "seeds_needed": side.seeds_needed,
        "anti_steerable": side.anti_steerable,
        "moved": {"measure": side.moved, "p": side.moved_p, "q": side.moved_q},
    }


def _areas(side: CardSide) -> dict[str, float | None]:
    return {"effect_preservation": side.area, "difference_in_means": side.baseline_area}


def _matched(matched: Matched) -> dict[str, float]:
    return {
        "preservation": matched.preservation,
        "effect": matched.effect,
        "difference_in_means": matched.baseline,
    }


def _guard(row: GuardRow) -> JsonObject:
    return {
        "amount": row.amount,
        "ce_ratio": list(row.ce_ratio),
        "ce_error": row.ce_error,
        "loudness_db": row.loudness_db,
        "silent_share": row.silent_share,
        "clipped_share": row.clipped_share,
        "repetition": row.repetition,
        "holds": row.holds,
        "broken": list(row.broken),
    }
