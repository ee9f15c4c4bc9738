"""`drawbar render` and `drawbar doctor`: a take in a file; what this machine can do."""

import math
import secrets
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drawbar.cli.loading import load, open_bank
from drawbar.cli.options import (
    BankOption,
    DeviceOption,
    JsonFlag,
    ModelOption,
    PrecisionOption,
    file_to_write,
)
from drawbar.cli.output import line, out_json, progress, say, table

if TYPE_CHECKING:
    from drawbar.bank import Feature
    from drawbar.prompts import PromptPart

app = typer.Typer()


class Engine(StrEnum):
    """Whose network plays."""

    DRAWBAR = "drawbar"
    AUDIOCRAFT = "audiocraft"


def _amount(text: str) -> tuple[str, float]:
    name, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not equals or not name.strip() or not math.isfinite(value):
        raise typer.BadParameter(f"{text!r} is not NAME=NUMBER, as in drums=+1.5", param_hint="--amount")
    return name.strip(), value


@app.command()
def render(
    prompt: Annotated[str, typer.Argument(help="What to play, in words.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", callback=file_to_write, help="A .wav or .flac file.")
    ] = Path("take.wav"),
    seconds: Annotated[float, typer.Option("--seconds", help="How long.")] = 8.0,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Without it: a random one, shown.")
    ] = None,
    amount: Annotated[
        list[str] | None, typer.Option("--amount", metavar="NAME=VALUE", help="A slider; repeat.")
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option("--also", metavar="TEXT=SHARE", help="A further prompt with its share, 0 to 1; repeat."),
    ] = None,
    share: Annotated[
        float, typer.Option("--share", min=0, max=1, help="The first prompt's share, beside --also.")
    ] = 1.0,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="TEXT=SHARE", help="What should not be heard; repeat."),
    ] = None,
    model: ModelOption = "embedded",
    bank: BankOption = None,
    guidance: Annotated[float, typer.Option("--guidance", help="How closely the prompt is followed.")] = 3.0,
    temperature: Annotated[float, typer.Option("--temperature")] = 1.0,
    top_k: Annotated[int, typer.Option("--top-k", min=0, help="0: no limit.")] = 250,
    stacking: Annotated[
        str | None, typer.Option("--stacking", help="How sliders add up: none, mean, budget or largest.")
    ] = None,
    melody: Annotated[
        Path | None,
        typer.Option("--melody", exists=True, help="A sound file whose tune a melody model follows."),
    ] = None,
    device: DeviceOption = "cpu",
    precision: PrecisionOption = "auto",
    engine: Annotated[
        Engine, typer.Option("--engine", help="audiocraft: slow, to check ours against.")
    ] = Engine.DRAWBAR,
) -> None:
    """Play a prompt into a file, with sliders; the same command writes the same bytes."""
    amounts = dict(_amount(text) for text in amount or [])
    if out.suffix.lower() not in (".wav", ".flac"):
        raise typer.BadParameter(f"{out} must end in .wav or .flac", param_hint="--out")
    from drawbar.live import TakeSettings
    from drawbar.live import render as play
    from drawbar.live.melody import read_melody
    from drawbar.steering import Palette

    chosen = secrets.randbelow(2**31) if seed is None else seed
    opened: Any = Palette(open_bank(bank)) if amounts else None
    by_id: dict[str, float] = {}
    for name, value in amounts.items():
        row = opened.resolve(name)
        by_id[row.id] = value
        say(f"{row.id} {row.label or '(unnamed)'}: {value:+g}")
        _warn_beyond(row.id, name, value, opened.feature(row.id))
    loaded: Any = load(model, device, precision if engine is Engine.DRAWBAR else "float32")
    if engine is Engine.AUDIOCRAFT:
        from drawbar.musicgen.parity.audiocraft_engine import ReferenceEngine

        loaded = ReferenceEngine(loaded)
    settings = TakeSettings(
        prompt=_known_words(prompt, model),
        seed=chosen,
        seconds=seconds,
        guidance=guidance,
        temperature=temperature,
        top_k=top_k,
        amounts=by_id,
        twin=False,
        blend=_blended(prompt, share, also or (), without or (), model),
        melody=() if melody is None else read_melody(melody, loaded.spec),
    )
    if stacking is not None:
        settings = replace(settings, stacking=stacking)
    with progress(f"playing {seconds:g} s, seed {chosen}") as tell:
        what = f"playing {seconds:g} s, seed {chosen}"
        take = play(loaded, opened, settings, progress=lambda done, total: tell(what, done / max(total, 1)))
        take.save(out)
    say(f"seed {chosen}")
    line(str(out))


def _blended(
    prompt: str, share: float, also: Sequence[str], without: Sequence[str], model: str
) -> "tuple[PromptPart, ...]":
    """All prompts with their shares; none where there is only one, whole."""
    from drawbar.prompts import PromptPart

    if not also and not without and share == 1:
        return ()
    parts = [PromptPart(_known_words(prompt, model), share)]
    for texts, unwanted in ((also, False), (without, True)):
        for text in texts:
            words, weight = _amount(text if "=" in text else f"{text}=1")
            parts.append(PromptPart(_known_words(words, model), weight, unwanted))
    return tuple(parts)


def _warn_beyond(id: str, name: str, value: float, feature: "Feature") -> None:
    """Says on standard error where an amount lies outside of what the evidence card calls usable."""
    if feature.usable_range is None or feature.usable_range[0] <= value <= feature.usable_range[1]:
        return
    low, high = (math.trunc(edge * 100) / 100 + 0.0 for edge in feature.usable_range)
    edge = low if value < 0 else high
    side = [g for g in (feature.evidence or {}).get("guards", ()) if g["amount"] * value > 0]
    broken = next((g for g in sorted(side, key=lambda g: abs(g["amount"])) if not g["holds"]), None)
    why = (
        f"at {broken['amount']:+g} {', '.join(broken['broken'])} broke"
        if broken
        else "it was not tested there"
    )
    cure = f"--amount '{name}={edge:+g}' stays inside" if edge else "to that side no amount is usable"
    say(f"warning: {id} at {value:+g} is outside its usable range, {low:+g} to {high:+g} ({why}); {cure}")


def _known_words(prompt: str, model: str) -> str:
    """What the embedded model is given; words that it does not know are told and left out."""
    if model != "embedded":
        return prompt
    from drawbar.corpus import normalise_prompt
    from drawbar.paths import embedded_model_dir

    known, unknown = normalise_prompt(prompt, embedded_model_dir() / "tokenizer.json")
    if unknown:
        say(
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
        out_json({"playable": fine, "checks": checks})
    else:
        table(("", "", ""), [("ok" if c.ok else "--", c.name, c.finding) for c in checks])
        for check in checks:
            if check.cure:
                line(f"{check.name}: {check.cure}")
        line("ready to play" if fine else "not ready to play: see above")
    if not fine:
        raise typer.Exit(1)
