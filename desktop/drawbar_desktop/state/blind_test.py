"""A blind session and what is being heard -> question, letters, progress and result, ready to show; plain Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawbar_desktop.state.observable import Event, Value

Floats = NDArray[np.float32]

TRIALS = (12, 24, 48)
LENGTHS_S = (4.0, 8.0, 15.0)
TASKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Both questions", ("steered", "intruder")),
    ("Which clip has more of the label?", ("steered",)),
    ("Which example does not belong?", ("intruder",)),
)
WORDS = {"steered": "Which clip has more?", "intruder": "Which does not belong?"}


@dataclass(frozen=True)
class BlindChoice:
    """What a new test shall be."""

    trials: int = 24
    seconds: float = 8.0
    tasks: tuple[str, ...] = TASKS[0][1]
    from_rack: bool = False
    """Of the sliders in the rack; otherwise the bank's best-founded labels."""


@dataclass(frozen=True)
class Row:
    """One line of the result."""

    title: str
    right: int
    trials: int
    share: float
    low: float
    high: float
    chance: float
    p: float
    overall: bool
    repeats: int
    same: int


class BlindTest:
    """What the window shows of a listening test; the core is `drawbar.listening_test.session`."""

    def __init__(self) -> None:
        self.stage: Value[str] = Value("setup")
        """`setup`, `making` (clips), `asking`, `complete` (all answered, still sealed), `result`."""
        self.playing: Value[str] = Value("")
        """The letter that sounds."""
        self.trouble: Value[str] = Value("")
        self.changed: Event[[]] = Event()
        """Another trial, or one taken back."""
        self.session: Any = None
        self.clips: Sequence[Floats] = ()
        self.plays: dict[str, int] = {}
        self._seen_s = 0.0

    # -- the trial that is asked ----------------------------------------------------------------------

    @property
    def trial(self) -> Any:
        """The current trial; None before, after and between."""
        return self.session.current if self.session is not None else None

    @property
    def letters(self) -> str:
        return self.trial.letters if self.trial is not None else ""

    @property
    def question(self) -> str:
        return self.trial.question if self.trial is not None else ""

    @property
    def progress(self) -> tuple[int, int]:
        return (self.session.answered, len(self.session.trials)) if self.session is not None else (0, 0)

    # -- what happens ---------------------------------------------------------------------------------

    def open(self, session: Any) -> None:
        """A session, new or taken up again."""
        self.session = session
        self.trouble.set("")
        self._next()

    def offer(self, clips: Sequence[Floats], now_s: float) -> None:
        self.clips, self.plays, self._seen_s = clips, {}, now_s
        self.stage.set("asking")
        self.changed.emit()

    def heard(self, letter: str) -> Floats | None:
        """A clip is played -> its samples; None for a letter that this trial does not have."""
        if self.stage.value != "asking" or letter not in self.letters:
            return None
        self.plays[letter] = self.plays.get(letter, 0) + 1
        self.playing.set(letter)
        return self.clips[self.letters.index(letter)]

    def answer(self, letter: str, now_s: float) -> bool:
        """The listener's choice, saved -> whether it was taken."""
        if self.stage.value != "asking" or letter not in self.letters:
            return False
        self.session.answer(letter, self.plays, now_s - self._seen_s)
        self._next()
        return True

    def undo(self) -> bool:
        """Take the last answer back -> whether there was one."""
        if self.session is None or self.session.finished or not self.session.answered:
            return False
        self.session.undo()
        self._next()
        return True

    def finish(self) -> None:
        self.session.finish()
        self.stage.set("result")
        self.changed.emit()

    def leave(self) -> None:
        """Back to the first page; what was answered is kept."""
        self.session, self.clips = None, ()
        self.playing.set("")
        self.stage.set("setup")

    def _next(self) -> None:
        self.clips, self.plays = (), {}
        self.playing.set("")
        if self.session.finished:
            self.stage.set("result")
        else:
            self.stage.set("complete" if self.session.complete else "making")
        self.changed.emit()

    # -- the result -----------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        if self.session is None or not self.session.finished:
            return []
        return [
            Row(
                f"{t.label}  {t.feature}" if t.feature else WORDS[t.task],
                t.right, t.trials, t.share, t.low, t.high, t.chance, t.p, not t.feature, t.repeats, t.same,
            )
            for t in sorted(self.session.results(), key=lambda t: (t.task != "steered", bool(t.feature)))
        ]  # fmt: skip

    def headline(self) -> str:
        """The result in a sentence or two."""
        told = []
        for row in self.rows():
            if row.overall:
                said = "more often than guessing" if row.p < 0.05 else "no more often than guessing would"
                told.append(
                    f"{row.title} Right in {row.right} of {row.trials} ({row.low:.0%} to {row.high:.0%}; "
                    f"guessing {row.chance:.0%}): {said}."
                )
        repeats = sum(row.repeats for row in self.rows() if row.overall)
        if repeats:
            same = sum(row.same for row in self.rows() if row.overall)
            told.append(f"The same clip again in {same} of {repeats} repeats.")
        return "\n".join(told)


def unfinished(folder: Path) -> Path | None:
    """The newest session in a folder that was not finished, or None."""
    from drawbar.errors import BadInputError
    from drawbar.listening_test.session import BlindSession

    for path in sorted(folder.glob("*.json"), reverse=True):
        try:
            if not BlindSession.load(path).finished:
                return path
        except BadInputError:
            continue
    return None
