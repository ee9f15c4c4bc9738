"""What was compared with what -> one row each, and whether all of them hold.

Knows nothing of how the numbers came about.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Row:
    """One comparison."""

    what: str
    against: str
    """Whose numbers: audiocraft, transformers, or ours by another way."""
    worst: float | None
    """The largest absolute difference, or how many things differ; None where nothing was compared."""
    bound: float | None
    """The largest that is allowed."""
    ok: bool | None
    """None where nothing could be compared; the note says why."""
    note: str = ""
    group: str = ""
    """Rows of one group and one reference are one line when all hold (the residuals of every layer)."""
    place: str = ""
    """Which one of its group."""

    @classmethod
    def compared(
        cls,
        what: str,
        against: str,
        worst: float,
        bound: float,
        note: str = "",
        *,
        group: str = "",
        place: str = "",
    ) -> Row:
        """A row that holds when ``worst`` is a number and at most ``bound``."""
        return cls(what, against, worst, bound, worst <= bound, note, group, place)

    @classmethod
    def not_compared(cls, what: str, against: str, note: str) -> Row:
        """A row that says why nothing was compared."""
        return cls(what, against, None, None, None, note)


@dataclass(frozen=True)
class Verdict:
    """The rows of one model."""

    model: str
    fingerprint: str
    frames: int
    """Frames of the greedy comparison."""
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether no row fails, and at least one implementation was there to compare with."""
        return all(row.ok is not False for row in self.rows) and any(row.ok for row in self.rows)

    @property
    def failed(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.ok is False)

    def plus(self, rows: Iterable[Row]) -> Verdict:
        """The same verdict with more rows, such as those of a quantised run of the model."""
        return replace(self, rows=(*self.rows, *rows))

    def lines(self) -> list[Row]:
        """The rows as a table shows them: a group whose rows all hold is its worst row, named after the group."""
        shown: list[Row] = []
        for row in self.rows:
            mates = [r for r in self.rows if row.group and (r.group, r.against) == (row.group, row.against)]
            if not mates or any(r.ok is not True for r in mates):
                shown.append(row)
            elif row is mates[0]:
                worst = max(mates, key=lambda r: r.worst or 0.0)
                note = f"worst of {len(mates)}: {worst.place}"
                shown.append(replace(worst, what=row.group, note=note))
        return shown
