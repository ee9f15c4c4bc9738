"""Audio and words -> unit vectors in one space, by CLAP (Wu et al. 2023, arXiv 2211.06687).

Weights: a folder or Hub name in the Hugging Face layout (``laion/larger_clap_music``), or a ``.pt`` file as LAION
publishes them. Both run through transformers' ClapModel: the laion_clap package asks the network when it is imported
and unpickles its weights, so it is not used.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drawbar.errors import BadInputError, CheckpointError
from drawbar.files.json_object import JsonObject

CLAP_RATE_HZ = 48_000
_BATCH = 8
_TEXT_TOKENS = 77
_TEXT_MODEL = "roberta-base"  # whose tokenizer LAION's text encoder was trained with
Audio = NDArray[np.float32]
Progress = Callable[[int, int, str], None]


class Embedder(Protocol):
    """Puts audio and words into one space."""

    def embed_audio(self, stretches: Sequence[Audio], rate_hz: int) -> Tensor:
        """Mono stretches of at most 10 s -> unit rows float32 [N, D]."""
        ...

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Texts -> unit rows float32 [V, D]."""
        ...


class ClapEmbedder:
    """CLAP's two encoders."""

    def __init__(self, model: Any, tokenizer: Any, extractor: Any, device: str = "cpu") -> None:
        self._model = model.to(device).eval()
        self._tokenizer, self._extractor, self._device = tokenizer, extractor, device

    @torch.no_grad()
    def embed_audio(self, stretches: Sequence[Audio], rate_hz: int) -> Tensor:
        """Mono stretches of at most 10 s -> unit rows float32 [N, D]."""
        import soxr

        most = 10 * CLAP_RATE_HZ  # longer audio would be cropped at random
        rows = []
        for start in range(0, len(stretches), _BATCH):
            part = [
                soxr.resample(x, rate_hz, CLAP_RATE_HZ).astype(np.float32)[:most]
                for x in stretches[start : start + _BATCH]
            ]
            given = self._extractor(part, sampling_rate=CLAP_RATE_HZ, return_tensors="pt").to(self._device)
            rows.append(_vectors(self._model.get_audio_features(**given)))
        return torch.cat(rows)

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Texts -> unit rows float32 [V, D]."""
        rows = []
        for start in range(0, len(texts), 64):
            given = self._tokenizer(
                list(texts[start : start + 64]),
                padding=True,
                truncation=True,
                max_length=_TEXT_TOKENS,
                return_tensors="pt",
            ).to(self._device)
            wanted = {name: given[name] for name in ("input_ids", "attention_mask")}
            rows.append(_vectors(self._model.get_text_features(**wanted)))
        return torch.cat(rows)


def _vectors(found: Any) -> Tensor:
    """A model's answer, a tensor or a record with one -> unit rows on the CPU."""
    rows: Tensor = found if isinstance(found, Tensor) else found.pooler_output
    return functional.normalize(rows.float(), dim=-1).cpu()


def load_clap(source: str, device: str = "cpu", progress: Progress | None = None) -> ClapEmbedder:
    """A folder, a Hub name (downloaded with progress when it is not here yet) or a ``.pt`` file -> the encoders.

    Raises CheckpointError.
    """
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    from drawbar.musicgen.checkpoint import hub

    path = Path(source).expanduser()
    plain: JsonObject = {"truncation": "rand_trunc", "padding": "repeatpad"}
    try:
        if path.suffix == ".pt":
            text = hub.cached(_TEXT_MODEL) or hub.fetch(_TEXT_MODEL, progress)
            tokenizer = AutoTokenizer.from_pretrained(text, local_files_only=True)
            return ClapEmbedder(_from_laion(path), tokenizer, ClapFeatureExtractor(**plain), device)
        folder = path if path.is_dir() else hub.cached(source) or hub.fetch(source, progress)
        model = ClapModel.from_pretrained(folder, local_files_only=True, use_safetensors=_safe(folder))
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        there = (folder / "preprocessor_config.json").is_file()
        extractor = (
            ClapFeatureExtractor.from_pretrained(folder, local_files_only=True)
            if there
            else ClapFeatureExtractor(**plain)
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"CLAP weights {source!r} cannot be loaded ({str(error).splitlines()[0][:200]}); give a folder, a Hub "
            "name such as laion/larger_clap_music, or LAION's .pt file"
        ) from error
    return ClapEmbedder(model, tokenizer, extractor, device)


