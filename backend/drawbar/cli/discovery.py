"""Words of the offline side -> composed music, a bank, what a sound file activates.

`drawbar compose`, `build`, `analyse`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    read_config,
    say,
    settings_from,
    status,
    table,
)

if TYPE_CHECKING:
    from drawbar.pipeline import Progress

__all__ = ["app"]

app = typer.Typer()


@app.command()
def compose(
    out: Annotated[Path, typer.Argument(help="The folder to write.")],
    pieces: Annotated[int, typer.Option("--pieces", min=1)] = 10,
    seconds: Annotated[float, typer.Option("--seconds")] = 30.0,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="The first piece's seed; the next ones follow.")
    ] = 0,
    soundfont: FontOption = None,
) -> None:
    """Write composed music with its ground truth: audio, events, annotations, prompts."""
    from drawbar.corpus import DEFAULT_SOUNDFONT
    from drawbar.corpus.dataset import write_corpus

    with progress("composing") as tell:
        rows = write_corpus(
            out,
            pieces=pieces,
            seconds=seconds,
            seed=seed,
            soundfont=soundfont or DEFAULT_SOUNDFONT,
            progress=lambda done, total: tell(f"composing {done} of {total}", done / max(total, 1)),
        )
    say(f"{len(rows)} pieces of {seconds:g} s, seeds {seed} to {seed + pieces - 1}")
    line(str(out))


@app.command()
def build(
    out: Annotated[Path, typer.Argument(help="The run's folder; the bank appears in OUT/bank.")],
    corpus: Annotated[
        str | None, typer.Option("--corpus", help="composed:N, a corpus folder, or a folder of recordings.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="BuildSettings as JSON; options win.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="embedded, a folder, or a name.")] = None,
    layer: Annotated[list[int] | None, typer.Option("--layer", help="Counted from 0; repeat.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The bank's name.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Of the bank.")] = None,
    features: Annotated[int | None, typer.Option("--features", min=1, help="Features of the SAE.")] = None,
    k: Annotated[int | None, typer.Option("--k", min=1, help="Features that may fire at once.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Training steps of the SAE.")] = None,
    soundfont: FontOption = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda, mps.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a bank from audio; a build that was killed goes on where it stopped."""
    given = read_config(config)
    options: dict[str, object] = {
        "out": out,
        "corpus": corpus,
        "model": model,
        "name": name,
        "licence": licence,
        "device": device,
    }
    options |= {"layers": layer or None, "soundfont": str(soundfont) if soundfont else None}
    sae = {"d_sae": features, "k": k, "steps": steps}
    given |= {key: value for key, value in options.items() if value is not None}
    given["sae"] = dict(given.get("sae") or {}) | {
        key: value for key, value in sae.items() if value is not None
    }
    if not given.get("corpus"):
        raise typer.BadParameter("say what to build from: composed:N or a folder", param_hint="--corpus")
    from drawbar import pipeline

    settings = settings_from(pipeline.BuildSettings, given)
    with progress("building") as tell:
        result = pipeline.build(
            settings, lambda moment: tell(_moment(moment), moment.done / max(moment.total, 1))
        )
    for path, why in result.failed:
        say(f"left out {path}: {why}")
    if as_json:
        out_json(result)
        return
    say(f"{result.features} features and {result.labels} labels from {result.clips} clips")
    line(str(result.bank))


def _moment(moment: "Progress") -> str:
    rate = f", {moment.per_s:.1f} {moment.unit}/s" if moment.per_s else ""
    return " ".join(
        f"{moment.stage}: {moment.done} of {moment.total} {moment.unit}{rate} {moment.note}".split()
    )


@app.command()
def analyse(
    file: Annotated[Path, typer.Argument(help="A sound file of any format, rate and length.")],
    top: Annotated[int, typer.Option("--top", min=1, help="How many features.")] = 20,
    model: ModelOption = "embedded",
    bank: BankOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Which features a sound file activates, how strongly and when."""
    from drawbar.corpus.audio import stream_audio

    next(stream_audio(file, 32_000, block_s=1.0))  # refuses a bad file before a model is loaded
    from drawbar.features import analyse as listen

    opened, loaded = open_bank(bank), load(model, device)
    with status(f"listening to {file.name}"):
        result = listen(file, loaded, opened, top=top)
    if as_json:
        out_json({"file": str(file), **result.to_dict()})
        return
    table(
        ("feature", "label", "mean", "max", "when"),
        [(r.row.id, r.row.label or "(unnamed)", r.mean, r.max, _spans(r.when)) for r in result.rows],
        title=f"{file}: {result.seconds:.1f} s",
    )


def _spans(spans: Sequence[tuple[float, float]], most: int = 4) -> str:
    shown = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in spans[:most])
    return f"{shown} and {len(spans) - most} more" if len(spans) > most else shown
