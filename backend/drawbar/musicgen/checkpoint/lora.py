"""A folder with a PEFT LoRA adapter (``adapter_config.json``, safetensors) -> changed weights of the model it names.

Merged one tensor at a time, while the model is loaded: ``W + scale * B @ A`` (Hu et al., arXiv 2106.09685). The model's
fingerprint is then that of the result, so a bank of the plain model is not taken for one of the adapted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field
from torch import Tensor

from drawbar.errors import CheckpointError, NotSupportedError
from drawbar.files.reading import shortened, typed
from drawbar.musicgen.checkpoint.weights import DECODER_PREFIXES
from drawbar.musicgen.untrusted_files import read_config, read_tensor_file

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
_PREFIX, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"

Alpha = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


@dataclass(frozen=True)
class _Config:
    """What is read of ``adapter_config.json``; a key that is not there has the value that PEFT gives it."""

    base_model_name_or_path: str | None = None
    peft_type: str = ""
    lora_alpha: Alpha = 8
    alpha_pattern: dict[str, Alpha] = field(default_factory=dict)
    use_rslora: bool = False
    use_dora: bool = False
    fan_in_fan_out: bool = False
    bias: str = "none"
    lora_bias: bool = False


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter by the names of the Hugging Face layout."""

    base: str
    """The model it was trained on: a Hub name or a folder."""
    factors: Mapping[str, tuple[Tensor, Tensor, float]]
    """Weight -> A ``[r, in]``, B ``[out, r]`` and their scale."""
    whole: Mapping[str, Tensor]
    """Weights that were trained as a whole (``modules_to_save``)."""

    def changed(self, name: str, weight: Tensor) -> Tensor:
        """A weight of the model in float32 -> the adapted one."""
        if name in self.whole:
            weight = self.whole[name].float()
        if name in self.factors:
            down, up, scale = self.factors[name]
            weight = weight + scale * (up.float() @ down.float())
        return weight

    def check(self, given: Mapping[str, Tensor]) -> None:
        """Raises CheckpointError for an adapter of another model."""
        wrong = [name for name in (*self.factors, *self.whole) if name not in given]
        wrong += [
            name
            for name, (down, up, _) in self.factors.items()
            if name in given and tuple(given[name].shape) != (up.shape[0], down.shape[1])
        ]
        wrong += [n for n, tensor in self.whole.items() if n in given and given[n].shape != tensor.shape]
        if wrong:
            raise CheckpointError(
                f"the adapter does not fit {self.base}: {shortened(', '.join(sorted(wrong)), 300)}; "
                "it was made for another model"
            )


def is_adapter(folder: Path) -> bool:
    return (folder / CONFIG_FILE).is_file() and not (folder / "config.json").is_file()


def read_adapter(folder: Path) -> Adapter:
    """Raises CheckpointError for a damaged adapter, NotSupportedError for one that is no plain LoRA of the decoder."""
    try:
        config = typed(_Config, read_config(folder / CONFIG_FILE))
    except ValueError as error:
        raise CheckpointError(
            f"{folder / CONFIG_FILE} describes no adapter ({error}): copy it again"
        ) from error
    if config.peft_type != "LORA":
        raise NotSupportedError(
            f"{folder} is a {shortened(config.peft_type)} adapter: only LORA can be merged"
        )
    odd = [
        name
        for name, is_there in (
            ("use_dora", config.use_dora),
            ("fan_in_fan_out", config.fan_in_fan_out),
            ("lora_bias", config.lora_bias),
            (f"bias={shortened(config.bias)}", config.bias != "none"),
        )
        if is_there
    ]
    if odd:
        raise NotSupportedError(f"{folder} has {', '.join(odd)}: only plain LoRA adapters can be merged")
    if not config.base_model_name_or_path:
        raise CheckpointError(
            f"{folder / CONFIG_FILE} names no model: write its name as base_model_name_or_path"
        )
    if not (folder / WEIGHTS_FILE).is_file():
        raise CheckpointError(f"{folder} holds no {WEIGHTS_FILE}: save the adapter as safetensors")
    return _named(folder, config, read_tensor_file(folder / WEIGHTS_FILE))


def _named(folder: Path, config: _Config, tensors: Mapping[str, Tensor]) -> Adapter:
    factors: dict[str, tuple[Tensor, Tensor, float]] = {}
    whole: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        place = name.removeprefix(_PREFIX)
        if place.startswith("model."):  # trained on the decoder alone
            place = f"decoder.{place}"
        if not place.startswith(DECODER_PREFIXES):
            raise NotSupportedError(
                f"{folder} changes {shortened(place)}: only the decoder's weights can be adapted"
            )
        if place.endswith(_UP):
            continue
        if not place.endswith(_DOWN):
            if "lora_" in place or not place.endswith(".weight"):
                raise NotSupportedError(f"{folder} holds {shortened(place)}: only plain LoRA can be merged")
            whole[place] = tensor
            continue
        module = place.removesuffix(_DOWN)
        up = tensors.get(name.removesuffix(_DOWN) + _UP)
        if up is None or tensor.ndim != 2 or up.ndim != 2 or up.shape[1] != tensor.shape[0]:
            raise CheckpointError(
                f"{folder}: the two halves of {shortened(module)} do not fit: copy it again"
            )
        rank = tensor.shape[0]
        alpha = next(
            (a for key, a in config.alpha_pattern.items() if module == key or module.endswith(f".{key}")),
            config.lora_alpha,
        )
        scale = alpha / (math.sqrt(rank) if config.use_rslora else rank)
        factors[f"{module}.weight"] = tensor, up, scale
    if not factors and not whole:
        raise CheckpointError(f"{folder / WEIGHTS_FILE} changes nothing: it is no adapter; copy it again")
    return Adapter(str(config.base_model_name_or_path), factors, whole)
