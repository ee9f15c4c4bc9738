"""Files dropped on two sides and a name -> whether a slider can be made of them, how far that is, and what came out."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from drawbar_desktop.state.observable import Event, Value

LEAST = 3
"""Files that each side needs: every file is checked by what the others say."""
SIDES = ("like", "unlike")


def is_mine(id: str) -> bool:
    """Whether an id names a slider that the user made from examples."""
    return id.startswith("mine/")


@dataclass(frozen=True)
class LayerLine:
    """How well one layer tells files apart that were left out."""

    layer: int
    difference: float
    """AUROC of the direction; 0.5 is chance."""
    spread: float
    probe: float
    """AUROC of a linear probe, the upper bound."""


@dataclass(frozen=True)
class Made:
    """A slider that was made."""

    id: str
    layer: int
    lines: tuple[LayerLine, ...]

    @property
    def chosen(self) -> LayerLine:
        return next(line for line in self.lines if line.layer == self.layer)

    @property
    def words(self) -> str:
        one = self.chosen
        said = (
            f"It steers layer {one.layer} and tells files that were left out apart with AUROC {one.difference:.2f} "
            f"(\u00b1 {one.spread:.2f} between folds; 0.5 is chance; a probe reaches {one.probe:.2f})."
        )
        if one.difference < 0.7:
            return f"{said} That is little: give more files, or such as differ in this one thing only."
        return f"{said} What it does to the sound is for your ears: nobody has tested it."


class Making:
    """What the dialog shows; nothing here reads a sound."""

    def __init__(self) -> None:
        self._files: dict[str, dict[Path, None]] = {side: {} for side in SIDES}
        self.files_changed: Event[[]] = Event()
        self.name = Value("")
        self.busy = Value(False)
        self.progress: Value[tuple[str, float]] = Value(("", 0.0))
        self.trouble = Value("")
        """What went wrong the last time."""
        self.made: Value[Made | None] = Value(None)

    def files(self, side: str) -> tuple[Path, ...]:
        """The files of a side, in the order they came."""
        return tuple(self._files[side])

    def add(self, side: str, paths: Iterable[Path]) -> int:
        """Files, or folders with all that is in them -> how many were new; a file leaves the other side."""
        other = SIDES[1 - SIDES.index(side)]
        fresh = [path for given in paths for path in _sounds(given) if path not in self._files[side]]
        for path in fresh:
            self._files[other].pop(path, None)
            self._files[side][path] = None
        if fresh:
            self.trouble.set("")
            self.made.set(None)
            self.files_changed.emit()
        return len(fresh)

    def remove(self, side: str, paths: Iterable[Path]) -> None:
        before = len(self._files[side])
        for path in paths:
            self._files[side].pop(path, None)
        if len(self._files[side]) != before:
            self.files_changed.emit()

    def clear(self) -> None:
        for side in SIDES:
            self._files[side].clear()
        self.name.set("")
        self.trouble.set("")
        self.made.set(None)
        self.files_changed.emit()

    @property
    def missing(self) -> str:
        """What is still needed, in words; empty when it can begin."""
        for side, verbs in zip(SIDES, (("has", "have"), ("lacks", "lack")), strict=True):
            short = LEAST - len(self._files[side])
            if short > 0:
                return f"{short} more file{'s' if short > 1 else ''} that {verbs[short > 1]} it"
        return "" if self.name.value.strip() else "a name"


def _sounds(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    from drawbar.corpus import sound_files_in

    return sound_files_in(path)
