"""A report's content and clips -> one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from drawbar.evidence.report import reference, sections
from drawbar.evidence.report.content import Content, Slider, best, worst
from drawbar.evidence.report.style import CSS, SCRIPT

if TYPE_CHECKING:
    from drawbar.evidence.report.sounds import ClipSet

BEST, WORST = 6, 4
"""Sliders shown in full."""


def shown(content: Content) -> list[Slider]:
    """The sliders that get a panel of their own."""
    return [*best(content, BEST), *worst(content, WORST)]


def page(content: Content, clips: Mapping[str, ClipSet] | None = None) -> str:
    """The whole report; ``clips`` by feature id (see ``sounds.SoundMaker``)."""
    sounds = clips or {}
    parts = (
        sections.hero(content),
        sections.goal_list(content),
        reference.amendments(content),
        sections.slider_grid(
            "The strongest sliders",
            "Ordered by the sure part of their effect. Listen: bypassed, down, up, and a random push of the same "
            "strength.",
            best(content, BEST),
            sounds,
        ),
        sections.slider_grid(
            "Sliders that failed",
            "A slider that does nothing, or only harm, is a result too.",
            worst(content, WORST),
            sounds,
        ),
        sections.failures(content),
        sections.concepts(content),
        sections.comparison(content),
        sections.all_sliders(content),
        reference.how_to_read(content),
        reference.settings(content),
    )
    title = f"{content.bank}: the evidence"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body><main>{''.join(parts)}"
        "<footer>Made by <code>drawbar report evidence</code>. Everything on this page is inside this file.</footer>"
        f"</main><script>{SCRIPT}</script></body></html>\n"
    )
