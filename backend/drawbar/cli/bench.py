"""`drawbar bench NAME` -> a table or JSON of one measurement.

Everything is measured in drawbar.bench; this only asks and prints.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from drawbar.cli.loading import load, open_bank
from drawbar.cli.options import (
    BankOption,
    DeviceOption,
    FontOption,
    JsonFlag,
    ModelOption,
    PrecisionOption,
    file_to_write,
    folder_to_write,
)
from drawbar.cli.output import line, out_json, plain, progress, say, status, table
from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonMapping

app = typer.Typer(no_args_is_help=True, help="Measure, and print a table or JSON.")


def _show(result: JsonMapping, rows: Sequence[Sequence[object]], as_json: bool) -> None:
    if as_json:
        out_json(result)
    else:
        table(("measure", "value", "goal"), rows)


@app.command("model")
def bench_model(
    model: ModelOption = "embedded",
    clips: Annotated[
        int,
        typer.Option("--clips", "--pieces", min=2, help="How many pieces, and takes from their prompts."),
    ] = 100,
    seconds: Annotated[float, typer.Option("--seconds", min=2.5, help="How much of each.")] = 8.0,
    held_out: Annotated[
        int, typer.Option("--held-out", min=0, help="How many whole pieces the cross-entropy is taken of.")
    ] = 20,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only pulse, chord change, noise and tone, in a minute or so.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            callback=file_to_write,
            help="Write a page in Markdown there, pictures and takes beside it.",
        ),
    ] = None,
    soundfont: FontOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Quality of a model: is it music, does it play what the prompt says, what does the codec alone lose?"""
    from drawbar.bench import model as bench

    if quick and report is not None:
        raise typer.BadParameter("--quick measures too little for a page: leave one of the two out")
    loaded = load(model, device)
    if quick:
        with status(f"generating and measuring {clips} clips of {seconds:g} s"):
            few = bench.quick(loaded, clips, seconds, soundfont=soundfont)
        if as_json:
            out_json(few)
        else:
            table((*bench.COLUMNS[:-1], "KS codec", "KS generated"), bench.quick_rows(few))
        return
    with progress("measuring") as tell:
        result, heard = bench.run(
            loaded, clips=clips, seconds=seconds, held_out=held_out, soundfont=soundfont, progress=tell
        )
    if report is not None:
        from drawbar.bench.model_report import write_report

        for path in write_report(result, heard, report):
            say(f"wrote {path}")
    if as_json:
        out_json(result)
    else:
        table(bench.COLUMNS, bench.rows(result))


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


