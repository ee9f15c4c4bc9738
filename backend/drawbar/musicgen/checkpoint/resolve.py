"""A model's name -> its folder; a folder in either released layout -> the parts of a model.

Nothing in a checkpoint is executed. Knows no generation.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from drawbar.errors import CheckpointError
from drawbar.musicgen.checkpoint.audiocraft_layout import (
    CODEC_FILE,
    STATE_FILE,
    open_audiocraft,
    read_audiocraft,
)
from drawbar.musicgen.checkpoint.hf_layout import open_hf, read_hf
from drawbar.musicgen.checkpoint.lora import Adapter, is_adapter, read_adapter
from drawbar.musicgen.checkpoint.parts import Opened, Parts, Room
from drawbar.musicgen.checkpoint.weights import Keep
from drawbar.musicgen.untrusted_files import weight_files
from drawbar.paths import embedded_model_dir

if TYPE_CHECKING:
    from drawbar.musicgen.checkpoint.download import Progress


def resolve(name: str | Path, progress: Progress | None = None) -> tuple[Path, str]:
    """``"embedded"``, a folder, or a Hub name (from the local cache, else downloaded) -> the folder and its label.

    A Hub name may end in ``@REVISION`` (a commit, a branch or a tag), which is no part of the label.
    ``progress`` hears of bytes while something is downloaded. Raises CheckpointError that says where it looked and
    what to do.
    """
    if name == "embedded":
        folder = embedded_model_dir()
        if not folder.is_dir():
            raise CheckpointError(
                f"the embedded model is not at {folder}: install Drawbar again, or set DRAWBAR_ASSETS"
            )
        return folder, "embedded"
    here = local(name)
    if here is not None:
        return here, here.resolve().name if Path(name).expanduser().is_dir() else _label(name)
    from drawbar.musicgen.checkpoint import hub

    return hub.fetch(str(name), progress), _label(name)


def _label(name: str | Path) -> str:
    return str(name).partition("@")[0]


def source_of(folder: Path) -> str:
    """``owner/name@COMMIT`` of a snapshot in a Hub's cache; empty for any other folder."""
    store = folder.parent.parent.name.split("--")
    pinned = (
        re.fullmatch(r"[0-9a-f]{40}", folder.name)
        and folder.parent.name == "snapshots"
        and store[0] == "models"
    )
    return f"{'/'.join(store[1:])}@{folder.name}" if pinned else ""


def local(name: str | Path) -> Path | None:
    """The folder of a model that is on this machine; None for a Hub name that would have to be downloaded.

    Raises CheckpointError for what is neither a folder nor such a name.
    """
    if name == "embedded":
        return embedded_model_dir()
    path, text = Path(name).expanduser(), str(name)
    if path.is_dir():
        return path
    if text.count("/") != 1 or text.startswith((".", "/", "~")):
        raise CheckpointError(
            f"{path} is not a folder: give a model folder, 'embedded', or a name like facebook/musicgen-small"
        )
    from drawbar.musicgen.checkpoint import hub

    return hub.cached(text)


def layout_of(folder: Path) -> tuple[str, str]:
    """``"hf"`` or ``"audiocraft"``, and a note where the folder holds both (the released ones do).

    The Hugging Face files are chosen where they are complete: they bring T5 and the codec along, as safetensors
    mostly. ``"lora"`` is an adapter, which names the model that it changes. Raises CheckpointError for a folder that
    holds none of them.
    """
    if is_adapter(folder):
        return "lora", ""
    transformers = (folder / "config.json").is_file()
    files = weight_files(folder) if transformers else []
    audiocraft = (folder / STATE_FILE).is_file()
    if files and all(file.is_file() for file in files):
        note = f"read {files[0].name}; {STATE_FILE} beside it holds the same model and was left alone"
        return "hf", note if audiocraft else ""
    if audiocraft:
        note = f"read {STATE_FILE}; the weights that belong to config.json are not all here"
        return "audiocraft", note if transformers else ""
    if transformers or (folder / "model.safetensors").is_file():
        return "hf", ""
    if (folder / CODEC_FILE).is_file():
        raise CheckpointError(f"{folder} holds {CODEC_FILE} but no {STATE_FILE}: copy the whole folder again")
    raise CheckpointError(
        f"{folder} holds neither config.json nor {STATE_FILE}: it is not a model folder, or a copy was cut off"
    )


def read_folder(
    folder: Path,
    label: str,
    device: torch.device,
    room: Room,
    dtype: torch.dtype = torch.float32,
    keep: Keep | None = None,
) -> Parts:
    """A model folder -> its parts on ``device``, the decoder in ``dtype``; ``room`` is asked before much is read,
    ``keep`` is offered the decoder's tensors (see ``weights.fill_decoder``).

    Raises CheckpointError or NotSupportedError.
    """
    place, adapter, layout, note = _with_adapter(folder)
    if layout == "hf":
        parts = read_hf(place, label, device, dtype, room, keep, adapter)
    else:
        parts = read_audiocraft(folder, label, device, dtype, room, _elsewhere, keep)
    return replace(parts, notes=(note, *parts.notes)) if note else parts


def _with_adapter(folder: Path) -> tuple[Path, Adapter | None, str, str]:
    """The model's folder, what an adapter in ``folder`` makes of it, its layout and a note."""
    if not is_adapter(folder):
        return folder, None, *layout_of(folder)
    adapter = read_adapter(folder)
    base = local(adapter.base)
    if base is None:
        raise CheckpointError(
            f"{folder} adapts {adapter.base}, which is not on this machine: run `drawbar model get {adapter.base}`"
        )
    layout, _ = layout_of(base)
    if layout != "hf":
        raise CheckpointError(
            f"{folder} adapts {adapter.base}, which is here in audiocraft's layout only: get it with --layout hf"
        )
    count = len(adapter.factors) + len(adapter.whole)
    return (
        base,
        adapter,
        layout,
        f"{adapter.base} with {count} weights changed by the adapter in {folder.name}",
    )


def open_folder(folder: Path, label: str) -> Opened:
    """A model folder, looked into without loading its decoder. Raises CheckpointError or NotSupportedError."""
    place, adapter, layout, note = _with_adapter(folder)
    opened = open_hf(place, label, adapter) if layout == "hf" else open_audiocraft(folder, label, _elsewhere)
    return replace(opened, notes=(note, *opened.notes)) if note else opened


def _elsewhere(name: str) -> Path:
    """What an audiocraft folder only names -> its folder (the library of the Hub is loaded for it alone)."""
    from drawbar.musicgen.checkpoint import hub

    return hub.find(name)
