"""Every number of the embedded model's training -> one frozen settings object per stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from drawbar.errors import BadInputError
from drawbar.musicgen.codec.spectral import SpectralConfig
from drawbar.sae import SaeSettings


@dataclass(frozen=True)
class CorpusSettings:
    """What is composed and rendered."""

    pieces: int = 1600
    """Training pieces; their composer seeds are 0 .. pieces - 1."""
    held_out: int = 240
    """Pieces for validation; their seeds start at HELD_OUT_SEED."""
    seconds: float = 30.0
    soundfont: str = "/usr/share/sounds/sf2/FluidR3_GM.sf2"


@dataclass(frozen=True)
class CodecSettings:
    """Codec training (AdamW, cosine schedule, EMA codebooks)."""

    config: SpectralConfig = field(default_factory=SpectralConfig)
    steps: int = 2000
    batch: int = 6
    clip_frames: int = 64
    learning_rate: float = 8e-4
    warm_up: int = 100
    """Steps without quantisation, after which k-means fills the codebooks."""
    ema: float = 0.98
    """Decay of the codebooks' running means."""
    commitment: float = 0.25
    seed: int = 1
    checkpoint_every: int = 300


@dataclass(frozen=True)
class DecoderSettings:
    """Music first, then the text alone, then both together."""

    d_model: int = 256
    layers: int = 6
    heads: int = 4
    d_ff: int = 1024
    text_layers: int = 2
    context_frames: int = 1500
    steps: int = 3200
    text_from: int = 900
    """The step at which text comes in; before it every prompt is null."""
    text_steps: int = 300
    """Steps that the text path trains alone then, on single frames without any context."""
    text_batch: int = 192
    text_rate: float = 0.1
    """The text path's share of the learning rate afterwards: its gradient is mostly noise, and would wear it away."""
    short_frames: int = 500
    short_batch: int = 6
    long_share: float = 0.12
    """Share of the steps that train on the whole context instead of short excerpts."""
    opening_frames: int = 24
    opening_batch: int = 90
    opening_share: float = 0.35
    """Share of the steps that train on many openings: only where little has been heard does the text tell much."""
    batch: int = 2
    """Excerpts a step when they are as long as the context."""
    learning_rate: float = 2e-3
    warm_up: int = 100
    weight_decay: float = 0.05
    text_dropout: float = 0.15
    """Share of clips trained with null text, which guidance needs."""
    seed: int = 2
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        if self.d_model % self.heads:
            raise BadInputError(f"d_model {self.d_model} cannot be divided into {self.heads} heads")


@dataclass(frozen=True)
class BankSettings:
    """The bank that ships with the model; everything else is `drawbar build`'s default."""

    pieces: int = 400
    """Freshly composed pieces of 30 s, none of them in the decoder's training."""
    layers: tuple[int, ...] = (2, 4)
    """Where single features say most about instruments, and about drum styles (docs/sweep.md)."""
    sae: SaeSettings = field(
        default_factory=lambda: SaeSettings(
            d_sae=1024,
            k=16,
            activation="batchtopk",
            batch=2048,
            steps=1000,
            lr=2e-3,
            prefixes=(32, 96, 384),
            slow=384,
        )
    )


@dataclass(frozen=True)
class Recipe:
    """The whole embedded model."""

    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    codec: CodecSettings = field(default_factory=CodecSettings)
    decoder: DecoderSettings = field(default_factory=DecoderSettings)
    bank: BankSettings = field(default_factory=BankSettings)


def recipe_dict(recipe: Recipe) -> dict[str, object]:
    """The settings as plain JSON values, for the log that ships with the model."""
    return asdict(recipe)
