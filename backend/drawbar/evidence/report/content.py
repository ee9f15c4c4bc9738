"""A bank's evidence -> one record of what a report shows: summary, goals, sliders in order.

Raises BadInputError for a bank without evidence. Knows nothing of pages and of sound.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drawbar.bank import Bank, Feature
from drawbar.errors import BadInputError
from drawbar.evidence.report.words import measure_words
from drawbar.files.json_object import JsonMapping, JsonObject

_COUNTS = (
    "candidates", "published", "screened", "confirmed", "proven", "proven_some_measure", "weak", "not_shown",
    "untested", "harmful", "concepts", "concepts_proven",
)  # fmt: skip


@dataclass(frozen=True)
class Slider:
    """One tested slider."""

    id: str
    label: str
    author: str
    verdict: str
    card: JsonMapping
    """Empty where it was screened out."""
    usable: tuple[float, float] | None

    @property
    def title(self) -> str:
        """Its label; for an unnamed one what it moves."""
        if self.label:
            return self.label
        moved = self.card.get("measure")
        return f"unnamed: moves {measure_words(str(moved))}" if moved else "unnamed"

    def figure(self, *path: str) -> float | None:
        """A number of the card, by its path; None where it is missing."""
        value: Any = self.card
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if known else None

    def points(self, control: str = "") -> list[dict[str, float]]:
        """Doses of the slider or of a control: ``amount``, ``effect``, ``low``, ``high``, by rising amount."""
        holder: Any = self.card if not control else self.card.get("controls", {}).get(control, {})
        doses = holder.get("doses", ()) if isinstance(holder, Mapping) else ()
        found = []
        for dose in doses:
            point = {
                key: float(dose[key])
                for key in ("amount", "effect", "low", "high")
                if isinstance(dose.get(key), (int, float)) and math.isfinite(dose[key])
            }
            if "amount" in point and "effect" in point:
                found.append(point)
        return sorted(found, key=lambda point: point["amount"])


@dataclass(frozen=True)
class Goal:
    """Something that was aimed at, and what came out."""

    what: str
    wanted: str
    got: str
    reached: bool | None
    """None: it could not be measured."""


@dataclass(frozen=True)
class Content:
    """All that a report tells."""

    bank: str
    identity: str
    model: str
    summary: JsonMapping
    preregistration: JsonMapping
    sliders: tuple[Slider, ...]
    """Proven first, by the strength of the evidence."""

    concepts: JsonMapping = field(default_factory=dict)
    """The family of the concept sliders; empty where none was confirmed."""

    @property
    def counts(self) -> JsonObject:
        """The figures that a script wants: counts, medians, null, agreement.

        The seven that are asked for first are the concept sliders' where the bank has any, else the features'.
        """
        found = {name: self.summary.get(name) for name in _COUNTS}
        return (
            found
            | self._headline
            | {
                "medians": self.summary.get("medians", {}),
                "null": self.summary.get("null", {}),
                "judges_agreement": self.summary.get("judges_agreement", {}),
                "failures": self.summary.get("failures", {}),
                "clips": self.summary.get("clips"),
                "wall_s": self.summary.get("wall_s"),
                "digest": self.summary.get("digest"),
            }
        )

    @property
    def _headline(self) -> JsonObject:
        concepts, medians = self.concepts, self.summary.get("medians", {})
        family = concepts or {
            "median_effect": medians.get("effect"),
            "median_effect_difference_in_means": medians.get("difference_in_means"),
            "specific": self.summary.get("specific", {}),
            "anti_steerable": self.summary.get("anti_steerable"),
        }
        return {
            "concept_sliders": concepts.get("sliders", 0),
            "concept_sliders_proven": concepts.get("proven", 0),
            "median_effect": family.get("median_effect"),
            "median_effect_difference_in_means": family.get("median_effect_difference_in_means"),
            "specific_share": _part(family.get("specific", {}), "at_least_3"),
            "anti_steerable_share": family.get("anti_steerable"),
            "replicated_share": _part(concepts.get("replicated", {}), "again"),
            "concept_family": dict(concepts),
        }


def _part(counts: JsonMapping, name: str) -> float | None:
    """A count as a share of its ``of``; None of nothing."""
    return counts[name] / counts["of"] if counts.get("of") else None


def collect(bank: Bank) -> Content:
    """Read everything that is shown. Raises BadInputError for a bank that was never proven."""
    summary = bank.evidence("summary")
    if not summary:
        raise BadInputError(
            f"the bank {bank.info.name} holds no evidence: run `drawbar prove {bank.folder}` first"
        )
    prereg = bank.evidence("preregistration") or {}
    tested = {str(c["id"]) for c in prereg.get("candidates", ())}
    sliders = []
    for row in bank.search(limit=bank.count() + 1):
        if row.verdict == "untested" and row.id not in tested:
            continue
        sliders.append(_slider(bank.feature(row.id)))
    order = {"proven": 0, "weak": 1, "harmful": 2, "not shown": 3}
    sliders.sort(key=lambda s: order.get(s.verdict, 4))  # within a verdict as the bank ranks them
    return Content(
        bank.info.name, bank.identity, bank.info.model_name, summary, prereg, tuple(sliders),
        bank.evidence("concept_sliders") or {},
    )  # fmt: skip


def _slider(page: Feature) -> Slider:
    row = page.row
    return Slider(row.id, row.label, row.label_author, row.verdict, page.evidence or {}, page.usable_range)


def best(content: Content, count: int) -> list[Slider]:
    """The strongest proven sliders, named before unnamed and different names before equal ones; then weak ones."""
    seen: dict[str, int] = {}
    ranked = []
    for slider in content.sliders:
        if slider.verdict in ("proven", "weak") and slider.card:
            turn = seen[slider.title] = seen.get(slider.title, 0) + 1
            ranked.append((slider.verdict != "proven", turn, not slider.label, slider))
    ranked.sort(key=lambda entry: entry[:3])
    return [slider for *_, slider in ranked[:count]]


def worst(content: Content, count: int) -> list[Slider]:
    """Failures with a card, both kinds: harmful ones, and those that show least; the named first."""
    kinds = [[s for s in content.sliders if s.card and s.verdict == v] for v in ("harmful", "not shown")]
    for kind in kinds:
        kind.sort(key=lambda s: (not s.label, -(s.figure("p") or 0.0), s.id))
    harmful, nothing = kinds
    first = harmful[: max(count // 2, count - len(nothing))]
    return [*first, *nothing[: count - len(first)]]


def goals(content: Content) -> list[Goal]:
    """The bars that were set before anything was played."""
    summary = content.summary
    medians, null = summary.get("medians", {}), summary.get("null", {})
    rows = [
        _share("Concepts with a proven slider", summary.get("concepts_proven"), summary.get("concepts"), 0.8),
        _share(
            "Candidates that provably move some measure",
            summary.get("proven_some_measure", summary.get("proven")), summary.get("candidates"), 0.5,
        ),
    ]  # fmt: skip
    ours, theirs = medians.get("effect"), medians.get("difference_in_means")
    rows.append(
        Goal(
            "Median effect against difference in means, at equal preservation",
            "at least as large",
            "not measured" if ours is None or theirs is None else f"{ours:.2f} against {theirs:.2f}",
            None if ours is None or theirs is None else ours >= theirs,
        )
    )
    specific = summary.get("specific")
    if specific is None:
        values = [s.figure("specificity") for s in content.sliders if s.verdict == "proven"]
        known = [v for v in values if v is not None]
        specific = {"at_least_3": sum(v >= 3 for v in known), "of": len(known)}
    rows.append(
        _share(
            "Proven sliders with specificity 3 or more", specific.get("at_least_3"), specific.get("of"), 0.5
        )
    )
    if content.concepts:
        rows += _concept_goals(content.concepts)
    rate, nominal = null.get("rate"), null.get("nominal", 0.05)
    rows.append(
        Goal(
            "Held-out random directions that come out as proven",
            f"at most {100 * nominal:.0f}\u202f%",
            "not measured" if rate is None else f"{null.get('proven')} of {null.get('directions')}",
            None if rate is None else rate <= nominal,
        )
    )
    return rows


def _concept_goals(family: JsonMapping) -> list[Goal]:
    """Those of the concept sliders, which are a family of their own."""
    again, specific = family.get("replicated", {}), family.get("specific", {})
    ours, theirs = family.get("median_effect"), family.get("median_effect_difference_in_means")
    return [
        _share("Concepts with a proven concept slider", family.get("proven"), family.get("concepts"), 0.8),
        Goal(
            "Concept sliders' median effect against difference in means, at equal preservation",
            "at least as large",
            "not measured" if ours is None or theirs is None else f"{ours:.2f} against {theirs:.2f}",
            None if ours is None or theirs is None else bool(ours >= theirs),
        ),
        _share(
            "Proven concept sliders with specificity 3 or more",
            specific.get("at_least_3"),
            specific.get("of"),
            0.5,
        ),
        _share(
            "Proven concept sliders proven again on new prompts", again.get("again"), again.get("of"), 0.85
        ),
    ]


def _share(what: str, got: int | None, of: int | None, wanted: float) -> Goal:
    if got is None or not of:
        return Goal(what, f"at least {100 * wanted:.0f}\u202f%", "not measured", None)
    share = got / of
    return Goal(
        what,
        f"at least {100 * wanted:.0f}\u202f%",
        f"{got} of {of} ({100 * share:.0f}\u202f%)",
        share >= wanted,
    )
