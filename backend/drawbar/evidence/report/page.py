"""A report's content and clips -> one HTML file that needs nothing else; its words are in ``templates/page.html``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drawbar.evidence.report import sections
from drawbar.evidence.report.content import Content, Slider, best, goals, worst
from drawbar.evidence.report.panels import panel_of
from drawbar.evidence.report.plots import p_histogram, scatter
from drawbar.evidence.report.tables import headline
from drawbar.evidence.report.words import VERDICTS, figure, percent, probability, verdict_words
from drawbar.markup import render

if TYPE_CHECKING:
    from drawbar.evidence.report.sounds import ClipSet

_TEMPLATE = Path(__file__).with_name("templates") / "page.html"
_FILTERS: Mapping[str, Callable[..., str]] = {
    "figure": figure,
    "percent": percent,
    "probability": probability,
    "meaning": verdict_words,
}
BEST, WORST = 6, 4
"""Sliders shown in full."""


def shown(content: Content) -> list[Slider]:
    """The sliders that get a panel of their own."""
    return [*best(content, BEST), *worst(content, WORST)]


def page(content: Content, clips: Mapping[str, ClipSet] | None = None) -> str:
    """The whole report; ``clips`` by feature id (see ``sounds.SoundMaker``)."""
    summary, sounds = content.summary, clips or {}
    counts = {name: int(summary.get(name.replace(" ", "_"), 0) or 0) for name in VERDICTS}
    if not counts["untested"]:
        del counts["untested"]
    medians = summary.get("medians", {})
    return render(
        _TEMPLATE,
        _FILTERS,
        content=content,
        headline=headline(content),
        lead=sections.lead(content),
        counts=counts,
        goals=goals(content),
        amendments=[str(one) for one in summary.get("amendments") or []],
        best=[panel_of(slider, sounds.get(slider.id)) for slider in best(content, BEST)],
        worst=[panel_of(slider, sounds.get(slider.id)) for slider in worst(content, WORST)],
        failures=sorted(summary.get("failures", {}).items(), key=lambda item: -item[1]),
        concepts=sections.concept_rows(content),
        medians={name: medians.get(name) for name in ("effect", "difference_in_means")},
        scatter=scatter(sections.against_means(content)),
        histogram=p_histogram([p for s in content.sliders if s.card and (p := s.figure("p")) is not None]),
        null={"directions": 0, "rate": None} | summary.get("null", {}),
        resolution={"needed_together": 0, "smallest_p": None} | summary.get("resolution", {}),
        agreement={"compared": 0} | summary.get("judges_agreement", {}),
        sliders=sections.slider_rows(content),
        chosen=content.preregistration.get("settings", {}),
        facts=_settings(content),
    )


def _settings(content: Content) -> list[tuple[str, str]]:
    """What it was made with, to the digest."""
    summary, prereg = content.summary, content.preregistration
    wall = summary.get("wall_s")
    facts: list[tuple[str, Any]] = [
        ("preregistration", summary.get("digest")),
        ("bank", f"{content.bank}, {content.identity}"),
        ("model", f"{content.model}, {prereg.get('site', '')}"),
        ("clips", summary.get("clips")),
        ("wall clock", None if wall is None else f"{wall / 60:.0f} minutes"),
        ("rules", "; ".join(map(str, prereg.get("rules", ())))),
    ]
    chosen = prereg.get("settings") or summary.get("settings") or {}
    facts += [(name.replace("_", " "), value) for name, value in sorted(chosen.items())]
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in facts
        if value not in (None, "", [], {})
    ]
