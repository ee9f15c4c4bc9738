"""A checkpoint's configuration -> the sizes, delays and rates of one model, checked and frozen."""

from __future__ import annotations

from dataclasses import dataclass

from drawbar.errors import BadInputError
from drawbar.files.reading import shortened

MOST_LAYERS, MOST_CODEBOOKS, MOST_FRAMES, WIDEST = 512, 64, 1 << 20, 1 << 20
"""Far beyond every model; a damaged configuration must not make the machine count to a billion."""

MOST_WORDS = 512
"""Tokens of a prompt that are read (T5's training length); a longer one is refused."""
CHROMA = 12
"""Pitch classes of a melody, from C."""


@dataclass(frozen=True)
class ModelSpec:
    """What a model looks like; nothing is guessed from its name.

    Raises BadInputError for sizes that do not fit together.
    """

    name: str = "embedded"
    d_model: int = 256
    """Width D of the residual stream."""
    n_layers: int = 6
    n_heads: int = 4
    d_ff: int = 1024
    """Width of the feed-forward layer."""
    card: int = 1024
    """Entries per codebook; the token ``card`` itself is the start and padding token."""
    n_q: int = 4
    """Codebooks K, those of all channels."""
    channels: int = 1
    """2 for stereo: codebooks of the left and the right channel in turn (``codec.stereo``)."""
    delays: tuple[int, ...] = (0, 1, 2, 3)
    """Steps by which each codebook lags behind the first."""
    frame_rate_hz: float = 50.0
    sample_rate_hz: int = 32_000
    samples_per_frame: int = 640
    context_frames: int = 1500
    """Frames the model was trained on; longer takes slide a window of this size."""
    text_dim: int = 256
    """Width of the text encoder's states."""
    melody_frames: int = 0
    """Chroma frames that a melody model reads before a take, in front of its prompt (235); 0: prompts are read by
    cross-attention, and there is no melody."""
    change_temperature: float | None = None
    """How the model's tokens are drawn (see ``Sampler``); a setting of its configuration, None for released models."""
    clock_periods: tuple[int, ...] = ()
    """Periods in frames that its positions tell exactly, the longest first, which each other divides (see
    ``position_table``); none in released models."""

    def __post_init__(self) -> None:
        sizes = (self.d_model, self.n_layers, self.n_heads, self.d_ff, self.card, self.n_q, self.text_dim)
        if min(sizes) < 1 or self.context_frames < 1 or self.samples_per_frame < 1:
            raise BadInputError(
                f"{self.name}: every size must be at least 1, got {shortened(repr(self), 400)}"
            )
        limits = (
            ("layers", self.n_layers, MOST_LAYERS),
            ("codebooks", self.n_q, MOST_CODEBOOKS),
            ("frames of context", self.context_frames, MOST_FRAMES),
            ("samples per frame", self.samples_per_frame, WIDEST),
            ("width", max(sizes), WIDEST),
            ("frames of melody", self.melody_frames, MOST_FRAMES),
            ("steps of delay", max(self.delays, default=0), MOST_FRAMES),
        )
        for what, size, most in limits:
            if size > most:
                raise BadInputError(
                    f"{self.name}: {shortened(size)} {what}, more than {most} is no MusicGen; the checkpoint's "
                    "configuration is damaged"
                )
        if self.d_model % self.n_heads or self.d_model % 2:
            raise BadInputError(
                f"d_model {self.d_model} must be even and divisible by n_heads {self.n_heads}: "
                "the checkpoint's configuration is damaged"
            )
        if min(self.clock_periods, default=1) < 1 or any(self.clock % p for p in self.clock_periods):
            raise BadInputError(
                f"clock_periods {shortened(self.clock_periods)}: whole frames, each of which divides the first"
            )
        if 2 * len(self.clock_periods) > self.d_model // 2:
            raise BadInputError(
                f"{len(self.clock_periods)} clock_periods: d_model {self.d_model} has room for "
                f"{self.d_model // 4}"
            )
        if self.channels not in (1, 2) or self.n_q % self.channels:
            raise BadInputError(
                f"{self.name}: {shortened(self.n_q)} codebooks for {shortened(self.channels)} channels: "
                "1 or 2 channels with as many codebooks each"
            )
        if len(self.delays) != self.n_q or min(self.delays) < 0 or self.delays[0] != 0:
            raise BadInputError(
                f"delays {shortened(self.delays)} for {self.n_q} codebooks: one delay per codebook, the first 0, "
                "none negative"
            )

    @property
    def clock(self) -> int:
        """Frames after which every period of its clock has come round; 1 without a clock."""
        return self.clock_periods[0] if self.clock_periods else 1

    @property
    def max_delay(self) -> int:
        """Steps after its first codebook until a frame is complete."""
        return max(self.delays)

    @property
    def head_dim(self) -> int:
        return self.d_model // self.n_heads

    @property
    def max_steps(self) -> int:
        """Positions in one window: what a melody model reads, the start step, the context and the delays."""
        before = self.melody_frames + MOST_WORDS if self.melody_frames else 0
        return before + self.context_frames + self.max_delay + 1

    def frames(self, seconds: float) -> int:
        """Whole frames in ``seconds``, at least 1. Raises BadInputError if it is not a positive, finite time."""
        if not 0 < seconds < float("inf"):
            raise BadInputError(f"{seconds} s: the length must be a positive number of seconds")
        return max(1, round(seconds * self.frame_rate_hz))
