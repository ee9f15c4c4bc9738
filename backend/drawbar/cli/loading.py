"""The names of a model and a bank -> the two, loaded; a model that is not here is downloaded if its licence is free."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from drawbar.cli.output import notes, say, status
from drawbar.errors import BadInputError

if TYPE_CHECKING:
    from drawbar.bank import Bank
    from drawbar.musicgen import Model
    from drawbar.musicgen.checkpoint.download import Progress


def load(name: str, device: str = "cpu", precision: str = "float32") -> "Model":
    """A model by name or folder, with a spinner; what "auto" chose is said where it is not float32."""
    from drawbar.musicgen import load_model

    obtain(name)
    with status(f"loading the model {name}"):
        model = load_model(name, device=device, precision=precision)
    for note in model.notes:
        say(note)
    if precision == "auto" and model.precision != "float32":
        say(f"{name} plays in {model.precision}; --precision float32 is exact")
    return model


def open_bank(path: Path | None) -> "Bank":
    """The bank at a path, or the embedded one."""
    from drawbar.bank import library

    bank = library.open_bank("embedded" if path is None else path)
    for note in bank.notes:
        say(note)
    return bank


def obtain(name: str) -> None:
    """Downloads a model that is not here, if nobody has to accept its licence first; else says how to get it."""
    from drawbar.musicgen.checkpoint.resolve import local

    if local(name) is not None:
        return
    from drawbar.musicgen.checkpoint import hub

    there = hub.listing(name)
    if not there.licence.free:
        raise BadInputError(
            f"{name} is not on this machine; licence {there.licence.terms}: "
            f"run `drawbar model get {name} --accept-licence` first"
        )
    with downloading() as tell:
        hub.fetch(name, tell)


@contextmanager
def downloading() -> "Iterator[Progress]":
    """A bar in bytes on stderr, told (done, all, file); lines of text where there is no terminal."""
    from rich import progress as parts

    columns = (
        parts.TextColumn("{task.description}", markup=False),
        parts.BarColumn(),
        parts.DownloadColumn(),
        parts.TransferSpeedColumn(),
        parts.TimeRemainingColumn(),
    )
    said = ""
    with parts.Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task("downloading", total=None)

        def tell(done: int, total: int, file: str) -> None:
            nonlocal said
            bar.update(task, description=file, completed=done, total=total)
            tenths = f"{file}: {10 * done // max(total, 1) * 10} % of {total / 1e6:.1f} MB"
            if not notes.is_terminal and tenths != said:
                said = tenths
                say(tenths)

        yield tell
