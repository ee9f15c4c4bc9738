"""A file that somebody else wrote -> its settings or named tensors, as data: nothing in it is run.

Safetensors files and ``torch.load(weights_only=True)``, both memory-mapped: reading costs no memory until a tensor is
used. Knows nothing of models.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from drawbar.errors import CheckpointError
from drawbar.files.json_object import JsonObject
from drawbar.files.reading import json_value, read_text, shortened

LISTED = 12
"""Names that an error lists in full."""
_LONGEST_LIST = 240
"""Characters of such a list; names can be long."""
_MOST_BYTES = 64 << 20
"""Of a JSON file; the index of the largest models' shards has a few."""


def read_config(path: Path) -> JsonObject:
    """A JSON object from ``path``. Raises CheckpointError if it is missing or damaged."""
    try:
        values = json_value(read_text(path, _MOST_BYTES))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} is missing: a model folder needs it; copy the whole folder again"
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}): copy it again") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds a {type(values).__name__}, not an object: copy it again")
    return values


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a Hugging Face folder's tensors: safetensors before ``.bin``, whole or in shards.

    Empty without any; they need not exist (a copy may be cut off). Raises CheckpointError for a damaged index.
    """
    for name in ("model.safetensors", "pytorch_model.bin"):
        index = folder / f"{name}.index.json"
        if (folder / name).is_file():
            return [folder / name]
        if index.is_file():
            return [folder / shard for shard in _shards(index)]
    return []


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a Hugging Face folder, from one file or from shards. Raises CheckpointError."""
    files = weight_files(folder)
    if not files:
        raise CheckpointError(
            f"{folder} holds no model.safetensors: it is not a model folder, or a copy was cut off"
        )
    tensors: dict[str, Tensor] = {}
    for file in files:
        found = _only_tensors(file)
        twice = sorted(tensors.keys() & found.keys())
        if twice:
            raise CheckpointError(
                f"{file} holds {_listed(twice)} for a second time: the folder mixes two models; copy it again"
            )
        tensors.update(found)
    return tensors


def _only_tensors(file: Path) -> dict[str, Tensor]:
    """A safetensors or ``.bin`` file -> its tensors by name. Raises CheckpointError for anything else in it."""
    loaded = read_tensor_file(file)
    others = sorted(shortened(name) for name, value in loaded.items() if not isinstance(value, Tensor))
    if others:
        raise CheckpointError(f"{file} holds more than tensors: {_listed(others)}; it is no model's weights")
    return loaded


def read_tensor_file(file: Path) -> JsonObject:
    """A safetensors or ``.bin`` file -> its values by name: tensors, texts and numbers.

    Code inside a pickle is refused, never run. Raises CheckpointError that says what is wrong with the file.
    """
    try:
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        zipped = zipfile.is_zipfile(file)
        with file.open("rb") as opened:
            if not zipped and opened.read(2) == b"PK":
                raise CheckpointError(f"{file} is cut off: copy or download it again")
        loaded = torch.load(file, map_location="cpu", weights_only=True, mmap=zipped)
    except FileNotFoundError:
        raise CheckpointError(f"{file} is missing: copy the whole folder again") from None
    except (SafetensorError, OSError, EOFError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{file} is damaged or cut off ({_first(error)}): copy it again") from error
    except CheckpointError:
        raise
    except Exception as error:  # pickle's own errors have no common class; nothing was executed
        raise CheckpointError(_refused(file, str(error))) from error
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{file} holds a {type(loaded).__name__}, not named tensors")
    for name, tensor in _tensors(loaded):
        _check_plain(file, name, tensor)
    return loaded


def _tensors(values: Mapping[object, object], depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a file, and those of the groups in it."""
    for name, value in values.items():
        if isinstance(value, Tensor):
            yield str(name), value
        elif isinstance(value, Mapping) and depth < 2:
            yield from _tensors(value, depth + 1)


def _check_plain(file: Path, name: str, tensor: Tensor) -> None:
    """A pickle can hold tensors that are no numbers in the file: without data, of a few that are repeated, packed."""
    what = ""
    if tensor.layout != torch.strided:
        what = "is sparse"
    elif tensor.device.type != "cpu":
        what = "has no data"
    elif tensor.is_quantized or tensor.is_complex():
        what = f"is of {tensor.dtype}"
    elif tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        what = f"says {list(tensor.shape)} and holds {tensor.untyped_storage().nbytes():,} bytes"
    if what:
        raise CheckpointError(
            f"{file}: the tensor {shortened(name)} {what}: these are no weights as they are released; get them again"
        )


def compare(given: Mapping[str, Tensor], expected: Mapping[str, Tensor], prefix: str, what: str) -> None:
    """Raises CheckpointError that lists by name what is missing, surplus or of the wrong shape."""
    missing = [prefix + name for name in sorted(expected.keys() - given.keys())]
    surplus = [prefix + name for name in sorted(given.keys() - expected.keys())]
    wrong = [
        f"{prefix}{name} {list(given[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in given and given[name].shape != tensor.shape
    ]
    if missing or surplus or wrong:
        raise describe(missing, surplus, wrong, what)


def describe(
    missing: list[str], surplus: list[str], mis_shaped: list[str], what: str = "the decoder"
) -> CheckpointError:
    """One error that lists by name what does not fit."""
    groups = (("missing", missing), ("surplus", surplus), ("of the wrong shape", mis_shaped))
    found = "; ".join(f"{title}: {_listed(names)}" for title, names in groups if names)
    return CheckpointError(
        f"the tensors of {what} do not match its configuration. {found}. Copy the folder again"
    )


def _listed(names: list[str]) -> str:
    shown: list[str] = []
    for name in names[:LISTED]:
        if sum(map(len, shown)) + len(name) > _LONGEST_LIST and shown:
            break
        shown.append(shortened(name, 120))
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _refused(file: Path, reason: str) -> str:
    wanted = re.search(r"GLOBAL (\S+)", reason)
    if wanted:
        return (
            f"{file} asks for {wanted[1]} to be called: a checkpoint may hold tensors only, so it was not opened "
            "and nothing in it was run; get this model from somebody you trust, as safetensors"
        )
    return f"{file} is not a file of tensors and was not opened: copy or download it again"


def _first(error: Exception) -> str:
    """The first line of an error, without the advice that follows it."""
    return shortened((str(error).splitlines() or [type(error).__name__])[0].split(". ")[0], 200)


def _shards(index: Path) -> list[str]:
    mapping = read_config(index).get("weight_map")
    names = sorted({str(name) for name in mapping.values()}) if isinstance(mapping, dict) else []
    if not names or any(Path(name).name != name or name.startswith(".") for name in names):
        raise CheckpointError(f"{index} names no shard files, or files outside its folder: copy it again")
    return names
