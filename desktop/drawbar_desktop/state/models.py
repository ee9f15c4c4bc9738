"""Folders and names -> entries of the model and bank managers: what it is, how much memory, what stands in the way."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drawbar.files.reading import json_value
from drawbar.paths import embedded_bank_dir, embedded_model_dir

OVERHEAD = 1.35
"""Weights are not all: caches, cross-attention and the codec."""
WEIGHTS = ("*.safetensors", "*.bin", "*.th")


@dataclass(frozen=True)
class ModelEntry:
    """One line of the model manager."""

    title: str
    folder: Path
    name: str
    """What `load_model` takes."""
    bytes: int = 0
    licence: str = ""
    loaded: bool = False
    trouble: str = ""
    """Why it cannot be loaded; empty when it can."""

    @property
    def needs_bytes(self) -> int:
        """Memory that it will take, roughly: files may be in half precision, we run in single."""
        return int(self.bytes * OVERHEAD)

    @property
    def words(self) -> str:
        return (
            self.trouble
            or f"{size_words(self.bytes)} on disk, needs about {size_words(self.needs_bytes)}   {self.folder}"
        )


@dataclass(frozen=True)
class BankEntry:
    """One line of the bank manager."""

    title: str
    folder: Path
    words: str = ""
    open: bool = False
    embedded: bool = False
    trouble: str = ""


def size_words(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def free_memory_bytes() -> int | None:
    """Memory that could be had now; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


@dataclass(frozen=True)
class FoundModel:
    """A model on this machine."""

    name: str
    """What `load_model` takes."""
    folder: Path
    licence: str = ""


def model_entries(found: Sequence[FoundModel], loaded: Path | None) -> tuple[ModelEntry, ...]:
    """The embedded model, and those that were found."""
    embedded = FoundModel("embedded", embedded_model_dir(), "Apache-2.0")
    return tuple(_model(model, loaded) for model in (embedded, *found))


def _model(model: FoundModel, loaded: Path | None) -> ModelEntry:
    folder = model.folder
    files = [f for pattern in WEIGHTS for f in folder.glob(pattern)] if folder.is_dir() else []
    size = sum(f.stat().st_size for f in files)
    free = free_memory_bytes()
    here = loaded is not None and folder.resolve() == loaded.resolve()
    trouble = ""
    if not files:
        trouble = f"no weights in {folder}"
    elif not here and free is not None and size * OVERHEAD > free:
        trouble = f"needs about {size_words(int(size * OVERHEAD))}, {size_words(free)} are free: unload the other first"
    title = {"embedded": "Embedded model", str(folder): folder.name}.get(model.name, model.name)
    return ModelEntry(title, folder, model.name, size, model.licence, here, trouble)


def bank_entries(folders: Sequence[str], opened: Any) -> tuple[BankEntry, ...]:
    """The embedded bank and the user's; `opened` is the open bank, or None."""
    here = Path(opened.folder).resolve() if opened is not None and hasattr(opened, "folder") else None
    entries = [_bank(embedded_bank_dir(), here, embedded=True)]
    entries += [_bank(Path(folder), here) for folder in folders]
    return tuple(entries)


def _bank(folder: Path, here: Path | None, *, embedded: bool = False) -> BankEntry:
    title = "Embedded bank" if embedded else folder.name
    if not (folder / "bank.sqlite").is_file():
        return BankEntry(title, folder, f"no bank in {folder}", embedded=embedded, trouble="there is no bank")
    manifest = folder / "manifest.json"
    words = str(folder)
    if manifest.is_file():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            words = f"{json_value(manifest.read_text())['name']}   {folder}"
    return BankEntry(title, folder, words, open=here == folder.resolve(), embedded=embedded)
