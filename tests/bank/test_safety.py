"""Upgrades that are cut short, damaged labels of the user, disks that fail: no bank and no label is lost."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from drawbar.bank import Bank, find_bank, install_bank, installed_banks, remove_bank
from drawbar.bank.bundle import export_bank
from drawbar.bank.database import Database
from drawbar.bank.versions import next_version
from drawbar.errors import DiskError, InUseError
from tests.bank.small_bank import INFO, fill

INSTALL = """
import os, pathlib, shutil, signal, sys
from drawbar.bank import install_bank
stop_at, steps = int(sys.argv[3]), 0
def dying(real):
    def call(*args, **options):
        global steps
        steps += 1
        if steps == stop_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    return call
pathlib.Path.rename, os.replace = dying(pathlib.Path.rename), dying(os.replace)
pathlib.Path.replace, shutil.rmtree = dying(pathlib.Path.replace), dying(shutil.rmtree)
install_bank(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    with Bank.create(tmp_path / "made", INFO, edits=tmp_path / "edits") as bank:
        fill(bank)
    return export_bank(tmp_path / "made", tmp_path / "made.drawbank")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
def test_an_upgrade_killed_at_any_rename_or_removal_leaves_one_whole_bank(
    bundle: Path, tmp_path: Path
) -> None:
    root = tmp_path / "installed"
    environment = {**os.environ, "DRAWBAR_HOME": str(tmp_path / "home")}
    name = install_bank(bundle, root, edits=tmp_path / "home" / "banks")[0].name
    code = -9
    for step in range(1, 20):
        command = [sys.executable, "-c", INSTALL, str(bundle), str(root), str(step)]
        code = subprocess.run(command, env=environment, check=False).returncode
        assert [bank.name for bank in installed_banks(root)] == [name], f"killed at step {step}"
        with Bank.open(find_bank(name, root), edits=tmp_path / "edits") as bank:
            assert bank.count() == 7
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert code == 0
    assert step >= 4
    assert [path.name for path in root.iterdir()] == [name], "what the killed ones left is cleared"


def test_a_new_version_whose_bank_is_out_of_place_is_found(bundle: Path, tmp_path: Path) -> None:
    """As a kill between the two renames of ``next_version`` leaves it."""
    folder = tmp_path / "made"
    with next_version(folder):
        pass
    folder.rename(tmp_path / ".made.replaced")
    with Bank.open(folder, edits=tmp_path / "edits") as bank:
        assert bank.count() == 7


def overwrite(data: bytes, at: int = 0) -> Callable[[Path], object]:
    def damage(path: Path) -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[:at] + data + whole[at + len(data) :])

    return damage


def other_tables(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE mark")
    connection.execute("CREATE TABLE mark (feature BLOB)")
    connection.commit()
    connection.close()


def not_utf8(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(
        "INSERT INTO user_label (feature, text, author) VALUES ('3/5', CAST(x'ff41' AS TEXT), 'me')"
    )
    connection.commit()
    connection.close()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no database": lambda path: path.write_bytes(b"hello, world" * 99),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "pages overwritten": overwrite(b"\xff" * 3000, 4096),
    "header overwritten": overwrite(b"\0" * 40),
    "other tables": other_tables,
    "text that is none": not_utf8,
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_labels_of_the_user_are_set_aside_and_the_bank_opens(
    small: Bank, tmp_path: Path, kind: str
) -> None:
    for number in range(40):
        small.add_label("3/5", f"Wobble bass {number}")
    path = small.edits_path
    small.close()
    DAMAGE[kind](path)
    damaged = path.read_bytes()
    with Bank.open(tmp_path / "small", edits=tmp_path / "edits") as bank:
        assert bank.count() == 7
        assert "damaged" in bank.notes[0]
        bank.add_label("3/5", "new name")
        assert bank.resolve("new name").id == "3/5"
    (aside,) = path.parent.glob("*.damaged")
    assert aside.read_bytes() == damaged
    with Bank.open(tmp_path / "small", edits=tmp_path / "edits") as bank:
        assert bank.notes == ()


def test_edits_that_another_program_writes_are_not_called_damaged(
    small: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.add_label("3/5", "one")
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **{**k, "timeout": 0.01}))
    holder = real(small.edits_path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with Bank.open(small.folder, edits=small.edits_path.parent) as other:
        with pytest.raises(InUseError, match="another program"):
            other.add_label("3/5", "two")
        holder.execute("ROLLBACK")
        other.add_label("3/5", "two")
    holder.close()
    assert not list(small.edits_path.parent.glob("*.damaged*"))


def test_a_full_disk_is_named_and_nothing_half_written_stays(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite")
    database.run("CREATE TABLE t (x)")
    database.run("PRAGMA max_page_count = 5")

    def fill_up() -> None:
        with database.atomic(), database.atomic():
            for _ in range(100):
                database.run("INSERT INTO t VALUES (zeroblob(4000))")

    with pytest.raises(DiskError, match=r"a\.sqlite.*full.*make room"):
        fill_up()
    assert database.value("SELECT count(*) FROM t") == 0
    with database.atomic():
        database.run("INSERT INTO t VALUES (1)")
    assert database.value("SELECT count(*) FROM t") == 1
    database.close()


def test_a_database_that_may_only_be_read_says_so(tmp_path: Path) -> None:
    Database(tmp_path / "a.sqlite").run("CREATE TABLE t (x)")
    database = Database(tmp_path / "a.sqlite", writable=False)
    with pytest.raises(DiskError, match="read-only"), database.atomic():
        database.run("INSERT INTO t VALUES (1)")
    database.close()


def test_a_full_disk_while_installing_is_not_the_bundle_s_fault(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    import hashlib

    monkeypatch.setattr(hashlib, "sha256", full)
    with pytest.raises(DiskError, match="the disk is full"):
        install_bank(bundle, tmp_path / "installed")
    assert installed_banks(tmp_path / "installed") == []


def test_a_removal_that_is_cut_short_lists_nothing(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed, _ = install_bank(bundle, tmp_path / "installed", edits=tmp_path)

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_bank(installed.name, tmp_path / "installed")
    assert installed_banks(tmp_path / "installed") == []
    install_bank(bundle, tmp_path / "installed", edits=tmp_path)
    assert [bank.name for bank in installed_banks(tmp_path / "installed")] == [installed.name]
