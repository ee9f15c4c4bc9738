"""`drawbar model`: which models are here, how to get one, how much memory each takes."""

from typing import Annotated

import typer

from drawbar.cli.loading import downloading
from drawbar.cli.options import DeviceOption, JsonFlag
from drawbar.cli.output import line, out_json, say, status, table
from drawbar.cli.words import offer_starter
from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonObject

models_app = typer.Typer(no_args_is_help=True, help="Models: which are here, get one, look at one.")


@models_app.command("list")
def model_list(as_json: JsonFlag = False) -> None:
    """The embedded model and the ones in the local Hugging Face cache."""
    from drawbar.musicgen.checkpoint import hub, inspection

    found: list[JsonObject] = []
    for name in ("embedded", *hub.names_in_cache()):
        about = inspection.glance(name)
        if about is not None:
            found.append(
                {"name": name, "layout": about.layout, "bytes": about.bytes, "licence": about.licence.name}
                | {"refused": about.refused}
            )
    if as_json:
        out_json(found)
        return
    from drawbar.musicgen.checkpoint.memory_needed import human

    rows = [
        (row["name"], row["layout"], human(row["bytes"]), row["licence"] or "-", row["refused"] or "ready")
        for row in found
    ]
    table(("model", "layout", "on disk", "licence", ""), rows)
    if len(found) == 1:
        say("more: `drawbar model get facebook/musicgen-small` (also -medium and -large)")


@models_app.command("get")
def model_get(
    name: Annotated[
        str, typer.Argument(help="A Hugging Face name: facebook/musicgen-small, or with @REVISION behind it.")
    ],
    accept: Annotated[
        bool, typer.Option("--accept-licence", help="You have read the licence and accept it.")
    ] = False,
    layout: Annotated[
        str | None, typer.Option("--layout", help="hf or audiocraft, where a model has both.")
    ] = None,
) -> None:
    """Download a model, once; a download that was cut off goes on where it stopped."""
    from drawbar.musicgen.checkpoint import hub
    from drawbar.musicgen.checkpoint.memory_needed import human

    if layout not in (None, "hf", "audiocraft"):
        raise typer.BadParameter(f"{layout!r} is not hf or audiocraft", param_hint="--layout")
    here = hub.cached(name) if layout is None else None
    if here is not None:
        say(f"{name} is here already; licence: {hub.licence_of(here).terms}")
        line(str(here))
        return
    with status(f"asking for {name}"):
        there = hub.listing(name)
        options = hub.plans(there)
    say(f"licence: {there.licence.terms}")
    for kind, files in options.items():
        size = human(sum(file.size for file in files))
        say(f"layout {kind}: {size} in {len(files)} files" + (", and T5" if kind == "audiocraft" else ""))
    if not (there.licence.free or accept):
        raise BadInputError(
            f"nothing was downloaded: read the licence at https://huggingface.co/{there.name}, "
            f"then run `drawbar model get {name} --accept-licence`"
        )
    with downloading() as tell:
        folder = hub.fetch(name, tell, layout)
    offer_starter(name)
    line(str(folder))


@models_app.command("show")
def model_show(
    name: Annotated[str, typer.Argument(help="embedded, a folder, or a Hugging Face name.")] = "embedded",
    device: DeviceOption = "cpu",
    plan: Annotated[
        bool, typer.Option("--plan", help="What it would take here: memory and speed of every precision.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Sizes, fingerprint, licence, and the memory that each precision takes."""
    if plan:
        _show_plan(name, as_json)
        return
    from drawbar.musicgen.checkpoint import inspection
    from drawbar.musicgen.checkpoint.memory_needed import free_bytes, human

    with status(f"reading {name}"):
        about = inspection.inspect(name)
        free = free_bytes(device)
    if as_json:
        out_json(about)
        return
    spec = about.spec
    fits = {
        precision: "" if free is None else ("fits" if need.total <= free else "does not fit")
        for precision, need in about.memory.items()
    }
    rows: list[tuple[str, object]] = [
        ("folder", about.folder),
        ("layout", about.layout),
        ("licence", about.licence.terms),
        ("fingerprint", about.fingerprint),
        ("codec", about.codec_fingerprint),
        ("decoder", f"{about.parameters / 1e6:.1f} M parameters, {spec.n_layers} layers of {spec.d_model}"),
        ("text, codec", f"{about.text / 1e6:.1f} M, {about.codec / 1e6:.1f} M parameters"),
        (
            "tokens",
            f"{spec.n_q} codebooks of {spec.card}, {spec.frame_rate_hz:g} frames/s, {spec.sample_rate_hz} Hz",
        ),
        ("context", f"{spec.context_frames / spec.frame_rate_hz:g} s"),
    ]
    rows += [
        (f"memory, {precision}", f"{human(need.total)} ({need}) {fits[precision]}")
        for precision, need in about.memory.items()
    ]
    if free is not None:
        rows.append((f"free on {device}", human(free)))
    table(("", name), rows)
    for note in about.notes:
        say(note)


def _show_plan(name: str, as_json: bool) -> None:
    from drawbar.musicgen.checkpoint.inspection import sizes_of
    from drawbar.musicgen.checkpoint.memory_needed import human
    from drawbar.musicgen.checkpoint.plan import plan

    with status(f"measuring {name} for a few seconds"):
        spec, text, codec = sizes_of(name)
        found = plan(spec, text=text, codec=codec)
    if as_json:
        out_json(found)
        return
    rows = []
    marks = {True: "", False: " (does not fit)", None: ""}
    for choice in found.choices:
        speed = "not measured" if choice.frame_ms is None else f"{choice.frame_ms:.0f} ms a frame"
        for take in [take for take in choice.bytes if "twin" not in take]:
            both = [f"{human(choice.bytes[t])}{marks[choice.fits(t)]}" for t in (take, f"{take} + twin")]
            rows.append((f"{choice.precision}, {choice.device}", take, *both, speed))
    table(("", "take", "memory", "with the twin", "speed"), rows)
    best = ", ".join(found.instead[:3])
    say(f"fits endless takes with a twin: {best or 'nothing here; use facebook/musicgen-small or embedded'}")
