"""An error of the system, of SQLite, libsndfile, safetensors or PyTorch -> one line: which file, why, what to do."""

import contextlib
import errno
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from drawbar.errors import DiskError, DrawbarError

_REASONS = {
    errno.ENOSPC: "the disk is full: make room, or choose another disk",
    errno.EDQUOT: "your share of the disk is used up: make room, or choose another disk",
    errno.EFBIG: "a file may not be that large there: choose another disk",
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.EACCES: "the system does not allow it: check the permissions, or choose another folder",
    errno.EPERM: "the system does not allow it: check the permissions, or choose another folder",
    errno.ENOENT: "there is no such file or folder: check the name",
    errno.ENOTDIR: "a part of the path is a file and no folder: check the name",
    errno.EISDIR: "this is a folder: name a file",
    errno.ENAMETOOLONG: "the name is too long for the disk: choose a shorter one",
    errno.EIO: "the disk failed: check that it is still there and healthy",
    errno.ENXIO: "the device is gone: check that it is still there",
    errno.ENODEV: "the device is gone: check that it is still there",
    errno.ESTALE: "the network disk is gone: connect it again",
    errno.EMFILE: "too many files are open: close other programs",
    errno.ENFILE: "too many files are open: close other programs",
    errno.ELOOP: "links lead in a circle: correct them",
}
_RUST = re.compile(r"\(os error (\d+)\)")


def disk_error(error: BaseException, path: Path | None = None) -> DiskError | None:
    """The error that a command ends with, or None for an error that is no disk's. ``path`` is used if it names none."""
    if isinstance(error, sqlite3.OperationalError):
        return DiskError(
            f"{path or 'a database'} cannot be used ({_cut(str(error))}): check the disk and its permissions"
        )
    number = _number(error)
    if number is None:
        return None
    named = getattr(error, "filename2", None) or getattr(error, "filename", None) or path
    where = f"{_cut(os.fsdecode(named))}: " if isinstance(named, (str, bytes, os.PathLike)) else ""
    return DiskError(f"{where}{_REASONS.get(number, f'{os.strerror(number)}: check the disk and the name')}")


def _cut(text: str, most: int = 400) -> str:
    """On one line, and not endless; what `shortened` does needs libraries that may be what is missing."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= most else f"{text[:most]} ..."


def _number(error: BaseException) -> int | None:
    """The system's error number behind an exception."""
    if isinstance(error, OSError):
        return error.errno  # none for what a network library raises
    found = _RUST.search(str(error))  # safetensors
    if found:
        return int(found[1])
    if "PytorchStreamWriter failed" in str(error) or "iostream error" in str(error):
        return errno.ENOSPC
    return None


@contextlib.contextmanager
def writing(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Whatever the disk raises while ``path`` is written (as ``temporary`` at first) -> DiskError that names it."""
    try:
        yield
    except DrawbarError:
        raise
    except Exception as error:
        same = temporary is not None and str(getattr(error, "filename", None)) == str(temporary)
        found = disk_error(OSError(_number(error), "", str(path)) if same else error, path)
        if found is None and _out_of_soundfile(error):
            reason = f"it cannot be written ({error or 'too little was written'}): check the disk"
            found = DiskError(f"{path}: {_REASONS[errno.ENOSPC] if _full(path) else reason}")
        if found is None:
            raise
        raise found from error


def _out_of_soundfile(error: BaseException) -> bool:
    """Its errors name no cause, and an assertion is one of them."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("soundfile")


def _full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < 1 << 20
    except OSError:
        return False
