"""Audio [N] at 16 kHz -> proposals: two windows of the track that sound like one motif, and how sure that is.

Peaks of the windows' likeness, best first, each of which clears its own neighbourhood. The settings were tuned on
composed pieces of the training split (``drawbar study score``). It knows nothing of the truth.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import BadInputError
from drawbar.research.horizon.events import Window
from drawbar.research.horizon.foreground import FRAME_HZ, ForegroundSettings, foreground_of
from drawbar.research.horizon.selfsimilarity import Likeness, SimilaritySettings, likeness_of


@dataclass(frozen=True)
class RecurrenceSettings:
    """What counts as a recurrence."""

    least: float = 0.46
    """Likeness from which on a pair of windows is proposed."""
    most: int = 8
    """Proposals a minute of audio, at most."""
    apart_s: float = 2.0
    """Lags that differ by less belong to one proposal."""
    foreground: ForegroundSettings = field(default_factory=ForegroundSettings)
    similarity: SimilaritySettings = field(default_factory=SimilaritySettings)

    def __post_init__(self) -> None:
        if not (0 < self.least < 1 and self.most >= 1 and self.apart_s > 0):
            raise BadInputError(
                f"recurrence settings with least {self.least}, most {self.most}, apart {self.apart_s} s; "
                "likeness lies between 0 and 1, and the others are positive"
            )


@dataclass(frozen=True)
class Proposal:
    """A pair of windows that may hold one motif."""

    motif: Window
    recurrence: Window
    score: float
    """Likeness, about 0 to 1."""
    semitones: int
    """By which the later one is higher, -5 to 6."""

    @property
    def kind(self) -> str:
        """What the detector can tell: ``exact`` or ``transposed``; whether it is varied it cannot say."""
        return "transposed" if self.semitones else "exact"


@dataclass(frozen=True)
class Recurrences:
    """What was found in one track, and the likeness that it was found in."""

    proposals: tuple[Proposal, ...]
    likeness: Likeness

    def between(self, first_s: float, second_s: float, slack_s: float = 0.5) -> float:
        """The best likeness of windows that begin about there; NaN where none were compared."""
        early, late = sorted((first_s, second_s))
        reach = round(slack_s * FRAME_HZ)
        row = round((late - early) * FRAME_HZ) - self.likeness.first_lag
        column = round(early * FRAME_HZ)
        rows = slice(max(0, row - reach), max(0, row + reach + 1))
        part = self.likeness.score[rows, max(0, column - reach) : column + reach + 1]
        return float(part.max()) if part.size and part.max() > -1 else float("nan")


def find_recurrences(audio: NDArray[np.float32], settings: RecurrenceSettings | None = None) -> Recurrences:
    """Propose recurrences in a track, best first. Raises BadInputError for a track of the wrong length."""
    settings = settings or RecurrenceSettings()
    likeness = likeness_of(foreground_of(audio, settings.foreground), settings.similarity)
    minutes = len(likeness.score[0]) / FRAME_HZ / 60
    return Recurrences(_peaks(likeness, settings, max(1, round(settings.most * max(minutes, 1)))), likeness)


def _peaks(likeness: Likeness, settings: RecurrenceSettings, most: int) -> tuple[Proposal, ...]:
    left = likeness.score.copy()
    near, window = round(settings.apart_s * FRAME_HZ), likeness.window
    found: list[Proposal] = []
    while len(found) < most:
        row, column = (int(i) for i in np.unravel_index(int(left.argmax()), left.shape))
        score = float(left[row, column])
        if score < settings.least:
            break
        start, later = column / FRAME_HZ, (column + row + likeness.first_lag) / FRAME_HZ
        length = window / FRAME_HZ
        semitones = int(likeness.shift[row, column])
        found.append(
            Proposal(
                Window(round(start, 3), round(start + length, 3)),
                Window(round(later, 3), round(later + length, 3)),
                round(score, 4),
                semitones - 12 if semitones > 6 else semitones,
            )
        )
        left[max(0, row - near) : row + near + 1, max(0, column - window) : column + window + 1] = -1
    return tuple(found)
