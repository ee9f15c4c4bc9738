"""Content -> the headline table as Markdown, for a document; knows nothing of pages."""

from drawbar.evidence.report.content import Content, goals


def headline(content: Content) -> str:
    summary = content.summary
    tested, proven = summary.get("candidates", 0), summary.get("proven", 0)
    share = f" ({100 * proven / tested:.0f}\u202f%)" if tested else ""
    return f"{proven} of {tested} sliders tested{share} are proven."


def markdown(content: Content) -> str:
    """Goals with what came out, then the counts."""
    summary, medians = content.summary, content.summary.get("medians", {})
    lines = ["| goal | wanted | measured | |", "|---|---|---|---|"]
    signs = {True: "reached", False: "**missed**", None: "not measured"}
    lines += [f"| {g.what} | {g.wanted} | {g.got} | {signs[g.reached]} |" for g in goals(content)]
    counts = ", ".join(
        f"{summary.get(name.replace(' ', '_'), 0)} {name}"
        for name in ("proven", "weak", "harmful", "not shown", "untested")
    )
    text = f"{headline(content)} Verdicts over all {summary.get('candidates')} candidates: {counts}."
    up, down = medians.get("usable_up"), medians.get("usable_down")
    notice = medians.get("noticeable_up")
    if up is not None and down is not None:
        text += f" A proven slider can be pulled from \u2212{down:.1f} to +{up:.1f} (medians)"
        text += f" and is noticeable from +{notice:.1f}." if notice is not None else "."
    clips, wall = summary.get("clips"), summary.get("wall_s")
    if clips and wall:
        text += f" {clips:,} clips, {wall / 60:.0f} minutes."
    changed = len(summary.get("amendments") or [])
    if changed:
        text += f" Changed after the preregistration: {changed} things, told in the report."
    return (
        "\n".join([*lines, "", text, "", f"Preregistration `{str(summary.get('digest', ''))[:12]}`."]) + "\n"
    )
