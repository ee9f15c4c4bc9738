"""What was measured on this machine -> a small file for the next start; what cannot be read is measured again."""

import contextlib
from pathlib import Path
from typing import TypeVar

from drawbar.errors import DiskError
from drawbar.files.atomic_write import write_json
from drawbar.files.json_object import JsonMapping
from drawbar.files.reading import read_text, typed_json

T = TypeVar("T")
_MAX_BYTES = 1 << 20


def recall(path: Path, kind: type[dict[str, T]]) -> dict[str, T]:
    """Empty for a file that is missing or holds anything else than ``kind``."""
    try:
        return typed_json(kind, read_text(path, _MAX_BYTES))
    except (OSError, ValueError):
        return {}


def keep(path: Path, values: JsonMapping) -> None:
    """Whole or not at all, and silently not at all where nothing can be written."""
    with contextlib.suppress(OSError, DiskError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, values)
