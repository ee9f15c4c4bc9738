"""What is built, from what, and how -> one frozen record for the whole build, and one for each stage."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from drawbar.errors import BadInputError
from drawbar.features.labellers.descriptors import DescriptorSettings
from drawbar.features.labellers.ground_truth import TruthSettings
from drawbar.features.labellers.registry import LabelSettings
from drawbar.features.profile import ProfileSettings
from drawbar.files.json_object import JsonMapping
from drawbar.pipeline.cluster.settings import ClusterSettings
from drawbar.pipeline.grid import SweepSettings
from drawbar.sae import SaeSettings
from drawbar.sae.recipe import measured_recipe

MADE = {"composed": "pieces", "self": "takes"}
"""Corpora that are made while the build runs, and what they are made of."""


@dataclass(frozen=True)
class CorpusSettings:
    """Which tracks there are and which are held out."""

    corpus: str
    audio: str
    held_out: float


@dataclass(frozen=True)
class TokenSettings:
    """How tracks become clips of tokens."""

    clip_s: float
    max_clips: int


@dataclass(frozen=True)
class ResidualSettings:
    """How clips run through the model."""

    layers: tuple[int, ...]
    text: str
    how: str
    batch_clips: int


@dataclass(frozen=True)
class BuildSettings:
    """One build: everything left of the bank."""

    corpus: str
    """``composed:N``, ``self:N``, a folder that ``drawbar compose`` wrote, a folder of recordings, or a table."""
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
    audio: str = ""
    """Where the files of a table lie; beside it by default."""
    clip_s: float = 10.0
    """Recordings are cut into excerpts of this length; composed pieces are kept whole."""
    piece_s: float = 30.0
    """Length of the pieces of ``composed:N``, and of the longest takes of ``self:N``."""
    first_seed: int = 5_000_000
    """Their first seed."""
    guidance: float | None = 3.0
    """Weight of the prompt in takes of ``self:N``."""
    soundfont: str = ""
    """For ``composed:N``; the default one if empty."""
    max_clips: int = 100_000
    """Excerpts used of a folder, at most."""
    held_out: float = 0.15
    """Share of the tracks that neither the SAE nor the choice of labels sees."""
    text: Literal["null", "track"] = "null"
    """What the model is told while residuals are taken: nothing, or the track's caption."""
    residuals: Literal["disk", "stream"] = "disk"
    """Keep half-precision residuals on disk, or compute them again in each pass."""
    batch_clips: int = 4
    """Clips that run through the model together."""
    block_rows: int = 1 << 17
    """Residuals that are shuffled together while an SAE trains."""
    min_firings: int = 100
    """Features that fire at fewer positions are not published."""
    directions: Literal["float16", "float32"] = "float16"
    """How the bank stores the SAE's matrices."""
    device: str = "cpu"
    """Where the model and the SAE run."""
    recipe: Literal["auto", "measured", "plain"] = "auto"
    """``measured`` scales the best recipe that was measured to the corpus and takes over what ``sae`` says otherwise
    than its defaults; ``plain`` takes ``sae`` as it is; ``auto`` is measured where nothing was said of ``sae``."""
    sae: SaeSettings = field(default_factory=SaeSettings)
    sae_layers: Mapping[str, JsonMapping] = field(default_factory=dict)
    """What differs from ``sae`` at single layers: ``{"4": {"k": 64}}``."""
    sae_files: tuple[str, ...] = ()
    """Ready SAEs in SAELens' layout, used at their layers in place of training one: folders, or ``owner/name`` of a
    repository, each with ``:SUBFOLDER`` behind it where it holds several."""
    stability_seeds: int = 0
    """Further seeds that each SAE is trained with, to see which features are found again (3 seeds in all: 2)."""
    site_test: bool = True
    """Refuse a ready SAE (``sae_files``) that clearly belongs to a neighbouring layer."""
    sweep: SweepSettings = field(default_factory=SweepSettings)
    profile: ProfileSettings = field(default_factory=ProfileSettings)
    truth: TruthSettings = field(default_factory=TruthSettings)
    descriptors: DescriptorSettings = field(default_factory=DescriptorSettings)
    labels: LabelSettings = field(default_factory=LabelSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)

    def __post_init__(self) -> None:
        kind = self.corpus.partition(":")[0]
        if kind in MADE and ":" in self.corpus and not re.fullmatch(rf"{kind}:[1-9]\d{{0,6}}", self.corpus):
            raise BadInputError(
                f"corpus {self.corpus!r}: write {kind}:N with N {MADE[kind]}, for example {kind}:600"
            )
        if self.corpus.startswith("self:") and not 3 <= self.piece_s <= 30:
            raise BadInputError(f"piece_s={self.piece_s}: the longest takes of self:N last 3 to 30 s")
        if not 0.5 <= self.clip_s <= 600 or not 1 <= self.piece_s <= 600:
            raise BadInputError(
                f"clip_s={self.clip_s}, piece_s={self.piece_s}: excerpts must last 0.5 to 600 s"
            )
        if not 0 < self.held_out < 0.9:
            raise BadInputError(f"held_out={self.held_out}: a share of the tracks between 0 and 0.9")
        if self.stability_seeds < 0 or (self.stability_seeds and self.residuals == "stream"):
            raise BadInputError(
                f"stability_seeds={self.stability_seeds}: 0 or more, and only with residuals on disk"
            )
        if len(set(self.layers)) != len(self.layers) or min(self.layers, default=0) < 0:
            raise BadInputError(f"layers {self.layers}: different numbers from 0 up")
        if min(self.max_clips, self.batch_clips, self.min_firings, self.block_rows) < 1:
            raise BadInputError("max_clips, batch_clips, block_rows and min_firings must be 1 or more")
        for name, allowed in {
            "text": ("null", "track"),
            "residuals": ("disk", "stream"),
            "directions": ("float16", "float32"),
            "recipe": ("auto", "measured", "plain"),
        }.items():
            if getattr(self, name) not in allowed:
                raise BadInputError(f"{name}={getattr(self, name)!r}: one of {', '.join(allowed)}")
        for layer, changes in self.sae_layers.items():
            unknown = set(changes) - {f.name for f in fields(SaeSettings)}
            if not str(layer).isdigit() or unknown:
                raise BadInputError(
                    f"sae_layers {layer!r}: {sorted(unknown) or 'not a layer'}; give a layer's number and "
                    "settings of an SAE"
                )
            self.sae_at(int(layer))

    def sae_at(self, layer: int) -> SaeSettings:
        """How the SAE of one layer is trained."""
        changes = dict(self.sae_layers.get(str(layer), {}))
        if "d_sae" in changes:
            changes.setdefault("expansion", 0)
        return replace(self.sae, **changes)

    def at_width(self, d_model: int) -> "BuildSettings":
        """The same with every ``expansion`` turned into ``d_sae``."""
        layers = {
            layer: {**changes, "d_sae": self.sae_at(int(layer)).at_width(d_model).d_sae, "expansion": 0}
            for layer, changes in self.sae_layers.items()
        }
        return replace(self, sae=self.sae.at_width(d_model), sae_layers=layers)

    def resolved(self, d_model: int, audio_s: float, rate_hz: float) -> "BuildSettings":
        """The same with the recipe's SAE settings where it holds, and no ``expansion`` left."""
        untouched = self.sae == SaeSettings() and not self.sae_layers and not self.sweep
        if self.recipe == "plain" or (self.recipe == "auto" and not untouched):
            return self.at_width(d_model)
        positions = round(audio_s * rate_hz * (1 - self.held_out))
        return replace(self, sae=measured_recipe(d_model, positions, self.sae)).at_width(d_model)

    def corpus_settings(self) -> CorpusSettings:
        return CorpusSettings(self.corpus, self.audio, self.held_out)

    def token_settings(self) -> TokenSettings:
        return TokenSettings(self.clip_s, self.max_clips)

    def residual_settings(self, layers: tuple[int, ...]) -> ResidualSettings:
        return ResidualSettings(layers, self.text, self.residuals, self.batch_clips)

    def to_dict(self) -> dict[str, object]:
        plain = asdict(replace(self, sae_layers={}))
        return plain | {
            "out": str(self.out),
            "layers": list(self.layers),
            "sae_layers": {layer: dict(changes) for layer, changes in self.sae_layers.items()},
        }
