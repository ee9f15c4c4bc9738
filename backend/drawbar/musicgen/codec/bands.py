"""Codec tokens <-> audio, one codebook per frequency band: causal, decodable frame by frame.

Analysis needs no training: each band's feature vector holds the amplitudes of the spectrum's peaks on a musical grid
of oscillators (what is pitched) and short-time energies (what is struck), both compressed; its codebook is a k-means
of such vectors. So a code *is* a typical spectrum of its band, and a band changes its code only when the music in it
does (residual quantisation of the whole spectrum makes every code depend on everything that sounds). A band keeps its
code while that is nearly as good as the nearest (`slack`). Synthesis: the oscillators take their amplitudes from the
codes, a small causal network shapes them in time and adds noise and attacks by an inverse STFT (after Vocos, arXiv
2306.00814). A frame's samples are complete once the next frame's tokens are known. Knows nothing of training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drawbar.errors import BadInputError
from drawbar.musicgen.codec.compiled_stream import CodecParts
from drawbar.musicgen.codec.sizes import read_sizes
from drawbar.musicgen.codec.spectral import Block, FrameCodec, Oscillators, checked_tokens, overlap_add


@dataclass(frozen=True)
class BandConfig:
    """Sizes of the codec; stored as ``audio_encoder`` in the model's ``config.json``."""

    sample_rate_hz: int = 32_000
    samples_per_frame: int = 640
    card: int = 384
    """Entries per codebook."""
    edges_hz: tuple[float, ...] = (0.0, 150.0, 300.0, 600.0, 1200.0, 2400.0, 4800.0, 9600.0, 16000.0)
    """Where the bands begin and end; one codebook each."""
    energies: tuple[int, ...] = (1, 1, 1, 2, 2, 3, 4, 4)
    """Short-time energies per band and hop: how many equal parts (in octaves) a band is divided into for them."""
    tonal_below_hz: float = 4800.0
    """Above it no peaks are read and no oscillator plays: what is there is noise, attacks and brightness."""
    compression: float = 0.4
    """Amplitudes are raised to this power before they are compared: about as loudness is heard."""
    energy_weight: float = 0.6
    """What an energy counts beside a peak in the tonal bands (1 above them)."""
    long_fft: int = 4096
    middle_fft: int = 2048
    middle_from_hz: float = 880.0
    """From here on peaks are read off the shorter window."""
    long_fall: int = 512
    """Samples over which the long windows fall, so that new notes are seen at once."""
    short_fft: int = 1024
    peak_floor: float = 0.03
    """Peaks below this share of the largest within four semitones are the window's own ripples."""
    decoder_width: int = 192
    decoder_blocks: int = 4
    kernel: int = 5
    """Frames that a depthwise convolution sees: the current one and the ``kernel - 1`` before it."""
    synth_fft: int = 1280
    hops: int = 2
    """Synthesis spectra per frame."""
    noise_from_hz: float = 1200.0
    """The inverse STFT fades in up to here: below, where it would smear pitch, the oscillators are alone."""
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
        if len(self.energies) != len(self.edges_hz) - 1 or sorted(set(self.edges_hz)) != list(self.edges_hz):
            raise BadInputError(f"{len(self.energies)} energies for the band edges {self.edges_hz}")

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> BandConfig:
        """Reads the known fields of a ``config.json`` section; others are ignored. Raises BadInputError."""
        return read_sizes(cls, values)

    def to_dict(self) -> dict[str, object]:
        """The section as it stands in ``config.json``, with its ``model_type``."""
        return {"model_type": "drawbar_bands", **asdict(self)}


