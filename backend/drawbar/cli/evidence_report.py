"""`drawbar report evidence`: a proven bank as a page to read and play, as counts, or as a Markdown table."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from drawbar.cli.loading import load
from drawbar.cli.options import DeviceOption, JsonFlag, ModelOption, file_to_write
from drawbar.cli.output import line, out_json, progress, say
from drawbar.files.atomic_write import write_text

if TYPE_CHECKING:
    from drawbar.bank import Bank


def bank_of(where: str, edits: Path | None = None) -> "Bank":
    """``embedded`` (or nothing), a bank's folder, or an installed bank's name -> the bank, open for reading.

    ``edits`` is the folder of the user's own labels, stars and hidden features, where it is not the usual one.
    """
    from drawbar.bank import Bank, find_bank

    return Bank.open(find_bank(where or "embedded"), edits=edits)


def report_evidence(
    bank: Annotated[str, typer.Argument(help="embedded, a bank's folder, or an installed bank's name.")] = "",
    out: Annotated[
        Path,
        typer.Option("--out", "-o", callback=file_to_write, help="The page; one file with everything in it."),
    ] = Path("report.html"),
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="With clips to play.")] = True,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, help="Length of a clip.")] = 8.0,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the headline table instead.")] = False,
    own_labels: Annotated[
        bool, typer.Option("--own-labels", help="With your own labels; what you have hidden stays hidden.")
    ] = False,
    model: ModelOption = "embedded",
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """What each slider was shown to do: a page with plots and sounds, or the counts."""
    from drawbar.evidence import report

    with TemporaryDirectory() as nothing, bank_of(bank, None if own_labels else Path(nothing)) as opened:
        content = report.collect(opened)
        if as_json:
            out_json(content.counts)
            return
        if markdown:
            line(report.markdown(content).rstrip("\n"))
            return
        clips = {}
        if audio:
            from drawbar.evidence.report.sounds import SoundMaker

            maker = SoundMaker(load(model, device), opened, content, seconds)
            with progress("playing") as tell:
                clips = maker.make(report.shown(content), tell)
        text = report.page(content, clips)
    write_text(out, text)
    say(f"{len(content.sliders)} sliders, {len(clips)} of them with sounds, {len(text) / 1e6:.1f} MB")
    line(str(out))
