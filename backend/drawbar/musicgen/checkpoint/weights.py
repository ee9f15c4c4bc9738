"""The tensors of either released layout <-> our decoder's weights, one tensor at a time.

Missing, surplus and mis-shaped tensors are listed by name. Knows nothing of T5, the codec or generation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialise
from torch import Tensor, nn

from drawbar.errors import BadInputError, CheckpointError
from drawbar.files.atomic_write import atomic
from drawbar.musicgen.checkpoint.page_out import page_out
from drawbar.musicgen.checkpoint.tensor_names import Names, audiocraft_names, hf_names
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.meta_init import blank
from drawbar.musicgen.spec import ModelSpec
from drawbar.musicgen.untrusted_files import describe

DECODER_PREFIXES = ("decoder.", "enc_to_dec_proj.", "audio_enc_to_dec_proj.")
"""What belongs to the language model in the Hugging Face layout."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "spiece.model")


Change = Callable[[str, Tensor], Tensor]
"""The checkpoint's name of a tensor and its float32 values -> other values."""
Keep = Callable[[str, Tensor], bool]
"""Told our name of a tensor and its float32 values -> whether it has taken them."""


class Mapped(Mapping[str, Tensor]):
    """Our names -> tensors in float32, each put together from a checkpoint's when it is asked for.

    So a model is loaded with the memory of one tensor beyond its own: what was read goes back (``page_out``).
    Raises CheckpointError that lists what is missing, surplus or of the wrong shape.
    """

    def __init__(
        self, given: Mapping[str, Tensor], names: Names, spec: ModelSpec, change: Change | None = None
    ) -> None:
        """``change`` is what an adapter makes of each of the checkpoint's tensors."""
        _check(given, names, spec)
        self._given, self._names, self._change = given, names, change

    def __getitem__(self, name: str) -> Tensor:
        given = [self._given[theirs] for theirs in self._names[name]]
        values = [tensor.float() for tensor in given]
        if self._change is not None:
            values = [
                self._change(theirs, value) for theirs, value in zip(self._names[name], values, strict=True)
            ]
        found = torch.cat(values)
        for tensor in given:
            page_out(tensor)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def theirs(self, name: str) -> str:
        """What the checkpoint calls one of our tensors."""
        return ", ".join(self._names[name])


def from_hf(tensors: Mapping[str, Tensor], spec: ModelSpec, change: Change | None = None) -> Mapped:
    """The ``decoder.*`` and ``enc_to_dec_proj.*`` tensors of a Hugging Face checkpoint -> ours, float32.

    A checkpoint whose text states are already D wide may leave ``enc_to_dec_proj`` out: it is then the identity.
    Raises CheckpointError listing what is missing, surplus or of the wrong shape.
    """
    given = {name: t for name, t in tensors.items() if name.startswith(DECODER_PREFIXES)}
    # Older files store the sinusoidal table; it is computed here.
    given.pop("decoder.model.decoder.embed_positions.weights", None)
    if spec.text_dim == spec.d_model and "enc_to_dec_proj.weight" not in given:
        given["enc_to_dec_proj.weight"] = torch.eye(spec.d_model)
        given["enc_to_dec_proj.bias"] = torch.zeros(spec.d_model)
    return Mapped(given, hf_names(spec), spec, change)


