"""A report's content -> its sections in HTML, each readable by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from drawbar.evidence.report.content import Content, Slider, goals
from drawbar.evidence.report.panels import chip, slider_panel
from drawbar.evidence.report.plots import interval_bar, p_histogram, range_bar, scatter
from drawbar.evidence.report.tables import headline
from drawbar.evidence.report.words import VERDICTS, figure, measure_words, percent, probability, verdict_words

if TYPE_CHECKING:
    from drawbar.evidence.report.sounds import ClipSet

Clips = Mapping[str, "ClipSet"]
_KEY = (
    '<p class="key"><span><svg viewBox="0 0 26 14"><path class="dose" d="M1 12L25 2"/></svg>'
    "slider, with 95 % intervals</span>"
    '<span><svg viewBox="0 0 26 14"><rect class="band" y="3" width="26" height="8"/></svg>90 % of random pushes</span>'
    '<span><svg viewBox="0 0 26 14"><path class="means" d="M1 12L25 2"/></svg>difference in means</span>'
    '<span><svg viewBox="0 0 26 14"><rect class="usable" width="26" height="14" rx="3"/></svg>usable range</span></p>'
)
_SWITCH = (
    '<div class="switch" role="group" aria-label="Level"><button type="button" data-even="1" aria-pressed="true">'
    'Equally loud</button><button type="button" data-even="0" aria-pressed="false">As generated</button></div>'
)


def hero(content: Content) -> str:
    summary = content.summary
    counts = {name: int(summary.get(name.replace(" ", "_"), 0) or 0) for name in VERDICTS}
    if not counts["untested"]:
        del counts["untested"]
    bar = "".join(
        f'<i class="v-{name.replace(" ", "")}" style="flex:{count}"></i>'
        for name, count in counts.items()
        if count
    )
    legend = "".join(
        f'<li><b>{count}</b><span><i class="dot v-{name.replace(" ", "")}"></i>{name}</span>'
        f"<small>{verdict_words(name)}</small></li>"
        for name, count in counts.items()
    )
    judged, named = labelled(content)
    more = f" Of the {named} whose label a judge can hear, {judged} do what the label says." if named else ""
    published = summary.get("published")
    lead = (
        f"Every candidate was written down before anything was played: {summary.get('candidates')}"
        + (f" of the {published:,} features of the bank" if published else "")
        + ", tested on fresh seeds against random pushes of the same strength, by judges that did not name them."
        + more
    )
    return (
        f'<p class="kicker">{escape(content.bank)}: the evidence</p><h1>{escape(headline(content))}</h1>'
        f'<p class="lead">{escape(lead)}</p><div class="verdicts"><div class="stack">{bar}</div>'
        f'<ul class="legend">{legend}</ul></div>'
    )


def labelled(content: Content) -> tuple[int, int]:
    """Proven sliders among those whose label names what a judge hears, and how many such candidates there are."""
    named = {str(c["id"]) for c in content.preregistration.get("candidates", ()) if c.get("target")}
    named |= {s.id for s in content.sliders if s.card.get("label_judged") and s.label}
    return sum(s.verdict == "proven" for s in content.sliders if s.id in named), len(named)


def goal_list(content: Content) -> str:
    signs = {
        True: ("yes", "\u2713", "reached"),
        False: ("no", "\u2717", "missed"),
        None: ("", "\u2013", "not measured"),
    }
    rows = []
    for goal in goals(content):
        name, sign, word = signs[goal.reached]
        rows.append(
            f'<div class="goal"><span class="sign {name}" title="{word}">{sign}</span><span>{escape(goal.what)}</span>'
            f'<span class="got">{escape(goal.got)}</span><small>wanted: {escape(goal.wanted)}; {word}</small></div>'
        )
    return section(
        "Goals, reached or missed",
        "They were set before the first clip was played, and their denominators did not change afterwards.",
        f'<div class="goals panel">{"".join(rows)}</div>',
    )


def slider_grid(title: str, words: str, sliders: Sequence[Slider], clips: Clips) -> str:
    """Panels of sliders, with the plots' key and the switch of the level."""
    if not sliders:
        return section(title, words, '<p class="soft">There are none.</p>')
    switch = _SWITCH if any(slider.id in clips for slider in sliders) else ""
    panels = "".join(slider_panel(slider, clips.get(slider.id)) for slider in sliders)
    return section(title, words, f'<div class="bar">{_KEY}{switch}</div><div class="sliders">{panels}</div>')


