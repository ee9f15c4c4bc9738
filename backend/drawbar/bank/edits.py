"""One user's labels, stars, hidden marks and shelves -> a small database apart from the bank."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drawbar.bank.database import DamagedDatabaseError, Database
from drawbar.bank.migrations import USER_MIGRATIONS, has_schema, migrate
from drawbar.bank.words import clean_text
from drawbar.errors import BadInputError
from drawbar.files.set_aside import set_aside

STARRED = "starred"
HIDDEN = "hidden"
MAX_LABEL_CHARS = 200


class UserEdits:
    """What the user changed; nothing else writes here, so no rebuild and no labeller overwrites it.

    The file is made at the first edit, so that looking at a bank leaves no trace.
    """

    def __init__(self, path: Path | None) -> None:
        """``path`` None keeps the edits in memory."""
        self.path = path
        self._database: Database | None = None
        self._seen = -1
        self._lock = threading.RLock()
        self.set_aside: Path | None = None
        """Where the user's edits are kept that could not be read; new ones go into a new file."""
        self.version = 0
        """Rises whenever the content below has changed, by this process or by another."""
        self.labels: dict[str, list[tuple[str, str]]] = {}
        """Feature id -> (text, author), newest first."""
        self.marks: dict[str, set[str]] = {STARRED: set(), HIDDEN: set()}
        """Mark -> feature ids."""
        self.shelves: dict[str, set[str]] = {}
        """The user's own shelves -> feature ids."""

    def refresh(self) -> None:
        """Read again what another window may have changed; costs nothing when nothing did."""
        with self._lock:
            if self._database is None and (self.path is None or not self.path.exists()):
                return
            database = self._opened()
            seen = int(database.value("PRAGMA data_version"))
            if seen != self._seen:
                self._seen = seen
                self._load(database)

    def add_label(self, feature: str, text: str, author: str) -> None:
        """Give ``feature`` a label; the newest is the one that rows show. Raises BadInputError."""
        text, author = clean_text(text), clean_text(author)
        if not text or len(text) > MAX_LABEL_CHARS or not author:
            raise BadInputError(
                f"label {text[:40]!r} by {author[:40]!r}: a label has 1 to {MAX_LABEL_CHARS} characters"
            )
        with self._change() as database:
            # REPLACE gives the row a new number: the label said last is the newest.
            sql = "INSERT OR REPLACE INTO user_label (feature, text, author) VALUES (?, ?, ?)"
            database.run(sql, (feature, text, author))

    def remove_label(self, feature: str, text: str) -> None:
        """Take the user's own label away again; other labellers' stay."""
        with self._change() as database:
            database.run("DELETE FROM user_label WHERE feature = ? AND text = ?", (feature, clean_text(text)))

    def mark(self, feature: str, name: str, on: bool) -> None:
        """Set or clear a mark (STARRED, HIDDEN)."""
        with self._change() as database:
            database.run("DELETE FROM mark WHERE feature = ? AND name = ?", (feature, name))
            if on:
                database.run("INSERT INTO mark (feature, name) VALUES (?, ?)", (feature, name))

    def shelve(self, feature: str, shelf: str, on: bool) -> None:
        """Put ``feature`` on a shelf of the user's own, or take it off; an empty shelf is gone."""
        shelf = clean_text(shelf)
        if not shelf or len(shelf) > MAX_LABEL_CHARS:
            raise BadInputError(f"shelf {shelf[:40]!r}: write 1 to {MAX_LABEL_CHARS} characters")
        with self._change() as database:
            database.run("DELETE FROM shelf WHERE feature = ? AND name = ?", (feature, shelf))
            if on:
                database.run("INSERT INTO shelf (feature, name) VALUES (?, ?)", (feature, shelf))

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._database is not None:
            self._database.close()
            self._database = None

    @contextmanager
    def _change(self) -> Iterator[Database]:
        with self._lock:
            database = self._opened()
            with database.atomic():
                yield database
            self._load(database)

    def _opened(self) -> Database:
        if self._database is None:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._database = _checked(self.path)
            except DamagedDatabaseError:
                if self.path is None or not self.path.is_file():
                    raise
                self.set_aside = set_aside(self.path)
                self._database = _checked(self.path)
        return self._database

    def _load(self, database: Database) -> None:
        labels: dict[str, list[tuple[str, str]]] = {}
        newest_first = "SELECT feature, text, author FROM user_label ORDER BY n DESC"
        for feature, text, author in database.rows(newest_first):
            labels.setdefault(feature, []).append((text, author))
        marks: dict[str, set[str]] = {STARRED: set(), HIDDEN: set()}
        for feature, name in database.rows("SELECT feature, name FROM mark"):
            marks.setdefault(name, set()).add(feature)
        shelves: dict[str, set[str]] = {}
        for feature, name in database.rows("SELECT feature, name FROM shelf ORDER BY name"):
            shelves.setdefault(name, set()).add(feature)
        self.labels, self.marks, self.shelves = labels, marks, shelves
        self.version += 1


def _checked(path: Path | None) -> Database:
    """The database of edits, whole and with our tables. Raises DamagedDatabaseError, DrawbarError."""
    database = Database(path)
    try:
        migrate(database, USER_MIGRATIONS)
        found = database.value(
            "PRAGMA integrity_check(1)"
        )  # quick_check finds NULLs that are none (SQLite 3.40)
        if found != "ok" or not has_schema(database, USER_MIGRATIONS):
            raise DamagedDatabaseError(f"{path} is damaged ({found if found != 'ok' else 'other tables'})")
        for table in ("user_label", "mark", "shelf"):
            database.rows(f"SELECT * FROM {table}")
    except BaseException:
        database.close()
        raise
    return database
