"""A checkpoint folder in either released layout <-> our decoder's weights, tensor by tensor.

Files stay data: safetensors, or ``torch.load(weights_only=True)``. Missing, surplus and mis-shaped tensors are listed
by name. Knows nothing of T5, the codec or generation.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import Tensor, nn

from drawbar.errors import BadInputError, CheckpointError
from drawbar.musicgen.names import Names, audiocraft_names, hf_names
from drawbar.musicgen.network import Decoder
from drawbar.musicgen.spec import ModelSpec

__all__ = [
    "describe",
    "fill_decoder",
    "fingerprint",
    "from_audiocraft",
    "from_hf",
    "read_config",
    "read_tensor_file",
    "read_tensors",
    "save_hf",
    "to_audiocraft",
    "to_hf",
]

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "spiece.model")


def from_hf(tensors: Mapping[str, Tensor], spec: ModelSpec) -> dict[str, Tensor]:
    """The ``decoder.*`` and ``enc_to_dec_proj.*`` tensors of a Hugging Face checkpoint -> ours, float32.

    A checkpoint whose text states are already D wide may leave ``enc_to_dec_proj`` out: it is then the identity.
    Raises CheckpointError listing what is missing, surplus or of the wrong shape.
    """
    given = {name: t for name, t in tensors.items() if name.startswith(("decoder.", "enc_to_dec_proj."))}
    # Older files store the sinusoidal table; it is computed here.
    given.pop("decoder.model.decoder.embed_positions.weights", None)
    if spec.text_dim == spec.d_model and "enc_to_dec_proj.weight" not in given:
        given["enc_to_dec_proj.weight"] = torch.eye(spec.d_model)
        given["enc_to_dec_proj.bias"] = torch.zeros(spec.d_model)
    return _gathered(given, hf_names(spec), spec)


def from_audiocraft(tensors: Mapping[str, Tensor], spec: ModelSpec) -> dict[str, Tensor]:
    """The tensors of audiocraft's ``LMModel`` (``best_state``) -> ours, float32. Raises CheckpointError as above."""
    given: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith("cross_attention.in_proj_weight") and tensor.shape[0] == 3 * spec.d_model:
            given[f"{name}:q"], given[f"{name}:kv"] = tensor[: spec.d_model], tensor[spec.d_model :]
        else:
            given[name] = tensor
    return _gathered(given, audiocraft_names(spec), spec)


def to_hf(decoder: Decoder) -> dict[str, Tensor]:
    """Our decoder's weights under their Hugging Face names (contiguous copies, same precision)."""
    state = decoder.state_dict()
    tensors: dict[str, Tensor] = {}
    for ours, theirs in hf_names(decoder.spec).items():
        for name, part in zip(theirs, state[ours].chunk(len(theirs)), strict=True):
            tensors[name] = part.detach().cpu().contiguous().clone()
    return tensors


def to_audiocraft(decoder: Decoder) -> dict[str, Tensor]:
    """Our decoder's weights under the names of audiocraft's ``LMModel`` (contiguous copies, same precision)."""
    state = decoder.state_dict()
    tensors: dict[str, Tensor] = {}
    for ours, theirs in audiocraft_names(decoder.spec).items():
        for name, part in zip(theirs, state[ours].chunk(len(theirs)), strict=True):
            tensors[name] = part.detach().cpu().contiguous().clone()
    for query in [name for name in tensors if name.endswith(":q")]:
        name = query[: -len(":q")]
        tensors[name] = torch.cat([tensors.pop(query), tensors.pop(f"{name}:kv")])
    return tensors


