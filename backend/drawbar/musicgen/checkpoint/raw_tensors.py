"""A model folder -> the language model's tensors and sizes just as the file has them.

What the reference implementations are filled with, so that a fault in our own mapping cannot hide in both. Knows
nothing of our network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from drawbar.errors import CheckpointError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.musicgen.checkpoint.audiocraft_config import read_state
from drawbar.musicgen.checkpoint.audiocraft_layout import STATE_FILE
from drawbar.musicgen.checkpoint.hub import find
from drawbar.musicgen.checkpoint.lora import is_adapter, read_adapter
from drawbar.musicgen.checkpoint.resolve import layout_of, local
from drawbar.musicgen.checkpoint.weights import DECODER_PREFIXES
from drawbar.musicgen.untrusted_files import read_config, read_tensors

_SIZES = ("n_q", "card", "dim", "num_heads", "num_layers")


@dataclass(frozen=True)
class Origin:
    """One folder's language model, unmapped."""

    layout: Literal["hf", "audiocraft"]
    settings: JsonMapping
    """``config.json``'s decoder section, or the arguments of audiocraft's ``LMModel`` with ``delays``."""
    tensors: Mapping[str, Tensor]
    """Names and precision as in the file."""


def read_origin(folder: Path) -> Origin:
    """The language model of the layout that ``load_model`` reads, as stored. Raises CheckpointError."""
    if is_adapter(folder):
        adapter = read_adapter(folder)
        base = local(adapter.base)
        origin = read_origin(find(adapter.base) if base is None else base)
        changed = {name: adapter.changed(name, tensor.float()) for name, tensor in origin.tensors.items()}
        return Origin(origin.layout, origin.settings, changed)
    if layout_of(folder)[0] == "hf":
        tensors = {
            name: tensor for name, tensor in read_tensors(folder).items() if name.startswith(DECODER_PREFIXES)
        }
        return Origin("hf", read_config(folder / "config.json")["decoder"], tensors)
    package, config = read_state(folder / STATE_FILE)
    if config is None:
        raise CheckpointError(f"{folder / STATE_FILE} only names another model: give that one's folder")
    sizes: JsonObject = {name: config.number(f"transformer_lm.{name}") for name in _SIZES}
    sizes["hidden_scale"] = float(config.get("transformer_lm.hidden_scale", 4))
    sizes["delays"] = config.get("codebooks_pattern.delay.delays")
    return Origin("audiocraft", sizes, package["best_state"])
