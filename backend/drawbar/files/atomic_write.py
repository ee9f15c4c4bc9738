"""A path -> a file there that is whole or not there, synced to disk; a folder that takes another's place.

Knows nothing of what is written.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from drawbar.files.disk_errors import writing
from drawbar.files.lock import Lock

_REPLACED = ".replaced"
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.tmp")


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder -> ``path``, synced to disk and renamed when the block succeeds.

    The file keeps its permissions; a symbolic link stays one and its target is replaced. Raises DiskError.
    """
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
    with writing(path, temporary), _renamed_at_the_end(path, temporary):
        yield temporary


@contextlib.contextmanager
def _renamed_at_the_end(path: Path, temporary: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(path, temporary)
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write, sync, rename: whoever reads sees the old file or the new one. Raises DiskError."""
    with atomic(path) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, value: object) -> None:
    """`write_text` of a JSON value."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def clear_temporary(folder: Path) -> None:
    """Remove what writers that were killed left in ``folder``, which nobody else writes into now."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Names that were made or changed in ``folder`` survive a power cut from here on."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def replace_folder(fresh: Path, folder: Path) -> None:
    """``fresh`` takes the place of ``folder``; killed at any point, `put_back` finds one of the two whole."""
    with Lock(_lock_path(folder), "replacing it", wait_s=10.0):
        _put_back(folder)
        aside = _aside(folder)
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
        try:
            fresh.rename(folder)
        except BaseException:
            _put_back(folder)
            raise
        sync_folder(folder.parent)
        shutil.rmtree(aside, ignore_errors=True)


def put_back(folder: Path) -> None:
    """A folder whose replacement was cut short gets its old content back; otherwise nothing happens."""
    if not folder.exists() and _aside(folder).is_dir():
        with Lock(_lock_path(folder), "putting it back", wait_s=10.0):
            _put_back(folder)


def put_back_all(parent: Path) -> None:
    """`put_back` for every folder in ``parent``."""
    for aside in parent.glob(f".*{_REPLACED}"):
        put_back(parent / aside.name.removeprefix(".").removesuffix(_REPLACED))


def _put_back(folder: Path) -> None:
    aside = _aside(folder)
    if aside.is_dir():
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.rename(folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{_REPLACED}")


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replacing-lock")
