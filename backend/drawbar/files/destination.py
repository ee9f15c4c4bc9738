"""A path that will be written -> nothing, or an error now instead of after an hour of work."""

import errno
import os
import secrets
import shutil
from pathlib import Path

from drawbar.errors import BadInputError, DiskError
from drawbar.files.disk_errors import disk_error

_NAME_BYTES = 255


def check_file(path: Path, room: int = 0) -> None:
    """A file can be written there, ``room`` bytes long. Raises BadInputError, DiskError; leaves nothing behind."""
    if path.is_dir():
        raise BadInputError(f"{path}: this is a folder; name the file to write")
    _check_names(path)
    _check_writable(_nearest(path.parent), path)
    if path.exists() and not os.access(path, os.W_OK):
        raise DiskError(f"{path}: the file is write-protected; allow writing, or choose another name")
    _check_room(path, room)


def check_folder(path: Path, room: int = 0) -> None:
    """A folder can be made there, or written if it is one. Raises BadInputError, DiskError; leaves nothing behind."""
    if path.exists() and not path.is_dir():
        raise BadInputError(f"{path}: this is a file; name a folder to write")
    _check_names(path)
    _check_writable(_nearest(path), path)
    _check_room(path, room)


def _nearest(path: Path) -> Path:
    """The part of a path that is there."""
    path = path.absolute()
    while not os.path.lexists(path):
        path = path.parent
    return path


def _check_names(path: Path) -> None:
    long = next((part for part in path.parts if len(os.fsencode(part)) > _NAME_BYTES), None)
    if long is not None:
        raise BadInputError(
            f"{long[:40]}...: a name of {len(long)} characters is too long; choose a shorter one"
        )


def _check_writable(folder: Path, path: Path) -> None:
    if not folder.is_dir():
        raise BadInputError(f"{path}: {folder} is a file and no folder; choose another place")
    probe = folder / f".drawbar-{secrets.token_hex(8)}"
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            probe.unlink(missing_ok=True)
        raise disk_error(OSError(error.errno, error.strerror, str(path))) or error from error


def _check_room(path: Path, room: int) -> None:
    free = shutil.disk_usage(_nearest(path.parent)).free
    if room > free:
        raise DiskError(
            f"{path}: about {room / 1e6:,.0f} MB are needed, and the disk has {free / 1e6:,.0f} MB; make room, or "
            "choose another disk"
        )