def _safe(folder: Path) -> bool:
    """Only safetensors are read, except where there are none: then transformers reads tensors only."""
    return any(folder.glob("*.safetensors"))


_SCALARS: list[Any] = [np.dtype, np.float64(0).__reduce__()[0], type(np.dtype(np.float64))]
"""What a training state may hold beside tensors: numbers."""

_RENAMED = (
    ("text_branch", "text_model"),
    ("audio_branch", "audio_model.audio_encoder"),
    ("attn", "attention.self"),
    ("self.proj", "output.dense"),
    ("attention.self_mask", "attn_mask"),
    ("mlp.fc1", "intermediate.dense"),
    ("mlp.fc2", "output.dense"),
    ("norm1", "layernorm_before"),
    ("norm2", "layernorm_after"),
    ("bn0", "batch_norm"),
)


def _from_laion(path: Path) -> Any:
    """LAION's state (HTSAT-tiny and RoBERTa, with or without fusion) in transformers' names; never unpickles code."""
    from transformers import ClapConfig, ClapModel

    try:
        with torch.serialization.safe_globals(_SCALARS):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling raises many kinds
        raise CheckpointError(
            f"{path} cannot be read as plain tensors ({type(error).__name__}); use the safetensors release, "
            "laion/larger_clap_music"
        ) from error
    state = found.get("state_dict", found)
    state = {name.removeprefix("module."): value for name, value in state.items()}
    fusion = any("fusion_model" in name for name in state)
    model = ClapModel(ClapConfig(audio_config={"enable_fusion": fusion}))
    missing, _ = model.load_state_dict(_renamed(state), strict=False)
    lost = [
        name
        for name in missing
        if not re.search("position_ids|token_type_ids|relative_position_index|attn_mask", name)
    ]
    if lost:
        raise CheckpointError(
            f"{path} is no CLAP of the HTSAT-tiny size: {len(lost)} tensors such as {lost[0]}"
        )
    return model


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for name, value in state.items():
        for old, new in _RENAMED:
            name = name.replace(old, new)
        name = re.sub(r"sequential\.(\d+)\.", lambda m: f"layers.{int(m[1]) // 3}.linear.", name)
        name = re.sub(
            r"(_projection|_transform)\.(\d)\.", lambda m: f"{m[1]}.linear{1 if m[2] == '0' else 2}.", name
        )
        if "audio" in name and "qkv" in name:
            for part, piece in zip(("query", "key", "value"), value.chunk(3), strict=True):
                out[name.replace("qkv", part)] = piece.clone()
        else:
            out[name] = value
    return out


def weights_key(source: str) -> list[object]:
    """What tells one set of weights from another, without loading them: names and sizes of the files."""
    path = Path(source).expanduser()
    if path.is_file():
        return [path.name, path.stat().st_size]
    if path.is_dir():
        names = sorted(p for p in path.iterdir() if p.suffix in (".safetensors", ".bin", ".json"))
        return [[p.name, p.stat().st_size] for p in names]
    return [source]


def read_vocabulary(path: Path | None = None) -> list[str]:
    """One term a line, ``#`` starts a comment -> the terms, without repetitions; None: the one that ships."""
    source = path if path is not None else Path(__file__).with_name("vocabulary.txt")
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"vocabulary {source} cannot be read ({error}); one term a line, UTF-8"
        ) from error
    terms = list(dict.fromkeys(text for row in lines if (text := " ".join(row.partition("#")[0].split()))))
    if len(terms) < 4:
        raise BadInputError(f"vocabulary {source} has {len(terms)} terms; give at least 4 to choose among")
    return terms
