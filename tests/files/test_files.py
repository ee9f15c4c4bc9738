"""Atomic writes, folders that are replaced, locks, scratch folders: whole or not there, and nobody else's."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from drawbar.errors import InUseError
from drawbar.files.atomic_write import atomic, put_back, put_back_all, replace_folder, write_json
from drawbar.files.lock import LOCK_NAME, Lock, folder_lock
from drawbar.files.remembered import keep, recall
from drawbar.files.scratch import ScratchFolder, clear_abandoned

HOLD = """
import sys, time
from pathlib import Path
from drawbar.files.lock import folder_lock
from drawbar.files.scratch import ScratchFolder
folder = Path(sys.argv[1])
with folder_lock(folder, "building"), ScratchFolder(folder) as scratch:
    (scratch / "half").write_text("x")
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, 1)

    def fail() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "1\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions and links are POSIX's here")
def test_permissions_and_links_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    write_json(real, 1)
    real.chmod(0o640)
    link.symlink_to(real)
    write_json(link, 2)
    assert link.is_symlink()
    assert real.read_text() == "2\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_name_as_long_as_the_disk_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 250 + ".json")
    write_json(path, 1)
    assert path.read_text() == "1\n"


def test_a_lock_is_held_by_one_and_says_by_whom(tmp_path: Path) -> None:
    who = f"building a bank: process {os.getpid()}"
    with folder_lock(tmp_path, "building a bank"), pytest.raises(InUseError, match=who):
        folder_lock(tmp_path, "x").__enter__()
    with folder_lock(tmp_path, "again"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
def test_the_lock_and_the_scratch_folder_of_a_killed_process_are_taken_over(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    clear_abandoned(tmp_path)
    assert len(list(tmp_path.glob(".drawbar-unfinished-*/half"))) == 1, "its owner is alive"
    with pytest.raises(InUseError, match=f"process {child.pid}"), folder_lock(tmp_path, "mine"):
        pass
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with folder_lock(tmp_path, "mine"):
        clear_abandoned(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [LOCK_NAME]


def test_only_scratch_folders_are_cleared(tmp_path: Path) -> None:
    for name in (".drawbar-unfinished-mine", ".drawbar-unfinished-0123456789abcdef"):
        (tmp_path / name).mkdir()
    clear_abandoned(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2, "a wrong name, and one whose owner has not locked it yet"
    with ScratchFolder(tmp_path) as scratch:
        clear_abandoned(tmp_path)
        assert scratch.is_dir()
    assert not scratch.exists()


def folder_of(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "file").write_text(text)
    return path


@pytest.mark.parametrize("stopped_at", range(1, 4))
def test_a_folder_whose_replacement_is_cut_short_is_there_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: int
) -> None:
    """Stopped before each rename and before the old folder is removed."""
    folder, fresh = folder_of(tmp_path / "bank", "old"), folder_of(tmp_path / "new", "new")
    steps = 0

    def counted(real: object) -> object:
        def call(*args: object, **options: object) -> object:
            nonlocal steps
            steps += 1
            if steps >= stopped_at:
                raise KeyboardInterrupt  # and nothing after it works either: the process is gone
            return real(*args, **options)  # type: ignore[operator]

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", counted(Path.rename))
        patch.setattr("shutil.rmtree", counted(lambda *_, **__: None))
        with pytest.raises(KeyboardInterrupt):
            replace_folder(fresh, folder)
    put_back_all(tmp_path)
    assert (folder / "file").read_text() in ("old", "new")
    fresh = fresh if fresh.exists() else folder_of(tmp_path / "new", "new")
    replace_folder(fresh, folder)
    assert (folder / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]


def test_putting_back_waits_for_whoever_replaces(tmp_path: Path) -> None:
    folder_of(tmp_path / ".bank.replaced", "old")
    lock = Lock(tmp_path / ".bank.replacing-lock", "replacing it")
    assert lock.take()
    lock.release()
    put_back(tmp_path / "bank")
    assert (tmp_path / "bank" / "file").read_text() == "old"


@pytest.mark.parametrize("text", ["", "[1]", "[" * 100_000, '{"a": "b"}', '{"a": ' + "9" * 400 + "}"])
def test_what_was_measured_is_measured_again_where_its_file_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert recall(tmp_path / "a.json", dict[str, int]) == {}
    keep(tmp_path / "a.json", {"a": 1})
    assert recall(tmp_path / "a.json", dict[str, int]) == {"a": 1}
    keep(tmp_path / "a.json" / "below a file", {"a": 1})
