"""A damaged file or folder -> the same under another name beside it: out of the way, and never deleted."""

import itertools
from pathlib import Path


def set_aside(path: Path, into: Path | None = None) -> Path:
    """Rename ``path`` to ``NAME.damaged`` (``.damaged-2`` ...), in the folder ``into`` or where it is.

    Returns the new path. Raises OSError.
    """
    parent = path.parent if into is None else into
    parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        target = parent / f"{path.name}.damaged{f'-{number}' if number > 1 else ''}"
        if not target.exists():
            break
    path.rename(target)
    return target
