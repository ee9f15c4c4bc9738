"""A report's words, settings and digests -> the sections at its end."""

import json
from html import escape
from typing import Any

from drawbar.evidence.report.content import Content
from drawbar.evidence.report.sections import section

_WORDS = (
    (
        "Amount",
        "What the slider is set to. +1 adds the feature as strongly as it naturally gets; \u22121 takes that much "
        "away.",
    ),
    (
        "Effect",
        "Steered take minus the unsteered take of the same prompt and seed, on the judge\u2019s scale, in standard "
        "deviations between unsteered takes: 1 is as much as two ordinary takes differ.",
    ),
    (
        "Random pushes",
        "{pool} directions per layer drawn by chance and added with the same strength. p is the slider\u2019s rank "
        "among them.",
    ),
    (
        "q",
        "p corrected for the number of candidates (Benjamini and Hochberg): below {q}, no more than that share of the "
        "sliders called proven is expected to be there by chance.",
    ),
    (
        "Difference in means",
        "A direction made with the truth at hand: the mean of the model\u2019s inside with the label, minus without. "
        "The usual baseline, hard to beat.",
    ),
    (
        "Usable range",
        "How far the slider goes before the sound suffers: surprise under the unsteered model, loudness, silence, "
        "clipping, repetition.",
    ),
    ("Noticeable", "The amount at which the effect reaches one standard deviation."),
    ("Specificity", "Effect on what it is judged on, divided by its largest effect on anything else."),
    (
        "Judge",
        "Detectors trained on composed music, and descriptors of the sound. Neither has seen the inside of the model, "
        "and who named a slider never judges it.",
    ),
    (
        "Listening",
        "Figures cannot replace ears: drawbar blind plays steered, bypassed and random without telling which.",
    ),
)


def how_to_read(content: Content) -> str:
    chosen = content.preregistration.get("settings", {})
    known = {"pool": chosen.get("pool", "Many"), "q": chosen.get("q", 0.05)}
    items = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text.format(**known))}</dd>" for name, text in _WORDS
    )
    return section("How to read this", "", f'<div class="panel"><dl>{items}</dl></div>')


def amendments(content: Content) -> str:
    """What was changed after the preregistration, in full; nothing where nothing was."""
    told = content.summary.get("amendments") or []
    if not told:
        return ""
    items = "".join(f"<p>{escape(str(one))}</p>" for one in told)
    return section(
        "Changed after it was written down",
        "Candidates, concepts, prompts and seeds stayed. This did not:",
        f'<div class="panel text">{items}</div>',
    )


def settings(content: Content) -> str:
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
    items = "".join(
        f'<dt>{escape(name)}</dt><dd class="mono">{escape(_plain(value))}</dd>'
        for name, value in facts
        if value not in (None, "", [], {})
    )
    body = f'<details class="panel"><summary>All settings</summary><dl style="padding-top:0">{items}</dl></details>'
    return section(
        "Settings and digests", "The same settings give the same clips, and the same verdicts.", body
    )


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
