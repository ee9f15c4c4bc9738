"""`drawbar features` and `drawbar bank`: search features, read all about one; pack and install banks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drawbar.cli.loading import open_bank
from drawbar.cli.options import BankOption, JsonFlag, file_to_write, folder_to_write
from drawbar.cli.output import cell, line, out_json, progress, say, status, table

if TYPE_CHECKING:
    from drawbar.bank import Bank

bank_app = typer.Typer(no_args_is_help=True, help="Pack, install, check, list and remove banks.")

features_app = typer.Typer(no_args_is_help=True, help="Look things up in a bank.")


@features_app.command("search")
def features_search(
    text: Annotated[str, typer.Argument(help="Words of a label; empty for the best features.")] = "",
    layer: Annotated[int | None, typer.Option("--layer")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1)] = 20,
    bank: BankOption = None,
    tables: Annotated[
        Path | None, typer.Option("--table", help="Many banks at once: a folder of drawbar bank table.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Search a bank, or a table of many, by label."""
    if tables is not None:
        _search_tables(tables, text, layer, limit, as_json)
        return
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
        ("feature", "label", "by", "score", "density", "consistency", "verdict"),
        [
            (r.id, r.label or "(unnamed)", r.label_author, r.label_score, r.density, r.consistency, r.verdict)
            for r in rows
        ],
    )
    total = opened.count(text, layer=layer)
    if total > len(rows):
        say(f"{len(rows)} of {total}; --limit shows more")


def _search_tables(folder: Path, text: str, layer: int | None, limit: int, as_json: bool) -> None:
    from drawbar.bank.search import Query
    from drawbar.bank.tables import BankRow, FeatureTables

    found = FeatureTables(folder).find(Query(text, layer=layer), limit=limit)
    if as_json:
        out_json(found.rows)
        return
    table(
        ("bank", "feature", "label", "by", "score", "density", "verdict"),
        [
            (r.bank, r.id, r.label or "(unnamed)", r.label_author, r.label_score, r.density, r.verdict)
            for r in found.rows
            if isinstance(r, BankRow)
        ],
    )
    say(f"{len(found.rows)} of {found.total}")


