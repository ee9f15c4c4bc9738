"""Codec tokens <-> audio through spectra: the embedded model's codec, causal, decodable frame by frame.

Analysis: two log spectra per frame (long for pitch, short for attacks), causal ConvNeXt blocks, residual vector
quantisation. Synthesis: causal ConvNeXt blocks, then two heads that are summed: an inverse STFT for noise and attacks
(after Vocos, arXiv 2306.00814), and a bank of oscillators on a musical grid for tones. The bank's phases run with
absolute time, so a steady tone is a constant amplitude: an inverse STFT alone, which must guess phases from tokens that
do not carry them, turns held chords into noise. A frame's samples are complete once the next frame's tokens are known:
the look-ahead is one frame. Knows nothing of training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drawbar.errors import BadInputError, CheckpointError
from drawbar.musicgen.codec.compiled_stream import CodecParts, CompiledCodecStream, can_compile
from drawbar.musicgen.codec.sizes import read_sizes


@dataclass(frozen=True)
class SpectralConfig:
    """Sizes of the codec; stored as ``audio_encoder`` in the model's ``config.json``."""

    sample_rate_hz: int = 32_000
    samples_per_frame: int = 640
    n_q: int = 4
    """Codebooks (residual quantiser stages)."""
    card: int = 1024
    """Entries per codebook."""
    latent: int = 64
    """Width of the quantised vector."""
    encoder_width: int = 256
    encoder_blocks: int = 3
    decoder_width: int = 288
    decoder_blocks: int = 6
    kernel: int = 7
    """Frames that a depthwise convolution sees: the current one and the ``kernel - 1`` before it."""
    long_fft: int = 4096
    long_bins: int = 384
    """The lowest bins of the long spectrum that the encoder reads (0 to 3 kHz)."""
    short_fft: int = 1024
    synth_fft: int = 1280
    hops: int = 2
    """Synthesis spectra per frame."""
    long_rise: int = 3584
    """Samples over which the long window rises; it falls over the rest, so that new notes are seen at once."""
    lowest_hz: float = 27.5
    """The lowest oscillator."""
    octaves: tuple[tuple[int, int], ...] = ((3, 12), (6, 36))
    """The oscillators' grid: so many octaves with so many steps each, from the lowest up."""

    def __post_init__(self) -> None:
        hop = self.samples_per_frame // self.hops
        if self.samples_per_frame % self.hops or self.synth_fft != 4 * hop:
            raise BadInputError(
                f"synth_fft {self.synth_fft} with {self.hops} hops of {self.samples_per_frame} samples: "
                "the synthesis window must be four hops long"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> SpectralConfig:
        """Reads the known fields of a ``config.json`` section; others are ignored. Raises BadInputError."""
        return read_sizes(cls, values)

    def to_dict(self) -> dict[str, object]:
        """The section as it stands in ``config.json``, with its ``model_type``."""
        return {"model_type": "drawbar_spectral", **asdict(self)}


class CodecSizes(Protocol):
    """What a codec's settings say of its rates, and where its oscillators lie."""

    @property
    def samples_per_frame(self) -> int:
        """Samples per frame."""
        ...

    @property
    def card(self) -> int:
        """Entries per codebook."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """Samples per second."""
        ...

    @property
    def lowest_hz(self) -> float:
        """The lowest oscillator."""
        ...

    @property
    def octaves(self) -> tuple[tuple[int, int], ...]:
        """So many octaves with so many steps each, from the lowest up."""
        ...


class Block(nn.Module):
    """A causal ConvNeXt block on ``[B, T, C]``."""

    def __init__(self, width: int, kernel: int, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 3 * width)
        self.down = nn.Linear(3 * width, width)
        self.gamma = nn.Parameter(torch.full((width,), scale))
        self.past = kernel - 1

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``x [B, T, C]``, ``state [B, kernel - 1, C]`` (zeros when None) -> output and the next state."""
        if state is None:
            state = x.new_zeros(x.shape[0], self.past, x.shape[2])
        seen = torch.cat([state, x], dim=1)
        y = self.depthwise(seen.transpose(1, 2)).transpose(1, 2)
        y = self.down(F.gelu(self.up(self.norm(y))))
        return x + self.gamma * y, seen[:, seen.shape[1] - self.past :]


class _Quantiser(nn.Module):
    """Residual vector quantiser; ``codebooks [K, card, latent]`` is a buffer that training updates."""

    codebooks: Tensor

    def __init__(self, n_q: int, card: int, latent: int) -> None:
        super().__init__()
        self.register_buffer("codebooks", torch.randn(n_q, card, latent))

    def nearest(self, x: Tensor, book: int) -> Tensor:
        """``x [..., latent]`` -> the nearest entries' indices ``[...]``."""
        entries = self.codebooks[book]
        distance = entries.pow(2).sum(-1) - 2 * x @ entries.T
        return distance.argmin(-1)

    def encode(self, z: Tensor) -> Tensor:
        """``z [B, T, latent]`` -> tokens ``[B, K, T]``."""
        rest, tokens = z, []
        for book in range(self.codebooks.shape[0]):
            chosen = self.nearest(rest, book)
            rest = rest - F.embedding(chosen, self.codebooks[book])
            tokens.append(chosen)
        return torch.stack(tokens, dim=1)

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, T]`` -> ``z [B, T, latent]``."""
        parts = [F.embedding(tokens[:, k], self.codebooks[k]) for k in range(tokens.shape[1])]
        return torch.stack(parts).sum(0)


class Oscillators(nn.Module):
    """Sinusoids on a fixed grid whose phases run with absolute time; amplitudes come from the tone head."""

    turns: Tensor
    cosine: Tensor
    sine: Tensor

    def __init__(self, config: CodecSizes, hop: int, below_hz: float | None = None) -> None:
        super().__init__()
        steps, octave = [], 0.0
        for octaves, per_octave in config.octaves:
            steps += [octave + n / per_octave for n in range(octaves * per_octave)]
            octave += octaves
        hz = config.lowest_hz * 2.0 ** torch.tensor(steps, dtype=torch.float64)
        highest = below_hz or config.sample_rate_hz / 2
        hz = hz[hz < highest]
        if not len(hz):
            raise BadInputError(
                f"no oscillator from {config.lowest_hz} Hz lies below {highest} Hz: copy the folder again"
            )
        self.hz = hz
        """Their frequencies, ascending."""
        self.count = len(hz)
        turns = hz * (hop / config.sample_rate_hz)
        samples = torch.arange(-hop, hop, dtype=torch.float64)
        angles = 2 * torch.pi * (hz / config.sample_rate_hz)[:, None] * samples
        window = torch.hann_window(2 * hop, dtype=torch.float64)
        self.register_buffer("turns", turns, persistent=False)
        self.register_buffer("cosine", (torch.cos(angles) * window).float(), persistent=False)
        self.register_buffer("sine", (torch.sin(angles) * window).float(), persistent=False)

    def forward(self, amplitudes: Tensor, start: int) -> Tensor:
        """``amplitudes [B, J, oscillators]`` from hop ``start`` -> windowed tones ``[B, J, 2 * hop]``."""
        hops = torch.arange(start, start + amplitudes.shape[1], dtype=torch.float64, device=amplitudes.device)
        spread = torch.arange(self.count, dtype=torch.float64, device=amplitudes.device) * 0.6180339887
        phase = 2 * torch.pi * ((hops[:, None] * self.turns + spread) % 1.0)
        real = amplitudes * torch.cos(phase).to(amplitudes.dtype)
        imaginary = amplitudes * torch.sin(phase).to(amplitudes.dtype)
        return real @ self.cosine - imaginary @ self.sine


class FrameCodec(nn.Module):
    """What our own codecs have in common: rates, digest, checkpoint, and a stream of frames."""

    channels = 1
    config: CodecSizes
    n_q: int
    """Codebooks."""
    hop: int
    """Samples between two synthesis spectra."""
    synth_window: Tensor

    @property
    def sample_rate_hz(self) -> int:
        """Samples per second."""
        return self.config.sample_rate_hz

    @property
    def samples_per_frame(self) -> int:
        """Samples per frame."""
        return self.config.samples_per_frame

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.config.sample_rate_hz / self.config.samples_per_frame

    @property
    def card(self) -> int:
        """Entries per codebook."""
        return self.config.card

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the tensors, cast to float32 and sorted by name."""
        digest = hashlib.sha256()
        for name, value in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
        return digest.hexdigest()

    def stream(self, batch: int = 1) -> SpectralStream | CompiledCodecStream:
        """A fresh incremental decoder for ``batch`` parallel signals; compiled code where this machine runs it."""
        parts = self.parts
        if parts is not None and can_compile(parts):
            return CompiledCodecStream(self, parts, self.n_q, self.card, batch)
        return SpectralStream(self, batch)

    @property
    def parts(self) -> CodecParts | None:
        """What the synthesis is made of, for compiled code; None where that cannot compute it."""
        raise NotImplementedError

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Copies a checkpoint's tensors in. Raises CheckpointError that lists what is missing or surplus."""
        missing, surplus = self.load_state_dict(dict(state), strict=False)
        if missing or surplus:
            raise CheckpointError(f"codec tensors missing: {missing or 'none'}; surplus: {surplus or 'none'}")

    def vectors(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, T]`` -> what the synthesis reads of them ``[B, T, width]``."""
        raise NotImplementedError

    def spectra(self, z: Tensor, states: list[Tensor] | None, start: int) -> tuple[Tensor, list[Tensor]]:
        """Vectors from frame ``start`` -> segments ``[B, T * hops, 4 * hop]`` and the blocks' states."""
        raise NotImplementedError


