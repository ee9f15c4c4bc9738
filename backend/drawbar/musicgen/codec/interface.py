"""A checkpoint's codec section -> a codec: audio to tokens, tokens to audio, also bit by bit.

Three codecs stand behind one interface: the released EnCodec (transformers' ``EncodecModel``), the embedded model's
``bands.BandCodec``, and that of embedded models before December 2026, ``spectral.SpectralCodec``. Any of them
becomes one for two channels by ``stereo.StereoCodec``. Knows nothing of the decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from drawbar.errors import BadInputError, CheckpointError, NotSupportedError
from drawbar.files.reading import shortened

if TYPE_CHECKING:
    from drawbar.musicgen.codec.bands import BandCodec
    from drawbar.musicgen.codec.spectral import SpectralCodec


class CodecStream(Protocol):
    """Tokens in, samples out, as soon as they are complete."""

    def push(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, t]`` -> the samples they complete ``[B, C, m]``; m may lag by the look-ahead."""
        ...

    def flush(self) -> Tensor:
        """The samples still owed ``[B, C, m]``; all pushes and the flush, joined, equal ``decode``."""
        ...

    def snapshot(self) -> object:
        """The state as it stands."""
        ...

    def restore(self, state: object) -> None:
        """Goes back to a snapshot."""
        ...


class ClipCodec(Protocol):
    """Audio ``[B, C, N]`` float32 in -1..1 <-> tokens ``[B, K, T]`` long."""

    @property
    def sample_rate_hz(self) -> int:
        """Samples per second."""
        ...

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        ...

    @property
    def samples_per_frame(self) -> int:
        """Samples per frame."""
        ...

    @property
    def n_q(self) -> int:
        """Codebooks."""
        ...

    @property
    def card(self) -> int:
        """Entries per codebook."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the tensors, cast to float32 and sorted by name."""
        ...

    def encode(self, audio: Tensor) -> Tensor:
        """Audio ``[B, C, N]`` -> tokens ``[B, K, T]``, ``T = ceil(N / samples_per_frame)``; mono is taken by all."""
        ...

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, K, T]`` -> audio ``[B, C, T * samples_per_frame]``."""
        ...


class Codec(ClipCodec, Protocol):
    """The same, and tokens to audio bit by bit."""

    @property
    def channels(self) -> int:
        """C: 1, or 2 for stereo (left, right)."""
        ...

    @property
    def look_ahead(self) -> int:
        """Later frames whose tokens must be known before a frame's samples are complete."""
        ...

    def stream(self, batch: int = 1) -> CodecStream:
        """A fresh incremental decoder for ``batch`` signals."""
        ...


def mono(audio: Tensor) -> Tensor:
    """What analysis hears: audio ``[B, C, N]`` -> the mean of the channels ``[B, 1, N]``; mono as it is."""
    return audio if audio.shape[1] == 1 else audio.mean(1, keepdim=True)


def load_codec(
    config: Mapping[str, object], tensors: Mapping[str, Tensor], n_q: int, device: torch.device | str = "cpu"
) -> Codec:
    """The ``audio_encoder`` section and its tensors (prefix removed) -> the codec, in float32.

    Raises NotSupportedError for another codec and CheckpointError for tensors that do not fit.
    """
    kind = config.get("model_type")
    values = {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }
    if kind in ("drawbar_bands", "drawbar_spectral"):
        try:
            own = _own_codec(kind, config)
            own.load(values)
        except BadInputError as error:
            raise CheckpointError(str(error)) from error
        except (RuntimeError, ArithmeticError, ValueError, IndexError) as error:
            reason = shortened(" ".join(str(error).split()), 300)
            raise CheckpointError(f"the codec's tensors do not match its configuration: {reason}") from error
        return own.eval().requires_grad_(False).to(device)
    if kind == "encodec":
        from drawbar.musicgen.codec.encodec import load_encodec

        return load_encodec(config, values, n_q, device)
    raise NotSupportedError(
        f"codec {shortened(kind)}: encodec, drawbar_bands and drawbar_spectral are supported"
    )


def _own_codec(kind: str, config: Mapping[str, object]) -> BandCodec | SpectralCodec:
    from drawbar.musicgen.codec.bands import BandCodec, BandConfig
    from drawbar.musicgen.codec.spectral import SpectralCodec, SpectralConfig

    if kind == "drawbar_bands":
        return BandCodec(BandConfig.from_dict(config))
    return SpectralCodec(SpectralConfig.from_dict(config))
