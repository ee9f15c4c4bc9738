"""`drawbar bench NAME` -> a table or JSON of one measurement.

Everything is measured in drawbar.bench; this only asks and prints.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from drawbar.cli.shared import (
    BankOption,
    DeviceOption,
    FontOption,
    JsonFlag,
    ModelOption,
    line,
    load,
    open_bank,
    out_json,
    progress,
    status,
    table,
)

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Measure, and print a table or JSON.")


def _show(result: Mapping[str, Any], rows: Sequence[Sequence[object]], as_json: bool) -> None:
    if as_json:
        out_json(result)
    else:
        table(("measure", "value", "goal"), rows)


@app.command("model")
def bench_model(
    model: ModelOption = "embedded",
    clips: Annotated[
        int, typer.Option("--clips", min=2, help="How many clips are generated and judged.")
    ] = 100,
    seconds: Annotated[float, typer.Option("--seconds", help="How long each is.")] = 8.0,
    held_out: Annotated[
        int, typer.Option("--held-out", min=2, help="How many composed pieces are coded.")
    ] = 20,
    soundfont: FontOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Quality of a model: codec distance, cross-entropy, and whether it plays what the prompt says."""
    from drawbar.bench import model as bench

    loaded = load(model, device)
    with progress("measuring") as tell:
        result = bench.run(
            loaded, clips=clips, seconds=seconds, held_out=held_out, soundfont=soundfont, progress=tell
        )
    _show(result, bench.rows(result), as_json)


@app.command("steering")
def bench_steering(
    model: ModelOption = "embedded",
    bank: BankOption = None,
    feature: Annotated[str, typer.Option("--feature", help="A label or an id.")] = "drums",
    detector: Annotated[str, typer.Option("--detector", help="Which detector judges it.")] = "drums",
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Does a slider do what its label says? Up against down, judged by a detector, seeds 100 to 131."""
    from drawbar.bench import steering as bench

    opened, loaded = open_bank(bank), load(model, device)
    with progress("steering") as tell:
        result = bench.run(loaded, opened, feature=feature, detector=detector, progress=tell)
    _show(result, bench.rows(result), as_json)


@app.command("search")
def bench_search(
    features: Annotated[int, typer.Option("--features", min=1, help="How many the bank has.")] = 100_000,
    as_json: JsonFlag = False,
) -> None:
    """How long a keystroke in the browser takes, in a synthetic bank."""
    from drawbar.bench import search as bench

    with status(f"building a bank of {features} features and typing in it"):
        result = bench.run(features=features)
    if as_json:
        out_json(result)
        return
    columns = ("what", "n", "p50_ms", "p95_ms", "p99_ms", "max_ms")
    table(columns, [[row[column] for column in columns] for row in result["rows"]])
    line(f"goal: p95 <= {result['target_p95_ms']} ms, {'reached' if result['reached'] else 'not reached'}")


@app.command("live")
def bench_live(
    model: ModelOption = "embedded",
    bank: BankOption = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="How long is played on the null output.")
    ] = 60.0,
    sliders: Annotated[int, typer.Option("--sliders", min=1, help="How many are on the rack.")] = 8,
    twin: Annotated[bool, typer.Option("--twin", help="Play with the bypass twin.")] = False,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Real-time margin, under-runs, and the delay from slider to ear."""
    from drawbar.bench import live as bench

    opened, loaded = open_bank(bank), load(model, device)
    with progress("playing") as tell:
        result = bench.run(loaded, opened, seconds=seconds, sliders=sliders, twin=twin, progress=tell)
    _show(result, bench.rows(result), as_json)
