"""A model's name -> what is known of it without loading it: layout, size, licence, fingerprint, memory needed.

Knows nothing of playing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from drawbar.errors import CheckpointError, DrawbarError
from drawbar.musicgen.checkpoint import hub
from drawbar.musicgen.checkpoint.audiocraft_layout import audiocraft_variant
from drawbar.musicgen.checkpoint.hf_layout import hf_spec
from drawbar.musicgen.checkpoint.memory_needed import (
    CODEC_PARAMETERS,
    PRECISIONS,
    T5_PARAMETERS,
    Need,
    needed,
    parameters,
    released_spec,
)
from drawbar.musicgen.checkpoint.resolve import layout_of, local, open_folder
from drawbar.musicgen.checkpoint.weights import fingerprint
from drawbar.musicgen.codec.interface import Codec
from drawbar.musicgen.spec import ModelSpec
from drawbar.musicgen.untrusted_files import read_config


@dataclass(frozen=True)
class Glance:
    """One line of a list."""

    layout: str
    bytes: int
    """On disk."""
    licence: hub.Licence
    refused: str
    """Why it would not load, as far as its configuration says; empty for a model that should."""


@dataclass(frozen=True)
class About:
    """Everything that can be said of a model without playing it."""

    spec: ModelSpec
    folder: Path
    layout: str
    licence: hub.Licence
    fingerprint: str
    codec_fingerprint: str
    parameters: int
    """Of the decoder."""
    text: int
    codec: int
    memory: dict[str, Need]
    """By precision, for takes of the whole context with guidance."""
    notes: tuple[str, ...]


def glance(name: str) -> Glance | None:
    """A model on this machine, at a glance; None for what is no MusicGen (a T5 of its own, say)."""
    folder = local(name)
    if folder is None or not folder.is_dir():
        return None
    refused = ""
    try:
        layout, _ = layout_of(folder)
        config = read_config(folder / "config.json") if layout == "hf" else {}
    except CheckpointError:
        return None
    if layout == "lora" or (layout == "hf" and not str(config.get("model_type", "")).startswith("musicgen")):
        return None
    try:
        if layout == "hf":
            hf_spec(config, name)
        else:
            audiocraft_variant(folder, name)
    except DrawbarError as error:
        refused = str(error)
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    return Glance(layout, size, licence_of(name, folder), refused)


def inspect(name: str) -> About:
    """Reads all of a model's weights once, without keeping them.

    Raises CheckpointError for a model that is not here or does not fit together, NotSupportedError for a variant.
    """
    folder = local(name) or hub.find(name)
    layout, _ = layout_of(folder)
    opened = open_folder(folder, name if name == "embedded" or "/" in name else folder.resolve().name)
    codec = _size(opened.codec)
    needs = {
        precision: needed(opened.spec, precision, text=opened.text, codec=codec) for precision in PRECISIONS
    }
    return About(
        opened.spec,
        folder,
        layout,
        licence_of(name, folder),
        fingerprint(opened.weights),
        opened.codec.fingerprint,
        sum(parameters(opened.spec)),
        opened.text,
        codec,
        needs,
        opened.notes,
    )


def sizes_of(name: str) -> tuple[ModelSpec, int, int]:
    """A model's sizes, and the parameters of its text encoder and codec; of a released one that is not here, too.

    The decoder's weights are not read. Raises CheckpointError, NotSupportedError.
    """
    released, folder = released_spec(name), local(name)
    if folder is None and released is not None:
        return replace(released, name=name), T5_PARAMETERS, CODEC_PARAMETERS
    opened = open_folder(folder or hub.find(name), name)
    return opened.spec, opened.text, _size(opened.codec)


def licence_of(name: str, folder: Path) -> hub.Licence:
    """The embedded model's own licence, or what the folder's README says."""
    return hub.Licence("apache-2.0") if name == "embedded" else hub.licence_of(folder)


def _size(codec: Codec) -> int:
    module = getattr(codec, "model", codec)
    tensors = (*module.parameters(), *module.buffers()) if isinstance(module, nn.Module) else ()
    return sum(tensor.numel() for tensor in tensors)
