"""What probes and interventions measured of one feature -> each criterion with its figures, and a verdict.

Every criterion looks at sign and size: a figure that is there but points the wrong way, or is too small, fails. A
control or a figure that is not there is an error. Knows nothing of how anything was measured.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from drawbar.errors import ControlError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.research.horizon.controls import CONTROLS


@dataclass(frozen=True)
class Criterion:
    """One question to a feature."""

    name: str
    value: float
    low: float
    """Of the interval; what is asked is that this exceeds ``needed``."""
    needed: float
    passed: bool

    def to_json(self) -> JsonObject:
        return asdict(self)


def foresees(feature: JsonMapping, *, least_margin: float) -> list[Criterion]:
    """Does it say more of the far future than every control, and more than of the near future?

    Raises ControlError for a control that is missing.
    """
    margins = feature["margins"]["controls"]
    missing = [name for name in CONTROLS if name not in margins]
    if missing:
        raise ControlError(
            f"feature {feature['id']} was not compared with {', '.join(missing)}: nothing follows"
        )
    criteria = []
    for name in CONTROLS:
        found = margins[name]["held"]
        holds = found["low"] > 0 and found["value"] >= least_margin
        criteria.append(Criterion(f"beats {name}", found["value"], found["low"], 0.0, holds))
    apart = feature["long_over_local"]
    holds = apart["low"] > 0 and apart["value"] > 0
    return [*criteria, Criterion("more of far than of near", apart["value"], apart["low"], 0.0, holds)]


def acts(feature: JsonMapping, found: JsonMapping | None, *, alpha: float) -> list[Criterion]:
    """Does taking it away, or adding it, change what returns, in its own sense, and more than random features do?

    ``found`` is None for a feature that was not intervened on: it has not acted. Raises ControlError where the random
    features, the local feature or the bypass are missing.
    """
    if found is None:
        return [Criterion("acts", 0.0, 0.0, 0.0, False), Criterion("selective", 0.0, 0.0, 1 - alpha, False)]
    missing = [n for n in ("random features", "local feature", "bypass") if not found["controls"].get(n)]
    if missing:
        raise ControlError(
            f"feature {feature['id']} was played without {', '.join(missing)}: nothing follows"
        )
    sense = 1.0 if feature["rises_before_events"] else -1.0
    # Taken away, a feature that rises before returns should make them rarer; added, more frequent.
    ways = []
    for way, sign in (("ablate", -sense), ("scale up", sense)):
        effect = found["effects"][way]
        low = effect["low"] if sign > 0 else -effect["high"]
        # ``p`` is for a feature that rises before returns, ``p_against`` for one that falls silent.
        beyond = found["selectivity"][way]["p" if sense > 0 else "p_against"]
        ways.append((sign * effect["value"], low, beyond))
    value, low, p = max(ways, key=lambda way: (way[1], way[0]))
    return [
        Criterion("acts", value, low, 0.0, low > 0 and value > 0),
        Criterion("selective", 1 - p, 1 - p, 1 - alpha, p <= alpha),
    ]


def audible(examples: Sequence[JsonMapping]) -> Criterion:
    """Can both sides of an intervention be listened to?"""
    heard = sum(1 for example in examples if not example.get("silent", True))
    return Criterion("can be listened to", float(heard), float(heard), 0.0, heard > 0)


def passed(criteria: Sequence[Criterion]) -> bool:
    """All of them, and there are some."""
    return bool(criteria) and all(criterion.passed for criterion in criteria)


def verdict(gated: Sequence[JsonMapping], detectable: float) -> JsonObject:
    """Features with ``id``, ``foresees``, ``passed`` -> the study's answer, in a word and in a sentence."""
    candidates = [one["id"] for one in gated if one["passed"]]
    foreseeing = [one["id"] for one in gated if one["foresees"]]
    if candidates:
        word = "evidence"
        text = f"{', '.join(candidates)} passed every criterion: foresees returns, and acting on it changes them."
    elif foreseeing:
        word = "foresight without effect"
        text = (
            f"{', '.join(foreseeing)} foresee returns beyond every control, but acting on them does not change returns "
            "more than acting on random features does."
        )
    else:
        word = "no evidence"
        text = (
            f"none of {len(gated)} features foresees returns beyond every control. A margin of {detectable:.2f} in "
            "AUROC over the best control would have been found four times in five; smaller ones cannot be excluded."
        )
    return {
        "verdict": word,
        "text": text,
        "candidates": candidates,
        "foresee": foreseeing,
        "detectable": detectable,
    }
