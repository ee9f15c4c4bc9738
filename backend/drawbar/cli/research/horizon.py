"""`drawbar study horizon`, `positive`, `null` and `drawbar report horizon`: the long-horizon study and its page."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drawbar.cli.options import JsonFlag, file_to_write, folder_to_write
from drawbar.cli.output import line, notes, out_json, progress, say, status, table
from drawbar.cli.settings_file import read_config, settings_from

if TYPE_CHECKING:
    from drawbar.pipeline.progress import Progress
    from drawbar.research.horizon.features_at import Units
    from drawbar.research.horizon.readouts import ProbeSettings
    from drawbar.research.horizon.rows import Rows
    from drawbar.research.horizon.study.settings import HorizonSettings

RunFile = Annotated[Path, typer.Argument(help="RUN.toml; examples/horizon.toml is one.")]
Table = Annotated[
    Path | None,
    typer.Argument(help="RUN.toml of a study whose positions are there; none: a made-up table."),
]
Seed = Annotated[int, typer.Option(help="Of what is drawn at random.")]
Tracks = Annotated[int, typer.Option(min=40, help="Of the made-up table.")]


def register(study: typer.Typer, report: typer.Typer) -> None:
    """Put the commands under `drawbar study` and `drawbar report`."""
    study.command("horizon")(study_horizon)
    study.command("positive")(study_positive)
    study.command("null")(study_null)
    report.command("horizon")(report_horizon)


def study_horizon(
    run: RunFile,
    out: Annotated[
        Path | None,
        typer.Option("--out", callback=folder_to_write, help="The run's folder, in place of the file's."),
    ] = None,
    until: Annotated[str, typer.Option("--until", help="Run the stages up to this one.")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Run nothing: which stages, and how long.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Do features foresee that a motif returns? Probes, controls, interventions, gate; a killed study goes on."""
    from drawbar.research.horizon.study.plan import plan_study
    from drawbar.research.horizon.study.run import study

    settings = _settings(run, out)
    if plan:
        with status("trying how fast this machine is"):
            stages = plan_study(settings)
        if as_json:
            out_json(stages)
            return
        table(
            ("stage", "folder", "state", "seconds"), [(s.stage, s.folder, s.state, s.seconds) for s in stages]
        )
        say(f"about {sum(stage.seconds for stage in stages) / 60:.0f} minutes on one core")
        return
    with progress("studying") as bar:
        found = study(settings, _Lines(bar), until=until)
    if as_json:
        out_json(found)
    elif found:
        line(f"{found['verdict']}: {found['text']}")
        say(f"the page: drawbar report horizon {settings.out}")
    else:
        line(str(settings.out))


def study_positive(
    run: Table = None,
    tracks: Tracks = 200,
    repeats: Annotated[int, typer.Option(min=1, help="Plantings at each strength.")] = 10,
    seed: Seed = 0,
    as_json: JsonFlag = False,
) -> None:
    """Positive control: the future written into one feature must be found, and how weak it may be."""
    from drawbar.research.horizon.positive import positive_control

    rows, units, settings = _table(run, tracks, seed)
    with progress("planting") as bar:
        found = positive_control(rows, units, settings, repeats=repeats, told=bar)
    if as_json:
        out_json(found)
        return
    table(
        ("strength (sd)", "AUROC it then has", "shortlisted", "found", "from", "to"),
        [
            (
                one["strength"], one["auroc"], one["shortlisted"]["value"], one["found"]["value"],
                one["found"]["low"], one["found"]["high"],
            )
            for one in found["curve"]
        ],
        title=f"{found['tracks']} tracks, {found['positions']} positions, {repeats} plantings at each strength",
    )  # fmt: skip


def study_null(
    run: Table = None,
    tracks: Tracks = 200,
    repeats: Annotated[int, typer.Option(min=1, help="Corpora without anything to foresee.")] = 100,
    seed: Seed = 0,
    as_json: JsonFlag = False,
) -> None:
    """Null control: without recurrence and with other tracks' labels, claims must be as rare as alpha."""
    from drawbar.research.horizon.nulls import null_control

    rows, units, settings = _table(run, tracks, seed)
    with progress("null corpora") as bar:
        found = null_control(rows, units, settings, repeats=repeats, told=bar)
    if as_json:
        out_json(found)
        return
    rates = [("any claim", found["claims"]), ("above chance", found["above_chance"])]
    rates += [(f"beats {name}", one) for name, one in found["beats"].items()]
    table(
        ("claim", "rate", "from", "to"),
        [(name, one["value"], one["low"], one["high"]) for name, one in rates],
        title=f"{repeats} corpora of {found['tracks']} tracks; nominal at most {found['alpha']:g}",
    )


def report_horizon(
    run: Annotated[Path, typer.Argument(help="A finished study's folder.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", callback=file_to_write, help="The page; RUN/report.html by default."),
    ] = None,
) -> None:
    """A finished study -> one self-contained HTML page."""
    from drawbar.research.horizon.study.report import write_report

    line(str(write_report(run, out, labels=_labels(run))))


def _labels(run: Path) -> dict[str, str]:
    """What the bank calls its features, where it can be opened."""
    from drawbar.bank import Bank, find_bank
    from drawbar.errors import BankError

    place = read_config(run / "settings.json").get("bank") or ""
    try:
        with Bank.open(find_bank(place or "embedded")) as bank:
            return {row.id: row.label for row in bank.search(limit=bank.count() + 1) if row.label}
    except BankError as error:
        say(f"the page has no labels: {error}")
        return {}


def _settings(path: Path, out: Path | None) -> "HorizonSettings":
    from drawbar.research.horizon.study.settings import HorizonSettings

    given = read_config(path)
    if out is not None or "out" not in given:
        given["out"] = out or Path("runs") / path.stem
    given["out"] = Path(given["out"])
    return settings_from(HorizonSettings, given)


def _table(run: Path | None, tracks: int, seed: int) -> "tuple[Rows, list[Units], ProbeSettings]":
    """A study's own positions and first layer, or a made-up table."""
    from dataclasses import replace

    if run is None:
        from drawbar.research.horizon.readouts import ProbeSettings
        from drawbar.research.horizon.synthetic import Synthetic, synthetic_rows

        made = Synthetic(tracks=tracks, width=96, features=128, seed=seed)
        rows, units = synthetic_rows(made)
        return rows, units, ProbeSettings(shortlist=3, seed=seed)
    from drawbar.research.horizon.study.run import HorizonRun

    settings = _settings(run, None)
    study = HorizonRun(settings)
    for name in ("tracks", "positions"):
        study.stage(name)
    return study.rows, study.units[:1], replace(settings.probes, seed=seed)


class _Lines:
    """Progress on a terminal's bar; elsewhere a line when a stage begins and when it ends."""

    def __init__(self, bar: Callable[[str, float], None]) -> None:
        self._bar, self._stage = bar, ""

    def __call__(self, moment: "Progress") -> None:
        share = moment.done / max(moment.total, 1)
        said = f"{moment.stage}: {moment.done} of {moment.total} {moment.unit} {moment.note}".rstrip()
        self._bar(said, share)
        if not notes.is_terminal and (moment.stage != self._stage or share >= 1):
            self._stage = moment.stage
            say(said)
