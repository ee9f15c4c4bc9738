"""The released EnCodec -> our codec interface, with an exact streaming decode.

EnCodec's decoder is a convolution, an LSTM and a stack of up-sampling convolutions. The LSTM's state is carried from
push to push; the convolutions see a few frames of context on each side, whose output is thrown away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import EncodecConfig, EncodecModel

from drawbar.errors import BadInputError, NotSupportedError
from drawbar.musicgen.weights import describe

__all__ = ["EncodecCodec", "EncodecStream", "load_encodec"]

_TAIL_FRAMES = 1
"""Frames of context on each side that the up-sampling stack needs (measured error: 6e-7 of the peak)."""


class EncodecCodec:
    """See ``codec.Codec``. EnCodec is not causal unless its configuration says so: the look-ahead is several frames."""

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
        layers = list(cast(nn.Module, model.decoder).layers)  # type: ignore[arg-type]
        place = next(i for i, layer in enumerate(layers) if hasattr(layer, "lstm"))
        self.head, self.lstm, self.tail = (
            layers[:place],
            cast(nn.LSTM, layers[place].lstm),
            layers[place + 1 :],
        )
        total = int(config.kernel_size) - 1
        causal = bool(config.use_causal_conv)
        self.head_margins = (total, 0 if causal else total // 2)
        self.tail_margins = (_TAIL_FRAMES, 0 if causal else _TAIL_FRAMES)
        self.look_ahead = self.head_margins[1] + self.tail_margins[1]

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
        return EncodecStream(self, batch)

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


class _Stretch:
    """Runs non-causal layers over a growing sequence, giving each frame once its right-hand context is there."""

    def __init__(self, layers: list[nn.Module], margins: tuple[int, int], ratio: int) -> None:
        self.layers, self.left, self.right, self.ratio = layers, margins[0], margins[1], ratio
        self.seen: Tensor | None = None
        self.first = 0
        """The frame at which ``seen`` begins."""
        self.done = 0
        """Frames already given."""

    def run(self, new: Tensor | None, final: bool) -> Tensor | None:
        """``new [B, C, t]`` -> the output of the frames that are complete now ``[B, C', m * ratio]``."""
        if new is not None:
            self.seen = new if self.seen is None else torch.cat([self.seen, new], dim=-1)
        if self.seen is None:
            return None
        end = self.first + self.seen.shape[-1] - (0 if final else self.right)
        if end <= self.done:
            return None
        x = self.seen
        for layer in self.layers:
            x = layer(x)
        out = x[..., (self.done - self.first) * self.ratio : (end - self.first) * self.ratio]
        self.done = end
        keep = max(self.first, self.done - self.left)
        self.seen = self.seen[..., keep - self.first :]
        self.first = keep
        return out

    def snapshot(self) -> tuple[Tensor | None, int, int]:
        return self.seen, self.first, self.done

    def restore(self, state: tuple[Tensor | None, int, int]) -> None:
        self.seen, self.first, self.done = state


class EncodecStream:
    """See ``codec.CodecStream``. Nothing is written in place, so a snapshot costs nothing."""

    def __init__(self, codec: EncodecCodec, batch: int) -> None:
        self._codec, self._batch = codec, batch
        self._head = _Stretch(codec.head, codec.head_margins, 1)
        self._tail = _Stretch(codec.tail, codec.tail_margins, codec.samples_per_frame)
        self._memory: tuple[Tensor, Tensor] | None = None

    @torch.inference_mode()
    def push(self, tokens: Tensor) -> Tensor:
        """See CodecStream."""
        return self._run(self._codec.embedded(tokens), final=False)

    @torch.inference_mode()
    def flush(self) -> Tensor:
        """See CodecStream."""
        return self._run(None, final=True)

    def snapshot(self) -> object:
        """See CodecStream."""
        return self._head.snapshot(), self._tail.snapshot(), self._memory

    def restore(self, state: object) -> None:
        """See CodecStream."""
        head, tail, self._memory = cast(Any, state)
        self._head.restore(head)
        self._tail.restore(tail)

    def _run(self, vectors: Tensor | None, *, final: bool) -> Tensor:
        x = self._head.run(vectors, final)
        if x is not None:
            sequence = x.permute(2, 0, 1)
            out, self._memory = self._codec.lstm(sequence, self._memory)
            x = (out + sequence).permute(1, 2, 0)
        audio = self._tail.run(x, final)
        if audio is None:
            return torch.zeros(self._batch, 1, 0, device=self._codec.model.device)
        return audio


def load_encodec(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], n_q: int, device: torch.device | str = "cpu"
) -> EncodecCodec:
    """The configuration and tensors of an EnCodec (either naming of weight normalisation) -> the codec."""
    settings = {k: v for k, v in config.items() if k != "_name_or_path"}
    model = EncodecModel(EncodecConfig.from_dict(settings))
    state = {_current(name): tensor for name, tensor in tensors.items()}
    expected = model.state_dict()
    missing, surplus = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    wrong = [
        f"audio_encoder.{name} {list(state[name].shape)} instead of {list(t.shape)}"
        for name, t in expected.items()
        if name in state and state[name].shape != t.shape
    ]
    if missing or surplus or wrong:
        prefix = "audio_encoder."
        raise describe([prefix + n for n in missing], [prefix + n for n in surplus], wrong, "the codec")
    model.load_state_dict(state)
    return EncodecCodec(model, n_q, device)


def _current(name: str) -> str:
    """Older files name weight normalisation ``weight_g`` and ``weight_v``."""
    if name.endswith(".weight_g"):
        return name[: -len("weight_g")] + "parametrizations.weight.original0"
    if name.endswith(".weight_v"):
        return name[: -len("weight_v")] + "parametrizations.weight.original1"
    return name
