"""Words about a bank -> rows of features, or everything known about one.

`drawbar features ...`.
"""

from typing import Annotated

import typer

from drawbar.cli.shared import BankOption, JsonFlag, cell, open_bank, out_json, say, table

__all__ = ["features_app"]

features_app = typer.Typer(no_args_is_help=True, help="Look things up in a bank.")


@features_app.command("search")
def features_search(
    text: Annotated[str, typer.Argument(help="Words of a label; empty for the best features.")] = "",
    layer: Annotated[int | None, typer.Option("--layer")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1)] = 20,
    bank: BankOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Search a bank by label."""
    opened = open_bank(bank)
    rows = opened.search(text, layer=layer, limit=limit)
    if as_json:
        out_json(rows)
        return
    if not rows:
        near = ", ".join(f"{row.label} ({row.id})" for row in opened.nearest(text))
        say(f"no feature is called {text!r}" + (f"; nearest: {near}" if near else ""))
        return
    table(
        ("feature", "label", "by", "score", "density", "verdict"),
        [(r.id, r.label or "(unnamed)", r.label_author, r.label_score, r.density, r.verdict) for r in rows],
    )
    total = opened.count(text, layer=layer)
    if total > len(rows):
        say(f"{len(rows)} of {total}; --limit shows more")


@features_app.command("show")
def features_show(
    feature: Annotated[str, typer.Argument(help="An id (3/1407) or a label.")],
    bank: BankOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Everything a bank knows about one feature."""
    opened = open_bank(bank)
    found = opened.feature(opened.resolve(feature).id)
    if as_json:
        out_json(found)
        return
    low_high = (
        "not measured" if found.usable_range is None else "{:+.2g} to {:+.2g}".format(*found.usable_range)
    )
    rows: list[tuple[str, object]] = [
        ("feature", found.row.id),
        ("verdict", found.row.verdict),
        ("density", f"{found.density:.2%} of frames, {found.clip_density:.1%} of clips"),
        (
            "p50 / p90 / p99",
            f"{found.quantiles.p50:.3g} / {found.quantiles.p90:.3g} / {found.quantiles.p99:.3g}",
        ),
        ("usable range", low_high),
    ]
    rows += [(f"label by {x.author}", f"{x.text} ({x.method}, {cell(x.score)})") for x in found.labels]
    strongest = sorted(found.correlations.items(), key=lambda item: -abs(item[1]))[:6]
    rows += [("correlates with", ", ".join(f"{name} {value:+.2f}" for name, value in strongest) or "-")]
    rows += [
        ("neighbours", ", ".join(f"{near} {cosine:.2f}" for near, cosine in found.neighbours[:6]) or "-")
    ]
    table(("", found.row.label or "(unnamed)"), rows)