def from_audiocraft(tensors: Mapping[str, Tensor], spec: ModelSpec) -> Mapped:
    """The tensors of audiocraft's ``LMModel`` (``best_state``) -> ours, float32. Raises CheckpointError as above."""
    given: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith("cross_attention.in_proj_weight") and tensor.ndim:
            given[f"{name}:q"], given[f"{name}:kv"] = tensor[: spec.d_model], tensor[spec.d_model :]
        elif not name.startswith("condition_provider.conditioners.self_wav.chroma."):  # computed, not learned
            given[name] = tensor
    return Mapped(given, audiocraft_names(spec), spec)


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
    ``codec`` one of our own codecs, an ``EncodecCodec``'s model or an ``EncodecCodec``. Beyond the released layout,
    ``context_frames``, ``delays``, ``change_temperature`` and ``clock_periods`` are written beside the decoder's
    sizes, and ``audio_encoder`` may be one of our own codecs'. ``extra`` is stored as ``config.json["drawbar"]``.
    Files are complete or absent. Raises BadInputError without a tokenizer.
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
            "audio_channels": spec.channels,
            "pad_token_id": spec.card,
            "bos_token_id": spec.card,
            "context_frames": spec.context_frames,
            "delays": list(spec.delays),
            "change_temperature": spec.change_temperature,
            "clock_periods": list(spec.clock_periods),
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


def fill_decoder(
    state: Mapped,
    spec: ModelSpec,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    keep: Keep | None = None,
) -> tuple[Decoder, str]:
    """Mapped weights -> a decoder in evaluation mode that needs no gradients, and its ``fingerprint``.

    ``keep`` is offered every tensor; what it takes (it packs it, say) is left empty in the decoder.

    The fingerprint is that of the float32 weights, whatever ``dtype`` they are kept in. Raises CheckpointError that
    names a tensor with numbers that are not finite.
    """
    decoder, digest = blank(lambda: Decoder(spec)), hashlib.sha256()
    places: dict[str, Tensor] = {}
    for name in sorted(state):
        tensor = state[name]
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"{state.theirs(name)} holds numbers that are not finite: the file is damaged; copy it again"
            )
        _add(digest, name, tensor)
        taken = keep is not None and keep(name, tensor)
        places[name] = torch.empty(0 if taken else tensor.shape, dtype=dtype, device=device)
        if not taken:
            places[name].copy_(tensor)
    for name, place in places.items():
        owner, _, kind = name.rpartition(".")
        setattr(decoder.get_submodule(owner), kind, nn.Parameter(place, requires_grad=False))
    for module in decoder.modules():  # what a melody model does not have
        for kind, parameter in list(module.named_parameters(recurse=False)):
            if parameter.is_meta:
                setattr(module, kind, nn.Parameter(torch.empty(parameter.shape, dtype=dtype, device=device)))
    decoder.restore_buffers()
    return decoder.eval().requires_grad_(False), digest.hexdigest()


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over the language model's mapped tensors (name, then float32 bytes), sorted by name; no buffers.

    The same for both layouts of the same weights and for a half-precision file of half-precision weights.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        _add(digest, name, state[name])
    return digest.hexdigest()


def _add(digest: hashlib._Hash, name: str, tensor: Tensor) -> None:
    digest.update(name.encode())
    values: Any = tensor.detach().to("cpu", torch.float32).contiguous().numpy()
    if values.size:  # a memoryview of nothing cannot be cast
        digest.update(memoryview(values).cast("B"))


def _section(module: nn.Module) -> dict[str, object]:
    """A part's configuration as plain JSON values."""
    config: Any = module.config
    return dict(json.loads(json.dumps(config.to_dict(), default=str)))


def _replace(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name and renames it."""
    with atomic(path) as partial:
        partial.write_bytes(content)


def _check(given: Mapping[str, Tensor], names: Names, spec: ModelSpec) -> None:
    shapes = {name: tuple(p.shape) for name, p in blank(lambda: Decoder(spec)).state_dict().items()}
    wanted = {theirs for group in names.values() for theirs in group}
    missing = sorted(wanted - given.keys())
    surplus = sorted(given.keys() - wanted)
    mis_shaped = []
    for ours, group in names.items():
        part = (shapes[ours][0] // len(group), *shapes[ours][1:])
        for theirs in group:
            if theirs in given and tuple(given[theirs].shape) != part:
                mis_shaped.append(f"{theirs} {list(given[theirs].shape)} instead of {list(part)}")
    if missing or surplus or mis_shaped:
        raise describe(missing, surplus, mis_shaped)
