"""A path -> one SQLite connection with nested transactions; knows nothing of banks."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from drawbar.errors import BankError

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
            raise BankError(f"cannot open {path}: {error}; check that it exists and may be read") from error
        try:
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._connection.close()
            raise BankError(f"{path} is no database that can be read ({error}); fetch it again") from error

    def copied_to_memory(self) -> "Database":
        """The same content in memory, writable there."""
        copy = Database()
        with self._lock:
            self._connection.backup(copy._connection)
        return copy

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All of the block or nothing of it; an inner block that raises undoes only itself."""
        with self._lock:
            name = f"level{self._depth}"
            self._connection.execute("BEGIN IMMEDIATE" if self._depth == 0 else f"SAVEPOINT {name}")
            outermost = self._depth == 0
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if outermost:
                    self._connection.execute("ROLLBACK")
                else:
                    self._connection.execute(f"ROLLBACK TO {name}")
                    self._connection.execute(f"RELEASE {name}")
                raise
            self._depth -= 1
            self._connection.execute("COMMIT" if outermost else f"RELEASE {name}")

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
                raise BankError(
                    f"{self.path or 'the database'} failed: {error}; fetch or build it again"
                ) from error

    def close(self) -> None:
        """Close the connection; closing twice does nothing."""
        with self._lock:
            self._connection.close()
