"""How evidence is judged -> two frozen records of limits and levels, each with its reason.

Fixed before anything is played; saved with the results.
"""

from dataclasses import dataclass, field, fields

from drawbar.errors import BadInputError


@dataclass(frozen=True)
class GuardLimits:
    """How far steered takes may leave unsteered ones, on average over pairs. Raises BadInputError below 0.

    Noise: takes differ even unsteered, and a handful of pairs cannot tell 5 % from 6 %. So the figures of one sign
    are smoothed over doses (damage cannot shrink as the dose grows), and a dose counts as broken if its figure lies
    ``errors`` standard errors beyond the limit; the card shows the bare figure and its error.
    """

    ce_rise: float = 0.05
    """Relative rise of the first codebook's cross-entropy under the unsteered model: beyond it the model itself finds
    the result unlikely. Later codebooks are reported, not limited: they carry fine detail and vary more."""
    ce_fall: float = 0.05
    """Relative fall: what is too easy to foresee has lost its content."""
    loudness_db: float = 12.0
    """Up or down; 10 dB is heard as twice or half as loud, and a loudness slider is allowed that much."""
    silent_share: float = 0.1
    """More silence than the twin, in shares of the clip: a rest in every bar is music, more is a dropout."""
    clipped_share: float = 0.001
    """More samples at full scale than the twin: one in a thousand is heard as a crackle."""
    repetition: float = 0.15
    """More stretches of 160 ms that came before than in the twin: a stuck loop repeats nearly all, a riff some."""
    errors: float = 1.0
    """Standard errors that a figure must lie beyond its limit."""

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            if not getattr(self, name) >= 0:
                raise BadInputError(f"{name} {getattr(self, name)}: give 0 or more")


@dataclass(frozen=True)
class StatisticsSettings:
    """Levels and sizes. Raises BadInputError for shares outside 0 to 1 or too few draws."""

    q: float = 0.05
    """False discoveries allowed among the proven."""
    weak_p: float = 0.05
    """A single test below this is called weak."""
    noticeable: float = 1.0
    """Standard deviations between takes that a listener is said to notice."""
    level: float = 0.95
    """Of every interval."""
    draws: int = 1000
    """Bootstrap resamples."""
    synonym: float = 0.9
    """Measures whose unsteered takes correlate more than this are one thing: no side effect of one another."""
    power: float = 0.8
    """Chance to pass that ``seeds_needed`` asks for."""
    norm_tolerance: float = 0.01
    """Relative difference up to which two norms count as the same."""
    controls: tuple[str, ...] = ("inactive feature", "wrong layer", "pass-through")
    """What every confirmed slider must stand beside; where its label has a judge also difference in means."""
    seed: int = 0
    """Of the bootstrap."""
    guards: GuardLimits = field(default_factory=GuardLimits)

    def __post_init__(self) -> None:
        for name in ("q", "weak_p", "level", "synonym", "power"):
            if not 0 < getattr(self, name) < 1:
                raise BadInputError(f"{name} {getattr(self, name)}: give a share between 0 and 1")
        if self.draws < 100 or self.noticeable <= 0 or self.norm_tolerance <= 0:
            raise BadInputError(
                f"draws {self.draws}, noticeable {self.noticeable}, norm_tolerance {self.norm_tolerance}: "
                "at least 100 draws, and the others above 0"
            )
