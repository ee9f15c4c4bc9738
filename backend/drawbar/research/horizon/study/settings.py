"""What a long-horizon study is made of -> one frozen record, read from RUN.toml and kept beside the results."""

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from drawbar.errors import BadInputError
from drawbar.research.horizon.horizons import Grid, Horizon
from drawbar.research.horizon.interventions import InterventionSettings
from drawbar.research.horizon.readouts import ProbeSettings


@dataclass(frozen=True)
class InstrumentSettings:
    """The study's own positive and null control, on its own positions."""

    strengths: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    """Of the planted future, in standard deviations."""
    repeats: int = 8
    """Plantings at each strength."""
    nulls: int = 60
    """Corpora without anything to foresee."""

    def __post_init__(self) -> None:
        if min(self.repeats, self.nulls) < 1 or not self.strengths or min(self.strengths) < 0:
            raise BadInputError("repeats and nulls must be 1 or more, strengths 0 or more")


@dataclass(frozen=True)
class HorizonSettings:
    """One study."""

    out: Path
    """The run's folder."""
    corpus: str = "composed:200"
    """``composed:N`` (planted recurrences, their truth known), or a verified manifest of tracks."""
    audio: str = ""
    """Where a manifest's files lie; beside it by default."""
    events: str = ""
    """A manifest's recurrence events; only verified ones are used. Composed pieces bring their own."""
    model: str = "embedded"
    """As for ``load_model``."""
    bank: str = ""
    """Whose features are asked; the embedded one by default."""
    layers: tuple[int, ...] = ()
    """All of the bank's by default."""
    piece_s: float = 56.0
    """Length of composed pieces."""
    first_seed: int = 700_000
    """Their first seed."""
    soundfont: str = ""
    """For composed pieces; the default one if empty."""
    horizons: tuple[tuple[float, float], ...] = ((1.0, 3.0), (5.0, 10.0), (15.0, 25.0))
    """Seconds ahead, from and to; the first is the local one, the last the long one."""
    excerpts: int = 1
    """Stretches of ``grid.last_s`` that positions are taken from in a long track."""
    grid: Grid = field(default_factory=Grid)
    probes: ProbeSettings = field(default_factory=ProbeSettings)
    instrument: InstrumentSettings = field(default_factory=InstrumentSettings)
    interventions: InterventionSettings = field(default_factory=InterventionSettings)

    def __post_init__(self) -> None:
        if self.corpus.startswith("composed:") and not re.fullmatch(r"composed:[1-9]\d{0,5}", self.corpus):
            raise BadInputError(
                f"corpus {self.corpus!r}: write composed:N with N pieces, for example composed:200"
            )
        if not self.composed and not self.events:
            raise BadInputError(f"corpus {self.corpus!r}: a manifest needs its events too (events = FILE)")
        if len(self.horizons) < 2 or len(set(map(tuple, self.horizons))) != len(self.horizons):
            raise BadInputError(
                f"horizons {self.horizons}: give at least two that differ, the local one first"
            )
        if self.excerpts < 1:
            raise BadInputError(f"excerpts={self.excerpts}: 1 or more")
        object.__setattr__(self, "horizons", tuple(tuple(pair) for pair in self.horizons))
        _ = self.ahead  # refuses horizons that do not lie ahead

    @property
    def composed(self) -> int:
        """How many pieces are composed; 0 for a manifest."""
        return int(self.corpus.partition(":")[2]) if self.corpus.startswith("composed:") else 0

    @property
    def ahead(self) -> tuple[Horizon, ...]:
        return tuple(Horizon(float(from_s), float(to_s)) for from_s, to_s in self.horizons)

    def to_dict(self) -> dict[str, object]:
        return asdict(self) | {"out": str(self.out)}
