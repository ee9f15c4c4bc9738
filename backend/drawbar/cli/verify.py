"""`drawbar verify`: what equals the reference implementations, and by how much."""

from typing import TYPE_CHECKING, Annotated

import typer

from drawbar.cli.loading import load
from drawbar.cli.options import DeviceOption, JsonFlag
from drawbar.cli.output import line, out_json, progress, say, table

if TYPE_CHECKING:
    from drawbar.musicgen.parity.report import Row, Verdict

app = typer.Typer()


@app.command()
def verify(
    model: Annotated[str, typer.Argument(help="embedded, a folder, or a Hugging Face name.")] = "embedded",
    frames: Annotated[
        int, typer.Option("--frames", min=1, help="Length of the greedy take that is compared.")
    ] = 500,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Compare a model with audiocraft and transformers, weight for weight; exit code 1 if anything differs."""
    from drawbar.musicgen.parity.verify import VerifySettings, origin_of
    from drawbar.musicgen.parity.verify import verify as compared

    settings = VerifySettings(frames=frames)
    loaded = load(model, device)
    origin = origin_of(model)
    with progress("verifying") as tell:
        verdict = compared(loaded, settings, origin=origin, progress=tell)
    if as_json:
        out_json({"ok": verdict.ok, **vars(verdict)})
    else:
        _show(verdict)
    if not verdict.ok:
        raise typer.Exit(1)


def _show(verdict: "Verdict") -> None:
    columns = ("", "what", "against", "worst", "bound", "")
    table(
        columns, [_cells(row) for row in verdict.lines()], title=f"{verdict.model} {verdict.fingerprint[:12]}"
    )
    failed = sorted({row.what for row in verdict.failed})
    if failed:
        line(f"differs: {', '.join(failed)}")
    else:
        line(f"equal: {sum(row.ok is True for row in verdict.rows)} comparisons hold")
    missing = [row for row in verdict.rows if row.ok is None]
    if missing:
        say(f"not compared: {len(missing)}; see the table")


def _cells(row: "Row") -> tuple[str, ...]:
    mark = {True: "ok", False: "FAILS", None: "--"}[row.ok]
    return mark, row.what, row.against, _number(row.worst), _number(row.bound), row.note


def _number(value: float | None) -> str:
    """Counts as they are, differences in three digits."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3g}"
