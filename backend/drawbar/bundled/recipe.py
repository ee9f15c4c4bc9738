"""Every number of the embedded model's training -> one frozen settings object per stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from drawbar.errors import BadInputError
from drawbar.musicgen.codec.bands import BandConfig
from drawbar.sae import SaeSettings


@dataclass(frozen=True)
class CorpusSettings:
    """What is composed and rendered."""

    pieces: int = 6_000
    """Training pieces; their composer seeds are 0 .. pieces - 1."""
    held_out: int = 96
    """Pieces for validation; their seeds start at HELD_OUT_SEED."""
    seconds: float = 30.0
    soundfont: str = "/usr/share/sounds/sf2/FluidR3_GM.sf2"


@dataclass(frozen=True)
class CodecSettings:
    """The codec: codebooks by k-means, then its synthesis (AdamW, cosine schedule)."""

    config: BandConfig = field(default_factory=BandConfig)
    fit_pieces: int = 240
    """Pieces whose feature vectors make the codebooks."""
    fit_seconds: float = 10.0
    """How much of each."""
    fit_rounds: int = 16
    stickiness: float = 1.0
    """A band keeps its code while that is at most so many median distances worse than the nearest."""
    steps: int = 3000
    batch: int = 6
    clip_frames: int = 56
    learning_rate: float = 1e-3
    seed: int = 1
    checkpoint_every: int = 100


@dataclass(frozen=True)
class DecoderSettings:
    """Music first, then the text alone, then both together."""

    d_model: int = 256
    layers: int = 5
    heads: int = 4
    d_ff: int = 768
    card: int = 384
    delays: tuple[int, ...] = (0, 1, 1, 1, 1, 1, 0, 1)
    """The lowest band and the hi-hats' first, the rest of the frame one step later: it costs one frame."""
    lags: tuple[tuple[int, ...], ...] = ((384, 384, 384, 2), (192, 128, 96))
    """After how many frames what heads of blocks 0 and 1 look at should return: a phrase (three heads read all of it;
    one reads 64 of the 192 numbers of a token); 2 is the frame before, which shows what has just changed; then
    half a phrase and shorter ones, after which not the codes return but the times at which they change."""
    clock_periods: tuple[int, ...] = (384, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2)
    """What the positions count exactly: a phrase, the bars, beats and sixteenths of every tempo, and what lies
    between them. Without it a take from nothing has nowhere to find the next beat, and freezes."""
    book_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.4)
    """What each codebook's loss counts."""
    change_weight: float = 1.0
    """How often *whether* a code changes counts once more: that is the rhythm, and a small part of all nats."""
    change_temperature: float | None = 0.3
    """How its tokens are drawn when it plays (see ``Sampler``)."""
    text_layers: int = 2
    context_frames: int = 1500
    steps: int = 60_000
    text_from: int = 800
    """The step at which text comes in; before it every prompt is null."""
    text_steps: int = 400
    """Steps that the text path trains alone then, on blind clips."""
    text_rate: float = 0.8
    """The text path's share of the learning rate afterwards; the noisier its gradient, the smaller."""
    blind_frames: int = 16
    blind_batch: int = 108
    blind_share: float = 0.15
    """Share of the steps that train on short clips from anywhere of which nothing is told but the prompt and the
    clock. Where the past is known it tells the next token so well that words are not listened to; but in a take
    that went quiet only they know what should be playing."""
    short_frames: int = 1152
    short_batch: int = 2
    long_share: float = 0.06
    """Share of the steps that train on the whole context instead of excerpts of three phrases."""
    long_batch: int = 2
    opening_frames: int = 96
    opening_batch: int = 24
    opening_share: float = 0.25
    """Share of the steps that train on many openings: only where little has been heard does the text tell much."""
    noise_share: float = 0.1
    """Share of the clips whose past is spoilt as the model's own takes may be (see ``context_noise``)."""
    noise_rate: float = 0.4
    """How much of such a clip at most."""
    own_share: float = 0.45
    """Share of the steps that learn to find back from takes of its own (see ``own_takes``)."""
    own_takes: int = 96
    """Takes played after each checkpoint: two thirds of them from nothing, the rest as continuations of a phrase."""
    own_kept: int = 4
    """Of how many checkpoints they are learned from."""
    own_guidance: float = 1.5
    own_frames: int = 384
    own_batch: int = 5
    learning_rate: float = 1e-3
    cool_down: float = 0.2
    """Share of the steps at the end over which the learning rate falls to zero."""
    average: float = 0.998
    """Decay of the running average of the weights, which is what ships."""
    warm_up: int = 100
    weight_decay: float = 0.05
    text_dropout: float = 0.15
    """Share of clips trained with null text, which guidance needs."""
    seed: int = 2
    checkpoint_every: int = 400

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
