"""A folder with a queue of proposals and one reviewer -> what is next, decisions kept at every key, and undo.

``queue.jsonl`` holds the proposals in the order in which everybody sees them; a reviewer's decisions are
appended to ``decisions-NAME.jsonl`` and forced to disk before the next proposal is shown, so that a crash
loses nothing; the last decision about a pair counts, and a line that a crash cut off is passed over. Nothing
tells a reviewer what the detector thought. It knows nothing of terminals and windows.
"""

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from drawbar.errors import BadInputError
from drawbar.files.atomic_write import write_text
from drawbar.files.lock import Lock, file_lock
from drawbar.files.reading import json_value, read_text
from drawbar.research.horizon.annotations import Annotation, read_row

_MAX_BYTES = 256 << 20
QUEUE = "queue.jsonl"
ANSWERS = {
    "yes": "verified",
    "no": "verified",
    "ambiguous": "ambiguous",
    "reject": "rejected",
}
"""What a reviewer may say -> the status that it gives; ``no`` verifies that nothing returns."""

KEYS = {
    "y": ("yes", ""),
    "x": ("yes", "exact"),
    "t": ("yes", "transposed"),
    "v": ("yes", "varied"),
    "n": ("no", ""),
    "a": ("ambiguous", ""),
    "r": ("reject", ""),
}
"""A key -> (answer, how the motif returns), the same in the terminal and in the window."""


def write_queue(folder: Path, proposals: Sequence[Annotation]) -> Path:
    """Make a folder's queue, in an order that the ids fix and nobody chose.

    Raises:
        BadInputError: nothing to review, two equal pairs, or a folder that has another queue.
    """
    if not proposals:
        raise BadInputError(
            "there is nothing to review; propose events first, or lower the detector's threshold"
        )
    rows = sorted(proposals, key=lambda row: row.id)
    if len({row.id for row in rows}) < len(rows):
        raise BadInputError(
            "two proposals are the same pair of windows; make the queue from one set of events"
        )
    path = folder / QUEUE
    text = "".join(json.dumps(row.row(), ensure_ascii=False) + "\n" for row in rows)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise BadInputError(f"{folder} has another queue already; choose an empty folder")
    write_text(path, text)
    return path


def reviewing(folder: Path, reviewer: str) -> Lock:
    """What one reviewer holds while at work: decisions are read once and then only added to. Raises InUseError."""
    return file_lock(_path(folder, reviewer), f"reviewing as {reviewer}")


def read_queue(folder: Path) -> tuple[Annotation, ...]:
    """The proposals, in order. Raises BadInputError for a damaged row, or a folder without a queue."""
    path = folder / QUEUE
    try:
        lines = read_text(path, _MAX_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{folder} has no {QUEUE}; make one with `drawbar review queue`") from error
    try:
        return tuple(read_row(json_value(text), f"{path}, line {n}") for n, text in enumerate(lines, 1))
    except BadInputError:
        raise
    except ValueError as error:
        raise BadInputError(f"{path} is damaged ({error}); make the queue again") from error


def reviewers(folder: Path) -> tuple[str, ...]:
    """Who has decided anything in a folder, by name."""
    return tuple(sorted(p.stem.removeprefix("decisions-") for p in folder.glob("decisions-*.jsonl")))


def read_decisions(folder: Path, reviewer: str) -> dict[str, Annotation]:
    """What a reviewer says, by id: the last decision counts, one that was taken back is gone."""
    path = _path(folder, reviewer)
    if not path.exists():
        return {}
    found: dict[str, Annotation] = {}
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            row = json_value(text)
        except ValueError:
            continue  # a crash cut this line off; what it would have said was never confirmed
        decision = read_row(row, f"{path}, line {number}")
        found.pop(decision.id, None)
        if decision.status != "proposed":
            found[decision.id] = decision
    return found


class Review:
    """One reviewer at work on one queue."""

    def __init__(
        self, folder: Path, reviewer: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path = _path(folder, reviewer)
        self.reviewer, self._now = reviewer, now
        self.queue = read_queue(folder)
        self._decisions = read_decisions(folder, reviewer)
        strangers = sorted(set(self._decisions) - {row.id for row in self.queue})
        if strangers:
            raise BadInputError(
                f"{self._path} decides on {strangers[0]}, which is not in the queue; it belongs to another folder"
            )
        self._order = list(self._decisions)

    @property
    def current(self) -> Annotation | None:
        """The first proposal that is not decided; None when all are."""
        return next((row for row in self.queue if row.id not in self._decisions), None)

    @property
    def decided(self) -> int:
        return len(self._decisions)

    @property
    def number(self) -> int:
        """The current one's place in the queue, from 1; one past the end when all are decided."""
        return next(
            (n for n, row in enumerate(self.queue, 1) if row.id not in self._decisions), len(self.queue) + 1
        )

    def decision(self, id: str) -> Annotation | None:
        return self._decisions.get(id)

    def decide(self, answer: str, kind: str = "", notes: str = "") -> Annotation:
        """Say yes, no, ambiguous or reject of the current pair; it is on disk when this returns.

        ``kind`` says how the motif returns where the answer is yes (exact, transposed, varied); the proposal's own
        kind where nothing is said, exact where that is ``none``.

        Raises:
            BadInputError: an unknown answer or kind, or nothing left to decide.
        """
        row = self.current
        if row is None:
            raise BadInputError("every proposal is decided; take one back with undo, or export them")
        if answer not in ANSWERS or kind not in ("", "exact", "transposed", "varied"):
            raise BadInputError(f"{answer!r} {kind!r} is no answer; say {', '.join(ANSWERS)}")
        heard = kind or (row.event_type if row.event_type != "none" else "exact")
        decided = replace(
            row,
            status=ANSWERS[answer],
            event_type={"yes": heard, "no": "none"}.get(answer, row.event_type),
            reviewer=self.reviewer,
            notes=notes.strip()[:2000],
            at=self._now().isoformat(timespec="seconds"),
        )
        self._append(decided)
        self._decisions[row.id] = decided
        self._order.append(row.id)
        return decided

    def undo(self) -> Annotation | None:
        """Take the last decision back -> the proposal, current again; None when there is none."""
        if not self._order:
            return None
        id = self._order.pop()
        row = next(row for row in self.queue if row.id == id)
        self._append(row)
        del self._decisions[id]
        return row

    def _append(self, row: Annotation) -> None:
        line = (json.dumps(row.row(), ensure_ascii=False) + "\n").encode()
        with self._path.open("ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a crash cut the last line off: it stays alone
                    line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def _path(folder: Path, reviewer: str) -> Path:
    if not re.fullmatch(r"[\w][\w .-]{0,39}", reviewer):
        raise BadInputError(f"reviewer {reviewer!r}: give a name of 1 to 40 letters, digits, spaces, . or -")
    return folder / f"decisions-{reviewer}.jsonl"
