"""`drawbar direction ...`: sound files that have something and files that lack it -> a slider of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from drawbar.cli.loading import load
from drawbar.cli.options import DeviceOption, JsonFlag, ModelOption
from drawbar.cli.output import line, out_json, progress, say, table
from drawbar.files.destination import check_folder
from drawbar.files.json_object import JsonMapping, JsonObject

if TYPE_CHECKING:
    from drawbar.contrast.contrast import Contrast
    from drawbar.contrast.examples import Found
    from drawbar.steering.own import OwnDirection

app = typer.Typer(no_args_is_help=True, help="Sliders of your own: made from examples, listed, removed.")


class _Lists(TyperCommand):
    """Lets ``--unlike`` take every word up to the next option, as a shell's ``unlike/*.wav`` gives them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given: list[str] = []
        inside = False
        for word in args:
            if word == "--unlike":
                inside = True
                continue
            if word.startswith("-") and word != "-":
                inside = False
            given += ["--unlike", word] if inside else [word]
        if args and args[-1] == "--unlike":
            given.append("--unlike")  # without a word: the parser says so
        return super().parse_args(ctx, given)


@app.command("from-examples", cls=_Lists)
def from_examples(
    like: Annotated[
        list[Path], typer.Argument(metavar="LIKE...", help="Sound files, takes or folders that have it.")
    ],
    unlike: Annotated[
        list[Path] | None,
        typer.Option("--unlike", metavar="UNLIKE...", help="Files or folders that lack it, otherwise alike."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="What the slider is called.")] = "",
    layer: Annotated[str, typer.Option("--layer", help="auto (compares all), or one layer.")] = "auto",
    model: ModelOption = "embedded",
    device: DeviceOption = "cpu",
    replace: Annotated[bool, typer.Option("--replace", help="In place of one of that name.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a slider from examples: the difference in means of their residuals, checked on files left out.

    drawbar direction from-examples with/*.wav --unlike without/*.wav --name "more drums"
    """
    if not name.strip():
        raise typer.BadParameter("give the slider a name", param_hint="--name")
    if layer != "auto" and not layer.isdecimal():
        raise typer.BadParameter(f"{layer!r} is neither auto nor a number", param_hint="--layer")
    from drawbar.contrast.examples import check_sides, sound_files
    from drawbar.contrast.examples import from_examples as make
    from drawbar.steering import OwnDirections

    name, store = name.strip(), OwnDirections()
    if name.casefold() in (known.casefold() for known in store.names()) and not replace:
        raise typer.BadParameter(
            f"there is a direction mine/{name} already; choose another name, or add --replace",
            param_hint="--name",
        )
    files, others = sound_files(like), sound_files(unlike or [])
    check_sides(files, others)
    check_folder(store.folder)
    loaded = load(model, device)
    layers = None if layer == "auto" else [int(layer)]
    with progress("reading examples") as tell:
        found = make(loaded, name, files, others, layers=layers, progress=tell)
    store.save(found.own, replace=replace)
    if as_json:
        out_json(_facts(found.own) | {"tied": found.tied, "layers": [_row(row) for row in found.layers]})
        return
    table(
        ("", "layer", "AUROC, difference in means", "AUROC, linear probe", "norm at +1"),
        [
            (
                "*" if row is found.chosen else "",
                row.layer,
                f"{row.difference.mean:.3f} +- {row.difference.spread:.3f}",
                f"{row.probe.mean:.3f} +- {row.probe.spread:.3f}",
                row.scale,
            )
            for row in found.layers
        ],
        title=f"{len(files)} files like it, {len(others)} unlike it; read on files left out, +- between folds",
    )
    for word in _remarks(found):
        say(word)
    line(found.own.id)


def _remarks(found: "Found") -> list[str]:
    """What the figures mean for the user."""
    chosen = found.chosen
    words = [
        f"layer {chosen.layer} is taken; layers {', '.join(map(str, found.tied))} tell the files apart as well"
        if len(found.tied) > 1
        else f"layer {chosen.layer} is taken"
    ]
    if chosen.difference.mean < 0.7:
        words.append(
            f"the direction hardly tells files apart that it has not seen (AUROC {chosen.difference.mean:.2f}, "
            "chance 0.5): give more examples, or such as differ in this one thing only"
        )
    elif chosen.probe.mean > chosen.difference.mean + 0.1:
        words.append(
            "a probe tells them apart better than this direction: the two sides differ in other things as well"
        )
    words.append(f"play it: drawbar render PROMPT --amount {found.own.id!r}=+1")
    words.append("nobody has tested what it does to the sound: that is for your ears")
    return words


@app.command("list")
def list_directions(as_json: JsonFlag = False) -> None:
    """Your own directions."""
    from drawbar.steering import OwnDirections

    store = OwnDirections()
    rows = store.all()
    if as_json:
        out_json([_facts(own) for own in rows])
        return
    damaged = sorted(set(store.names()) - {own.name for own in rows})
    if rows:
        table(
            ("direction", "model", "layer", "norm at +1", "AUROC", "like", "unlike"),
            [
                (
                    own.id,
                    f"{own.model_name} {own.fingerprint[:12]}",
                    own.layer,
                    own.scale,
                    own.about.get("auroc_difference"),
                    len(own.about.get("like", ())),
                    len(own.about.get("unlike", ())),
                )
                for own in rows
            ],
        )
    elif not damaged:
        say("no directions yet; drawbar direction from-words makes one, or from-examples")
    for name in damaged:
        say(f"mine/{name} cannot be read: drawbar direction remove {name!r}, and make it again")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A name, or mine/NAME.")], as_json: JsonFlag = False
) -> None:
    """What one of them is made from."""
    from drawbar.steering import OwnDirections

    own = OwnDirections().load(name)
    if as_json:
        out_json(_facts(own))
        return
    about = own.about
    rows: list[tuple[str, object]] = [
        ("direction", own.id),
        ("model", f"{own.model_name} {own.fingerprint[:12]}"),
        ("layer", own.layer),
        ("norm at +1", own.scale),
        ("AUROC, difference in means", _figure(about, "difference")),
        ("AUROC, linear probe", _figure(about, "probe")),
        ("like", _listed(about.get("like", ()))),
        ("unlike", _listed(about.get("unlike", ()))),
    ]
    if "word" in about:
        against = f", against {about['against']!r}" if about.get("against") else ""
        rows[-2:] = [
            ("made from words", f"{about['pairs']} pairs with and without {about['word']!r}{against}"),
            ("AUROC, shuffled pairs", about.get("auroc_shuffled")),
            ("share of what the word moves, at +1", about.get("share")),
            ("the same of random directions, 95 %", about.get("share_random")),
            ("verdict", about.get("verdict", "untested")),
            ("usable", about.get("usable")),
        ]
    table(("", own.name), rows)


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="A name, or mine/NAME.")]) -> None:
    """Delete one; takes that used it can then not be played again from their settings."""
    from drawbar.steering import OwnDirections

    line(f"removed mine/{OwnDirections().remove(name)}")


def _facts(own: "OwnDirection") -> JsonObject:
    return {
        "id": own.id,
        "model": own.model_name,
        "fingerprint": own.fingerprint,
        "layer": own.layer,
        "scale": own.scale,
        **own.about,
    }


def _row(row: "Contrast") -> JsonObject:
    return {
        "layer": row.layer,
        "auroc_difference": row.difference.mean,
        "spread_difference": row.difference.spread,
        "auroc_probe": row.probe.mean,
        "spread_probe": row.probe.spread,
        "scale": row.scale,
        "windows": row.windows,
    }


def _figure(about: JsonMapping, kind: str) -> str:
    if f"auroc_{kind}" not in about:
        return "-"
    spread = f" +- {about[f'spread_{kind}']:.3f}" if f"spread_{kind}" in about else ""
    return f"{about[f'auroc_{kind}']:.3f}{spread}"


def _listed(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown or "-"