@features_app.command("show")
def features_show(
    feature: Annotated[
        str, typer.Argument(help="An id (3/1407), a link (drawbar://feature/...) or a label.")
    ],
    bank: BankOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Everything a bank knows about one feature."""
    from drawbar.bank.links import id_of

    opened = open_bank(bank)
    found = opened.feature(opened.resolve(id_of(feature)).id)
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
        ("in time", _movement(found.temporal)),
        ("predictable from sound", cell(found.row.consistency)),
        ("tags", ", ".join(found.row.tags) or "-"),
    ]
    rows += [(f"label by {x.author}", f"{x.text} ({x.method}, {cell(x.score)})") for x in found.labels]
    strongest = sorted(found.correlations.items(), key=lambda item: -abs(item[1]))[:6]
    rows += [("correlates with", ", ".join(f"{name} {value:+.2f}" for name, value in strongest) or "-")]
    rows += [
        ("neighbours", _listed(found.neighbours)),
        ("fires together with", _listed(found.coactive)),
        ("same in other layers", _listed(found.duplicates)),
        ("one slider with", _grouped(opened, found.row.id)),
    ]
    phrases = [x.evidence["phrase"] for x in found.labels if "phrase" in x.evidence]
    rows += [("effect sizes", phrases[0])] if phrases else []
    table(("", found.row.label or "(unnamed)"), rows)


def _listed(pairs: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{feature} {value:.2f}" for feature, value in pairs[:6]) or "-"


def _grouped(bank: "Bank", feature: str) -> str:
    """The other members of its group, and which of them has the best evidence."""
    from drawbar.bank.duplicates import group_of

    group = group_of(bank, feature)
    others = ", ".join(id for id in group.members if id != feature)
    best = "" if group.representative == feature else f"; use {group.representative}"
    return f"{others}{best}" if others else "-"


def _movement(temporal: dict[str, object]) -> str:
    shown = {
        "run_s": "stretches of {} s",
        "period_s": "period {} s",
        "drift": "drift {}",
        "position": "position {}",
    }
    figures = [text.format(temporal[name]) for name, text in shown.items() if temporal.get(name)]
    return ", ".join([str(temporal.get("type", "-")), *figures])


@bank_app.command("table")
def bank_table(
    out: Annotated[Path, typer.Argument(callback=folder_to_write, help="The folder to write.")],
    banks: Annotated[list[str], typer.Argument(help="embedded, banks' folders, or installed banks' names.")],
) -> None:
    """Put the features of many banks into one table of Parquet files, for drawbar features search --table."""
    from drawbar.bank import find_bank
    from drawbar.bank.tables import TableWriter, add_bank

    with status("writing"), TableWriter(out) as writer:
        count = sum(add_bank(writer, find_bank(bank), bank) for bank in banks)
    say(f"{count} features of {len(banks)} banks")
    line(str(out))


@bank_app.command("pack")
def bank_pack(
    bank: Annotated[str, typer.Argument(help="embedded, a bank's folder, or an installed bank's name.")],
    out: Annotated[Path, typer.Argument(callback=file_to_write, help="The .drawbank file to write.")],
    as_json: JsonFlag = False,
) -> None:
    """Pack a bank for others, without examples that may not be shared; the copy inside is read-only for good."""
    from drawbar.bank import find_bank, pack_bank

    with status("packing"):
        packed = pack_bank(find_bank(bank), out)
    if as_json:
        out_json(packed)
        return
    say(f"licence of the bank, which the model's weights pass on: {packed.bank_licence or 'unknown'}")
    if packed.bank_licence in ("", "unknown"):
        say("nobody may use a bank of unknown licence: build it with --licence")
    for licence, count in sorted(packed.kept.items()):
        say(f"examples under {licence}: {count} packed")
    for licence, count in sorted(packed.left_out.items()):
        say(f"examples under {licence}: {count} left out, they may not be shared")
    say(f"{packed.bytes / 1e6:.1f} MB")
    line(str(packed.path))


@bank_app.command("install")
def bank_install(
    file: Annotated[Path, typer.Argument(help="A .drawbank file.")], as_json: JsonFlag = False
) -> None:
    """Check a .drawbank file and install it; a bank of the same name is upgraded and your labels stay."""
    from drawbar.bank import install_bank

    with status(f"installing {file.name}"):
        installed, carried = install_bank(file)
    if as_json:
        out_json({"installed": installed, "carried": carried})
        return
    info = installed.info
    say(f"{info.name}: {installed.features} features of {info.model_name}, layers {_numbers(info.layers)}")
    say(f"licence: {info.licence or 'unknown'}")
    if carried.moved or carried.left:
        say(f"your labels, stars and shelves came along for {carried.moved} features")
    if carried.left:
        say(
            f"{len(carried.left)} features are not in the new bank; your notes on them are kept: {carried.left[:5]}"
        )
    line(installed.name)


@bank_app.command("verify")
def bank_verify(
    bank: Annotated[
        str, typer.Argument(help="embedded, a folder, an installed bank's name, or a .drawbank file.")
    ],
) -> None:
    """Read every byte of a bank and check schema, rows, digests and shapes; exit code 1 if something is wrong."""
    import tempfile

    from drawbar.bank import find_bank, import_bank, verify

    with status("verifying"):
        if bank.endswith(".drawbank"):
            with tempfile.TemporaryDirectory(prefix="drawbar-verify-") as folder:
                import_bank(Path(bank), Path(folder) / "bank")
        else:
            verify(find_bank(bank))
    line(f"{bank}: in order")


@bank_app.command("export-json")
def bank_export_json(
    bank: Annotated[str, typer.Argument(help="embedded, a bank's folder, or an installed bank's name.")],
    out: Annotated[
        Path, typer.Argument(callback=folder_to_write, help="The folder to write, one file a layer.")
    ],
) -> None:
    """Write a bank as JSON in the field names of Neuronpedia's exports."""
    from drawbar.bank.neuronpedia import export_neuronpedia

    with progress("exporting") as tell:
        written = export_neuronpedia(
            open_bank(Path(bank)), out, lambda done, total: tell("exporting", done / max(total, 1))
        )
    for path in written:
        line(str(path))


@bank_app.command("list")
def bank_list(as_json: JsonFlag = False) -> None:
    """The installed banks."""
    from drawbar.bank import installed_banks

    found = installed_banks()
    if as_json:
        out_json(found)
        return
    if not found:
        say("no bank is installed; the embedded one is always there")
        return
    table(
        ("bank", "model", "layers", "features", "MB", "licence"),
        [
            (b.name, b.info.model_name, _numbers(b.info.layers), b.features, b.bytes / 1e6, b.info.licence)
            for b in found
        ],
    )


@bank_app.command("remove")
def bank_remove(name: Annotated[str, typer.Argument(help="As `drawbar bank list` shows it.")]) -> None:
    """Delete an installed bank; your labels of it are kept."""
    from drawbar.bank import remove_bank

    remove_bank(name)
    say(f"{name} is removed; your labels of it are kept")


def _numbers(layers: Sequence[int]) -> str:
    return ", ".join(map(str, layers))


@features_app.command("import")
def features_import(
    file: Annotated[Path, typer.Argument(help="CSV with columns feature, label and perhaps author.")],
    bank: BankOption = None,
) -> None:
    """Add people's labels from a CSV file to your own, which survive upgrades of the bank."""
    from drawbar.errors import BadInputError
    from drawbar.features.labellers.people import read_people

    opened = open_bank(bank)
    records = read_people(file)
    unknown = []
    for record in records:
        try:
            author = "me" if record.label.author == "people" else record.label.author
            opened.add_label(record.feature, record.label.text, author)
        except BadInputError:
            unknown.append(record.feature)
    say(f"{len(records) - len(unknown)} labels added to {opened.info.name}")
    if unknown:
        say(f"{len(unknown)} rows name features that this bank does not have: {', '.join(unknown[:5])}")
