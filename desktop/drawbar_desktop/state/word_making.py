"""A word that no slider has -> whether one is being made of it, how far that is, and what came of it."""

from dataclasses import dataclass

from drawbar_desktop.state.observable import Value


@dataclass(frozen=True)
class WordMade:
    """A slider that was made of a word."""

    id: str
    verdict: str
    share: float | None
    """Of what the word itself moves, how much +1 moves."""

    @property
    def words(self) -> str:
        moved = "" if self.share is None else f", +1 moves {self.share:.0%} of what the word itself moves"
        return f"{self.id} is in the rack and on the shelf \u201cmine\u201d: {self.verdict}{moved}"


class WordMaking:
    """What the empty list offers: one word at a time."""

    def __init__(self) -> None:
        self.possible = Value(False)
        """Whether the loaded model can be asked."""
        self.busy = Value("")
        """The word that a slider is being made of."""
        self.progress: Value[tuple[str, float]] = Value(("", 0.0))
        self.trouble: Value[tuple[str, str]] = Value(("", ""))
        """The last word of which none came, and why."""
