"""A folder -> a hidden working folder in it for what is not finished; what a dead process left is cleared.

Only names that this module made are ever removed, and only those whose process has ended.
"""

import re
import secrets
import shutil
from pathlib import Path
from types import TracebackType

from drawbar.files.lock import LOCK_NAME, Lock

PREFIX = ".drawbar-unfinished-"
_OURS = re.compile(re.escape(PREFIX) + r"[0-9a-f]{16}")


class ScratchFolder:
    """A new hidden folder in ``parent``; `close` or the end of ``with`` removes it with all that is still in it."""

    def __init__(self, parent: Path) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        self.path = parent / f"{PREFIX}{secrets.token_hex(8)}"
        self.path.mkdir()
        self._lock = Lock(self.path / LOCK_NAME, "unfinished work")
        try:
            self._lock.take()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove it; twice does nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def clear_abandoned(parent: Path) -> None:
    """Remove what processes that were killed left unfinished in ``parent``."""
    for folder in parent.glob(f"{PREFIX}*") if parent.is_dir() else ():
        lock = Lock(folder / LOCK_NAME, "clearing up")
        if _OURS.fullmatch(folder.name) and lock.path.is_file() and _taken(lock):
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()


def _taken(lock: Lock) -> bool:
    try:
        return lock.take()
    except OSError:
        return False
