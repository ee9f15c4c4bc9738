"""Values and a path -> a JSON file that is whole or not there, and back; a damaged one is set aside, not lost."""

import json
import logging
from pathlib import Path
from typing import Any

from drawbar.live.takes.soundfiles import atomic

log = logging.getLogger(__name__)
MAX_BYTES = 64 << 20


def write_json(path: Path, value: Any) -> None:
    """Write, sync, rename: whoever reads sees the old file or the new one."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty when there is none. What cannot be read is renamed to ``.damaged``."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes are too many")
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it is not an object")
        return value
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s cannot be read (%s); it is set aside", path, error)
        try:
            path.replace(path.with_suffix(path.suffix + ".damaged"))
        except OSError:
            log.warning("%s cannot be renamed either", path)
        return {}


def slug(text: str, fallback: str = "untitled") -> str:
    """Text -> a file name that every system takes."""
    kept = "".join(c if c.isalnum() else "-" for c in text.strip().lower())
    parts = [part for part in kept.split("-") if part]
    return "-".join(parts)[:60] or fallback
