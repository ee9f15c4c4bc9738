"""A folder in the Hugging Face layout (``config.json`` + safetensors) -> the parts of a model.

Sizes come from the configuration. Melody and stereo variants are refused by name. Knows nothing of the Hub.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from drawbar.errors import CheckpointError, NotSupportedError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.musicgen.checkpoint.parts import Opened, Parts, Room, check_together
from drawbar.musicgen.checkpoint.weights import fill_decoder, from_hf
from drawbar.musicgen.codec.interface import load_codec
from drawbar.musicgen.network.text_encoder import load_text_encoder
from drawbar.musicgen.spec import ModelSpec
from drawbar.musicgen.untrusted_files import describe, read_config, read_tensors

CONTEXT_SECONDS = 30
"""What every released MusicGen was trained on; a configuration may say otherwise (``decoder.context_frames``)."""

_PREFIXES = ("decoder.", "enc_to_dec_proj.", "text_encoder.", "audio_encoder.")


def read_hf(folder: Path, label: str, device: torch.device, dtype: torch.dtype, room: Room) -> Parts:
    """The folder -> its parts on ``device``, the decoder in ``dtype``. Raises CheckpointError or NotSupportedError."""
    config = read_config(folder / "config.json")
    spec = hf_spec(config, label)
    tensors = read_tensors(folder)
    surplus = sorted(name for name in tensors if not name.startswith(_PREFIXES))
    if surplus:
        raise describe([], surplus, [], label)
    weights = from_hf(tensors, spec)
    text, codec = _part(tensors, "text_encoder."), _part(tensors, "audio_encoder.")
    room(spec, _count(text), _count(codec))
    speaker = load_codec(config["audio_encoder"], codec, spec.n_q, device)
    reader = load_text_encoder(folder, config["text_encoder"], text, device)
    check_together(spec, speaker, reader)
    decoder, digest = fill_decoder(weights, spec, device, dtype)
    return Parts(spec, decoder, reader, speaker, digest)


def open_hf(folder: Path, label: str) -> Opened:
    """The folder, looked into. Raises as ``read_hf``."""
    config = read_config(folder / "config.json")
    spec = hf_spec(config, label)
    tensors = read_tensors(folder)
    codec = load_codec(config["audio_encoder"], _part(tensors, "audio_encoder."), spec.n_q)
    return Opened(spec, from_hf(tensors, spec), codec, _count(_part(tensors, "text_encoder.")))


def hf_spec(config: JsonMapping, label: str) -> ModelSpec:
    """``config.json`` -> the sizes. Raises NotSupportedError for variants, CheckpointError for what is no MusicGen."""
    kind = config.get("model_type")
    if kind == "musicgen_melody":
        raise NotSupportedError(
            f"{label} has model_type {kind!r}: melody and style variants are not supported; "
            "use a mono text-to-music MusicGen"
        )
    if kind != "musicgen":
        raise NotSupportedError(f"{label} has model_type {kind!r}: it is no MusicGen; give a MusicGen folder")
    found = (config.get(name) for name in ("decoder", "text_encoder", "audio_encoder"))
    sections: list[JsonObject] = [section for section in found if isinstance(section, dict)]
    if len(sections) < 3:
        raise CheckpointError(
            f"config.json of {label} lacks decoder, text_encoder or audio_encoder: copy the folder again"
        )
    decoder, text, audio = sections
    if decoder.get("audio_channels", 1) != 1:
        raise NotSupportedError(f"{label} is a stereo variant, which is not supported: use the mono one")
    if decoder.get("activation_function", "gelu") != "gelu" or decoder.get("scale_embedding", False):
        raise NotSupportedError(
            f"{label} uses an activation or embedding scale that no released MusicGen has: use a released one"
        )
    try:
        books = int(decoder.get("num_codebooks", 4))
        rate = int(audio.get("sampling_rate" if "sampling_rate" in audio else "sample_rate_hz", 32_000))
        sharper = decoder.get("change_temperature")
        ratios = audio.get("upsampling_ratios", (8, 5, 4, 2))
        frame = int(audio.get("samples_per_frame", 0)) or math.prod(int(ratio) for ratio in ratios)
        # A key that is not there has the value that transformers gives it.
        return ModelSpec(
            name=label,
            d_model=int(decoder.get("hidden_size", 1024)),
            n_layers=int(decoder.get("num_hidden_layers", 24)),
            n_heads=int(decoder.get("num_attention_heads", 16)),
            d_ff=int(decoder.get("ffn_dim", 4096)),
            card=int(decoder.get("vocab_size", 2048)),
            n_q=books,
            delays=tuple(int(n) for n in decoder.get("delays", range(books))),
            frame_rate_hz=rate / frame,
            sample_rate_hz=rate,
            samples_per_frame=frame,
            context_frames=int(decoder.get("context_frames", CONTEXT_SECONDS * rate // frame)),
            text_dim=int(text.get("d_model", 512)),
            change_temperature=None if sharper is None else float(sharper),
        )
    except (TypeError, ValueError, ArithmeticError) as error:
        raise CheckpointError(
            f"config.json of {label} does not describe a MusicGen ({error}): copy it again"
        ) from error


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _count(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors.values())
