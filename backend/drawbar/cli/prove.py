"""`drawbar prove`: a bank -> what each of its sliders does, tested as written down beforehand."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from drawbar.cli.options import JsonFlag, OnOption, PublicOption, WorkersOption, folder_to_write
from drawbar.cli.output import line, out_json, progress, table
from drawbar.cli.settings_file import read_config, settings_from
from drawbar.errors import BadInputError
from drawbar.files.destination import check_folder
from drawbar.files.json_object import JsonMapping
from drawbar.files.lock import folder_lock

app = typer.Typer()

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float | None:
    """``90m``, ``1.5h``, ``600s`` -> seconds; nothing -> None. Raises BadInputError."""
    if not text:
        return None
    number, unit = (text[:-1], text[-1]) if text[-1] in _UNITS else (text, "s")
    try:
        found = float(number) * _UNITS[unit]
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise BadInputError(f"--budget {text!r}: write 90m, 1.5h or 600s")
    return found


@app.command()
def prove(
    context: typer.Context,
    bank: Annotated[str, typer.Argument(help="embedded, a bank's folder, or an installed bank's name.")],
    out: Annotated[
        Path,
        typer.Option("--out", callback=folder_to_write, help="The run's folder; a killed run goes on there."),
    ] = Path("runs/evidence"),
    features: Annotated[
        list[str] | None,
        typer.Option("--features", help="Only these, by id or label: an exploration. Commas, or repeat."),
    ] = None,
    budget: Annotated[str, typer.Option("--budget", help="Wall clock: 90m, 1.5h.")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Only say how many clips and hours it takes.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="Settings as TOML or JSON.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="embedded, a folder, or a name.")] = None,
    processes: Annotated[int, typer.Option("--processes", min=0, help="0: one per core.")] = 0,
    on: OnOption = None,
    workers: WorkersOption = None,
    allow_public: PublicOption = False,
    soundfont: Annotated[
        Path | None, typer.Option("--soundfont", help="For the composer's concepts.")
    ] = None,
    amendment: Annotated[
        str,
        typer.Option("--amendment", help="What was changed after the preregistration; the report tells it."),
    ] = "",
    again: Annotated[
        bool,
        typer.Option(
            "--judge-again", help="Play nothing: judge the bank's stored trials by today's statistics."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Test every slider: preregister, screen, confirm on fresh seeds beside controls, write verdicts into the bank."""
    from drawbar.bank import Bank, find_bank, next_version
    from drawbar.evidence.experiment import stages as steps
    from drawbar.evidence.experiment.generate_clips import Players, Processes
    from drawbar.evidence.experiment.preregistration import ProveSettings
    from drawbar.evidence.experiment.readback import readback
    from drawbar.evidence.experiment.to_study import Stages, amendments, evidence_of, judge
    from drawbar.musicgen import load_model

    given: dict[str, object] = read_config(config)
    if features:
        given["features"] = tuple(
            name.strip() for text in features for name in text.split(",") if name.strip()
        )
    if model is not None:
        given["model"] = model
    if on and processes:
        raise typer.BadParameter("is of this machine; with --on say --workers", param_hint="--processes")
    if again:
        _judge_again(find_bank(bank), amendment, as_json)
        return
    settings = settings_from(ProveSettings, given)
    folder = find_bank(bank)
    if not plan:
        check_folder(folder)  # the verdicts are written into the bank, hours from now
        context.with_resource(folder_lock(out, "proving sliders"))
    players: Players = Processes(processes)
    if on:
        from drawbar.pipeline.cluster.players import players_on

        players = context.with_resource(players_on(on, workers=workers or 0, allow_public=allow_public))
    with progress("proving") as bar:
        run = steps.preregister(
            folder,
            out,
            settings,
            budget_s=seconds_of(budget),
            players=players,
            soundfont=soundfont,
            keep=not plan,
            told=bar,
        )
        if plan:
            cost = steps.cost_of(run, seconds_of(budget), players=players)
    if plan:
        rows = [
            (what, clips, f"{clips * cost.seconds_per_clip / 60:.0f} min")
            for what, clips in cost.clips.items()
        ]
        if as_json:
            out_json({"clips": dict(cost.clips), "hours": cost.hours, "confirmed": cost.confirmed})
            return
        table(("what", "clips", "time"), [*rows, ("in all", cost.total, f"{cost.hours:.2f} h")])
        line(
            f"{len(run.prereg.candidates)} candidates, {len(run.prereg.concepts)} concepts; {run.prereg.digest[:12]}"
        )
        return
    with progress("screening") as bar:
        screening, selection = steps.screen(run, players=players, told=bar)
    line(
        f"{len(selection.survivors)} of {len(run.prereg.candidates)} survive; {len(selection.confirmed)} are confirmed"
    )
    with progress("confirming") as bar:
        reference = steps.play_unsteered(run, players=players, told=bar)
        confirmation = steps.confirm(run, selection, players=players, told=bar)
    amendments(out, amendment)
    played = Stages(screening, confirmation, reference)
    with progress("judging") as bar:
        analysis = judge(run, played, selection, played.spent_s, told=bar)
        with Bank.open(folder) as opened:
            generator = load_model(settings.model)
            read = readback(generator, opened, confirmation, selection.confirmed, (-1.0, 1.0), told=bar)
    with next_version(folder) as fresh:
        fresh.write_evidence(evidence_of(run, played, selection, analysis, read))
    _tell(analysis.summary, as_json)
    if not as_json:
        line(f"written into {folder}; look at it with: drawbar report evidence {bank} -o report.html")


def _judge_again(folder: Path, amendment: str, as_json: bool) -> None:
    """The bank's stored trials, judged by today's statistics and written back."""
    from drawbar.bank import Bank, next_version
    from drawbar.evidence.experiment.restore import restore
    from drawbar.evidence.experiment.to_study import amendments, evidence_of, judge

    check_folder(folder)
    with TemporaryDirectory() as scratch, progress("judging") as bar:
        with Bank.open(folder) as opened:
            run, played, selection = restore(opened, Path(scratch))
            before = opened.evidence("summary")
            heard = {
                id: (opened.feature(id).evidence or {}).get("readback", {}) for id in selection.confirmed
            }
        for said in (*before.get("amendments", ()), amendment):
            amendments(run.folder, said)
        analysis = judge(run, played, selection, before["wall_s"], told=bar)
        with next_version(folder) as fresh:
            fresh.write_evidence(evidence_of(run, played, selection, analysis, heard))
    _tell(analysis.summary, as_json)


def _tell(summary: JsonMapping, as_json: bool) -> None:
    if as_json:
        out_json({name: value for name, value in summary.items() if name != "concept_rows"})
        return
    names = ("candidates", "confirmed", "proven", "proven_some_measure", "weak", "not_shown", "harmful")
    counts = [(name.replace("_", " "), summary[name]) for name in names]
    concepts = f"{summary['concepts_proven']} of {summary['concepts']}"
    table(("what", "sliders"), [*counts, ("concepts with a proven slider", concepts)])
