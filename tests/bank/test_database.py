import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from drawbar.bank.database import Database
from drawbar.bank.migrations import BANK_MIGRATIONS, USER_MIGRATIONS, Migration, migrate, version_of
from drawbar.errors import BankError


@pytest.fixture
def database() -> Iterator[Database]:
    memory = Database()
    memory.run("CREATE TABLE t (x INTEGER) STRICT")
    yield memory
    memory.close()


def values(database: Database) -> list[int]:
    return [x for (x,) in database.rows("SELECT x FROM t ORDER BY x")]


def test_an_inner_block_that_fails_undoes_only_itself(database: Database) -> None:
    def fail() -> None:
        with database.atomic():
            database.run("INSERT INTO t VALUES (2)")
            raise KeyError

    with database.atomic():
        database.run("INSERT INTO t VALUES (1)")
        with pytest.raises(KeyError):
            fail()
        with database.atomic():
            database.run("INSERT INTO t VALUES (3)")
    assert values(database) == [1, 3]


def test_an_outer_block_that_fails_undoes_everything(database: Database) -> None:
    def fail() -> None:
        with database.atomic():
            with database.atomic():
                database.run("INSERT INTO t VALUES (1)")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert values(database) == []
    with database.atomic():
        database.run("INSERT INTO t VALUES (2)")
    assert values(database) == [2]


def test_a_failed_migration_rolls_back_and_the_earlier_ones_stay(database: Database) -> None:
    steps = (
        Migration("one", ("CREATE TABLE a (x)",)),
        Migration("two", ("CREATE TABLE b (x)", "CREATE TABLE c (", "CREATE TABLE d (x)")),
    )
    with pytest.raises(BankError):
        migrate(database, steps)
    assert version_of(database) == 1
    assert {name for (name,) in database.rows("SELECT name FROM sqlite_master")} == {"t", "a"}
    mended = (steps[0], Migration("two", ("CREATE TABLE b (x)",)))
    assert migrate(database, mended) == 1
    assert migrate(database, mended) == 0


def test_a_newer_database_is_refused_with_both_versions(database: Database) -> None:
    database.run("PRAGMA user_version = 99")
    with pytest.raises(BankError, match=r"99.*update"):
        migrate(database, BANK_MIGRATIONS)


@pytest.mark.parametrize("migrations", [BANK_MIGRATIONS, USER_MIGRATIONS])
def test_one_migration_at_a_time_gives_the_same_as_all_at_once(migrations: tuple[Migration, ...]) -> None:
    at_once, stepwise = Database(), Database()
    migrate(at_once, migrations)
    for end in range(1, len(migrations) + 1):
        migrate(stepwise, migrations[:end])
    schema = "SELECT name, sql FROM sqlite_master ORDER BY name"
    assert at_once.rows(schema) == stepwise.rows(schema)
    at_once.close()
    stepwise.close()


def test_what_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "song.sqlite"
    path.write_bytes(b"RIFF" + bytes(5000))
    with pytest.raises(BankError, match=r"song\.sqlite"):
        Database(path)
    with pytest.raises(BankError, match=r"missing\.sqlite"):
        Database(tmp_path / "missing.sqlite", writable=False)


def test_a_schema_of_many_lines_is_quoted_on_one(tmp_path: Path) -> None:
    """SQLite's message holds the schema's own text: found by tests/fuzz."""
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as raw:
        raw.execute('CREATE TABLE feature (low REAL,\n    high REAL,\n    "card" TEXT)')
    raw.close()
    path.write_bytes(path.read_bytes().replace(b'"card"', b"'card ", 1))
    with pytest.raises(BankError, match="cannot be read") as caught:
        Database(path, writable=False).rows("SELECT * FROM feature")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
