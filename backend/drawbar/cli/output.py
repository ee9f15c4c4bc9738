"""What every command shares -> lines on stdout and stderr, bars, options, a model, a bank.

Results go to stdout, everything else (progress, notes) to stderr. Nothing heavy is imported before a command runs.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from drawbar.errors import BadInputError

if TYPE_CHECKING:
    from drawbar.bank import Bank
    from drawbar.musicgen import Model

notes = Console(stderr=True, highlight=False)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]
ModelOption = Annotated[str, typer.Option("--model", help="embedded, a folder, or a Hugging Face name.")]
BankOption = Annotated[
    Path | None, typer.Option("--bank", help="A folder or an installed bank; else the embedded one.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")]
PrecisionOption = Annotated[
    str,
    typer.Option("--precision", help="auto (fast enough here), float32, bfloat16, float16, int8, int4."),
]
FontOption = Annotated[Path | None, typer.Option("--soundfont", help="A General MIDI .sf2 file.")]


def say(text: str) -> None:
    """A line for people, on stderr."""
    notes.print(text, markup=False, soft_wrap=True)


def line(text: str) -> None:
    """A result, on stdout."""
    typer.echo(text)


def out_json(value: object) -> None:
    """A result as JSON, on stdout."""
    line(json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """Anything a stage returns -> JSON values; what is not finite becomes null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, type(None))) else str(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """Rows under columns, on stdout."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    console = Console(highlight=False, markup=False)
    console.print(table)


def cell(value: object) -> str:
    """A value as a table shows it; what is missing or not finite is a dash."""
    if isinstance(value, float):
        return f"{value:.3f}" if math.isfinite(value) else "-"
    return "-" if value is None else str(value)


@contextmanager
def progress(what: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr, told (what is being done, share of it done)."""
    from rich import progress as parts

    with parts.Progress(
        parts.TextColumn("{task.description}", markup=False),
        parts.BarColumn(),
        parts.TaskProgressColumn(),
        parts.TimeElapsedColumn(),
        parts.TimeRemainingColumn(),
        console=notes,
        transient=True,
        disable=not notes.is_terminal,
    ) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda now, share: bar.update(task, description=now, completed=min(max(share, 0.0), 1.0))


def status(what: str) -> AbstractContextManager[object]:
    """A spinner on stderr, where there is a terminal to spin on."""
    return notes.status(what) if notes.is_terminal else nullcontext()


def load(name: str, device: str = "cpu", precision: str = "float32") -> "Model":
    """A model by name or folder, with a spinner; what "auto" chose is said where it is not float32."""
    from drawbar.cli.model import obtain
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
    from drawbar.bank import Bank, find_bank
    from drawbar.paths import embedded_bank_dir

    return Bank.open(find_bank(path) if path is not None else embedded_bank_dir())


def read_config(path: Path | None) -> dict[str, Any]:
    """A JSON object from a file; empty without one. Raises BadInputError."""
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


def settings_from(kind: type[Any], given: Mapping[str, Any]) -> Any:
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
            value = settings_from(nested, value)
        values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**values)
    except TypeError as error:
        raise BadInputError(f"settings that do not fit: {error}") from error
