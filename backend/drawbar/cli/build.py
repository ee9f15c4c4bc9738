"""`drawbar build`: a bank, one stage of it, or what it would take."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drawbar.cli.options import (
    FontOption,
    JsonFlag,
    OnOption,
    PublicOption,
    WorkersOption,
    device_here,
    folder_to_write,
    run_to_write,
)
from drawbar.cli.output import line, notes, out_json, plain, progress, say, status, table
from drawbar.cli.settings_file import read_config, settings_from
from drawbar.files.json_object import JsonObject

if TYPE_CHECKING:
    from drawbar.pipeline import BuildSettings, Plan, Progress
    from drawbar.pipeline.cluster.price import Price

app = typer.Typer()


@app.command()
def build(
    what: Annotated[
        str, typer.Argument(help="RUN.toml, or the corpus with --out, or the run's folder with --corpus.")
    ],
    corpus: Annotated[
        str | None,
        typer.Option(
            "--corpus", help="composed:N, self:N, a folder of recordings, a .csv or .tsv table of them."
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            callback=run_to_write,
            help="The run's folder, or s3://... of an object store; the bank appears in OUT/bank.",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings as TOML or JSON; options win.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="embedded, a folder, or a name.")] = None,
    layer: Annotated[list[int] | None, typer.Option("--layer", help="Counted from 0; repeat.")] = None,
    layers: Annotated[str | None, typer.Option("--layers", help="Several at once: 3,5.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The bank's name.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Of the bank.")] = None,
    features: Annotated[int | None, typer.Option("--features", min=1, help="Features of an SAE.")] = None,
    expansion: Annotated[
        int | None, typer.Option("--expansion", min=1, help="Or in multiples of the model's width.")
    ] = None,
    k: Annotated[int | None, typer.Option("--k", min=1, help="Features that may fire at once.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Training steps of an SAE.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="measured (the best known, scaled to the corpus) or plain (as said)."),
    ] = None,
    sae: Annotated[
        list[str] | None,
        typer.Option(
            "--sae", help="A ready SAE (SAELens' layout): FOLDER or owner/name[:SUBFOLDER]; repeat."
        ),
    ] = None,
    accept: Annotated[
        bool,
        typer.Option("--accept-licence", help="You have read the licences of these SAEs and accept them."),
    ] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Keep no residuals on disk; compute them while training.")
    ] = False,
    soundfont: FontOption = None,
    device: Annotated[
        str | None, typer.Option("--device", callback=device_here, help="cpu, cuda, mps.")
    ] = None,
    on: OnOption = None,
    workers: WorkersOption = None,
    price: Annotated[
        float | None, typer.Option("--price", min=0, help="Dollars an hour of one worker, for --plan.")
    ] = None,
    allow_public: PublicOption = False,
    only: Annotated[
        str, typer.Option("--only", help="Run one stage: corpus, tokens, residuals, sae, sweep, features ...")
    ] = "",
    until: Annotated[str, typer.Option("--until", help="Run the stages up to this one.")] = "",
    plan: Annotated[
        bool, typer.Option("--plan", help="Run nothing: which stages, how long, disk, memory.")
    ] = False,
    install: Annotated[
        bool, typer.Option("--install", help="Put the bank among the installed ones.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a bank from audio; a build that was killed goes on where it stopped."""
    given, rest = _given(what, corpus, out, config)
    options: dict[str, object] = {
        "model": model,
        "name": name,
        "licence": licence,
        "device": device,
        "layers": sorted({*(layer or ()), *_numbers(layers)}) or None,
        "soundfont": str(soundfont) if soundfont else None,
        "sae_files": sae or None,
        "residuals": "stream" if stream else None,
    }
    given |= {key: value for key, value in (rest | options).items() if value is not None}
    sizes = {"d_sae": features, "expansion": expansion, "k": k, "steps": steps}
    said = {name: value for name, value in sizes.items() if value is not None}
    if recipe or (said and "sae" not in given):
        given["recipe"] = recipe or "measured"
    given["sae"] = dict(given.get("sae") or {}) | said
    elsewhere = {
        "address": on,
        "workers": workers,
        "price_per_hour": price,
        "allow_public": allow_public or None,
    }
    given["cluster"] = dict(given.get("cluster") or {}) | {
        n: v for n, v in elsewhere.items() if v is not None
    }
    if not given.get("corpus"):
        raise typer.BadParameter(
            "say what to build from: composed:N, self:N, a folder or a table", param_hint="--corpus"
        )
    if not given.get("out"):
        raise typer.BadParameter("say where the run's folder is", param_hint="--out")
    from drawbar import pipeline
    from drawbar.pipeline.cluster.price import price as priced
    from drawbar.pipeline.cluster.storage import is_url, scratch

    if is_url(str(given["out"])):
        given["cluster"]["storage"] = str(given["out"]).rstrip("/")
        given["out"] = scratch(given["cluster"]["storage"], str(given["cluster"].get("scratch") or ""))
    given["out"] = folder_to_write(Path(given["out"]))
    settings: BuildSettings = settings_from(pipeline.BuildSettings, given)
    if not accept:
        pipeline.require_licences(settings.sae_files)
    if plan:
        where = _workers(settings)
        with status("trying how fast this machine is"):
            found = pipeline.plan_build(settings)
        _show(found, as_json, priced(found, settings, *where) if where else None)
        return
    with progress("building") as bar:
        tell = _Lines(bar)
        if only or until:
            line(str(pipeline.run_stages(settings, tell, only=only, until=until)))
            return
        result = pipeline.build(settings, tell, first=_install_first if install else _name_first)
    for path, why in result.failed:
        say(f"left out {path}: {why}")
    bank = installed(result.bank) if install else result.bank
    if as_json:
        out_json({**plain(result), "bank": str(bank)})
        return
    say(f"{result.features} features and {result.labels} labels from {result.clips} clips")
    line(str(bank))


