"""A folder in the Hugging Face layout (``config.json`` + safetensors) -> the parts of a model.

Sizes come from the configuration. Other families are refused by name. Knows nothing of the Hub.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from drawbar.errors import CheckpointError, NotSupportedError
from drawbar.files.json_object import JsonMapping
from drawbar.files.reading import shortened, typed
from drawbar.musicgen.checkpoint.lora import Adapter
from drawbar.musicgen.checkpoint.parts import Opened, Parts, Room, check_together, load_speaker
from drawbar.musicgen.checkpoint.weights import DECODER_PREFIXES, Keep, Mapped, fill_decoder, from_hf
from drawbar.musicgen.network.text_encoder import load_text_encoder
from drawbar.musicgen.spec import MOST_CODEBOOKS, ModelSpec
from drawbar.musicgen.untrusted_files import describe, read_config, read_tensors

CONTEXT_SECONDS = 30
"""What every released MusicGen was trained on; a configuration may say otherwise (``decoder.context_frames``)."""

Size = Annotated[int, Field(ge=1, le=1 << 20)]
"""Far beyond every model (see ``spec``)."""


@dataclass(frozen=True)
class _Decoder:
    """What is read of ``config.json``; a key that is not there has the value that transformers gives it."""

    hidden_size: Size = 1024
    num_hidden_layers: Size = 24
    num_attention_heads: Size = 16
    ffn_dim: Size = 4096
    vocab_size: Size = 2048
    num_codebooks: Annotated[int, Field(ge=1, le=MOST_CODEBOOKS)] = 4
    audio_channels: Annotated[int, Field(ge=1, le=2)] = 1
    activation_function: str = "gelu"
    scale_embedding: bool = False
    delays: tuple[int, ...] | None = None
    context_frames: Size | None = None
    change_temperature: Annotated[float, Field(allow_inf_nan=False)] | None = None
    clock_periods: Annotated[tuple[Size, ...], Field(max_length=256)] = ()


@dataclass(frozen=True)
class _Text:
    d_model: Size = 512


@dataclass(frozen=True)
class _Audio:
    sampling_rate: Size | None = None
    sample_rate_hz: Size = 32_000
    upsampling_ratios: Annotated[tuple[Size, ...], Field(min_length=1, max_length=16)] = (8, 5, 4, 2)
    samples_per_frame: Size | None = None


@dataclass(frozen=True)
class _Config:
    decoder: _Decoder
    text_encoder: _Text
    audio_encoder: _Audio
    num_chroma: Literal[12] = 12
    chroma_length: Size = 235


_FAMILIES = {
    "encodec": " (a codec: it turns sound into tokens and back)",
    "t5": " (a text encoder)",
    "clap": " (it compares sounds with words)",
    "bark": " (it speaks)",
    "stable_audio": " (a diffusion model: it makes a whole clip at once)",
}
"""What somebody might take for a MusicGen."""
_PREFIXES = (*DECODER_PREFIXES, "text_encoder.", "audio_encoder.")


def read_hf(
    folder: Path,
    label: str,
    device: torch.device,
    dtype: torch.dtype,
    room: Room,
    keep: Keep | None = None,
    adapter: Adapter | None = None,
) -> Parts:
    """The folder -> its parts on ``device``, the decoder in ``dtype``. Raises CheckpointError or NotSupportedError."""
    config = read_config(folder / "config.json")
    spec = hf_spec(config, label)
    tensors = read_tensors(folder)
    surplus = sorted(name for name in tensors if not name.startswith(_PREFIXES))
    if surplus:
        raise describe([], surplus, [], label)
    weights = _weights(tensors, spec, adapter)
    text, codec = _part(tensors, "text_encoder."), _part(tensors, "audio_encoder.")
    room(spec, _count(text), _count(codec))
    speaker = load_speaker(config["audio_encoder"], codec, spec, device)
    reader = load_text_encoder(folder, config["text_encoder"], text, device)
    check_together(spec, speaker, reader)
    decoder, digest = fill_decoder(weights, spec, device, dtype, keep)
    return Parts(spec, decoder, reader, speaker, digest)


def open_hf(folder: Path, label: str, adapter: Adapter | None = None) -> Opened:
    """The folder, looked into. Raises as ``read_hf``."""
    config = read_config(folder / "config.json")
    spec = hf_spec(config, label)
    tensors = read_tensors(folder)
    codec = load_speaker(config["audio_encoder"], _part(tensors, "audio_encoder."), spec)
    return Opened(spec, _weights(tensors, spec, adapter), codec, _count(_part(tensors, "text_encoder.")))


def _weights(tensors: Mapping[str, Tensor], spec: ModelSpec, adapter: Adapter | None) -> Mapped:
    if adapter is None:
        return from_hf(tensors, spec)
    adapter.check(tensors)
    return from_hf(tensors, spec, adapter.changed)


def hf_spec(config: JsonMapping, label: str) -> ModelSpec:
    """``config.json`` -> the sizes. Raises NotSupportedError for variants, CheckpointError for what is no MusicGen."""
    kind = shortened(config.get("model_type"))
    if kind not in ("musicgen", "musicgen_melody"):
        family = _FAMILIES.get(kind, "")
        raise NotSupportedError(
            f"{label} has model_type {kind!r}{family}: it is no MusicGen; give a MusicGen folder"
        )
    try:
        parts = typed(_Config, config)
        decoder, audio = parts.decoder, parts.audio_encoder
        if decoder.activation_function != "gelu" or decoder.scale_embedding:
            raise NotSupportedError(
                f"{label} uses an activation or embedding scale that no released MusicGen has: use a released one"
            )
        rate = audio.sampling_rate or audio.sample_rate_hz
        frame = audio.samples_per_frame or math.prod(audio.upsampling_ratios)
        return ModelSpec(
            name=label,
            d_model=decoder.hidden_size,
            n_layers=decoder.num_hidden_layers,
            n_heads=decoder.num_attention_heads,
            d_ff=decoder.ffn_dim,
            card=decoder.vocab_size,
            n_q=decoder.num_codebooks,
            channels=decoder.audio_channels,
            # Both channels of a codebook together, as transformers lays them out.
            delays=decoder.delays or tuple(k // decoder.audio_channels for k in range(decoder.num_codebooks)),
            frame_rate_hz=rate / frame,
            sample_rate_hz=rate,
            samples_per_frame=frame,
            context_frames=decoder.context_frames or CONTEXT_SECONDS * rate // frame,
            text_dim=parts.text_encoder.d_model,
            melody_frames=parts.chroma_length if kind == "musicgen_melody" else 0,
            change_temperature=decoder.change_temperature,
            clock_periods=decoder.clock_periods,
        )
    except (ValueError, ArithmeticError) as error:
        raise CheckpointError(
            f"config.json of {label} does not describe a MusicGen ({error}): copy it again"
        ) from error


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _count(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors.values())
