"""Slider moves and a grid -> moves that wait for the next beat or bar."""

from drawbar_desktop.state.beat_grid import Grid
from drawbar_desktop.state.observable import Value

STEPS = {"": "at once", "beat": "on the beat", "bar": "on the bar"}


def next_line(grid: Grid, step: str, time_s: float) -> float:
    """The first beat or bar line after a time."""
    width = grid.bar_s / (grid.beats_per_bar if step == "beat" else 1)
    return grid.offset_s + (int((time_s - grid.offset_s) // width) + 1) * width


class Quantiser:
    """Holds the newest amount of each slider until its line comes."""

    def __init__(self) -> None:
        self.step: Value[str] = Value("")
        """One of `STEPS`."""
        self._waiting: dict[str, float] = {}
        self._due_s = 0.0

    @property
    def waiting(self) -> dict[str, float]:
        return dict(self._waiting)

    def hold(self, id: str, amount: float, grid: Grid, heard_s: float, ahead_s: float) -> bool:
        """Keep a move until the next line that it can reach (`ahead_s` to the ear) -> whether it waits."""
        if not self.step.value or not grid.bar_s:
            return False
        if not self._waiting:
            self._due_s = next_line(grid, self.step.value, heard_s + ahead_s)
        self._waiting[id] = amount
        return True

    def due(self, heard_s: float, ahead_s: float, poll_s: float) -> dict[str, float]:
        """What has to be sent now so that it is heard on its line, to the nearest poll; a jump back sends all."""
        left = self._due_s - (heard_s + ahead_s)
        if not self._waiting or poll_s / 2 < left < 60:
            return {}
        found, self._waiting = self._waiting, {}
        return found

    def flush(self) -> dict[str, float]:
        """All that waits, at once: the take is over, or lines are not wanted any more."""
        found, self._waiting = self._waiting, {}
        return found