@app.command("tables")
def bench_tables(
    rows: Annotated[int, typer.Option("--rows", min=1000, help="Features, over many banks.")] = 10_000_000,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            callback=folder_to_write,
            help="Keep the table there, or search the one that is there.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """How long a search over the features of many banks takes, in Parquet tables (the extra: cluster)."""
    from drawbar.bench import tables as bench

    with status(f"writing {rows} features and searching them"):
        result = bench.run(rows, folder)
    if as_json:
        out_json(result)
        return
    columns = ("query", "matches", "first_ms", "next_ms")
    table(columns, [[row[column] for column in columns] for row in result["rows"]])
    line(f"{result['features']} features, {result['megabytes']} MB, written in {result['written_s']} s")


@app.command("scale")
def bench_scale(
    pieces: Annotated[int, typer.Option("--pieces", min=2, help="Composed pieces of 30 s.")] = 60,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Of the SAE's training.")] = 100,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Of a plain run and one on each.")] = 3,
    workers: Annotated[str, typer.Option("--workers", help="With commas.")] = "1,2,4",
    folder: Annotated[Path, typer.Option("--folder", help="For the runs, which are removed.")] = Path(
        "runs/scale"
    ),
    note: Annotated[str, typer.Option("--note", help="What else the machine was doing.")] = "",
    measured: Annotated[
        Path | None, typer.Option("--measured", help="JSON of an earlier --json: only write the page.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", callback=file_to_write, help="docs/scale.md.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """The pipeline on 1, 2 and 4 workers of this machine, against a plain run and the simulation."""
    import os

    from drawbar.bench import scale as bench
    from drawbar.bench.scale_page import page
    from drawbar.cli.settings_file import read_config
    from drawbar.files.atomic_write import write_text

    if measured is not None:
        result = read_config(measured)
    else:
        counts = tuple(int(part) for part in workers.split(","))
        with progress("measuring") as bar:
            result = bench.measure(
                bench.scale_settings(pieces, folder, steps),
                counts,
                rounds,
                lambda moment: bar(moment.stage, moment.done / max(moment.total, 1)),
            )
        result["where"] = f"{os.cpu_count()} cores" + (f", {note}" if note else "")
    if report is not None:
        write_text(report, page(result, "drawbar bench scale --report docs/scale.md", str(result["where"])))
    if as_json:
        out_json(result)
        return
    rows = [
        (f"{point['workers']} workers", point["measured_s"], point["simulated_s"], point["off"])
        for point in result["points"]
    ]
    table(("where", "measured s", "simulated s", "off"), rows)
    table(("ratio", "value"), list(result["ratios"].items()))


@app.command("codec")
def bench_codec(
    model: Annotated[
        str | None,
        typer.Option("--model", help="Whose codec; without it a random EnCodec of the released size."),
    ] = None,
    frames: Annotated[int, typer.Option("--frames", min=50, help="How many of each kind are timed.")] = 200,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Time per streamed frame, and how far streaming is from the one-shot decode."""
    from drawbar.bench import codec as bench

    loaded = None if model is None else load(model, device)
    with progress("measuring") as tell:
        result = bench.run(loaded, frames=frames, progress=tell)
    if as_json:
        out_json(result)
        return
    table(("threads", "a frame", "p50_ms", "p99_ms", "best_ms"), bench.rows(result))
    table(("look-ahead", "precision", "largest error", "error, dB of the signal"), bench.error_rows(result))


@app.command("live")
def bench_live(
    model: ModelOption = "embedded",
    bank: BankOption = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="How long is played on the null output.")
    ] = 60.0,
    sliders: Annotated[int, typer.Option("--sliders", min=1, help="How many are on the rack.")] = 8,
    moves: Annotated[
        int, typer.Option("--moves", min=1, help="How many moves are timed, with and without rollback.")
    ] = 100,
    soak: Annotated[
        str,
        typer.Option("--soak", help="Only play beside a busy window thread: 90, 10m, 1h; a line a minute."),
    ] = "",
    twin: Annotated[bool, typer.Option("--twin", help="Play with the bypass twin.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="At most 40 s, less of everything.")] = False,
    look_ahead: Annotated[
        int | None,
        typer.Option(
            "--look-ahead", help="Frames that an EnCodec waits for; fewer than it needs is inexact."
        ),
    ] = None,
    device: DeviceOption = "cpu",
    precision: PrecisionOption = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Real-time margin, under-runs, and the delay from slider to ear."""
    from drawbar.bench import live as bench

    opened, loaded = open_bank(bank), load(model, device, precision)
    with progress("playing") as tell:
        if soak:
            result = bench.soak(
                loaded,
                opened,
                seconds=_seconds(soak),
                sliders=sliders,
                twin=twin,
                progress=tell,
                minute=say,
            )
        else:
            result = bench.run(
                loaded,
                opened,
                seconds=seconds,
                sliders=sliders,
                twin=twin,
                moves=moves,
                look_ahead=look_ahead,
                quick=quick,
                progress=tell,
            )
    _show(result, bench.soak_rows(result) if soak else bench.rows(result), as_json)


def _seconds(text: str) -> float:
    """A length such as 90, 90s, 10m or 1h -> seconds. Raises BadInputError."""
    factor = {"s": 1, "m": 60, "h": 3600}.get(text[-1:].lower())
    try:
        return float(text if factor is None else text[:-1]) * (factor or 1)
    except ValueError:
        raise BadInputError(f"--soak {text!r}: use seconds, or 10m, 1h") from None


@app.command("concepts")
def bench_concepts(
    model: ModelOption = "embedded",
    bank: BankOption = None,
    sae: Annotated[
        list[Path] | None,
        typer.Option("--sae", help="An SAE's folder, in place of the bank; repeat to compare several."),
    ] = None,
    layers: Annotated[
        str,
        typer.Option("--layers", help="Where baselines and probes look, for example 1,3,5; all by default."),
    ] = "",
    pieces: Annotated[int, typer.Option("--pieces", min=20, help="Composed pieces, both splits.")] = 400,
    seconds: Annotated[float, typer.Option("--seconds", min=2.0, help="Length of each.")] = 12.0,
    control_steps: Annotated[
        int,
        typer.Option("--control-steps", min=0, help="Training steps of the control SAE; 0 leaves it out."),
    ] = 300,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            callback=file_to_write,
            help="Write a page in Markdown there, with its plots beside it.",
        ),
    ] = None,
    soundfont: FontOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Which of the composer's concepts do single features find? Against directions, probes and a random model."""
    from drawbar.bench import concepts as bench
    from drawbar.bench.concept_table import SHORT_METHODS

    loaded = load(model, device)
    if sae:
        judged = bench.from_folders(sae, loaded.fingerprint)
    else:
        judged = bench.from_bank(open_bank(bank), loaded.fingerprint)
    with progress("measuring") as tell:
        result = bench.run(
            loaded,
            judged,
            pieces=pieces,
            seconds=seconds,
            layers=_numbers(layers),
            control_steps=control_steps,
            soundfont=soundfont,
            progress=tell,
        )
    if report is not None:
        for path in bench.write_report(result, report):
            say(f"wrote {path}")
    if as_json:
        out_json(result)
        return
    found = bench.rows(result)
    table(("scope", "concept", *SHORT_METHODS, "feature"), found["concepts"])
    table(("scope", "SAE", "layer", "concepts", "single", ">= 0.9", "8 features", "probe"), found["saes"])
    table(("scope", "concept", "SAE", "8 features", "probe", "why not"), found["short"])
    table(("scope", "measure", "value", "goal"), found["goals"])
    line(f"{result['pieces']['held_out']} held-out pieces, {result['wall_s']:g} s")


@app.command("sae")
def bench_sae(
    width: Annotated[int, typer.Option("--width", min=1, help="Of the residuals.")] = 256,
    features: Annotated[int, typer.Option("--features", min=1, help="Of the SAE.")] = 2048,
    k: Annotated[int, typer.Option("--k", min=1, help="Features that may fire at once.")] = 32,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Residuals a step.")] = 4096,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps in a turn.")] = 10,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds of ours, theirs, theirs, ours.")] = 3,
    saelens_python: Annotated[
        Path | None,
        typer.Option("--saelens-python", help="A Python with sae-lens; without it only ours is measured."),
    ] = None,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Activations trained per second, beside SAELens' own training step on the same batches."""
    from drawbar.bench import sae as bench

    with progress("training") as tell:
        result = bench.run(
            width=width,
            features=features,
            k=k,
            batch=batch,
            steps=steps,
            rounds=rounds,
            saelens_python=saelens_python,
            device=device,
            progress=tell,
        )
    _show(result, bench.rows(result), as_json)


@app.command("harvest")
def bench_harvest(
    model: ModelOption = "embedded",
    shape: Annotated[
        str, typer.Option("--shape", help="small, medium or large with random weights, in place of a model.")
    ] = "",
    layers: Annotated[int, typer.Option("--layers", min=1, help="How many are taken.")] = 5,
    clips: Annotated[int, typer.Option("--clips", min=1, help="How many clips.")] = 8,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Their length, 50 a second.")] = 500,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Clips that run together.")] = 4,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds of bare, taken, taken, bare.")] = 3,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """What taking residuals costs beside a bare forward, and the bytes that are kept."""
    from drawbar.bench import harvest as bench

    loaded = bench.random_model(shape, device) if shape else load(model, device)
    with progress("harvesting") as tell:
        result = bench.run(
            loaded, count=layers, clips=clips, frames=frames, batch=batch, rounds=rounds, progress=tell
        )
    _show(result, bench.rows(result), as_json)


@app.command("score")
def bench_score(
    features: Annotated[int, typer.Option("--features", min=1, help="Per layer.")] = 32_768,
    layers: Annotated[int, typer.Option("--layers", min=1, help="How many layers.")] = 5,
    k: Annotated[int, typer.Option("--k", min=1, help="Features that fire at once.")] = 100,
    clips: Annotated[int, typer.Option("--clips", min=2, help="Clips of 10 s.")] = 100,
    as_json: JsonFlag = False,
) -> None:
    """Time and peak memory of scoring all features of several layers."""
    from drawbar.bench import score as bench

    sizes = bench.ScoreSizes(features=features, layers=layers, k=k, clips=clips)
    with progress("scoring") as tell:
        result = bench.run(sizes, progress=tell)
    _show(result, bench.rows(result), as_json)


def _numbers(text: str) -> list[int] | None:
    """``1,3,5`` -> numbers; nothing -> None."""
    try:
        return [int(part) for part in text.split(",")] if text.strip() else None
    except ValueError:
        raise typer.BadParameter(f"{text!r}: numbers with commas between them, for example 1,3,5") from None


@app.command("decoder")
def bench_decoder(
    shape: Annotated[str, typer.Option("--shape", help="small, medium, large or embedded.")] = "small",
    references: Annotated[
        bool, typer.Option("--references/--no-references", help="Also audiocraft and transformers.")
    ] = True,
    blocks: Annotated[int, typer.Option("--blocks", min=1, help="Rounds of A B B A.")] = 4,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Milliseconds a decoding step: ours at every precision, audiocraft, transformers, the memory's floor."""
    from drawbar.bench import decoder as bench

    with progress("measuring") as tell:
        result = bench.run(shape, device=device, blocks=blocks, references=references, progress=tell)
    _show(result, bench.rows(result), as_json)


