"""`drawbar bench variants` -> which way to steer and which way to stack does most at what cost.

Everything is measured in drawbar.research.variants.report; this only asks and prints.
"""

from pathlib import Path
from typing import Annotated

import typer

from drawbar.cli.options import BankOption, FontOption, JsonFlag, ModelOption, file_to_write, folder_to_write
from drawbar.cli.output import line, out_json, progress, say, table
from drawbar.files.atomic_write import write_text
from drawbar.files.lock import folder_lock


def bench_variants(
    model: ModelOption = "embedded",
    bank: BankOption = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", callback=folder_to_write, help="Folder of the run; one that was stopped goes on."
        ),
    ] = Path("runs/variants"),
    sliders: Annotated[int, typer.Option("--sliders", min=2, help="How many concepts' sliders.")] = 12,
    pairs: Annotated[int, typer.Option("--pairs", min=2, help="Prompts and seeds per condition.")] = 8,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, help="Length of each clip.")] = 4.0,
    plan: Annotated[bool, typer.Option("--plan", help="Only say how many clips and how long.")] = False,
    write: Annotated[
        Path | None, typer.Option("--write", callback=file_to_write, help="Write the page in Markdown there.")
    ] = None,
    soundfont: FontOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Layers, branches, bursts, decay, a monitor; choice by output; stacking rules: each beside the plain slider."""
    from drawbar.bank import find_bank
    from drawbar.research.variants import report as bench
    from drawbar.research.variants.playing import cost_of
    from drawbar.research.variants.settings import VariantSettings

    settings = VariantSettings(model=model, sliders=sliders, pairs=pairs, seconds=seconds)
    path = find_bank(bank or "embedded")
    if plan:
        clips, each = cost_of(path, out, settings)
        table(("stage", "clips"), [*clips.items(), ("all", sum(clips.values()))])
        line(f"{each:.2f} s a clip with one thread: {sum(clips.values()) * each / 60:.0f} minutes at most")
        return
    with folder_lock(out, "comparing ways to steer"), progress("variants") as tell:
        result = bench.run(path, out, settings, soundfont=soundfont, told=tell)
    if write is not None:
        write_text(write, bench.markdown(result))
        say(f"wrote {write}")
    if as_json:
        out_json(result.to_json())
        return
    table(bench.COLUMNS, bench.rows(result.recipes))
    table(bench.COLUMNS, bench.rows(result.choices))
    table(bench.STACK_COLUMNS, bench.stack_table(result.stacks))
    table(bench.TOTAL_COLUMNS, bench.total_table(result.totals))
    table(bench.COLUMNS, bench.rows(result.rules))
    line(f"stacking: {result.stacking}")
