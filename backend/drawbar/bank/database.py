"""A path -> one SQLite connection with nested transactions; knows nothing of banks."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from drawbar.errors import BankError, DiskError, DrawbarError, InUseError
from drawbar.files.reading import shortened

Row = tuple[Any, ...]
"""What SQLite gives: the columns that were asked for."""

# A foreign file's schema may call no functions; pages are checked when read, and mapped rather than copied.
_PRAGMAS = (
    "trusted_schema=OFF",
    "cell_size_check=ON",
    "foreign_keys=ON",
    "cache_size=-16000",
    "mmap_size=1073741824",
)


class DamagedDatabaseError(BankError):
    """The file is no database any more, or holds texts that are none."""


_DISK = {
    "SQLITE_FULL": "the disk is full: make room and try again, nothing was changed",
    "SQLITE_READONLY": "it is read-only: allow writing, or copy it to a disk of your own",
    "SQLITE_CANTOPEN": "it cannot be opened: check that it exists and may be read, and its folder written",
    "SQLITE_IOERR": "the disk failed: check that it is there and has room",
    "SQLITE_PERM": "the system does not allow it: check the permissions",
}


def _explained(path: Path | None, error: Exception) -> DrawbarError:
    """SQLite's error -> ours: the disk's fault, another program's, or the file's."""
    said = shortened(" ".join(str(error).split()), 200)  # SQLite quotes the file's own words
    name, code = path or "the database", str(getattr(error, "sqlite_errorname", ""))
    for start, reason in _DISK.items():
        if code.startswith(start):
            return DiskError(f"{name}: {reason} ({said})")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return InUseError(f"{name} is being written by another program: try again when that has ended")
    no_text = isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in str(error)
    damaged = no_text or code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
    kind = DamagedDatabaseError if damaged else BankError
    return kind(f"{name} cannot be read ({said}); fetch or build it again")


class Database:
    """A connection that several threads may share: every call holds its lock."""

    def __init__(self, path: Path | None = None, *, writable: bool = True) -> None:
        """Open ``path`` (created when writable), or a database in memory. Raises BankError."""
        self.path = path
        self.writable = writable
        self._depth = 0
        self._lock = threading.RLock()
        mode = "rwc" if writable else "ro"
        target = ":memory:" if path is None else f"file:{quote(path.as_posix())}?mode={mode}"
        try:
            self._connection = sqlite3.connect(
                target, uri=path is not None, isolation_level=None, check_same_thread=False, timeout=10.0
            )
        except sqlite3.Error as error:
            if path is not None and not path.exists():
                raise BankError(f"{path} is not there: check the name, or build it") from error
            raise _explained(path, error) from error
        try:
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._connection.close()
            raise _explained(path, error) from error

    def copied_to_memory(self) -> "Database":
        """The same content in memory, writable there."""
        copy = Database()
        with self._lock:
            self._connection.backup(copy._connection)
        return copy

    def compact_into(self, path: Path, named: Path) -> None:
        """A copy without gaps, so that equal content gives equal bytes; an error of the disk names ``named``."""
        with self._lock:
            try:
                self._connection.execute("VACUUM INTO ?", (str(path),))
            except sqlite3.Error as error:
                raise _explained(named, error) from error

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All of the block or nothing of it; an inner block that raises undoes only itself."""
        with self._lock:
            name, outermost = f"level{self._depth}", self._depth == 0
            self._execute("BEGIN IMMEDIATE" if outermost else f"SAVEPOINT {name}")
            self._depth += 1
            try:
                yield
                self._execute("COMMIT" if outermost else f"RELEASE {name}")
            except BaseException:
                if self._connection.in_transaction:  # SQLite undoes everything itself when the disk is full
                    for undo in ("ROLLBACK",) if outermost else (f"ROLLBACK TO {name}", f"RELEASE {name}"):
                        self._connection.execute(undo)
                raise
            finally:
                self._depth -= 1

    def _execute(self, sql: str) -> None:
        try:
            self._connection.execute(sql)
        except sqlite3.Error as error:
            raise _explained(self.path, error) from error

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """Execute one statement -> how many rows it changed."""
        with self._calling():
            return self._connection.execute(sql, values).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        with self._calling():
            self._connection.executemany(sql, rows)

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        with self._calling():
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """The first row of a query, or None."""
        with self._calling():
            found: Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def value(self, sql: str, values: Sequence[object] = ()) -> Any:
        """The first column of the first row, or None."""
        found = self.row(sql, values)
        return None if found is None else found[0]

    def chunks(self, sql: str, values: Sequence[object] = ()) -> Iterator[list[Row]]:
        """The rows of a query, 10,000 at a time, so that a large table never lies in memory."""
        with self._calling():
            cursor = self._connection.execute(sql, values)
        while True:
            with self._calling():
                found = cursor.fetchmany(10_000)
            if not found:
                return
            yield found

    @contextmanager
    def _calling(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except (sqlite3.Error, UnicodeDecodeError) as error:
                raise _explained(self.path, error) from error

    def close(self) -> None:
        """Close the connection; closing twice does nothing."""
        with self._lock:
            self._connection.close()