@app.command("null")
def bench_null(
    runs: Annotated[int, typer.Option("--runs", min=1, help="Studies in which there is nothing.")] = 1000,
    sliders: Annotated[int, typer.Option("--sliders", min=2, help="In each study.")] = 10,
    directions: Annotated[int, typer.Option("--directions", min=19, help="Random directions.")] = 400,
    prompts: Annotated[int, typer.Option("--prompts", min=1, help="Prompts.")] = 4,
    seeds: Annotated[int, typer.Option("--seeds", min=2, help="Seeds per prompt.")] = 2,
    write: Annotated[
        Path | None, typer.Option("--write", callback=file_to_write, help="Write a page in Markdown there.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """How often the evidence proves what is not there, and finds what is: synthetic studies of known truth."""
    from drawbar.bench import null as bench
    from drawbar.evidence.statistics.synthetic_studies import SyntheticSettings

    world = SyntheticSettings(sliders=sliders, directions=directions, prompts=prompts, seeds=seeds)
    with progress("analysing") as tell:
        result = bench.run(runs, world, progress=tell)
    if write is not None:
        bench.write_report(result, write)
        say(f"wrote {write}")
    if as_json:
        out_json(result)
        return
    found = bench.rows(result)
    table(("nothing there", "hits", "of", "rate", "95 % interval", "nominal"), found["null"])
    table(("effect", "proven", "label judged", "some measure", "false among proven"), found["power"])
    line(f"{result['runs']} null runs, {result['wall_s']:g} s")


@app.command("site")
def bench_site(
    corpus: Annotated[
        list[str],
        typer.Argument(help="Unlike corpora, as for `drawbar build`: composed:33, a folder, a table."),
    ],
    model: ModelOption = "embedded",
    layers: Annotated[str, typer.Option("--layers", help="For example 1,2,3; all by default.")] = "",
    clips: Annotated[int, typer.Option("--clips", min=4, help="Clips of 10 s from each corpus.")] = 33,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps of each SAE.")] = 250,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """How often an SAE from elsewhere is refused, by the layer that it is of and the one that it names."""
    from drawbar.bench import site as bench

    loaded = load(model, device)
    with progress("measuring") as tell:
        result = bench.run(
            loaded, corpus, layers=_numbers(layers), clips=clips, steps=steps, device=device, progress=tell
        )
    if as_json:
        out_json(result)
        return
    table(("trained at", *(f"says {n}" for n in result["layers"])), bench.rows(result))
    line(bench.summary(result))


@app.command("loading")
def bench_loading(
    shape: Annotated[
        str, typer.Option("--shape", help="A released model, whose sizes random weights get.")
    ] = "facebook/musicgen-medium",
    precision: Annotated[
        list[str] | None, typer.Option("--precision", help="float32 by default; repeat for several.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", callback=folder_to_write, help="Where the weights go: some GB; kept."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Memory while a released model's shape loads, plays 20 frames and unloads, in sizes of the model."""
    from tempfile import TemporaryDirectory

    from drawbar.bench import loading as bench

    with TemporaryDirectory() as scratch, progress("measuring") as tell:
        found = bench.run(shape, precision or ["float32"], folder or Path(scratch), tell)
    if as_json:
        out_json({one.precision: plain(one) for one in found})
        return
    table(bench.COLUMNS, bench.rows(found), title=shape)
    worst = max(found, key=lambda one: one.ratio)
    line(f"peak {worst.ratio:.2f} times the model in {worst.precision} (goal {bench.GOAL:g})")


@app.command("synth-sae")
def bench_synth_sae(
    features: Annotated[int, typer.Option("--features", min=8, help="True features of the world.")] = 1024,
    width: Annotated[int, typer.Option("--width", min=2, help="Its dimensions.")] = 128,
    d_sae: Annotated[int, typer.Option("--d-sae", min=8, help="Features of each SAE.")] = 256,
    k: Annotated[int, typer.Option("--k", min=1, help="That fire at one sample.")] = 20,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Of 1,024 samples each.")] = 1500,
    as_json: JsonFlag = False,
) -> None:
    """Our kinds of SAE on a made-up world whose features are known, as SynthSAEBench has it; theirs beside them."""
    from drawbar.bench import synth_sae as bench

    roots = max(1, features // 128)
    with progress("training on a synthetic world") as bar:
        result = bench.run(
            bench.World(features=features, width=width, roots=roots),
            bench.ours(d_sae, k, steps),
            progress=bar,
        )
    if as_json:
        out_json(result)
        return
    names = ("f1", "mcc", "uniqueness", "explained")
    rows = [
        (
            row["sae"],
            *(f"{row[name]:.3f}" for name in names),
            f"{row['l0']:.1f}",
            *(f"{row['published'][name]:.3f}" if row["published"] else "-" for name in names),
        )
        for row in result["rows"]
    ]
    table(("SAE", *names, "l0", *(f"{name}, theirs at full size" for name in names)), rows)