def save_hf(
    folder: Path,
    spec: ModelSpec,
    decoder: Decoder,
    text_encoder: nn.Module,
    tokenizer: Path,
    codec: nn.Module,
    *,
    extra: Mapping[str, object] | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Writes a model folder in the Hugging Face MusicGen layout: config.json, model.safetensors, the tokenizer.

    ``text_encoder`` is a transformers ``T5EncoderModel``; ``tokenizer`` a tokenizer.json or a folder that holds one;
    ``codec`` a ``SpectralCodec``, an ``EncodecCodec``'s model or an ``EncodecCodec``. Beyond the released layout,
    ``decoder.context_frames`` is written, and ``audio_encoder`` may be a ``drawbar_spectral`` section. ``extra`` is
    stored as ``config.json["drawbar"]``. Files are complete or absent. Raises BadInputError without a tokenizer.
    """
    codec = getattr(codec, "model", codec)
    tensors = to_hf(decoder)
    for prefix, module in (("text_encoder", text_encoder), ("audio_encoder", codec)):
        for name, tensor in module.state_dict().items():
            # Tied to text_encoder.shared.weight: stored once.
            if f"{prefix}.{name}" != "text_encoder.encoder.embed_tokens.weight":
                tensors[f"{prefix}.{name}"] = tensor.detach().cpu().contiguous().clone()
    tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
    config = {
        "model_type": "musicgen",
        "architectures": ["MusicgenForConditionalGeneration"],
        "is_encoder_decoder": True,
        "text_encoder": _section(text_encoder),
        "audio_encoder": _section(codec),
        "decoder": {
            "model_type": "musicgen_decoder",
            "hidden_size": spec.d_model,
            "num_hidden_layers": spec.n_layers,
            "num_attention_heads": spec.n_heads,
            "ffn_dim": spec.d_ff,
            "vocab_size": spec.card,
            "num_codebooks": spec.n_q,
            "max_position_embeddings": max(2048, spec.max_steps),
            "activation_function": "gelu",
            "audio_channels": 1,
            "pad_token_id": spec.card,
            "bos_token_id": spec.card,
            "context_frames": spec.context_frames,
        },
        "drawbar": {"format": 1, **(extra or {})},
    }
    source = tokenizer if tokenizer.is_dir() else tokenizer.parent
    files = [source / name for name in TOKENIZER_FILES if (source / name).is_file()]
    if not (source / "tokenizer.json").is_file():
        raise BadInputError(f"{source} holds no tokenizer.json: the model could not read prompts without it")
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if file.parent.resolve() != folder.resolve():
            _replace(folder / file.name, file.read_bytes())
    _replace(folder / "model.safetensors", serialise(tensors, metadata={"format": "pt"}))
    _replace(folder / "config.json", (json.dumps(config, indent=2, default=str) + "\n").encode())


def fill_decoder(state: Mapping[str, Tensor], spec: ModelSpec, device: torch.device | str = "cpu") -> Decoder:
    """Mapped weights -> a decoder in evaluation mode that needs no gradients."""
    with torch.device("meta"):
        empty = Decoder(spec)
    decoder = empty.to_empty(device=device)
    decoder.restore_buffers()
    decoder.load_state_dict({name: tensor.to(device) for name, tensor in state.items()})
    return decoder.eval().requires_grad_(False)


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over the language model's mapped tensors (name, then float32 bytes), sorted by name; no buffers.

    The same for both layouts of the same weights and for a half-precision file of half-precision weights.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()


def read_config(path: Path) -> dict[str, Any]:
    """A JSON object from ``path``. Raises CheckpointError if it is missing or damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} is missing: a model folder needs it; copy the whole folder again"
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}): copy it again") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds a {type(values).__name__}, not an object: copy it again")
    return values


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a Hugging Face folder (one safetensors file, shards, or a ``.bin`` read as plain data)."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        files = [single]
    elif index.is_file():
        files = [folder / name for name in _shards(index)]
    elif (folder / "pytorch_model.bin").is_file():
        files = [folder / "pytorch_model.bin"]
    else:
        raise CheckpointError(
            f"{folder} holds no model.safetensors: it is not a model folder, or a copy was cut off"
        )
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors.update(read_tensor_file(file))
    return tensors


def read_tensor_file(file: Path) -> dict[str, Any]:
    """A safetensors file or a ``.bin`` file as plain data; code inside a pickle is refused, never run."""
    try:
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{file} is missing: copy the whole folder again") from None
    except (SafetensorError, OSError, EOFError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{file} is damaged or cut off ({error}): copy or download it again") from error
    except Exception as error:  # pickle's own errors have no common class; nothing was executed
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{file} holds more than tensors and was not opened ({reason})") from error
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{file} holds a {type(loaded).__name__}, not named tensors")
    return loaded


def describe(
    missing: list[str], surplus: list[str], mis_shaped: list[str], what: str = "the decoder"
) -> CheckpointError:
    """One error that lists by name what does not fit."""

    def line(title: str, names: list[str]) -> str:
        shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        return f"{title}: {shown}"

    groups = (("missing", missing), ("surplus", surplus), ("of the wrong shape", mis_shaped))
    found = "; ".join(line(title, names) for title, names in groups if names)
    return CheckpointError(
        f"the tensors of {what} do not match its configuration. {found}. Copy the folder again"
    )


def _section(module: nn.Module) -> dict[str, object]:
    """A part's configuration as plain JSON values."""
    config: Any = module.config
    return dict(json.loads(json.dumps(config.to_dict(), default=str)))


def _replace(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name and renames it."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _shards(index: Path) -> list[str]:
    mapping = read_config(index).get("weight_map")
    names = sorted(set(mapping.values())) if isinstance(mapping, dict) else []
    if not names or any(not isinstance(n, str) or Path(n).name != n for n in names):
        raise CheckpointError(f"{index} names no shard files, or files outside its folder: copy it again")
    return names


def _gathered(given: Mapping[str, Tensor], names: Names, spec: ModelSpec) -> dict[str, Tensor]:
    with torch.device("meta"):
        shapes = {name: tuple(p.shape) for name, p in Decoder(spec).state_dict().items()}
    wanted = {theirs for group in names.values() for theirs in group}
    missing = sorted(wanted - given.keys())
    surplus = sorted(given.keys() - wanted)
    mis_shaped = []
    for ours, group in names.items():
        part = (shapes[ours][0] // len(group), *shapes[ours][1:])
        if ours.endswith("cross_kv.weight"):
            part = (2 * spec.d_model // len(group), spec.d_model)
        for theirs in group:
            if theirs in given and tuple(given[theirs].shape) != part:
                mis_shaped.append(f"{theirs} {list(given[theirs].shape)} instead of {list(part)}")
    if missing or surplus or mis_shaped:
        raise describe(missing, surplus, mis_shaped)
    return {ours: torch.cat([given[name].float() for name in group]) for ours, group in names.items()}
