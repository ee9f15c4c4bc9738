"""Command-line words -> the stage they name; the only place that prints, one command per stage.

Nothing heavy is imported before a command runs. Results go to stdout, everything else (progress, notes,
errors) to stderr. Exit codes: 0 done, 1 a DrawbarError in one line, 2 wrong usage, 130 stopped by the user.
"""

import dataclasses
import json
import math
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from drawbar.errors import BadInputError, CancelledError, DrawbarError

if TYPE_CHECKING:
    from drawbar.bank import Bank
    from drawbar.musicgen import Model
    from drawbar.pipeline import Progress

__all__ = ["app", "main"]

app = typer.Typer(
    name="drawbar",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Find, label, prove and play the concepts inside music generators. Without arguments: the window.",
)
features_app = typer.Typer(no_args_is_help=True, help="Look things up in a bank.")
bench_app = typer.Typer(no_args_is_help=True, help="Measure, and print a table or JSON.")
app.add_typer(features_app, name="features")
app.add_typer(bench_app, name="bench")

_notes = Console(stderr=True, highlight=False)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]
ModelOption = Annotated[str, typer.Option("--model", help="embedded, a folder, or a Hugging Face name.")]
BankOption = Annotated[Path | None, typer.Option("--bank", help="A bank; without it the embedded one.")]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")]
FontOption = Annotated[Path | None, typer.Option("--soundfont", help="A General MIDI .sf2 file.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what the user can cause ends in one line, not a traceback."""
    try:
        typer.main.get_command(app).main(
            args=list(sys.argv[1:] if argv is None else argv), prog_name="drawbar", standalone_mode=True
        )
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except (CancelledError, KeyboardInterrupt):
        _say("stopped")
        return 130
    except DrawbarError as error:
        _say(f"drawbar: {' '.join(str(error).split())}")
        return 1
    except BrokenPipeError:  # `drawbar ... | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


# --- what every command shares ----------------------------------------


def _say(text: str) -> None:
    """A line for people, on stderr."""
    _notes.print(text, markup=False, soft_wrap=True)


def _out(text: str) -> None:
    typer.echo(text)


def _out_json(value: object) -> None:
    _out(json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    """Anything a stage returns -> JSON values; what is not finite becomes null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, type(None))) else str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    console = Console(highlight=False, markup=False)
    console.print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if math.isfinite(value) else "-"
    return "-" if value is None else str(value)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr, told (what is being done, share of it done)."""
    from rich import progress as parts

    with parts.Progress(
        parts.TextColumn("{task.description}", markup=False),
        parts.BarColumn(),
        parts.TaskProgressColumn(),
        parts.TimeElapsedColumn(),
        parts.TimeRemainingColumn(),
        console=_notes,
        transient=True,
        disable=not _notes.is_terminal,
    ) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda now, share: bar.update(task, description=now, completed=min(max(share, 0.0), 1.0))


def _status(what: str) -> AbstractContextManager[object]:
    """A spinner on stderr, where there is a terminal to spin on."""
    return _notes.status(what) if _notes.is_terminal else nullcontext()


def _load_model(name: str, device: str = "cpu") -> "Model":
    from drawbar.musicgen import load_model

    with _status(f"loading the model {name}"):
        return load_model(name, device=device)


def _open_bank(path: Path | None) -> "Bank":
    from drawbar.bank import Bank
    from drawbar.paths import embedded_bank_dir

    return Bank.open(path or embedded_bank_dir())


def _amount(text: str) -> tuple[str, float]:
    name, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not equals or not name.strip() or not math.isfinite(value):
        raise typer.BadParameter(f"{text!r} is not NAME=NUMBER, as in drums=+1.5", param_hint="--amount")
    return name.strip(), value


# --- offline: from composed music to a bank ----------------------------------------


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

    with _progress("composing") as tell:
        rows = write_corpus(
            out,
            pieces=pieces,
            seconds=seconds,
            seed=seed,
            soundfont=soundfont or DEFAULT_SOUNDFONT,
            progress=lambda done, total: tell(f"composing {done} of {total}", done / max(total, 1)),
        )
    _say(f"{len(rows)} pieces of {seconds:g} s, seeds {seed} to {seed + pieces - 1}")
    _out(str(out))


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
    given = _read_config(config)
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

    settings = _settings(pipeline.BuildSettings, given)
    with _progress("building") as tell:
        result = pipeline.build(
            settings, lambda moment: tell(_moment(moment), moment.done / max(moment.total, 1))
        )
    for path, why in result.failed:
        _say(f"left out {path}: {why}")
    if as_json:
        _out_json(result)
        return
    _say(f"{result.features} features and {result.labels} labels from {result.clips} clips")
    _out(str(result.bank))


def _moment(moment: "Progress") -> str:
    rate = f", {moment.per_s:.1f} {moment.unit}/s" if moment.per_s else ""
    return " ".join(
        f"{moment.stage}: {moment.done} of {moment.total} {moment.unit}{rate} {moment.note}".split()
    )


def _read_config(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{path}: not a readable JSON file ({error}); write the settings as one object"
        ) from error
    if not isinstance(given, dict):
        raise BadInputError(f"{path}: holds {type(given).__name__}; write the settings as one JSON object")
    return given


def _settings(kind: type[Any], given: Mapping[str, Any]) -> Any:
    """A (nested) settings record from JSON values; what is None keeps its default."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise BadInputError(f"unknown settings {', '.join(unknown)}; there are {', '.join(fields)}")
    values: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        nested: Any = fields[name].default_factory
        if isinstance(nested, type) and dataclasses.is_dataclass(nested):
            value = _settings(nested, value)
        values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**values)
    except TypeError as error:
        raise BadInputError(f"settings that do not fit: {error}") from error


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

    opened, loaded = _open_bank(bank), _load_model(model, device)
    with _status(f"listening to {file.name}"):
        result = listen(file, loaded, opened, top=top)
    if as_json:
        _out_json({"file": str(file), **result.to_dict()})
        return
    _table(
        ("feature", "label", "mean", "max", "when"),
        [(r.row.id, r.row.label or "(unnamed)", r.mean, r.max, _spans(r.when)) for r in result.rows],
        title=f"{file}: {result.seconds:.1f} s",
    )


def _spans(spans: Sequence[tuple[float, float]], most: int = 4) -> str:
    shown = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in spans[:most])
    return f"{shown} and {len(spans) - most} more" if len(spans) > most else shown


# --- the bank ----------------------------------------


@features_app.command("search")
def features_search(
    text: Annotated[str, typer.Argument(help="Words of a label; empty for the best features.")] = "",
    layer: Annotated[int | None, typer.Option("--layer")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1)] = 20,
    bank: BankOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Search a bank by label."""
    opened = _open_bank(bank)
    rows = opened.search(text, layer=layer, limit=limit)
    if as_json:
        _out_json(rows)
        return
    if not rows:
        near = ", ".join(f"{row.label} ({row.id})" for row in opened.nearest(text))
        _say(f"no feature is called {text!r}" + (f"; nearest: {near}" if near else ""))
        return
    _table(
        ("feature", "label", "by", "score", "density", "verdict"),
        [(r.id, r.label or "(unnamed)", r.label_author, r.label_score, r.density, r.verdict) for r in rows],
    )
    total = opened.count(text, layer=layer)
    if total > len(rows):
        _say(f"{len(rows)} of {total}; --limit shows more")


@features_app.command("show")
def features_show(
    feature: Annotated[str, typer.Argument(help="An id (3/1407) or a label.")],
    bank: BankOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Everything a bank knows about one feature."""
    opened = _open_bank(bank)
    found = opened.feature(opened.resolve(feature).id)
    if as_json:
        _out_json(found)
        return
    low_high = (
        "not measured" if found.usable_range is None else "{:+.2g} to {:+.2g}".format(*found.usable_range)
    )
    rows: list[tuple[str, object]] = [
        ("feature", found.row.id),
        ("verdict", found.row.verdict),
        ("density", f"{found.density:.2%} of frames, {found.clip_density:.1%} of clips"),
        (
            "p50 / p90 / p99",
            f"{found.quantiles.p50:.3g} / {found.quantiles.p90:.3g} / {found.quantiles.p99:.3g}",
        ),
        ("usable range", low_high),
    ]
    rows += [(f"label by {x.author}", f"{x.text} ({x.method}, {_cell(x.score)})") for x in found.labels]
    strongest = sorted(found.correlations.items(), key=lambda item: -abs(item[1]))[:6]
    rows += [("correlates with", ", ".join(f"{name} {value:+.2f}" for name, value in strongest) or "-")]
    rows += [
        ("neighbours", ", ".join(f"{near} {cosine:.2f}" for near, cosine in found.neighbours[:6]) or "-")
    ]
    _table(("", found.row.label or "(unnamed)"), rows)


# --- playing ----------------------------------------


@app.command()
def render(
    prompt: Annotated[str, typer.Argument(help="What to play, in words.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A .wav or .flac file.")] = Path("take.wav"),
    seconds: Annotated[float, typer.Option("--seconds", help="How long.")] = 8.0,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Without it: a random one, shown.")
    ] = None,
    amount: Annotated[
        list[str] | None, typer.Option("--amount", metavar="NAME=VALUE", help="A slider; repeat.")
    ] = None,
    model: ModelOption = "embedded",
    bank: BankOption = None,
    guidance: Annotated[float, typer.Option("--guidance", help="How closely the prompt is followed.")] = 3.0,
    temperature: Annotated[float, typer.Option("--temperature")] = 1.0,
    top_k: Annotated[int, typer.Option("--top-k", min=0, help="0: no limit.")] = 250,
    device: DeviceOption = "cpu",
) -> None:
    """Play a prompt into a file, with sliders; the same command writes the same bytes."""
    amounts = dict(_amount(text) for text in amount or [])
    if out.suffix.lower() not in (".wav", ".flac"):
        raise typer.BadParameter(f"{out} must end in .wav or .flac", param_hint="--out")
    from drawbar.live import TakeSettings
    from drawbar.live import render as play

    chosen = secrets.randbelow(2**31) if seed is None else seed
    opened = _open_bank(bank) if amounts else None
    by_id: dict[str, float] = {}
    for name, value in amounts.items():
        row = opened.resolve(name) if opened else None
        if row is not None:
            by_id[row.id] = value
            _say(f"{row.id} {row.label or '(unnamed)'}: {value:+g}")
    loaded = _load_model(model, device)
    settings = TakeSettings(
        prompt=_known_words(prompt, model),
        seed=chosen,
        seconds=seconds,
        guidance=guidance,
        temperature=temperature,
        top_k=top_k,
        amounts=by_id,
        twin=False,
    )
    with _progress(f"playing {seconds:g} s, seed {chosen}") as tell:
        what = f"playing {seconds:g} s, seed {chosen}"
        take = play(loaded, opened, settings, progress=lambda done, total: tell(what, done / max(total, 1)))
        take.save(out)
    _say(f"seed {chosen}")
    _out(str(out))


def _known_words(prompt: str, model: str) -> str:
    """What the embedded model is given; words that it does not know are told and left out."""
    if model != "embedded":
        return prompt
    from drawbar.corpus import normalise_prompt

    known, unknown = normalise_prompt(prompt)
    if unknown:
        _say(
            f"the embedded model does not know: {', '.join(unknown)}; "
            f"it plays: {' '.join(known) or '(anything)'}"
        )
    return " ".join(known)


@app.command()
def doctor(
    model: Annotated[Path | None, typer.Option("--model", help="A model folder.")] = None,
    bank: BankOption = None,
    as_json: JsonFlag = False,
) -> None:
    """What this machine has, what is missing and how to get it; exit code 0 if Drawbar can play."""
    from drawbar.doctor import examine, playable

    checks = examine(model, bank)
    fine = playable(checks)
    if as_json:
        _out_json({"playable": fine, "checks": checks})
    else:
        _table(("", "", ""), [("ok" if c.ok else "--", c.name, c.finding) for c in checks])
        for check in checks:
            if check.cure:
                _out(f"{check.name}: {check.cure}")
        _out("ready to play" if fine else "not ready to play: see above")
    if not fine:
        raise typer.Exit(1)


# --- benchmarks ----------------------------------------


def _show(result: Mapping[str, Any], rows: Sequence[Sequence[object]], as_json: bool) -> None:
    if as_json:
        _out_json(result)
    else:
        _table(("measure", "value", "goal"), rows)


@bench_app.command("model")
def bench_model(
    model: ModelOption = "embedded",
    clips: Annotated[
        int, typer.Option("--clips", min=2, help="How many clips are generated and judged.")
    ] = 100,
    seconds: Annotated[float, typer.Option("--seconds", help="How long each is.")] = 8.0,
    held_out: Annotated[
        int, typer.Option("--held-out", min=2, help="How many composed pieces are coded.")
    ] = 20,
    soundfont: FontOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Quality of a model: codec distance, cross-entropy, and whether it plays what the prompt says."""
    from drawbar.bench import model as bench

    loaded = _load_model(model, device)
    with _progress("measuring") as tell:
        result = bench.run(
            loaded, clips=clips, seconds=seconds, held_out=held_out, soundfont=soundfont, progress=tell
        )
    _show(result, bench.rows(result), as_json)


@bench_app.command("steering")
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

    opened, loaded = _open_bank(bank), _load_model(model, device)
    with _progress("steering") as tell:
        result = bench.run(loaded, opened, feature=feature, detector=detector, progress=tell)
    _show(result, bench.rows(result), as_json)


@bench_app.command("search")
def bench_search(
    features: Annotated[int, typer.Option("--features", min=1, help="How many the bank has.")] = 100_000,
    as_json: JsonFlag = False,
) -> None:
    """How long a keystroke in the browser takes, in a synthetic bank."""
    from drawbar.bench import search as bench

    with _status(f"building a bank of {features} features and typing in it"):
        result = bench.run(features=features)
    if as_json:
        _out_json(result)
        return
    columns = ("what", "n", "p50_ms", "p95_ms", "p99_ms", "max_ms")
    _table(columns, [[row[column] for column in columns] for row in result["rows"]])
    _out(f"goal: p95 <= {result['target_p95_ms']} ms, {'reached' if result['reached'] else 'not reached'}")


@bench_app.command("live")
def bench_live(
    model: ModelOption = "embedded",
    bank: BankOption = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="How long is played on the null output.")
    ] = 60.0,
    sliders: Annotated[int, typer.Option("--sliders", min=1, help="How many are on the rack.")] = 8,
    twin: Annotated[bool, typer.Option("--twin", help="Play with the bypass twin.")] = False,
    device: DeviceOption = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Real-time margin, under-runs, and the delay from slider to ear."""
    from drawbar.bench import live as bench

    opened, loaded = _open_bank(bank), _load_model(model, device)
    with _progress("playing") as tell:
        result = bench.run(loaded, opened, seconds=seconds, sliders=sliders, twin=twin, progress=tell)
    _show(result, bench.rows(result), as_json)


if __name__ == "__main__":
    sys.exit(main())
