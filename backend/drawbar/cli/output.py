"""Results and notes -> lines, tables, JSON, bars and spinners on stdout and stderr.

Results go to stdout, everything else (progress, notes) to stderr. Nothing heavy is imported before a command runs.
"""

import dataclasses
import json
import math
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

_LINE_EVERY_S = 15.0
_STEERING = ("Cc", "Cf", "Cs")
notes = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    notes.print(harmless(text), markup=False, soft_wrap=True)


def line(text: str) -> None:
    typer.echo(harmless(text))


def harmless(text: str) -> str:
    """``text`` for a terminal: what would steer it (escape sequences out of a file's label, say) becomes U+FFFD."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in _STEERING else "\ufffd" for c in text)


def out_json(value: object) -> None:
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
    return "-" if value is None else harmless(str(value))


@contextmanager
def progress(what: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr, told (what is being done, share of it done); where no terminal reads it, a line now and then."""
    from rich import progress as parts

    if not notes.is_terminal:
        yield _lines()
        return
    with parts.Progress(
        parts.TextColumn("{task.description}", markup=False),
        parts.BarColumn(),
        parts.TaskProgressColumn(),
        parts.TimeElapsedColumn(),
        parts.TimeRemainingColumn(),
        console=notes,
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda now, share: bar.update(task, description=now, completed=min(max(share, 0.0), 1.0))


def _lines() -> Callable[[str, float], None]:
    """Says how far it is at most every `_LINE_EVERY_S`: long work is never silent, short work says nothing."""
    said = time.monotonic()

    def tell(now: str, share: float) -> None:
        nonlocal said
        if time.monotonic() - said >= _LINE_EVERY_S:
            said = time.monotonic()
            say(f"{now}: {min(max(share, 0.0), 1.0):.0%}")

    return tell


def status(what: str) -> AbstractContextManager[object]:
    """A spinner on stderr, where there is a terminal to spin on."""
    return notes.status(what) if notes.is_terminal else nullcontext()