def concepts(content: Content) -> str:
    """What the composer can write, and which slider moves it."""
    rows = sorted(
        content.summary.get("concept_rows", ()), key=lambda r: (not r.get("proven"), r.get("p") or 1.0)
    )
    if not rows:
        return ""
    by_id = {slider.id: slider for slider in content.sliders}
    reach = max((abs(r["slope"]) for r in rows if isinstance(r.get("slope"), (int, float))), default=1.0)
    lines = []
    for row in rows:
        low, high = row.get("interval") or (None, None)
        slider = by_id.get(str(row.get("slider") or ""))
        title = f"{row['slider']} {slider.label if slider else ''}".strip() if row.get("slider") else "\u2013"
        way = {"up": "pulled up", "down": "pulled down"}.get(str(row.get("side")), "")
        lines.append(
            f"<tr><td>{escape(measure_words('detector:' + str(row['concept'])))}</td>"
            f"<td>{chip('proven' if row.get('proven') else 'not shown')}</td>"
            f"<td>{escape(title)} <small>{way}</small></td>"
            f"<td>{interval_bar(row.get('slope'), low, high, reach * 1.2)}</td>"
            f'<td class="n">{figure(row.get("slope"), sign=True)}</td><td class="n">{probability(row.get("p"))}</td>'
            f'<td class="n">{probability(row.get("q"))}</td><td class="n">{figure(row.get("probe_auroc"))}</td>'
            f'<td class="n">{figure(row.get("detector_auroc"))}</td></tr>'
        )
    head = (
        "<tr><th>concept</th><th></th><th>best slider</th><th>effect per +1, 95\u202f%</th><th class=n>slope</th>"
        "<th class=n>p</th><th class=n>q</th><th class=n>model knows it</th><th class=n>judge hears it</th></tr>"
    )
    return section(
        "Concepts",
        "What the model provably knows (a probe reads it from its inside) and a judge provably hears: does a slider "
        "move it?",
        f'<div class="panel scroll"><table><thead>{head}</thead><tbody>{"".join(lines)}</tbody></table></div>',
    )


def comparison(content: Content) -> str:
    """Against random directions, difference in means, other judges, and the test of the test."""
    summary, medians = content.summary, content.summary.get("medians", {})
    points = []
    for slider in content.sliders:
        ours, theirs = (slider.figure("auc", "matched", n) for n in ("effect", "difference_in_means"))
        if ours is not None and theirs is not None:
            points.append((theirs, ours, slider.title, slider.verdict))
    values = [p for s in content.sliders if s.card and (p := s.figure("p")) is not None]
    null, agree = summary.get("null", {}), summary.get("judges_agreement", {})
    means = (
        f"<p>Each point is a slider; above the line it moves its label further than the direction from the mean "
        f"without the label to the mean with it, for the same loss elsewhere. Medians: {figure(medians.get('effect'))} "
        f"against {figure(medians.get('difference_in_means'))}.</p>{scatter(points)}"
        if points
        else "<p>No slider has a difference-in-means direction to be compared with.</p>"
    )
    spread = (
        "<p>How the p of all confirmed candidates is spread (the better side of each). Without any effect the bars "
        f"would stay near the line.</p>{p_histogram(values)}"
    )
    told = (
        f"<p>{null.get('proven')} of {null.get('directions')} held-out random directions came out as proven when they "
        f"were judged as if they were candidates ({percent(null.get('rate'))}; "
        f"nominal {percent(null.get('nominal', 0.05))}).</p>"
        if null.get("directions")
        else "<p>No random directions were held out.</p>"
    )
    resolution = summary.get("resolution", {})
    if resolution.get("needed_together"):
        told += (
            f"<p>{resolution['tests']} tests share the correction, and the pool shows no p below "
            f"{probability(resolution.get('smallest_p'))}: {resolution['needed_together']} of them must reach it "
            "together before any is proven.</p>"
        )
    compared = agree.get("compared")
    second = (
        "<p>Where a second judge of another kind can hear the same thing it agrees in "
        f"{agree.get('agree')} of {compared} "
        f"sliders and contradicts {agree.get('contradict', 0)}. A contradicted slider is not proven.</p>"
        if compared
        else "<p>No slider has a second judge of another kind.</p>"
    )
    panels = (
        ("Against difference in means", means), ("Against random directions", spread),
        ("Does the test cry wolf?", told), ("Do the judges agree?", second),
    )  # fmt: skip
    body = "".join(f'<div class="panel"><h3>{title}</h3>{text}</div>' for title, text in panels)
    return section("What it is compared with", "", f'<div class="two">{body}</div>')


