"""`drawbar sliders` and `drawbar bench steering-methods`: concept sliders made, compared, confirmed and published."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drawbar.cli.options import JsonFlag, ModelOption, folder_to_write
from drawbar.cli.output import line, out_json, progress, table
from drawbar.cli.prove import seconds_of
from drawbar.cli.settings_file import read_config, settings_from
from drawbar.errors import BadInputError
from drawbar.files.atomic_write import write_json
from drawbar.files.destination import check_folder
from drawbar.files.lock import folder_lock
from drawbar.files.reading import json_value

if TYPE_CHECKING:
    from drawbar.bank import Bank
    from drawbar.evidence.methods.contest import Contest

BankArgument = Annotated[str, typer.Argument(help="embedded, a bank's folder, or an installed bank's name.")]
ConceptsOption = Annotated[
    str, typer.Option("--concepts", help="Only these, by the composer's names: drums,bass,chords:piano.")
]
OutOption = Annotated[
    Path,
    typer.Option("--out", callback=folder_to_write, help="The run's folder; a killed run goes on there."),
]
PiecesOption = Annotated[
    int, typer.Option("--pieces", min=12, help="Pieces that are composed to learn what a concept looks like.")
]


def sliders(
    context: typer.Context,
    bank: BankArgument,
    out: OutOption = Path("runs/sliders"),
    concepts: ConceptsOption = "",
    arms: Annotated[str, typer.Option("--arms", help="Only these ways, separated by semicolons.")] = "",
    pieces: PiecesOption = 240,
    pool: Annotated[int, typer.Option("--pool", min=19, help="Random directions beside the winners.")] = 300,
    config: Annotated[Path | None, typer.Option("--config", help="More settings as TOML or JSON.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say how many clips and hours it takes.")] = False,
    budget: Annotated[str, typer.Option("--budget", help="Refuse a run that takes longer: 90m, 3h.")] = "",
    model: ModelOption = "embedded",
    as_json: JsonFlag = False,
) -> None:
    """Make concept sliders in every way, compare them, confirm the winners beside controls, publish them."""
    from drawbar.bank import next_version
    from drawbar.evidence.methods.compare import COLUMNS, table_rows
    from drawbar.evidence.methods.compare import as_json as score_json
    from drawbar.evidence.methods.confirm import ConfirmSettings, confirm
    from drawbar.evidence.methods.cost import cost_of

    given = read_config(config)
    sizes: dict[str, object] = {"pool": pool, "pool_again": max(19, pool // 3)}
    sizes |= {name: value for name, value in given.items() if name in _names(ConfirmSettings)}
    confirming = settings_from(ConfirmSettings, sizes)
    folder = _folder(bank)
    if not plan:
        check_folder(folder)
        context.with_resource(folder_lock(out, "making concept sliders"))
    with progress("making concept sliders") as bar, _open(folder) as opened:
        contest = _contest(opened, out, concepts, arms, pieces, model, given, bar)
        cost = cost_of(contest, confirming)
        limit = seconds_of(budget)
        if limit is not None and cost.seconds > limit:
            raise BadInputError(
                f"the run takes about {cost.seconds / 3600:.1f} h here ({cost.total} clips): give a longer --budget, "
                "fewer --concepts or a smaller --pool"
            )
        if not plan:
            _preregister(out, contest, asdict(confirming), opened)
            methods = contest.methods()
            scores = contest.compare(methods)
            write_json(out / "scores.json", [score_json(one) for one in scores])
            made, summary = confirm(contest, methods, scores, confirming)
    if plan:
        if as_json:
            out_json({"clips": dict(cost.clips), "hours": cost.seconds / 3600})
        else:
            rows = [(what, n, f"{n * cost.seconds_per_clip / 60:.0f} min") for what, n in cost.clips.items()]
            table(("what", "clips", "time"), [*rows, ("in all", cost.total, f"{cost.seconds / 3600:.2f} h")])
        return
    with next_version(folder) as fresh:
        fresh.write_concept_sliders(made, replace=True, summary=summary)
    if as_json:
        out_json(summary | {"published": [[one.id, one.arm, one.verdict] for one in made]})
        return
    table(COLUMNS, table_rows(scores))
    table(
        ("concept slider", "made by", "verdict", "usable", "features"),
        [
            (
                one.name,
                one.arm,
                one.verdict,
                _range(one.usable_range),
                ", ".join(id for id, _ in one.features[:4]),
            )
            for one in made
        ],
    )
    line(f"{summary['proven']} of {summary['concepts']} concepts have a proven slider; written into {folder}")


def bench_steering_methods(
    file: Annotated[
        Path,
        typer.Argument(help=".safetensors with CONCEPT@LAYER tensors, or .py with directions(concepts)."),
    ],
    bank: Annotated[str, typer.Option("--bank", help="Whose trials and concepts.")] = "embedded",
    out: OutOption = Path("runs/steering-methods"),
    concepts: ConceptsOption = "",
    arms: Annotated[
        str, typer.Option("--beside", help="Our arms to play beside it, separated by semicolons.")
    ] = "difference in means;feature by trial;effect map",
    pieces: PiecesOption = 240,
    config: Annotated[Path | None, typer.Option("--config", help="More settings as TOML or JSON.")] = None,
    model: ModelOption = "embedded",
    as_json: JsonFlag = False,
) -> None:
    """Your own directions through the same trials as ours: effect at equal preservation, specificity, what is kept."""
    from drawbar.evidence.methods.compare import COLUMNS, table_rows
    from drawbar.evidence.methods.compare import as_json as score_json
    from drawbar.evidence.methods.method import method_of_file

    folder = _folder(bank)
    with progress("comparing methods") as bar, _open(folder) as opened:
        contest = _contest(opened, out, concepts, arms, pieces, model, read_config(config), bar)
        theirs = method_of_file(file, contest.concepts, contest.material.model.spec)
        scores = contest.compare([*contest.methods(), theirs])
    if as_json:
        out_json([score_json(one) for one in scores])
    else:
        table(COLUMNS, table_rows(scores))


def _folder(bank: str) -> Path:
    from drawbar.bank import find_bank

    return find_bank(bank or "embedded")


def _open(folder: Path) -> "Bank":
    from drawbar.bank import Bank

    return Bank.open(folder)


def _names(kind: type) -> set[str]:
    return {one.name for one in fields(kind)}


def _contest(
    bank: "Bank",
    out: Path,
    concepts: str,
    arms: str,
    pieces: int,
    model: str,
    given: dict[str, object],
    bar: object,
) -> "Contest":
    """What both commands play."""
    from drawbar.contrast.concept_contrasts import ConceptSettings
    from drawbar.evidence.experiment.stages import anchors_of
    from drawbar.evidence.methods.contest import Contest, ContestSettings
    from drawbar.evidence.methods.material import Material
    from drawbar.evidence.methods.play import Stage
    from drawbar.musicgen import load_model
    from drawbar.steering import check_site

    chosen = {k: v for k, v in given.items() if k in _names(ContestSettings)}
    if concepts:
        chosen["concepts"] = tuple(name.strip() for name in concepts.split(",") if name.strip())
    if arms:
        chosen["arms"] = tuple(name.strip() for name in arms.split(";") if name.strip())
    settings = settings_from(ContestSettings, chosen)
    loaded = load_model(model, "cpu")
    check_site(bank, loaded)
    told = bar if callable(bar) else None
    seconds = 12.0 if pieces >= 100 else 8.0
    material = Material(
        bank, loaded, out / "contrasts", ConceptSettings(pieces=pieces, seconds=seconds), told
    )
    for name in settings.concepts:
        material.target(name)
    clap = material.prereg.settings.clap
    anchors = anchors_of(bank, loaded, clap) if clap else None
    return Contest(material, Stage(loaded, out / "blocks", clap=clap, anchors=anchors), settings, told)


def _preregister(out: Path, contest: "Contest", confirming: dict[str, object], bank: "Bank") -> None:
    """Write down what will be played, before anything is; a run with other settings is refused."""
    from drawbar.evidence.experiment.trials import digest_of

    facts = json.loads(
        json.dumps(
            {
                "bank": bank.identity,
                "site": contest.material.model.fingerprint,
                "concepts": list(contest.concepts),
                "contest": asdict(contest.settings),
                "confirmation": confirming,
                "contrasts": asdict(contest.material.contrasting),
                "rules": [
                    "the winner of a concept has the largest area of effect against preservation on the comparing "
                    "pairs among those whose plus side raises the target; words and controls cannot win",
                    "concept sliders are one family; concepts that nothing moves count as not proven",
                ],
            }
        )
    )
    path = out / "preregistration.json"
    if path.is_file():
        found = json_value(path.read_text(encoding="utf-8"))
        if found.pop("digest", "") != digest_of(facts) or found != facts:
            raise BadInputError(
                f"{out} was preregistered with other settings: use those, or another folder with --out"
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, {"digest": digest_of(facts), **facts})


def _range(found: tuple[float, float] | None) -> str:
    return "-" if found is None else f"{found[0]:+.1f} to {found[1]:+.1f}"
