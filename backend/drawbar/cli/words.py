"""`drawbar direction from-words` and `drawbar bank starter`: words -> sliders, or a bank of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drawbar.cli.loading import load
from drawbar.cli.options import DeviceOption, JsonFlag, ModelOption, folder_to_write
from drawbar.cli.output import line, out_json, progress, say, status, table
from drawbar.errors import BadInputError, DrawbarError
from drawbar.files.destination import check_folder
from drawbar.files.json_object import JsonObject

if TYPE_CHECKING:
    from drawbar.bank import Bank
    from drawbar.evidence.words.make import MakeSettings, WordSlider
    from drawbar.evidence.words.plan import WordPlan
    from drawbar.musicgen.spec import ModelSpec

_MOST_LINES = 1000

PairsOption = Annotated[int, typer.Option("--pairs", min=4, help="Takes with and without each word.")]
SecondsOption = Annotated[float, typer.Option("--seconds", min=0.5, max=30, help="Length of each take.")]
UncheckedFlag = Annotated[
    bool, typer.Option("--unchecked", help="Do not play the sliders beside random directions.")
]
ContextOption = Annotated[
    Path | None, typer.Option("--context", help="Prompts that words are added to, one a line.")
]


def from_words(
    words: Annotated[
        list[str], typer.Argument(metavar="WORD...", help="'taiko drums', slow, '{context} on a toy piano'.")
    ],
    against: Annotated[
        str, typer.Option("--against", help="What takes without it are asked for: 'no drums'.")
    ] = "",
    context: ContextOption = None,
    text: Annotated[
        str, typer.Option("--text", help="While takes are read: null (the sound only) or own (with prompts).")
    ] = "null",
    layer: Annotated[str, typer.Option("--layer", help="auto (compares all), or one layer.")] = "auto",
    pairs: PairsOption = 16,
    seconds: SecondsOption = 4.0,
    unchecked: UncheckedFlag = False,
    bank: Annotated[
        Path | None, typer.Option("--bank", help="Whose random directions to compare with.")
    ] = None,
    model: ModelOption = "embedded",
    device: DeviceOption = "cpu",
    plan: Annotated[bool, typer.Option("--plan", help="Only say how many clips and minutes.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="In place of one of that name.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a slider of a word: from the model's own takes with and without it, tried beside random directions.

    drawbar direction from-words "taiko drums" --against "no drums"
    """
    if layer != "auto" and not layer.isdecimal():
        raise typer.BadParameter(f"{layer!r} is neither auto nor a number", param_hint="--layer")
    settings = _settings(pairs, seconds, text, not unchecked, () if layer == "auto" else (int(layer),))
    if plan:
        _show(_plan(model, len(words), settings, device), as_json)
        return
    from drawbar.contrast.words import ask
    from drawbar.evidence.words.make import make_words
    from drawbar.steering import OwnDirections

    store = OwnDirections()
    taken = {name.casefold() for name in store.names()}
    names = [ask(word, against).name for word in words]
    for name in names:
        if name.casefold() in taken and not replace:
            raise typer.BadParameter(
                f"there is a direction mine/{name} already; add --replace", param_hint="--replace"
            )
    contexts = lines_of(context)
    check_folder(store.folder)
    check_folder(_pools())
    loaded = load(model, device)
    opened = _bank_of(loaded.fingerprint, bank)
    with progress("asking the model") as tell:
        found = make_words(
            loaded, words, against=against, contexts=contexts, bank=opened,
            folder=_pools(), settings=settings, progress=tell,
        )  # fmt: skip
    for one in found:
        if one.own is not None:
            store.save(one.own, replace=replace)
    _tell(found, as_json)
    if not any(one.own for one in found):
        raise BadInputError(found[0].missing)
    for one in found:
        if one.own is not None and not as_json:
            line(one.own.id)


