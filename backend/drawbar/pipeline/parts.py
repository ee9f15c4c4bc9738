"""A stage's files that are missing -> made one after the other here, or by the crew that is in force.

A part is one or two files of a stage that depend on few files of earlier ones. What makes it is plain data, so that
another process or machine can make the same part from the same settings. Knows nothing of who that is.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from drawbar.files.atomic_write import write_json
from drawbar.files.reading import json_value
from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.pipeline.inputs.sources import open_source
from drawbar.pipeline.inputs.tracks import Source
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.progress import Reporter
from drawbar.pipeline.settings import BuildSettings

SKIPPED = "skipped.json"
"""In a stage's folder: part -> {unit: why it was left out}; only a crew that lost workers to a unit writes it."""

Told = Callable[[int, str], None]
"""Units of one part that are done, and a note."""


class Bench:
    """Where parts are made: the settings, and the run's folder, model and corpus once they are needed."""

    def __init__(
        self, settings: BuildSettings, model: BuildModel | None = None, source: Source | None = None
    ) -> None:
        self.settings = settings
        self.given = model
        """A model that was loaded elsewhere; None: it is loaded by its name."""
        self._source = source

    @property
    def folder(self) -> Path:
        return self.settings.out

    @cached_property
    def model(self) -> BuildModel:
        return load(self.settings) if self.given is None else self.given

    @cached_property
    def source(self) -> Source:
        return open_source(self.settings) if self._source is None else self._source

    def paths(self, names: Sequence[str]) -> list[Path]:
        return [self.folder / name for name in names]

    def store(self, names: Sequence[str]) -> ClipStore:
        """The clips of some shards of tokens."""
        return ClipStore([path for path in self.paths(names) if path.suffix == ".safetensors"])


def load(settings: BuildSettings) -> BuildModel:
    """The model that the settings name."""
    from drawbar.musicgen import load_model

    return load_model(settings.model, device=settings.device)


class Maker(Protocol):
    """What makes the parts of one stage; picklable, and all that it reads and writes is named."""

    @property
    def name(self) -> str:
        """The stage, in words."""
        ...

    @property
    def folder(self) -> str:
        """The stage's folder inside the run's."""
        ...

    @property
    def trains(self) -> bool:
        """A part takes long, says how far it is and goes on from a checkpoint."""
        ...

    def files(self, number: int) -> Sequence[str]:
        """What the part consists of, inside the run's folder; written in this order."""
        ...

    def needs(self, number: int) -> Sequence[str]:
        """What it is made from; files that may be absent end with ``?``."""
        ...

    def size(self, number: int) -> int:
        """Units of progress."""
        ...

    def units(self, bench: Bench, number: int) -> Sequence[str]:
        """Names of what it holds that can be left out one by one; none where nothing can."""
        ...

    def make(self, bench: Bench, number: int, skip: Collection[str], told: Told) -> None:
        """Write the files; a unit in ``skip`` is left out and nothing of it is touched."""
        ...


class Crew(Protocol):
    """Who makes parts."""

    @property
    def size(self) -> int:
        """Parts in work at once."""
        ...

    def make(self, maker: Maker, bench: Bench, numbers: Sequence[int], told: "Tally") -> None:
        """Make these parts, in any order. Raises DrawbarError for one that cannot be made."""
        ...


@dataclass
class Tally:
    """Units done over all parts."""

    report: Reporter
    done: int

    def within(self, units: int, note: str = "") -> None:
        """So many units of parts that are not finished."""
        self.report(self.done + units, note=note)

    def finished(self, units: int, note: str = "") -> None:
        """One more part, of so many units."""
        self.done += units
        self.report(self.done, note=note)


class _Alone:
    """This process makes every part, in order."""

    size = 1

    def make(self, maker: Maker, bench: Bench, numbers: Sequence[int], told: Tally) -> None:
        for number in numbers:
            maker.make(bench, number, skipped(bench.folder / maker.folder, number), told.within)
            told.finished(maker.size(number))


_crew: ContextVar[Crew] = ContextVar("crew")


@contextmanager
def working(crew: Crew) -> Iterator[Crew]:
    """Put a crew in force for the stages that run inside."""
    token = _crew.set(crew)
    try:
        yield crew
    finally:
        _crew.reset(token)


def crew_size() -> int:
    """Into how many parts work is cut that can be cut into any number."""
    return _crew.get(_Alone()).size


def make_parts(
    maker: Maker, bench: Bench, numbers: Sequence[int], report: Reporter, *, before: int = 0
) -> None:
    """Make those of the parts that are not there; ``before`` units were done earlier."""
    done, missing = before, []
    for number in numbers:
        if all((bench.folder / name).is_file() for name in maker.files(number)):
            done += maker.size(number)
        else:
            missing.append(number)
    report.start_at(done)
    if missing:
        _crew.get(_Alone()).make(maker, bench, missing, Tally(report, done))


def skipped(folder: Path, number: int) -> dict[str, str]:
    """Units of a part that are left out, and why."""
    return _journal(folder).get(str(number), {})


def skip(folder: Path, number: int, units: dict[str, str]) -> None:
    """Leave out these as well, from now on."""
    journal = _journal(folder)
    journal[str(number)] = journal.get(str(number), {}) | units
    write_json(folder / SKIPPED, journal)


def left_out(folder: Path) -> list[str]:
    """All units of a stage that are left out."""
    return sorted(unit for part in _journal(folder).values() for unit in part)


def _journal(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / SKIPPED
    found: dict[str, dict[str, str]] = json_value(path.read_text("utf-8")) if path.is_file() else {}
    return found