class BandCodec(FrameCodec):
    """The embedded codec. Audio is ``[B, 1, N]`` float32 in -1..1, tokens are ``[B, K, T]`` long."""

    look_ahead = 1
    """Frames whose tokens must be known beyond a frame before its samples are complete."""

    codebooks: Tensor
    slack: Tensor
    short_window: Tensor
    synth_window: Tensor
    noise_gain: Tensor
    long_probes: Tensor
    middle_probes: Tensor

    def __init__(self, config: BandConfig | None = None) -> None:
        super().__init__()
        self.config: BandConfig = config or BandConfig()
        c = self.config
        self.hop = c.samples_per_frame // c.hops
        self.n_q = len(c.edges_hz) - 1
        self.oscillators = Oscillators(c, self.hop, below_hz=c.tonal_below_hz)
        hz = self.oscillators.hz
        self._peaks = [torch.nonzero((hz >= low) & (hz < high))[:, 0] for low, high in pairwise(c.edges_hz)]
        self._parts = _energy_bins(c)
        self.widths = [len(p) + c.hops * n for p, n in zip(self._peaks, c.energies, strict=True)]
        width = max(self.widths)
        self.register_buffer("codebooks", torch.zeros(self.n_q, c.card, width))
        self.register_buffer("slack", torch.zeros(self.n_q))
        self.decoder_in = nn.Linear(sum(self.widths), c.decoder_width)
        self.decoder = nn.ModuleList(
            Block(c.decoder_width, c.kernel, 1 / c.decoder_blocks) for _ in range(c.decoder_blocks)
        )
        self.decoder_norm = nn.LayerNorm(c.decoder_width)
        self.head = nn.Linear(c.decoder_width, 2 * c.hops * (c.synth_fft // 2 + 1))
        self.tone_head = nn.Linear(c.decoder_width, c.hops * self.oscillators.count)
        nn.init.zeros_(self.tone_head.weight)
        nn.init.zeros_(self.tone_head.bias)
        below = (hz < c.middle_from_hz).sum()
        self.register_buffer("long_probes", _probes(hz[:below], c.long_fft, c), persistent=False)
        self.register_buffer("middle_probes", _probes(hz[below:], c.middle_fft, c), persistent=False)
        self.register_buffer("short_window", torch.hann_window(c.short_fft), persistent=False)
        self.register_buffer("synth_window", torch.hann_window(c.synth_fft), persistent=False)
        bins_hz = torch.arange(c.synth_fft // 2 + 1) * (c.sample_rate_hz / c.synth_fft)
        self.register_buffer("noise_gain", (bins_hz / c.noise_from_hz).clamp(max=1.0) ** 2, persistent=False)

    # --- what the Codec protocol asks for -----------------------------------------------------------------

    @torch.inference_mode()
    def encode(self, audio: Tensor) -> Tensor:
        """Audio ``[B, 1, N]`` -> tokens ``[B, K, T]``, ``T = ceil(N / samples_per_frame)``; the tail is zero-padded.

        Raises BadInputError for another shape or an empty signal.
        """
        features = self.features(audio)
        cost = torch.stack([self.distances(features[band], band) for band in range(self.n_q)], dim=2)
        nearest, best = cost.argmin(-1), cost.amin(-1)
        kept = nearest[:, 0]
        tokens = [kept]
        for t in range(1, cost.shape[1]):
            stay = cost[:, t].gather(-1, kept[..., None])[..., 0] <= best[:, t] + self.slack
            kept = torch.where(stay, kept, nearest[:, t])
            tokens.append(kept)
        return torch.stack(tokens, dim=-1)

    @torch.inference_mode()
    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, T]`` -> audio ``[B, 1, T * samples_per_frame]``; equals a stream's pushes and flush."""
        return self.synthesise(self.vectors(checked_tokens(tokens, self.n_q, self.card)))

    @property
    def parts(self) -> CodecParts | None:
        c, sound = self.config, self.oscillators
        if not torch.equal(torch.cat(self._peaks), torch.arange(sound.count)):
            return None
        tonal = [len(where) for where in self._peaks]
        levels = self.codebooks[..., : max(1, *tonal)].clamp(min=0.0).pow(1 / c.compression)
        return CodecParts(
            tables=self.codebooks,
            widths=self.widths,
            beside=True,
            inner=self.decoder_in,
            blocks=list(self.decoder),
            norm=self.decoder_norm,
            tone_head=self.tone_head,
            head=self.head,
            turns=sound.turns,
            cosine=sound.cosine,
            sine=sound.sine,
            tone_limits=(-6.0, 3.0, 0.0),
            base=(levels, tonal),
            gain=self.noise_gain,
            window=self.synth_window / 1.5,
            hop=self.hop,
            hops=c.hops,
        )

    # --- analysis -----------------------------------------------------------------------------------------

    def features(self, audio: Tensor) -> list[Tensor]:
        """Audio ``[B, 1, N]`` -> per band its peaks and energies ``[B, T, width]``; frame t sees no sample after it."""
        if audio.ndim != 3 or audio.shape[1] != 1 or audio.shape[2] == 0:
            raise BadInputError(f"audio of shape {list(audio.shape)}: the codec takes [B, 1, N] with N > 0")
        c = self.config
        frames = -(-audio.shape[2] // c.samples_per_frame)
        signal = F.pad(audio[:, 0], (0, frames * c.samples_per_frame - audio.shape[2]))
        found = [
            _amplitudes(signal, probes, size, c.samples_per_frame)
            for probes, size in ((self.long_probes, c.long_fft), (self.middle_probes, c.middle_fft))
        ]
        peaks = _peaks(torch.cat(found, dim=-1), c.peak_floor) ** c.compression
        pieces = (
            F.pad(signal, (c.short_fft - self.hop, 0)).unfold(-1, c.short_fft, self.hop) * self.short_window
        )
        power = torch.fft.rfft(pieces).abs().square() * (3.3 / c.short_fft) ** 2
        result = []
        for where, parts in zip(self._peaks, self._parts, strict=True):
            weight = c.energy_weight if len(where) else 1.0
            energy = torch.stack([power[..., a:b].sum(-1) for a, b in parts], dim=-1) ** (c.compression / 2)
            energy = energy.reshape(signal.shape[0], frames, -1) * weight
            result.append(torch.cat([peaks[..., where], energy], dim=-1))
        return result

    def distances(self, features: Tensor, band: int) -> Tensor:
        """Features ``[..., width]`` of a band -> squared distances to its codes ``[..., card]``."""
        book = self.codebooks[band, :, : self.widths[band]]
        return features.square().sum(-1, keepdim=True) - 2 * features @ book.T + book.square().sum(-1)

    # --- synthesis ----------------------------------------------------------------------------------------

    def vectors(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, T]`` -> the codes' vectors side by side ``[B, T, sum of widths]``."""
        parts = [
            F.embedding(tokens[:, band], self.codebooks[band, :, :width])
            for band, width in enumerate(self.widths)
        ]
        return torch.cat(parts, dim=-1)

    def synthesise(self, z: Tensor) -> Tensor:
        """Vectors ``[B, T, sum of widths]`` -> audio ``[B, 1, T * samples_per_frame]``."""
        segments, _ = self.spectra(torch.cat([z, z[:, -1:]], dim=1), None, 0)
        summed = overlap_add(segments, self.hop)
        start = 2 * self.hop
        return summed[:, None, start : start + z.shape[1] * self.config.samples_per_frame]

    def spectra(self, z: Tensor, states: list[Tensor] | None, start: int) -> tuple[Tensor, list[Tensor]]:
        """Vectors from frame ``start`` -> segments ``[B, T * hops, synth_fft]`` and the blocks' states."""
        c = self.config
        x = self.decoder_in(z)
        after: list[Tensor] = []
        for number, block in enumerate(self.decoder):
            x, state = block(x, None if states is None else states[number])
            after.append(state)
        x = self.decoder_norm(x)
        shape = (z.shape[0], z.shape[1] * c.hops, -1)
        change = self.tone_head(x).reshape(shape).clamp(-6.0, 3.0)
        tones = self.oscillators(self._levels(z) * torch.exp(change), start * c.hops)
        out = self.head(x).reshape(z.shape[0], z.shape[1] * c.hops, 2, -1)
        magnitude = torch.exp(out[:, :, 0].clamp(max=6.0)) * self.noise_gain
        phase = out[:, :, 1]
        spectrum = torch.complex(magnitude * torch.cos(phase), magnitude * torch.sin(phase))
        segments = torch.fft.irfft(spectrum, n=c.synth_fft) * (self.synth_window / 1.5)
        return segments + F.pad(tones, (self.hop, self.hop)), after

    def _levels(self, z: Tensor) -> Tensor:
        """The oscillators' amplitudes as the codes give them ``[B, T * hops, oscillators]``."""
        levels = z.new_zeros(*z.shape[:2], self.oscillators.count)
        at = 0
        for where, width in zip(self._peaks, self.widths, strict=True):
            levels[..., where] = z[..., at : at + len(where)]
            at += width
        return (
            levels.clamp(min=0.0).pow(1 / self.config.compression).repeat_interleave(self.config.hops, dim=1)
        )


def _energy_bins(c: BandConfig) -> list[list[tuple[int, int]]]:
    """Per band the ranges of bins of the short spectrum whose energies are read."""
    bin_hz = c.sample_rate_hz / c.short_fft
    ranges = []
    for (low, high), count in zip(pairwise(c.edges_hz), c.energies, strict=True):
        low = max(low, bin_hz / 2)
        cuts = [round(low * (high / low) ** (n / count) / bin_hz) for n in range(count + 1)]
        ranges.append([(a, max(a + 1, b)) for a, b in pairwise(cuts)])
    return ranges


def _probes(hz: Tensor, size: int, c: BandConfig) -> Tensor:
    """Windowed cosines and sines ``[size, 2 * oscillators]``; the window rises slowly and falls fast."""
    fall = min(c.long_fall, size // 4)
    rise = torch.hann_window(2 * (size - fall), dtype=torch.float64)[: size - fall]
    window = torch.cat([rise, torch.hann_window(2 * fall, dtype=torch.float64)[fall:]])
    angles = 2 * torch.pi * torch.arange(size, dtype=torch.float64)[:, None] * (hz / c.sample_rate_hz)
    window = (window * (2 / window.sum()))[:, None]
    return torch.cat([torch.cos(angles) * window, torch.sin(angles) * window], dim=1).float()


def _amplitudes(signal: Tensor, probes: Tensor, size: int, hop: int) -> Tensor:
    """``signal [B, N]`` -> amplitudes ``[B, N / hop, oscillators]`` in windows that end with their hop."""
    pieces = F.pad(signal, (size - hop, 0)).unfold(-1, size, hop)
    cosine, sine = (pieces @ probes).chunk(2, dim=-1)
    return (cosine.square() + sine.square()).sqrt()


def _peaks(amplitudes: Tensor, floor: float) -> Tensor:
    """The amplitudes at local maxima along the grid, zero elsewhere."""
    beside = F.pad(amplitudes, (1, 1))
    shape = amplitudes.shape
    around = F.max_pool1d(amplitudes.reshape(-1, 1, shape[-1]), 25, 1, 12).reshape(shape)
    is_peak = (
        (amplitudes >= beside[..., :-2]) & (amplitudes >= beside[..., 2:]) & (amplitudes > floor * around)
    )
    return torch.where(is_peak, amplitudes, torch.zeros_like(amplitudes))
