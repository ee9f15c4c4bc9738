"""A model's name -> its folder; a folder in either released layout -> the parts of a model.

Melody, style and stereo variants are refused by name. Nothing in a checkpoint is executed. Knows no generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from drawbar.errors import CheckpointError, NotSupportedError
from drawbar.musicgen.codec import Codec, load_codec
from drawbar.musicgen.network import Decoder
from drawbar.musicgen.prompt import TextEncoder, load_text_encoder
from drawbar.musicgen.spec import ModelSpec
from drawbar.musicgen.weights import (
    fill_decoder,
    from_audiocraft,
    from_hf,
    read_config,
    read_tensor_file,
    read_tensors,
)
from drawbar.paths import embedded_model_dir

__all__ = ["Parts", "read_folder", "resolve"]

Parts = tuple[ModelSpec, Decoder, TextEncoder | None, Codec]

CONTEXT_SECONDS = 30
"""What every released MusicGen was trained on; a configuration may say otherwise (``decoder.context_frames``)."""


def resolve(name: str | Path) -> tuple[Path, str]:
    """``"embedded"``, a folder, or a Hub name in the local cache -> the folder and what to call it.

    Raises CheckpointError that says where it looked and what to do.
    """
    if name == "embedded":
        folder = embedded_model_dir()
        if not folder.is_dir():
            raise CheckpointError(
                f"the embedded model is not at {folder}: install Drawbar again, or set DRAWBAR_ASSETS"
            )
        return folder, "embedded"
    path = Path(name).expanduser()
    if path.is_dir():
        return path, path.resolve().name
    text = str(name)
    if text.count("/") != 1 or text.startswith((".", "/", "~")):
        raise CheckpointError(
            f"{path} is not a folder: give a model folder, 'embedded', or a name like facebook/musicgen-small"
        )
    return _cached(text), text


def read_folder(folder: Path, label: str, device: torch.device) -> Parts:
    """A model folder -> its parts, in float32 on ``device``. Raises CheckpointError or NotSupportedError."""
    if (folder / "state_dict.bin").is_file():
        return _read_audiocraft(folder, label, device)
    return _read_hf(folder, label, device)


def _read_hf(folder: Path, label: str, device: torch.device) -> Parts:
    config = read_config(folder / "config.json")
    spec = _hf_spec(config, label)
    tensors = read_tensors(folder)
    known = ("decoder.", "enc_to_dec_proj.", "text_encoder.", "audio_encoder.")
    surplus = sorted(name for name in tensors if not name.startswith(known))
    if surplus:
        raise CheckpointError(
            f"{folder} holds tensors of no known part: {', '.join(surplus[:12])}; copy it again"
        )
    decoder = fill_decoder(from_hf(tensors, spec), spec, device)
    text = load_text_encoder(folder, config["text_encoder"], _part(tensors, "text_encoder."), device)
    codec = load_codec(config["audio_encoder"], _part(tensors, "audio_encoder."), spec.n_q, device)
    _check_codec(spec, codec)
    return spec, decoder, text, codec


def _hf_spec(config: Mapping[str, Any], label: str) -> ModelSpec:
    kind = config.get("model_type")
    if kind != "musicgen":
        reason = "melody variants are not supported" if kind == "musicgen_melody" else "it is no MusicGen"
        raise NotSupportedError(
            f"{label} has model_type {kind!r}: {reason}; use a mono text-to-music MusicGen"
        )
    for section in ("decoder", "text_encoder", "audio_encoder"):
        if not isinstance(config.get(section), dict):
            raise CheckpointError(f"config.json of {label} has no section {section!r}: copy the folder again")
    decoder, audio = config["decoder"], config["audio_encoder"]
    if decoder.get("audio_channels", 1) != 1:
        raise NotSupportedError(f"{label} is a stereo variant, which is not supported: use the mono one")
    if decoder.get("activation_function", "gelu") != "gelu" or decoder.get("scale_embedding", False):
        raise NotSupportedError(
            f"{label} uses an activation or embedding scale that no released MusicGen has"
        )
    books = int(decoder.get("num_codebooks", 4))
    rate = int(audio.get("sampling_rate", audio.get("sample_rate_hz", 32_000)))
    frame = int(audio.get("samples_per_frame", 0)) or _product(audio.get("upsampling_ratios", (8, 5, 4, 2)))
    try:
        return ModelSpec(
            name=label,
            d_model=int(decoder.get("hidden_size", 1024)),
            n_layers=int(decoder.get("num_hidden_layers", 24)),
            n_heads=int(decoder.get("num_attention_heads", 16)),
            d_ff=int(decoder.get("ffn_dim", 4096)),
            card=int(decoder.get("vocab_size", 2048)),
            n_q=books,
            delays=tuple(range(books)),
            frame_rate_hz=rate / frame,
            sample_rate_hz=rate,
            samples_per_frame=frame,
            context_frames=int(decoder.get("context_frames", CONTEXT_SECONDS * rate // frame)),
            text_dim=int(config["text_encoder"].get("d_model", 512)),
        )
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"config.json of {label} does not describe a MusicGen: {error}") from error


def _read_audiocraft(folder: Path, label: str, device: torch.device) -> Parts:
    package = read_tensor_file(folder / "state_dict.bin")
    state, settings = package.get("best_state"), package.get("xp.cfg")
    if not isinstance(state, dict) or not isinstance(settings, str):
        raise CheckpointError(
            f"{folder / 'state_dict.bin'} holds no best_state and xp.cfg: export it from audiocraft again"
        )
    try:
        config = yaml.safe_load(settings)
    except yaml.YAMLError as error:
        raise CheckpointError(f"xp.cfg of {folder} is not YAML: export it from audiocraft again") from error
    codec = _audiocraft_codec(folder, int(config["transformer_lm"]["n_q"]), device)
    text_config = config["conditioners"].get("description", {}).get("t5", {})
    weight = state.get("condition_provider.conditioners.description.output_proj.weight")
    spec = _audiocraft_spec(config, label, codec, 768 if weight is None else int(weight.shape[1]))
    decoder = fill_decoder(from_audiocraft(state, spec), spec, device)
    text = _audiocraft_text(folder, str(text_config.get("name", "t5-base")), device)
    _check_codec(spec, codec)
    return spec, decoder, text, codec


def _audiocraft_spec(config: Mapping[str, Any], label: str, codec: Codec, text_dim: int) -> ModelSpec:
    conditioners = set(config.get("conditioners") or {})
    lm = config["transformer_lm"]
    stereo = (config.get("interleave_stereo_codebooks") or {}).get("use", False) or config.get(
        "channels", 1
    ) != 1
    if stereo:
        raise NotSupportedError(f"{label} is a stereo variant, which is not supported: use the mono one")
    if conditioners - {"description", "args"}:
        names = ", ".join(sorted(conditioners - {"description", "args"}))
        raise NotSupportedError(
            f"{label} is conditioned on {names} (a melody or style variant): use a text-only one"
        )
    if lm.get("bias_attn") or lm.get("bias_ff") or lm.get("bias_proj") or not lm.get("norm_first", True):
        raise NotSupportedError(f"{label} has biases or norms that no released MusicGen has")
    pattern = config.get("codebooks_pattern", {})
    if pattern.get("modeling") != "delay":
        raise NotSupportedError(
            f"{label} uses codebook pattern {pattern.get('modeling')!r}: only delay is supported"
        )
    books = int(lm["n_q"])
    seconds = float((config.get("dataset") or {}).get("segment_duration", CONTEXT_SECONDS))
    return ModelSpec(
        name=label,
        d_model=int(lm["dim"]),
        n_layers=int(lm["num_layers"]),
        n_heads=int(lm["num_heads"]),
        d_ff=int(lm["dim"]) * int(lm.get("hidden_scale", 4)),
        card=int(lm["card"]),
        n_q=books,
        delays=tuple(int(d) for d in pattern.get("delay", {}).get("delays", range(books))),
        frame_rate_hz=codec.frame_rate_hz,
        sample_rate_hz=codec.sample_rate_hz,
        samples_per_frame=codec.samples_per_frame,
        context_frames=round(seconds * codec.frame_rate_hz),
        text_dim=text_dim,
    )


def _audiocraft_codec(folder: Path, n_q: int, device: torch.device) -> Codec:
    """The codec that ``compression_state_dict.bin`` names, from beside it (``codec/``) or from the local cache."""
    file = folder / "compression_state_dict.bin"
    package = read_tensor_file(file)
    name = package.get("pretrained")
    if not isinstance(name, str):
        raise NotSupportedError(
            f"{file} holds its own codec weights: only a reference to a released codec "
            "(facebook/encodec_32khz) is supported"
        )
    place = folder / "codec" if (folder / "codec").is_dir() else _cached(name)
    return load_codec(read_config(place / "config.json"), read_tensors(place), n_q, device)


def _audiocraft_text(folder: Path, name: str, device: torch.device) -> TextEncoder | None:
    """T5 from beside the checkpoint (``t5/``) or from the local cache; None (null prompts only) without it."""
    try:
        place = (
            folder / "t5"
            if (folder / "t5").is_dir()
            else _cached(name if "/" in name else f"google-t5/{name}")
        )
    except CheckpointError:
        return None
    tensors = {n: t for n, t in read_tensors(place).items() if n.startswith(("encoder.", "shared."))}
    return load_text_encoder(place, read_config(place / "config.json"), tensors, device)


def _cached(name: str) -> Path:
    """The newest local snapshot of a Hub repository."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, FileNotFoundError) as error:
        raise CheckpointError(
            f"{name} is neither a folder nor in the local Hugging Face cache: run "
            f"`hf download {name}` where there is a network, or give the path of its folder"
        ) from error


def _check_codec(spec: ModelSpec, codec: Codec) -> None:
    if codec.card != spec.card:
        raise CheckpointError(
            f"the decoder of {spec.name} speaks {spec.card} tokens per codebook, its codec {codec.card}: "
            "the folder mixes two models"
        )


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _product(ratios: Any) -> int:
    result = 1
    for ratio in ratios:
        result *= int(ratio)
    return result
