"""A path -> a lock that one process holds, says who, and loses when it ends, however it ends.

The operating system releases the lock of a dead process, so nobody has to judge whether a number in a file still
belongs to the process that wrote it. Knows nothing of what is locked.
"""

import contextlib
import os
import socket
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from drawbar.errors import InUseError

LOCK_NAME = ".drawbar-lock"
"""Of the file inside a locked folder."""
_POLL_S = 0.05


class Lock:
    """Held from ``with`` (or a `take` that returns True) to the end of the block (or `release`)."""

    def __init__(self, path: Path, doing: str, *, wait_s: float = 0.0) -> None:
        """``doing`` is what another process is told; ``wait_s`` is how long ``with`` waits for that other one."""
        self.path, self._doing, self._wait_s = path, doing, wait_s
        self._handle: int | None = None

    def take(self) -> bool:
        """Try to take it -> whether it is ours now. Raises OSError where no file can be made."""
        if self._handle is not None:
            return True
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            if not _lock(handle):
                os.close(handle)
                return False
            if _still_there(handle, self.path):
                break
            os.close(handle)  # its holder removed the file between our opening and locking it
        self._handle = handle
        about = f"{self._doing}: process {os.getpid()} on {socket.gethostname()}, since {time.ctime()}"
        os.ftruncate(handle, 0)
        os.write(handle, about.encode())
        return True

    def release(self) -> None:
        """Give it back; twice does nothing."""
        handle, self._handle = self._handle, None
        if handle is None:
            return
        if os.name == "posix":  # elsewhere an open file cannot be removed
            self.path.unlink(missing_ok=True)
            os.close(handle)
            return
        os.close(handle)
        with contextlib.suppress(OSError):  # somebody else has it already
            self.path.unlink(missing_ok=True)

    def holder(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace")[:200] or "another process"
        except OSError:
            return "another process"

    def __enter__(self) -> Self:
        """Take it, or raise InUseError that says who has it."""
        until = time.monotonic() + self._wait_s
        while not self.take():
            if time.monotonic() >= until:
                raise InUseError(
                    f"{self.path.parent} is in use ({self.holder()}): wait until that has ended, or stop it"
                )
            time.sleep(_POLL_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def folder_lock(folder: Path, doing: str) -> Lock:
    """The lock of a folder, which is made if it is not there; use it in ``with``. Raises InUseError."""
    folder.mkdir(parents=True, exist_ok=True)
    return Lock(folder / LOCK_NAME, doing)


def file_lock(path: Path, doing: str) -> Lock:
    """The lock of one file, kept beside it under a hidden name; use it in ``with``. Raises InUseError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return Lock(path.with_name(f".{path.name}.lock"), doing)


def _still_there(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        os.lseek(handle, 1 << 20, os.SEEK_SET)  # far behind the words, which others must be able to read
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        os.lseek(handle, 0, os.SEEK_SET)
        return True

else:
    import errno
    import fcntl

    _WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # a disk without locks: nobody can be told of anybody
            if error.errno not in _WITHOUT_LOCKS:
                raise
        return True