def failures(content: Content) -> str:
    """Why sliders were not proven, by kind."""
    kinds = content.summary.get("failures", {})
    if not kinds:
        return ""
    most = max(kinds.values())
    rows = "".join(
        f'<div class="reason"><span>{escape(str(why))}</span><b>{count}</b>'
        f'<i style="width:{100 * count / most:.1f}%"></i></div>'
        for why, count in sorted(kinds.items(), key=lambda item: -item[1])
    )
    return section("Why the others were not proven", "", f'<div class="panel reasons">{rows}</div>')


def all_sliders(content: Content) -> str:
    known = [abs(v) for s in content.sliders if (v := s.figure("slope")) is not None]
    reach = sorted(known)[int(0.98 * (len(known) - 1))] if known else 1.0
    lines = []
    for slider in content.sliders:
        low, high = slider.card.get("interval") or (None, None)
        measure = measure_words(str(slider.card["measure"])) if slider.card else "\u2013"
        side = str(slider.card.get("side", "up"))
        seeds = slider.figure(side, "seeds_needed")
        lines.append(
            f"<tr><td>{escape(slider.label or 'unnamed')}<br><small>{escape(slider.id)}</small></td>"
            f"<td>{chip(slider.verdict)}</td>"
            f"<td>{escape(measure)}</td><td>{interval_bar(slider.figure('slope'), low, high, reach)}</td>"
            f'<td class="n">{figure(slider.figure("slope"), sign=True)}</td>'
            f'<td class="n">{probability(slider.figure("p"))}</td>'
            f'<td class="n">{probability(slider.figure("q"))}</td><td>{range_bar(slider.usable)}</td>'
            f'<td class="n">{figure(slider.figure("specificity"), 1)}</td><td class="n">{figure(seeds, 0)}</td></tr>'
        )
    head = (
        "<tr><th>slider</th><th>verdict</th><th>judged on</th><th>effect per +1, 95\u202f%</th><th class=n>slope</th>"
        "<th class=n>p</th><th class=n>q</th><th>usable, \u22122 to 2</th><th class=n>specificity</th>"
        "<th class=n>seeds needed</th></tr>"
    )
    return section(
        "Every candidate",
        "Those without figures showed too little in the screening (not shown), or their turn did not come (untested).",
        f'<details class="panel"><summary>{len(content.sliders)} sliders</summary><div class="scroll" style="margin:0">'
        f"<table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table></div></details>",
    )


def section(title: str, words: str, body: str) -> str:
    """A heading, a sentence and what follows."""
    text = f'<p class="soft">{escape(words)}</p>' if words else ""
    return f"<section><h2>{escape(title)}</h2>{text}{body}</section>"