def _name_first(bank: Path) -> None:
    say(f"the first layer can be used while the others are made: --bank {bank}")


def _install_first(bank: Path) -> None:
    say(f"the first layer is installed while the others are made: {installed(bank)}")


def installed(folder: Path) -> Path:
    """The bank, examples and all, among this user's installed ones; edits of an older one move along."""
    from drawbar.bank.bundle import export_bank
    from drawbar.bank.library import install_bank

    bundle = folder.with_name(f"{folder.name}.drawbank")
    bundle.unlink(missing_ok=True)
    export_bank(folder, bundle)
    placed, _ = install_bank(bundle)
    return placed.folder


def _given(
    what: str, corpus: str | None, out: str | None, config: Path | None
) -> tuple[JsonObject, dict[str, object]]:
    """The settings of the file, and what the argument means: a file, a corpus, or the run's folder."""
    if what.lower().endswith((".toml", ".json")) and config is None:
        return read_config(Path(what)), {"corpus": corpus, "out": out}
    given = read_config(config) if config is not None else {}
    if corpus is None and not given.get("corpus"):
        return given, {"corpus": what, "out": out}
    return given, {"corpus": corpus, "out": out or what}


def _numbers(text: str | None) -> list[int]:
    try:
        return [int(part) for part in (text or "").replace(" ", "").split(",") if part]
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r}: write numbers with commas, 3,5", param_hint="--layers"
        ) from error


class _Lines:
    """Progress on a terminal's bar; elsewhere a line when a stage begins and when it ends."""

    def __init__(self, bar: Callable[[str, float], None]) -> None:
        self._bar, self._stage = bar, ""

    def __call__(self, moment: "Progress") -> None:
        share = moment.done / max(moment.total, 1)
        self._bar(_moment(moment), share)
        if not notes.is_terminal and (moment.stage != self._stage or share >= 1):
            self._stage = moment.stage
            say(_moment(moment))


def _moment(moment: "Progress") -> str:
    rate = f", {moment.per_s:.1f} {moment.unit}/s" if moment.per_s else ""
    left = f", {_time(moment.left_s)} left" if moment.done < moment.total and moment.left_s < 1e7 else ""
    return " ".join(
        f"{moment.stage}: {moment.done} of {moment.total} {moment.unit}{rate}{left} {moment.note}".split()
    )


def _workers(settings: "BuildSettings") -> tuple[int, int] | None:
    """Workers where it is to run, and cores that they share (0: each has its own); None: no workers."""
    from drawbar.pipeline.cluster.address import parse

    cluster = settings.cluster
    if not cluster.address:
        return None
    address, cores = parse(cluster.address, allow_public=cluster.allow_public), os.cpu_count() or 1
    workers = cluster.workers or address.workers
    if address.kind == "local":
        return workers or cores, cores
    if not workers:
        raise typer.BadParameter(
            f"say how many workers {address.where} has room for: --plan does not connect",
            param_hint="--workers",
        )
    return workers, 0


def _show(plan: "Plan", as_json: bool, price: "Price | None" = None) -> None:
    if as_json:
        out_json(plan if price is None else {**plain(plan), "on workers": plain(price)})
        return
    words = {"done": "done", "continue": "goes on", "run": "to do"}
    table(
        ("stage", "folder", "state", "time", "disk", "memory"),
        [
            (
                s.stage,
                s.folder,
                words[s.state],
                _time(s.seconds) if s.state != "done" else None,
                _size(s.disk_bytes),
                _size(s.memory_bytes),
            )
            for s in plan.stages
        ],
        title=f"{plan.tracks} tracks, {_time(plan.audio_s)} of audio"
        + (f", {plan.unreadable} unreadable" if plan.unreadable else ""),
    )
    say(f"SAE: {plan.sae}")
    if price is not None:
        _show_price(price)
    here = "" if price is None else "in one process here "
    line(
        f"{here}about {_time(plan.seconds)}, {_size(plan.disk_bytes)} of disk, {_size(plan.memory_bytes)} of memory"
    )


def _show_price(price: "Price") -> None:
    """Each stage on workers, and all of them."""
    many = f"{price.workers} workers" if price.workers > 1 else "1 worker"
    where = f"sharing this machine's {price.cores} cores" if price.cores else "each as fast as a core here"
    table(
        ("stage", "cut into", "time", "moved"),
        [
            (
                s.stage,
                f"{s.parts} parts" if s.parts > 1 else "1 part" if s.parts else "the driver's",
                _time(s.wall_s),
                _size(s.moved_bytes),
            )
            for s in price.stages
        ],
        title=f"on {many}, {where}",
    )
    cost = "" if price.dollars is None else f", {price.dollars:.2f} dollars for {many} from beginning to end"
    line(f"on {many} about {_time(price.wall_s)}, {_size(price.moved_bytes)} moved{cost}")


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(count: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
