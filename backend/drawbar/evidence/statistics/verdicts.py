"""p, q, usable range and the second judge of one slider -> proven, weak, not shown or harmful, and why.

Knows no measure by name and no statistics: it only applies the rules.
"""

from dataclasses import dataclass

from drawbar.evidence.statistics.settings import StatisticsSettings

PROVEN, WEAK, NOT_SHOWN, HARMFUL, UNTESTED = "proven", "weak", "not shown", "harmful", "untested"


@dataclass(frozen=True)
class SideOutcome:
    """One sign."""

    p: float
    """Of the test that decides: the label's own measure, or any where the label has no judge."""
    q: float
    """Over all preregistered sliders and signs."""
    any_p: float
    """Of the largest movement of any measure."""
    noticeable: float | None
    """Amount of a noticeable effect inside the usable range."""
    contradicted: bool
    """A second judge clearly says the opposite."""
    beyond: bool
    """An effect that counts, but only at doses outside the usable range."""


@dataclass(frozen=True)
class Outcome:
    """One slider."""

    confirmed: bool
    label_judged: bool
    any_usable: bool
    sides: tuple[SideOutcome, ...]


@dataclass(frozen=True)
class Verdict:
    """What is said about a slider."""

    name: str
    why: str
    """One of few phrases, to count by; empty for the proven."""


def judge(outcome: Outcome, settings: StatisticsSettings) -> Verdict:
    """Apply the rules in order: proven, harmful, weak, not shown."""
    if not outcome.confirmed:
        return Verdict(NOT_SHOWN, "not confirmed: too little effect in the screening")
    passed = [side for side in outcome.sides if side.q < settings.q]
    if any(not side.contradicted for side in passed):
        return Verdict(PROVEN, "")
    inside = any(side.p < settings.weak_p and side.noticeable is not None for side in outcome.sides)
    if not inside and any(side.beyond for side in outcome.sides):
        return Verdict(HARMFUL, "quality breaks before it has an effect")
    if passed:
        return Verdict(WEAK, "the second judge says the opposite")
    if any(side.p < settings.weak_p for side in outcome.sides):
        return Verdict(WEAK, "passes alone, not among all candidates")
    if outcome.label_judged and any(side.any_p < settings.weak_p for side in outcome.sides):
        return Verdict(WEAK, "moves something else than its label says")
    if not outcome.any_usable:
        return Verdict(NOT_SHOWN, "no dose keeps the quality")
    return Verdict(NOT_SHOWN, "no more than random directions")