def starter(
    model: Annotated[str, typer.Argument(help="embedded, a folder, or a Hugging Face name.")] = "embedded",
    out: Annotated[
        Path, typer.Option("--out", callback=folder_to_write, help="The run's folder; OUT/bank is the bank.")
    ] = Path("runs/starter"),
    words: Annotated[
        Path | None, typer.Option("--words", help="Your own words, one a line; else sixty built-in ones.")
    ] = None,
    context: ContextOption = None,
    pairs: PairsOption = 16,
    seconds: SecondsOption = 4.0,
    unchecked: UncheckedFlag = False,
    name: Annotated[str, typer.Option("--name", help="The bank's name.")] = "",
    licence: Annotated[str, typer.Option("--licence", help="Of the bank; the model's is passed on.")] = "",
    device: DeviceOption = "cpu",
    plan: Annotated[bool, typer.Option("--plan", help="Only say how many clips and minutes.")] = False,
    install: Annotated[
        bool, typer.Option("--install", help="Put the bank among the installed ones.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """A bank for a model in minutes: one slider for each musical word that it knows, with evidence."""
    from drawbar.contrast.musical_words import STARTER

    asked = list(lines_of(words)) or [word for kind in STARTER.values() for word in kind]
    settings = _settings(pairs, seconds, "null", not unchecked, ())
    if plan:
        _show(_plan(model, len(asked), settings, device), as_json)
        return
    from drawbar.evidence.words.make import make_words
    from drawbar.evidence.words.starter import write_starter
    from drawbar.musicgen.checkpoint.inspection import licence_of
    from drawbar.musicgen.checkpoint.resolve import resolve

    loaded = load(model, device)
    with progress("asking the model") as tell:
        found = make_words(
            loaded, asked, contexts=lines_of(context), bank=_bank_of(loaded.fingerprint, None),
            folder=out, settings=settings, progress=tell,
        )  # fmt: skip
    terms = licence or licence_of(model, resolve(model)[0]).name or "unknown"
    folder = write_starter(out / "bank", loaded, found, name=name, licence=terms)
    if install:
        from drawbar.cli.build import installed

        folder = installed(folder)
    _tell(found, as_json)
    if not as_json:
        made = [one for one in found if one.own is not None]
        say(f"{len(made)} sliders of {len(found)} words")
        line(str(folder))


def offer_starter(name: str, device: str = "cpu") -> None:
    """What `drawbar model get` ends with: how to have sliders, and how long that takes here."""
    from drawbar.contrast.musical_words import STARTER
    from drawbar.evidence.words.make import MakeSettings

    count = sum(map(len, STARTER.values()))
    try:
        minutes = _plan(name, count, MakeSettings(), device).duration_s / 60
    except DrawbarError as error:
        say(f"no sliders can be made of words: {error}")
        return
    say(f"make sliders now? about {minutes:.0f} minutes: drawbar bank starter {name} --install")


def lines_of(path: Path | None) -> tuple[str, ...]:
    """The lines of a text file that say something. Raises BadInputError for one that cannot be read."""
    if path is None:
        return ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"{path} cannot be read as text ({error}): give a file with one a line"
        ) from error
    found = tuple(text for one in lines if (text := one.strip()) and not text.startswith("#"))
    if not 0 < len(found) <= _MOST_LINES:
        raise BadInputError(f"{path} has {len(found)} lines: give 1 to {_MOST_LINES}")
    return found


def _settings(pairs: int, seconds: float, text: str, check: bool, layers: tuple[int, ...]) -> "MakeSettings":
    from typing import Literal, cast

    from drawbar.contrast.words import WordSettings
    from drawbar.evidence.words.make import MakeSettings

    read = cast("Literal['null', 'own']", text)  # another value is refused by the record
    words = WordSettings(pairs=pairs, seconds=seconds, text=read)
    return MakeSettings(words=words, check=check, layers=layers)


def _bank_of(fingerprint: str, path: Path | None) -> "Bank | None":
    """The bank that was named, else the embedded one if it is of this model."""
    from drawbar.bank import library

    bank = library.open_bank("embedded" if path is None else path)
    if path is not None:
        bank.require_site(fingerprint)
    return bank if bank.info.fingerprint == fingerprint else None


def _pools() -> Path:
    from drawbar.paths import user_dir

    return user_dir() / "pools"


def _plan(name: str, words: int, settings: "MakeSettings", device: str) -> "WordPlan":
    from drawbar.evidence.words.plan import plan_words

    with status("trying how fast this machine is"):
        return plan_words(_spec(name), words, settings, device, pooled=name == "embedded")


def _spec(name: str) -> "ModelSpec":
    """A model's sizes: from its folder, or of a released one that is not here yet."""
    from drawbar.musicgen.checkpoint.memory_needed import released_spec
    from drawbar.musicgen.checkpoint.resolve import local, open_folder

    folder = local(name)
    known = released_spec(name)
    if folder is None and known is not None:
        return known
    if folder is None:
        raise BadInputError(f"{name} is not on this machine: `drawbar model get {name}` first")
    return open_folder(folder, name).spec


def _show(plan: "WordPlan", as_json: bool) -> None:
    if as_json:
        out_json({"clips": plan.clips, "duration_s": plan.duration_s, "plan": plan})
        return
    table(
        ("what", "clips", "minutes"),
        [
            (what, clips, f"{clips * plan.seconds_per_clip / 60:.1f}")
            for what, clips in (
                ("takes with and without the words", plan.takes),
                ("trying the sliders", plan.trials),
                ("random directions, per layer that is used", plan.pool),
                ("in all", plan.clips),
            )
        ],
        title=f"{plan.words} words, clips of {plan.seconds:g} s, {plan.batch} at once",
    )
    line(f"about {plan.duration_s / 60:.1f} minutes, measured on random weights of this model's sizes")


def _tell(found: "Sequence[WordSlider]", as_json: bool) -> None:
    if as_json:
        out_json([_facts(one) for one in found])
        return
    made = [one for one in found if one.own is not None]
    if made:
        table(
            ("slider", "layer", "AUROC", "shuffled", "moves", "random", "verdict", "usable"),
            [_row(one) for one in made],
            title="AUROC: takes of pairs left out; moves: share of what the word itself moves, at +1, "
            "beside the 95 % quantile of random directions",
        )
    for one in found:
        if one.missing:
            say(one.missing)
        elif one.unread:
            say(
                f"{one.word}: the model does not know {', '.join(one.unread)}; the slider is made of the rest"
            )


def _row(one: "WordSlider") -> Sequence[object]:
    own, tried, finding = one.own, one.tried, one.finding
    assert own is not None  # only sliders that were made
    about = own.about
    usable = finding.usable if finding is not None else None
    return (
        own.id,
        own.layer,
        about["auroc_difference"],
        about["auroc_shuffled"],
        None if tried is None else tried.share,
        None if tried is None else tried.random,
        "untested" if finding is None else finding.verdict.name,
        None if usable is None else f"{usable[0]:+.2g} to {usable[1]:+.2g}",
    )


def _facts(one: "WordSlider") -> JsonObject:
    if one.own is None:
        return {"word": one.word, "missing": one.missing}
    facts: JsonObject = {"word": one.word, "id": one.own.id, "layer": one.own.layer, "scale": one.own.scale}
    return facts | dict(one.own.about) | {"effects": {} if one.tried is None else dict(one.tried.effects)}
