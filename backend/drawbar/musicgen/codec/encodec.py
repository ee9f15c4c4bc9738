"""The released EnCodec -> our codec interface, with an exact streaming decode.

How far the streaming decode looks ahead, and how its widest matrices are kept, are settings; the defaults are exact.
Encoding and the one-shot decode are transformers' own.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor

from drawbar.errors import BadInputError, CheckpointError, NotSupportedError
from drawbar.files.reading import shortened, typed
from drawbar.musicgen.codec.encodec_streaming import PRECISIONS, StreamedDecoder, delay_samples
from drawbar.musicgen.network.meta_init import blank
from drawbar.musicgen.spec import MOST_CODEBOOKS
from drawbar.musicgen.untrusted_files import compare

Width = Annotated[int, Field(ge=1, le=1 << 14)]
Step = Annotated[int, Field(ge=1, le=1024)]
Bandwidth = Annotated[float, Field(gt=0, le=10_000)]

if TYPE_CHECKING:  # transformers takes seconds to import; only a released codec needs it
    from transformers import EncodecModel


@dataclass(frozen=True)
class EncodecSizes:
    """What is read of an EnCodec's configuration; None or missing: the value that transformers gives it.

    Raises BadInputError for sizes that no EnCodec has.
    """

    sampling_rate: Annotated[int, Field(ge=1000, le=1_000_000)] | None = None
    audio_channels: Annotated[int, Field(ge=1, le=8)] | None = None
    normalize: bool | None = None
    target_bandwidths: Annotated[tuple[Bandwidth, ...], Field(min_length=1, max_length=32)] | None = None
    hidden_size: Width | None = None
    codebook_dim: Width | None = None
    codebook_size: Annotated[int, Field(ge=2, le=1 << 20)] | None = None
    num_filters: Width | None = None
    num_residual_layers: Annotated[int, Field(ge=0, le=16)] | None = None
    upsampling_ratios: Annotated[tuple[Step, ...], Field(min_length=1, max_length=16)] | None = None
    kernel_size: Step | None = None
    last_kernel_size: Step | None = None
    residual_kernel_size: Step | None = None
    dilation_growth_rate: Annotated[int, Field(ge=1, le=16)] | None = None
    use_causal_conv: bool | None = None
    pad_mode: Literal["reflect", "constant", "replicate", "circular"] | None = None
    compress: Annotated[int, Field(ge=1, le=64)] | None = None
    num_lstm_layers: Annotated[int, Field(ge=1, le=16)] | None = None
    trim_right_ratio: Annotated[float, Field(ge=0, le=1)] | None = None
    use_conv_shortcut: bool | None = None

    def __post_init__(self) -> None:
        reach = (self.dilation_growth_rate or 2) ** ((self.num_residual_layers or 1) - 1)
        frame = math.prod(self.upsampling_ratios or (1,))
        if max(reach, frame) > 1 << 20:
            raise BadInputError(f"a codec of {frame:,} samples a frame whose layers reach {reach:,} samples")


class EncodecCodec:
    """See ``codec.Codec``. EnCodec is not causal unless its configuration says so: the look-ahead is several frames."""

    channels = 1

    def __init__(self, model: EncodecModel, n_q: int, device: torch.device | str = "cpu") -> None:
        config = model.config
        if config.audio_channels != 1 or config.normalize:
            raise NotSupportedError(
                f"an EnCodec with {config.audio_channels} channels, normalize={config.normalize}: "
                "only mono codecs without normalisation are supported"
            )
        self.model = model.float().eval().requires_grad_(False).to(device)
        self.n_q = n_q
        self.card = int(config.codebook_size)
        self.sample_rate_hz = int(config.sampling_rate)
        self.samples_per_frame = 1
        for ratio in config.upsampling_ratios:
            self.samples_per_frame *= int(ratio)
        self.frame_rate_hz = self.sample_rate_hz / self.samples_per_frame
        self.width = int(config.hidden_size)
        self._layers = list(cast(Any, model.decoder).layers)
        self._streamed: StreamedDecoder | None = None
        self._precision = "float32"
        reach = 0 if config.use_causal_conv else (int(config.kernel_size) - 1) // 2
        tail = -(-delay_samples(self._layers[1:]) // self.samples_per_frame)
        self.exact_look_ahead = reach + tail
        """Later frames that a frame's samples need to be those of the one-shot decode."""
        self.least_look_ahead = tail
        """Without the first convolution's view of later frames; what is left needs them to give samples at all."""
        self._look_ahead = self.exact_look_ahead

    @property
    def look_ahead(self) -> int:
        """Later frames that streams wait for; fewer than ``exact_look_ahead`` is an approximation.

        What the first convolution cannot see then is taken to be half of the last frame that it can, so the samples
        differ from the one-shot decode, but join without a seam (`drawbar bench codec` prints by how much).
        """
        return self._look_ahead

    @look_ahead.setter
    def look_ahead(self, frames: int) -> None:
        """For streams begun from now on. Raises BadInputError."""
        if not self.least_look_ahead <= frames <= self.exact_look_ahead:
            raise BadInputError(
                f"look_ahead {frames}: this codec takes {self.least_look_ahead} to {self.exact_look_ahead} (exact)"
            )
        self._look_ahead, self._streamed = frames, None

    @property
    def precision(self) -> str:
        """How streams keep their widest matrices on a CPU: ``float32`` (exact) or ``int8`` (faster)."""
        return self._precision

    @precision.setter
    def precision(self, name: str) -> None:
        """For streams begun from now on. Raises BadInputError."""
        if name not in PRECISIONS:
            raise BadInputError(f"precision {name!r}: use one of {', '.join(PRECISIONS)}")
        self._precision, self._streamed = name, None

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the tensors, cast to float32 and sorted by name."""
        digest = hashlib.sha256()
        for name, value in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
        return digest.hexdigest()

    @torch.inference_mode()
    def encode(self, audio: Tensor) -> Tensor:
        """See Codec. Raises BadInputError for another shape or an empty signal."""
        if audio.ndim != 3 or audio.shape[1] != 1 or audio.shape[2] == 0:
            raise BadInputError(f"audio of shape {list(audio.shape)}: the codec takes [B, 1, N] with N > 0")
        codes: Tensor = self.model.quantizer.encode(self.model.encoder(audio.to(self.model.device)))
        return codes[: self.n_q].transpose(0, 1)

    @torch.inference_mode()
    def decode(self, tokens: Tensor) -> Tensor:
        """See Codec. Raises BadInputError for another shape or tokens outside the codebook."""
        audio: Tensor = self.model.decoder(self.embedded(tokens))
        return audio

    def stream(self, batch: int = 1) -> EncodecStream:
        """A fresh incremental decoder."""
        return EncodecStream(self, self._decoder(), batch)

    def _decoder(self) -> StreamedDecoder:
        """The decoder laid out for streaming; made once per setting."""
        if self._streamed is None:
            right = None
            if self.look_ahead < self.exact_look_ahead:
                right = self.look_ahead - self.least_look_ahead
            self._streamed = StreamedDecoder(self._layers, right=right, precision=self.precision)
        return self._streamed

    def embedded(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, T]`` -> the quantised vectors ``[B, C, T]``."""
        if tokens.ndim != 3 or tokens.shape[1] != self.n_q or tokens.shape[2] == 0:
            raise BadInputError(
                f"tokens of shape {list(tokens.shape)}: the codec takes [B, {self.n_q}, T] with T > 0"
            )
        low, high = int(tokens.min()), int(tokens.max())
        if low < 0 or high >= self.card:
            raise BadInputError(f"token {low if low < 0 else high} is outside 0..{self.card - 1}")
        vectors: Tensor = self.model.quantizer.decode(tokens.transpose(0, 1).to(self.model.device))
        return vectors


