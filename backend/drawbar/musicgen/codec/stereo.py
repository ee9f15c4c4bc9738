"""A mono codec -> the codec of stereo models: each channel coded by itself, their codebooks in turn.

Codebook 2k belongs to the left channel's codebook k, 2k + 1 to the right one's (audiocraft's
``InterleaveStereoCompressionModel``, transformers' even and odd codebooks). Knows nothing of the mono codec's inside.
"""

from __future__ import annotations

import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.musicgen.codec.interface import Codec, CodecStream

CHANNELS = 2


class StereoCodec:
    """See ``interface.Codec``: audio ``[B, 2, N]`` (mono counts for both channels) <-> tokens ``[B, 2 K, T]``."""

    channels = CHANNELS

    def __init__(self, inner: Codec) -> None:
        self.inner = inner
        self.sample_rate_hz, self.frame_rate_hz = inner.sample_rate_hz, inner.frame_rate_hz
        self.samples_per_frame, self.card = inner.samples_per_frame, inner.card
        self.n_q = CHANNELS * inner.n_q

    @property
    def fingerprint(self) -> str:
        """That of the mono codec: there are no other weights."""
        return self.inner.fingerprint

    @property
    def look_ahead(self) -> int:
        """See Codec."""
        return self.inner.look_ahead

    @property
    def model(self) -> object:
        """What holds the weights."""
        return getattr(self.inner, "model", self.inner)

    def encode(self, audio: Tensor) -> Tensor:
        """See Codec. Raises BadInputError for another number of channels or an empty signal."""
        if audio.ndim != 3 or audio.shape[1] not in (1, CHANNELS):
            raise BadInputError(f"audio of shape {list(audio.shape)}: the codec takes [B, 1 or 2, N]")
        # One after the other, as both references do: a batch rounds otherwise, and a nearest code may be another one.
        sides = [self.inner.encode(side) for side in audio.split(1, dim=1)]
        return torch.stack([sides[0], sides[-1]], dim=2).flatten(1, 2)

    def decode(self, tokens: Tensor) -> Tensor:
        """See Codec."""
        return _paired(self.inner.decode(self.split(tokens)))

    def stream(self, batch: int = 1) -> StereoStream:
        """A fresh incremental decoder."""
        return StereoStream(self, self.inner.stream(CHANNELS * batch))

    def split(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, 2 K, T]`` -> each channel's ``[B * 2, K, T]``, left before right."""
        if tokens.ndim != 3 or tokens.shape[1] != self.n_q:
            raise BadInputError(
                f"tokens of shape {list(tokens.shape)}: the codec takes [B, {self.n_q}, T] with T > 0"
            )
        sides = tokens.reshape(len(tokens), self.inner.n_q, CHANNELS, tokens.shape[2]).transpose(1, 2)
        return sides.flatten(0, 1)


class StereoStream:
    """See ``interface.CodecStream``."""

    def __init__(self, codec: StereoCodec, inner: CodecStream) -> None:
        self._codec, self._inner = codec, inner

    def push(self, tokens: Tensor) -> Tensor:
        """See CodecStream."""
        return _paired(self._inner.push(self._codec.split(tokens)))

    def flush(self) -> Tensor:
        """See CodecStream."""
        return _paired(self._inner.flush())

    def snapshot(self) -> object:
        """See CodecStream."""
        return self._inner.snapshot()

    def restore(self, state: object) -> None:
        """See CodecStream."""
        self._inner.restore(state)


def _paired(audio: Tensor) -> Tensor:
    """``[B * 2, 1, m]`` -> ``[B, 2, m]``."""
    return audio.view(len(audio) // CHANNELS, CHANNELS, audio.shape[2])
