"""A report's content -> what its sections tell: the first paragraph, the points of a plot, the rows of the tables."""

from dataclasses import dataclass

from drawbar.evidence.report.content import Content, Slider
from drawbar.evidence.report.plots import interval_bar, range_bar
from drawbar.evidence.report.words import figure, measure_words, probability
from drawbar.markup import Drawing


@dataclass(frozen=True)
class ConceptRow:
    """What the composer can write, and which slider moves it best."""

    concept: str
    verdict: str
    slider: str
    way: str
    bar: Drawing
    figures: tuple[str, ...]
    """Slope, p, q, the probe's AUROC and the detector's."""


@dataclass(frozen=True)
class SliderRow:
    """One candidate."""

    slider: Slider
    measure: str
    bar: Drawing
    range: Drawing
    seeds: float | None
    """How many seeds its effect needs to be seen."""


def lead(content: Content) -> str:
    """How it was tested, in three sentences at most."""
    judged, named = labelled(content)
    published = content.summary.get("published")
    return (
        f"Every candidate was written down before anything was played: {content.summary.get('candidates')}"
        + (f" of the {published:,} features of the bank" if published else "")
        + ", tested on fresh seeds against random pushes of the same strength, by judges that did not name them."
        + (f" Of the {named} whose label a judge can hear, {judged} do what the label says." if named else "")
    )


def labelled(content: Content) -> tuple[int, int]:
    """Proven sliders among those whose label names what a judge hears, and how many such candidates there are."""
    named = {str(c["id"]) for c in content.preregistration.get("candidates", ()) if c.get("target")}
    named |= {s.id for s in content.sliders if s.card.get("label_judged") and s.label}
    return sum(s.verdict == "proven" for s in content.sliders if s.id in named), len(named)


def concept_rows(content: Content) -> list[ConceptRow]:
    """Proven ones first, then by p."""
    rows = sorted(
        content.summary.get("concept_rows", ()), key=lambda r: (not r.get("proven"), r.get("p") or 1.0)
    )
    by_id = {slider.id: slider for slider in content.sliders}
    reach = max((abs(r["slope"]) for r in rows if isinstance(r.get("slope"), (int, float))), default=1.0)
    found = []
    for row in rows:
        low, high = row.get("interval") or (None, None)
        slider = by_id.get(str(row.get("slider") or ""))
        title = f"{row['slider']} {slider.label if slider else ''}".strip() if row.get("slider") else "\u2013"
        figures = (
            figure(row.get("slope"), sign=True),
            probability(row.get("p")),
            probability(row.get("q")),
            figure(row.get("probe_auroc")),
            figure(row.get("detector_auroc")),
        )
        found.append(
            ConceptRow(
                measure_words("detector:" + str(row["concept"])),
                "proven" if row.get("proven") else "not shown",
                title,
                {"up": "pulled up", "down": "pulled down"}.get(str(row.get("side")), ""),
                interval_bar(row.get("slope"), low, high, reach * 1.2),
                figures,
            )
        )
    return found


def against_means(content: Content) -> list[tuple[float, float, str, str]]:
    """Each slider's effect and that of its difference in means, as :func:`plots.scatter` wants them."""
    points = []
    for slider in content.sliders:
        ours, theirs = (slider.figure("auc", "matched", n) for n in ("effect", "difference_in_means"))
        if ours is not None and theirs is not None:
            points.append((theirs, ours, slider.title, slider.verdict))
    return points


def slider_rows(content: Content) -> list[SliderRow]:
    """Every candidate; bars share a scale that leaves out the two largest in a hundred."""
    known = [abs(v) for s in content.sliders if (v := s.figure("slope")) is not None]
    reach = sorted(known)[int(0.98 * (len(known) - 1))] if known else 1.0
    found = []
    for slider in content.sliders:
        low, high = slider.card.get("interval") or (None, None)
        found.append(
            SliderRow(
                slider,
                measure_words(str(slider.card["measure"])) if slider.card else "\u2013",
                interval_bar(slider.figure("slope"), low, high, reach),
                range_bar(slider.usable),
                slider.figure(str(slider.card.get("side", "up")), "seeds_needed"),
            )
        )
    return found