class EncodecStream:
    """See ``codec.CodecStream``. Nothing is written in place, so a snapshot costs nothing."""

    def __init__(self, codec: EncodecCodec, decoder: StreamedDecoder, batch: int) -> None:
        self._codec, self._decoder, self._batch = codec, decoder, batch
        self._state = decoder.begin(batch)

    @torch.inference_mode()
    def push(self, tokens: Tensor) -> Tensor:
        """See CodecStream."""
        return self._run(self._codec.embedded(tokens))

    @torch.inference_mode()
    def flush(self) -> Tensor:
        """See CodecStream."""
        nothing = torch.zeros(self._batch, self._codec.width, 0, device=self._codec.model.device)
        return self._run(nothing, final=True)

    def snapshot(self) -> object:
        """See CodecStream."""
        return self._state

    def restore(self, state: object) -> None:
        """See CodecStream."""
        self._state = cast(Any, state)

    def _run(self, vectors: Tensor, final: bool = False) -> Tensor:
        audio, self._state = self._decoder.run(vectors, self._state, final)
        return audio


def load_encodec(
    config: Mapping[str, object], tensors: Mapping[str, Tensor], n_q: int, device: torch.device | str = "cpu"
) -> EncodecCodec:
    """The configuration and tensors of an EnCodec (either naming of weight normalisation) -> the codec.

    Raises CheckpointError for tensors that do not fit, NotSupportedError for a codec that cannot be streamed.
    """
    from transformers import EncodecConfig, EncodecModel

    if config.get("norm_type", "weight_norm") != "weight_norm" or config.get("num_lstm_layers", 2) == 0:
        raise NotSupportedError(
            "an EnCodec with group normalisation or without an LSTM is not supported: use MusicGen's own codec"
        )
    try:
        sizes = typed(EncodecSizes, config)
        settings = EncodecConfig(**{k: v for k, v in asdict(sizes).items() if v is not None})
        if int(settings.num_quantizers) > MOST_CODEBOOKS:
            raise ValueError(f"{int(settings.num_quantizers)} codebooks by its bandwidths")
        shapes = blank(lambda: EncodecModel(settings)).state_dict()
        books = int(settings.num_quantizers)
    except Exception as error:  # transformers checks a configuration with errors of its own making
        reason = shortened(" ".join(str(error).split()), 200)
        raise CheckpointError(
            f"the codec's configuration does not describe an EnCodec ({reason}): copy the folder again"
        ) from error
    if books < n_q:
        raise CheckpointError(
            f"the decoder speaks {n_q} codebooks, its codec {books}: the folder mixes two models; copy it again"
        )
    state = {_current(name): tensor for name, tensor in tensors.items()}
    compare(state, shapes, "audio_encoder.", "the codec")  # before any memory is taken for it
    model = EncodecModel(settings)
    model.load_state_dict(state)
    return EncodecCodec(model, n_q, device)


def _current(name: str) -> str:
    """Older files name weight normalisation ``weight_g`` and ``weight_v``."""
    if name.endswith(".weight_g"):
        return name[: -len("weight_g")] + "parametrizations.weight.original0"
    if name.endswith(".weight_v"):
        return name[: -len("weight_v")] + "parametrizations.weight.original1"
    return name
