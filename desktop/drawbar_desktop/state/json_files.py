"""A JSON file -> the object in it; a damaged one is set aside, not lost. And a text -> a file name."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from drawbar.files.atomic_write import write_json
from drawbar.files.lock import Lock
from drawbar.files.reading import json_value, read_text
from drawbar.files.set_aside import set_aside

log = logging.getLogger(__name__)
MAX_BYTES = 64 << 20
JsonObject = Mapping[str, Any]
"""An object of a JSON file; who reads a value checks it."""


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty when there is none. What cannot be read is renamed to ``.damaged``."""
    try:
        value = json_value(read_text(path, MAX_BYTES))
        if not isinstance(value, dict):
            raise ValueError("it is not an object")
        return value
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read (%s); it is set aside", path, error)
        try:
            set_aside(path)
        except OSError:
            log.warning("%s cannot be renamed either", path)
        return {}


def update_json(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Read, change, write, while no other window can. Raises InUseError, OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Lock(path.with_name(f".{path.name}.lock"), "writing", wait_s=5.0):
        write_json(path, change(read_json(path)))


def slug(text: str, fallback: str = "untitled") -> str:
    """Text -> a file name that every system takes."""
    kept = "".join(c if c.isalnum() else "-" for c in text.strip().lower())
    parts = [part for part in kept.split("-") if part]
    return "-".join(parts)[:60] or fallback