class SpectralCodec(FrameCodec):
    """The embedded codec. Audio is ``[B, 1, N]`` float32 in -1..1, tokens are ``[B, K, T]`` long."""

    look_ahead = 1
    """Frames whose tokens must be known beyond a frame before its samples are complete."""

    long_window: Tensor
    short_window: Tensor
    synth_window: Tensor

    def __init__(self, config: SpectralConfig | None = None) -> None:
        super().__init__()
        self.config: SpectralConfig = config or SpectralConfig()
        c = self.config
        self.n_q = c.n_q
        self.hop = c.samples_per_frame // c.hops
        short_bins = c.short_fft // 2 + 1
        self.encoder_in = nn.Linear(c.long_bins + c.hops * short_bins, c.encoder_width)
        self.encoder_norm = nn.LayerNorm(c.encoder_width)
        self.encoder = nn.ModuleList(
            Block(c.encoder_width, c.kernel, 1 / c.encoder_blocks) for _ in range(c.encoder_blocks)
        )
        self.to_latent = nn.Linear(c.encoder_width, c.latent)
        self.quantiser = _Quantiser(c.n_q, c.card, c.latent)
        self.decoder_in = nn.Linear(c.latent, c.decoder_width)
        self.decoder = nn.ModuleList(
            Block(c.decoder_width, c.kernel, 1 / c.decoder_blocks) for _ in range(c.decoder_blocks)
        )
        self.decoder_norm = nn.LayerNorm(c.decoder_width)
        self.head = nn.Linear(c.decoder_width, 2 * c.hops * (c.synth_fft // 2 + 1))
        self.oscillators = Oscillators(c, self.hop)
        self.tone_head = nn.Linear(c.decoder_width, c.hops * self.oscillators.count)
        rise, fall = torch.hann_window(2 * c.long_rise), torch.hann_window(2 * (c.long_fft - c.long_rise))
        long_window = torch.cat([rise[: c.long_rise], fall[c.long_fft - c.long_rise :]])
        self.register_buffer("long_window", long_window, persistent=False)
        self.register_buffer("short_window", torch.hann_window(c.short_fft), persistent=False)
        self.register_buffer("synth_window", torch.hann_window(c.synth_fft), persistent=False)

    # --- what the Codec protocol asks for -----------------------------------------------------------------

    @torch.inference_mode()
    def encode(self, audio: Tensor) -> Tensor:
        """Audio ``[B, 1, N]`` -> tokens ``[B, K, T]``, ``T = ceil(N / samples_per_frame)``; the tail is zero-padded.

        Raises BadInputError for another shape or an empty signal.
        """
        return self.quantiser.encode(self.latents(audio))

    @torch.inference_mode()
    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, T]`` -> audio ``[B, 1, T * samples_per_frame]``; equals a stream's pushes and flush."""
        return self.synthesise(self.vectors(checked_tokens(tokens, self.n_q, self.card)))

    @property
    def parts(self) -> CodecParts | None:
        c, sound = self.config, self.oscillators
        return CodecParts(
            tables=self.quantiser.codebooks,
            widths=[c.latent] * c.n_q,
            beside=False,
            inner=self.decoder_in,
            blocks=list(self.decoder),
            norm=self.decoder_norm,
            tone_head=self.tone_head,
            head=self.head,
            turns=sound.turns,
            cosine=sound.cosine,
            sine=sound.sine,
            tone_limits=(-1e9, 2.0, -5.0),
            base=None,
            gain=torch.ones(c.synth_fft // 2 + 1),
            window=self.synth_window / 1.5,
            hop=self.hop,
            hops=c.hops,
        )

    # --- the two halves, differentiable -------------------------------------------------------------------

    def latents(self, audio: Tensor) -> Tensor:
        """Audio ``[B, 1, N]`` -> vectors before quantisation ``[B, T, latent]``; frame t sees no sample after it."""
        if audio.ndim != 3 or audio.shape[1] != 1 or audio.shape[2] == 0:
            raise BadInputError(f"audio of shape {list(audio.shape)}: the codec takes [B, 1, N] with N > 0")
        c = self.config
        frames = -(-audio.shape[2] // c.samples_per_frame)
        signal = F.pad(audio[:, 0], (0, frames * c.samples_per_frame - audio.shape[2]))
        long = self._log_spectra(signal, c.long_fft, c.samples_per_frame, self.long_window)[
            ..., : c.long_bins
        ]
        short = self._log_spectra(signal, c.short_fft, self.hop, self.short_window)
        short = short.reshape(signal.shape[0], frames, -1)
        x = self.encoder_norm(self.encoder_in(torch.cat([long, short], dim=-1)))
        for block in self.encoder:
            x, _ = block(x)
        result: Tensor = self.to_latent(x)
        return result

    def vectors(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, T]`` -> quantised vectors ``[B, T, latent]``."""
        return self.quantiser.decode(tokens)

    def synthesise(self, z: Tensor) -> Tensor:
        """Quantised vectors ``[B, T, latent]`` -> audio ``[B, 1, T * samples_per_frame]``."""
        c = self.config
        frames, _ = self.spectra(torch.cat([z, z[:, -1:]], dim=1), None, 0)
        summed = overlap_add(frames, self.hop)
        start = 2 * self.hop
        return summed[:, None, start : start + z.shape[1] * c.samples_per_frame]

    def spectra(self, z: Tensor, states: list[Tensor] | None, start: int) -> tuple[Tensor, list[Tensor]]:
        """``z [B, T, latent]`` from frame ``start`` -> segments ``[B, T * hops, synth_fft]`` and the blocks' states."""
        c = self.config
        x = self.decoder_in(z)
        after: list[Tensor] = []
        for number, block in enumerate(self.decoder):
            x, state = block(x, None if states is None else states[number])
            after.append(state)
        x = self.decoder_norm(x)
        levels = self.tone_head(x).reshape(z.shape[0], z.shape[1] * c.hops, -1)
        tones = self.oscillators(torch.exp(levels.clamp(max=2.0) - 5.0), start * c.hops)
        out = self.head(x).reshape(z.shape[0], z.shape[1] * c.hops, 2, -1)
        magnitude = torch.exp(out[:, :, 0].clamp(max=6.0))
        phase = out[:, :, 1]
        spectrum = torch.complex(magnitude * torch.cos(phase), magnitude * torch.sin(phase))
        segments = torch.fft.irfft(spectrum, n=c.synth_fft) * (self.synth_window / 1.5)
        return segments + F.pad(tones, (self.hop, self.hop)), after

    def _log_spectra(self, signal: Tensor, size: int, hop: int, window: Tensor) -> Tensor:
        """``signal [B, N]`` -> log10 magnitudes ``[B, N / hop, bins]`` of windows that end with their hop."""
        padded = F.pad(signal, (size - hop, 0))
        pieces = padded.unfold(-1, size, hop) * window
        magnitude = torch.fft.rfft(pieces).abs() * (8.0 / size)
        return (torch.log10(magnitude + 1e-5) + 2.5) / 1.5


def overlap_add(segments: Tensor, hop: int) -> Tensor:
    """Segments ``[B, J, 4 * hop]`` -> their sum ``[B, (J + 3) * hop]``."""
    quarters = segments.reshape(segments.shape[0], segments.shape[1], 4, hop)
    total = segments.shape[1] + 3
    parts = [F.pad(quarters[:, :, q], (0, 0, q, total - segments.shape[1] - q)) for q in range(4)]
    return torch.stack(parts).sum(0).reshape(segments.shape[0], total * hop)


def checked_tokens(tokens: Tensor, n_q: int, card: int) -> Tensor:
    """The tokens, when they are ``[B, n_q, T]`` within 0..card - 1. Raises BadInputError."""
    if tokens.ndim != 3 or tokens.shape[1] != n_q or tokens.shape[2] == 0:
        raise BadInputError(f"tokens of shape {list(tokens.shape)}: the codec takes [B, {n_q}, T] with T > 0")
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= card:
        raise BadInputError(f"token {low if low < 0 else high} is outside 0..{card - 1}")
    return tokens


_StreamState = tuple[list[Tensor] | None, Tensor, Tensor | None, int, int]


class SpectralStream:
    """Decodes frame by frame; the pushes and the flush, joined, equal ``decode`` of all the tokens."""

    def __init__(self, codec: FrameCodec, batch: int) -> None:
        self.codec = codec
        self._states: list[Tensor] | None = None
        self._tail = torch.zeros(batch, 3 * codec.hop, device=codec.synth_window.device)
        self._last: Tensor | None = None
        self._skip = 2 * codec.hop
        self._frame = 0

    @torch.inference_mode()
    def push(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, t]`` -> the samples they complete ``[B, 1, m]``; the first push yields one frame less."""
        z = self.codec.vectors(tokens)
        self._last = z[:, -1:]
        return self._run(z)

    @torch.inference_mode()
    def flush(self) -> Tensor:
        """The last frame's samples ``[B, 1, samples_per_frame]`` (none if nothing was pushed); ends the stream."""
        if self._last is None:
            return self._tail.new_zeros(self._tail.shape[0], 1, 0)
        last, self._last = self._last, None
        return self._run(last)

    def snapshot(self) -> object:
        """The state as it stands; cheap (no tensor is ever written in place)."""
        return (self._states, self._tail, self._last, self._skip, self._frame)

    def restore(self, state: object) -> None:
        """Goes back to a ``snapshot``."""
        self._states, self._tail, self._last, self._skip, self._frame = cast(_StreamState, state)

    def _run(self, z: Tensor) -> Tensor:
        segments, self._states = self.codec.spectra(z, self._states, self._frame)
        self._frame += z.shape[1]
        summed = overlap_add(segments, self.codec.hop)
        keep = 3 * self.codec.hop
        summed = torch.cat([summed[:, :keep] + self._tail, summed[:, keep:]], dim=1)
        done = segments.shape[1] * self.codec.hop
        self._tail = summed[:, done:]
        out = summed[:, self._skip : done]
        self._skip = max(0, self._skip - done)
        return out[:, None]
