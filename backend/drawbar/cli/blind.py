"""`drawbar blind`: the listening test in the terminal, its result and its table."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drawbar.cli.loading import load
from drawbar.cli.options import DeviceOption, JsonFlag, ModelOption, file_to_write, folder_to_write
from drawbar.cli.output import line, out_json, plain, say, table
from drawbar.errors import BadInputError
from drawbar.files.lock import file_lock

if TYPE_CHECKING:
    from drawbar.listening_test.session import BlindSession

app = typer.Typer()


@app.command()
def blind(
    bank: Annotated[str, typer.Argument(help="embedded, a bank's folder, or an installed bank's name.")] = "",
    features: Annotated[
        str, typer.Option("--features", help="Ids or labels, with commas; else the best-founded labels.")
    ] = "",
    trials: Annotated[int, typer.Option("--trials", min=2, help="How many, repeats included.")] = 24,
    seconds: Annotated[float, typer.Option("--seconds", help="Length of a generated clip.")] = 8.0,
    amount: Annotated[
        float, typer.Option("--amount", help="The slider's setting in the steered clips.")
    ] = 1.0,
    task: Annotated[
        str, typer.Option("--task", help="steered (which clip has more), intruder (odd one out), or both.")
    ] = "both",
    session: Annotated[
        Path | None, typer.Option("--session", help="A session's file: begun there, or taken up again.")
    ] = None,
    wav: Annotated[
        Path | None,
        typer.Option(
            "--wav", callback=folder_to_write, help="Write the clips there instead of playing them."
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", callback=file_to_write, help="Write the table of all trials.")
    ] = None,
    model: ModelOption = "embedded",
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Listen without knowing which clip is which: does the slider do what its label says, to your ears?

    Keys: a b c play a clip, 1 2 3 answer, u takes the last answer back, s stops the sound, q quits and keeps.
    """
    if task not in ("both", "steered", "intruder"):
        raise typer.BadParameter(f"{task!r} is not steered, intruder or both", param_hint="--task")
    from drawbar.cli.evidence_report import bank_of
    from drawbar.listening_test.plan import BlindSettings
    from drawbar.listening_test.session import BlindSession

    opened = bank_of(bank)
    path = session or _new_session()
    with file_lock(path, "taking a blind test"):
        if path.exists():
            found = BlindSession.load(path, opened)
        else:
            tasks = ("steered", "intruder") if task == "both" else (task,)
            settings = BlindSettings(trials=trials, seconds=seconds, amount=amount, tasks=tasks)  # type: ignore[arg-type]
            wanted = [name.strip() for name in features.split(",") if name.strip()]
            found = BlindSession.begin(path, opened, settings, wanted)
        if not found.finished:
            from drawbar.cli.blind_terminal import listen
            from drawbar.listening_test.clips import ClipMaker

            maker = ClipMaker(load(model, device), opened, found)
            listen(found, maker, wav, resume=f"drawbar blind {bank + ' ' if bank else ''}--session {path}")
    if csv is not None:
        say(f"table: {found.export(csv)}")
    if found.finished:
        show(found, as_json=as_json)
    elif as_json:
        out_json(
            {"session": str(path), "finished": False, "answered": found.answered, "trials": len(found.trials)}
        )


def show(session: "BlindSession", *, as_json: bool = False) -> None:
    tallies = session.results()
    if as_json:
        rows = [plain(t) | {"share": t.share, "chance": t.chance} for t in tallies]
        out_json(
            {"session": str(session.path), "finished": True, "commitment": session.commitment, "tallies": rows,
             "taken_for_steered": session.chosen_instead()}
        )  # fmt: skip
        return
    table(
        ("task", "feature", "right", "share", "95 %, exact", "chance", "p", "repeats alike"),
        [
            (
                t.task,
                f"{t.feature} {t.label}".strip() or "all",
                f"{t.right} of {t.trials}",
                f"{t.share:.0%}",
                f"{t.low:.0%} to {t.high:.0%}",
                f"{t.chance:.0%}",
                f"{t.p:.2g}",
                f"{t.same} of {t.repeats}" if t.repeats else "-",
            )
            for t in tallies
        ],
        title="Right answers at the first hearing; p: so many or more by guessing",
    )
    counts = session.chosen_instead()
    if any(counts.values()):
        line("taken for the steered clip: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    line(f"the key fits the commitment {session.commitment[:16]} that was shown at the start")
    say(str(session.path))


def _new_session() -> Path:
    from drawbar.paths import user_dir

    path = user_dir() / "blind" / f"{datetime.now():%Y-%m-%d-%H%M%S}.json"
    if path.exists():
        raise BadInputError(f"{path} is there already: name another with --session")
    return path
