"""A review, its clips and a player -> what the review window shows and does: proposal, note, sound, decisions."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import AudioFileError
from drawbar.research.horizon.annotations import Annotation
from drawbar.research.horizon.review import KEYS, Review
from drawbar.research.horizon.review_clips import GAP_S, in_turn
from drawbar_desktop.state.observable import Value

Floats = NDArray[np.float32]
NOTHING = (np.zeros(0, np.float32), np.zeros(0, np.float32))


class SoundPort(Protocol):
    """What plays a clip."""

    @property
    def playing(self) -> bool: ...

    @property
    def played_s(self) -> float:
        """How much of it has been heard."""
        ...

    def play(self, audio: Floats) -> None: ...

    def stop(self) -> None: ...


class ReviewDesk:
    """One reviewer in front of one queue."""

    def __init__(
        self,
        review: Review,
        read: Callable[[Annotation], tuple[Floats, Floats]],
        sound: SoundPort | None,
        rate_hz: int = 32_000,
    ) -> None:
        self._review, self._read, self._sound = review, read, sound
        self.rate_hz = rate_hz
        self.clips = NOTHING
        self.row: Value[Annotation | None] = Value(None)
        self.note: Value[str] = Value("")
        self.said: Value[str] = Value("")
        self._which = ""
        self._next()

    @property
    def total(self) -> int:
        return len(self._review.queue)

    @property
    def decided(self) -> int:
        return self._review.decided

    @property
    def number(self) -> int:
        """The shown one's place, from 1."""
        return self._review.number

    @property
    def reviewer(self) -> str:
        return self._review.reviewer

    def press(self, key: str) -> None:
        """Answer with one of the keys that the terminal has too; the decision is on disk when this returns."""
        if self.row.value is None:
            return
        self.stop()
        answer, kind = KEYS[key]
        self._review.decide(answer, kind, self.note.value)
        self._next()
        self.said.set(
            f"{self.decided} of {self.total} decided; the last one: {answer}{', ' + kind if kind else ''}"
        )

    def undo(self) -> None:
        self.stop()
        if self._review.undo() is None:
            self.said.set("Nothing to take back yet")
            return
        self._next()
        self.said.set(f"Taken back; {self.decided} of {self.total} decided")

    def play(self, which: str) -> None:
        """Play ``both`` in turn, the ``motif`` or the ``recurrence``."""
        if self.row.value is None:
            return
        if self._sound is None:
            self.said.set("There is no sound device; look at the spectrograms, or open the clips' files")
            return
        self._which = which
        self._sound.play({"both": in_turn(self.clips), "motif": self.clips[0]}.get(which, self.clips[1]))

    def stop(self) -> None:
        self._which = ""
        if self._sound is not None:
            self._sound.stop()

    def heads(self) -> tuple[float | None, float | None]:
        """Where the sound is in either clip, in seconds; None where it is not."""
        if self._sound is None or not self._which or not self._sound.playing:
            return None, None
        at = self._sound.played_s
        first = len(self.clips[0]) / self.rate_hz
        if self._which == "motif" or (self._which == "both" and at <= first):
            return at, None
        return None, at if self._which == "recurrence" else max(0.0, at - first - GAP_S)

    def _next(self) -> None:
        row = self._review.current
        self.note.set("")
        self.clips = NOTHING
        if row is not None:
            try:
                self.clips = self._read(row)
            except AudioFileError as error:
                self.said.set(str(error))
        self.row.set(row)
