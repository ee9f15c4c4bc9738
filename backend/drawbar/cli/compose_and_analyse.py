"""`drawbar compose` and `drawbar analyse`: music with its ground truth; what a sound file activates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from drawbar.cli.loading import load, open_bank
from drawbar.cli.options import BankOption, DeviceOption, FontOption, JsonFlag, ModelOption, folder_to_write
from drawbar.cli.output import line, out_json, progress, say, status, table

app = typer.Typer()


@app.command()
def compose(
    out: Annotated[Path, typer.Argument(callback=folder_to_write, help="The folder to write.")],
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
