"""A build of a bank that the window began -> what is to be built, how far it is, and what is left after a restart."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from drawbar.errors import BadInputError
from drawbar.files.atomic_write import write_json
from drawbar.files.reading import json_value, typed
from drawbar_desktop.state.observable import Value

log = logging.getLogger(__name__)
Phase = Literal["none", "running", "paused"]
MOST_TAKES = 100_000


@dataclass(frozen=True)
class Order:
    """What is to be built. Raises BadInputError for what cannot be."""

    corpus: str
    """``self:N``, or a folder of recordings."""
    run: str
    """The folder of the build; a build that was paused goes on there."""
    model: str = "embedded"
    layers: tuple[int, ...] = ()
    """None: the middle one."""
    name: str = ""

    def __post_init__(self) -> None:
        takes = self.corpus.removeprefix("self:")
        if takes != self.corpus and not (takes.isdecimal() and 1 <= int(takes) <= MOST_TAKES):
            raise BadInputError(f"{takes!r} takes: a whole number from 1 to {MOST_TAKES:,}")
        if not self.corpus or not self.run:
            raise BadInputError("say what to build from: takes of the model, or a folder of recordings")

    @property
    def words(self) -> str:
        takes = self.corpus.removeprefix("self:")
        what = f"{takes} takes of {self.model}" if takes != self.corpus else Path(self.corpus).name
        return f"{self.name or 'A bank'} from {what}"

    def arguments(self) -> list[str]:
        """As ``drawbar build`` takes them."""
        found = [self.corpus, "--out", self.run, "--model", self.model]
        found += ["--layers", ",".join(map(str, self.layers))] if self.layers else []
        return found + (["--name", self.name] if self.name else [])


class Building:
    """One build at a time; `file` None keeps it in memory."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self.order: Value[Order | None] = Value(None)
        self.phase: Value[Phase] = Value("none")
        self.progress: Value[tuple[str, float]] = Value(("", -1.0))
        """Words and a share; below 0: not known."""
        self.plan = Value("")
        """What it would take, in words."""
        self.trouble = Value("")
        self.have = Value("")
        """What there is of it: nothing, the bank of its first layer, or all."""
        if (left := self._left()) is not None:
            self.order.set(left)
            self.phase.set("paused")

    def begin(self, order: Order) -> None:
        """It is written down first, so that a window that ends suddenly finds it again. Raises OSError."""
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._file, asdict(order))
        self.order.set(order)
        self.trouble.set("")
        self.have.set("")
        self.phase.set("running")

    def end(self) -> None:
        """Done, or not wanted any more: it is not offered again. Its folder stays."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)
        self.progress.set(("", -1.0))
        self.phase.set("none")
        self.order.set(None)

    def _left(self) -> Order | None:
        if self._file is None or not self._file.exists():
            return None
        try:
            return typed(Order, json_value(self._file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            log.warning("%s cannot be used: %s", self._file, error)
            return None


def plan_words(plan: Mapping[str, object]) -> str:
    """What ``drawbar build --plan --json`` says, in three lines."""
    stages = plan["stages"]
    assert isinstance(stages, list)
    steps = [
        f"{s['folder']} {_time(s['seconds'])}" for s in stages if s["state"] != "done" and s["seconds"] >= 1
    ]
    total = f"About {_time(plan['seconds'])} on this machine while it does little else, "
    total += (
        f"{_size(plan['disk_bytes'])} of disk, {_size(plan['memory_bytes'])} of memory beside the window."
    )
    return "\n".join((f"{plan['tracks']} tracks, {_time(plan['audio_s'])}.", total, ", ".join(steps)))


def _time(seconds: object) -> str:
    s = float(str(seconds))
    return f"{s:.0f} s" if s < 90 else f"{s / 60:.0f} min" if s < 5400 else f"{s / 3600:.1f} h"


def _size(count: object) -> str:
    n = float(str(count))
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.0f} MB"
