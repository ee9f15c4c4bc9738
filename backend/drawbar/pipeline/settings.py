"""What is built, from what, and how -> one frozen record for the whole build."""

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from drawbar.errors import BadInputError
from drawbar.features.descriptors import DescriptorSettings
from drawbar.features.groundtruth import TruthSettings
from drawbar.features.labellers import LabelSettings
from drawbar.features.profile import ProfileSettings
from drawbar.sae import SaeSettings

__all__ = ["BuildSettings"]


@dataclass(frozen=True)
class BuildSettings:
    """One build: everything left of the bank."""

    corpus: str
    """``composed:N``, a folder that ``drawbar compose`` wrote, or any folder of recordings."""
    out: Path
    """The run's folder; the bank appears in ``out/bank``."""
    model: str = "embedded"
    """As for ``load_model``."""
    layers: tuple[int, ...] = ()
    """Counted from 0; none means the middle layer."""
    name: str = ""
    """The bank's name; the model's by default."""
    licence: str = "unknown"
    """Of the bank, including what the model's weights pass on."""
    created: str = ""
    """ISO date to write into the bank."""
    clip_s: float = 10.0
    """Recordings are cut into excerpts of this length; composed pieces are kept whole."""
    piece_s: float = 30.0
    """Length of the pieces of ``composed:N``."""
    first_seed: int = 5_000_000
    """Their first composer seed."""
    soundfont: str = ""
    """For ``composed:N``; the default one if empty."""
    max_clips: int = 100_000
    """Excerpts used of a folder, at most."""
    held_out: float = 0.15
    """Share of the tracks that neither the SAE nor the choice of labels sees."""
    residuals: Literal["disk", "stream"] = "disk"
    """Keep half-precision residuals on disk, or compute them again in each pass."""
    batch_clips: int = 4
    """Clips that run through the model together."""
    min_firings: int = 100
    """Features that fire at fewer positions are not published."""
    directions: Literal["float16", "float32"] = "float16"
    """How the bank stores the SAE's matrices."""
    device: str = "cpu"
    """Where the model and the SAE run."""
    sae: SaeSettings = field(default_factory=SaeSettings)
    profile: ProfileSettings = field(default_factory=ProfileSettings)
    truth: TruthSettings = field(default_factory=TruthSettings)
    descriptors: DescriptorSettings = field(default_factory=DescriptorSettings)
    labels: LabelSettings = field(default_factory=LabelSettings)

    def __post_init__(self) -> None:
        if self.corpus.startswith("composed:") and not re.fullmatch(r"composed:[1-9]\d{0,6}", self.corpus):
            raise BadInputError(
                f"corpus {self.corpus!r}: write composed:N with N pieces, for example composed:600"
            )
        if not 0.5 <= self.clip_s <= 600 or not 1 <= self.piece_s <= 600:
            raise BadInputError(
                f"clip_s={self.clip_s}, piece_s={self.piece_s}: excerpts must last 0.5 to 600 s"
            )
        if not 0 < self.held_out < 0.9:
            raise BadInputError(f"held_out={self.held_out}: a share of the tracks between 0 and 0.9")
        if len(set(self.layers)) != len(self.layers) or min(self.layers, default=0) < 0:
            raise BadInputError(f"layers {self.layers}: different numbers from 0 up")
        if min(self.max_clips, self.batch_clips, self.min_firings) < 1:
            raise BadInputError("max_clips, batch_clips and min_firings must be 1 or more")

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self) | {"out": str(self.out), "layers": list(self.layers)}
