"""What the program has to say -> observable words: a phase, notices, questions, errors, a welcome."""

from collections.abc import Callable
from dataclasses import dataclass

from drawbar_desktop.state.observable import Event, Value

Answer = tuple[str, Callable[[], object]]
Check = tuple[bool, str, str]
"""Fine or not, what it is about, what was found."""


@dataclass(frozen=True)
class Phase:
    """What the program is doing; stays until it does something else."""

    text: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Question:
    """Something that waits for an answer; another question with the same `key` takes its place."""

    key: str
    words: str
    answers: tuple[Answer, ...] = ()
    sign: str = "information-outline"


class Notices:
    """Controllers write, widgets show."""

    def __init__(self) -> None:
        self.phase = Value(Phase())
        self.output = Value("")
        """Where the sound goes."""
        self.unplayable = Value("")
        """Why nothing can be played; empty while something can."""
        self.told: Event[[str]] = Event()
        """A notice for some seconds."""
        self.asked: Event[[Question]] = Event()
        self.settled: Event[[str]] = Event()
        """The reason for the question of this key is gone."""
        self.broke: Event[[str, str]] = Event()
        """Words and details of an error that deserves a card."""
        self.welcomed: Event[[tuple[Check, ...]]] = Event()
        """The first start: what there is."""

    def tell(self, text: str) -> None:
        self.told.emit(text)

    def ask(self, key: str, words: str, *answers: Answer, sign: str = "information-outline") -> None:
        """A question with buttons across the window."""
        self.asked.emit(Question(key, words, answers, sign))

    def settle(self, key: str) -> None:
        """The question needs no answer any more."""
        self.settled.emit(key)

    def set_phase(self, text: str, *, failed: bool = False) -> None:
        self.phase.set(Phase(text, failed))
