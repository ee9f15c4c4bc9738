"""Commands that write, on a disk that is full, read-only or not there: one line that names the file, nothing left."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from drawbar import cli
from drawbar.bank import Bank
from drawbar.bank.bundle import export_bank
from drawbar.bench.synthetic import synthetic_bank
from drawbar.files.destination import check_file, check_folder
from drawbar.live.takes.take import Take, TakeSettings
from drawbar_desktop.state.takes import TakeStore

posix = pytest.mark.skipif(os.name != "posix", reason="limits and mounts are POSIX's")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("bundle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAWBAR_HOME", str(home / "home"))
        synthetic_bank(home / "bank", features=400).close()
        return export_bank(home / "bank", home / "b.drawbank")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB with 40 kB left."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk of its own needs Linux and the right to mount one")
    try:
        (place / "other").write_bytes(bytes(216 << 10))
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def take(seconds: float = 20.0) -> Take:
    rng = np.random.default_rng(0)
    audio = rng.uniform(-0.5, 0.5, int(32_000 * seconds)).astype(np.float32)
    return Take(audio, 32_000, rng.integers(0, 999, (4, int(50 * seconds))).astype(np.uint16), TakeSettings())


def drawbar(*words: object, home: Path, most_bytes: int | None = None) -> tuple[int, str]:
    """A command in a process of its own -> exit code and what it says."""

    def limit() -> None:
        if most_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    environment = {**os.environ, "DRAWBAR_HOME": str(home), "OMP_NUM_THREADS": "1", "COLUMNS": "300"}
    command = [
        sys.executable,
        "-c",
        "import sys; from drawbar.cli import main; sys.exit(main())",
        *map(str, words),
    ]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=limit
    )
    return done.returncode, done.stderr


def one_line(said: str, *names: object) -> None:
    assert "Traceback" not in said
    assert said.count("\n") == 1, said
    assert all(str(name) in said for name in names), said


@pytest.mark.parametrize("ending", [".wav", ".flac", ".json"])
def test_a_take_that_does_not_fit_leaves_the_old_file_and_nothing_else(tiny_disk: Path, ending: str) -> None:
    from drawbar.errors import DiskError

    path = tiny_disk / f"take{'.wav' if ending == '.json' else ending}"
    path.write_bytes(b"old")
    if ending == ".json":
        path.with_suffix(".json").write_bytes(b"old")
    with pytest.raises(DiskError, match=rf"{path}: the disk is full: make room"):
        take().save(path)
    assert path.read_bytes() == b"old"
    kept = {"other", path.name} | ({"take.json"} if ending == ".json" else set())
    assert {p.name for p in tiny_disk.iterdir()} == kept


def test_a_history_on_a_full_disk_keeps_what_it_had(tiny_disk: Path) -> None:
    from drawbar.errors import DiskError

    store = TakeStore(tiny_disk / "takes")
    first = store.add(take(0.1))
    with pytest.raises(DiskError, match="full"):
        store.add(take())
    assert store.all() == [first]
    assert [p.name for p in (tiny_disk / "takes").iterdir()] == [first.id]


def test_installing_and_packing_on_a_full_disk_name_the_disk(tiny_disk: Path, bundle: Path) -> None:
    code, said = drawbar("bank", "install", bundle, home=tiny_disk / "home")
    assert code == 1
    one_line(said, tiny_disk, "room")
    assert not list((tiny_disk / "home" / "installed").glob("*"))
    code, said = drawbar(
        "bank", "pack", bundle.with_name("bank"), tiny_disk / "b.drawbank", home=bundle.parent
    )
    assert code == 1
    one_line(said, tiny_disk, "full")
    assert "fetch" not in said
    assert {p.name for p in tiny_disk.iterdir()} == {"other", "home"}


@posix
def test_a_limit_on_the_size_of_files_is_named(tmp_path: Path, bundle: Path) -> None:
    """What a quota or an old file system gives; works without the right to mount."""
    code, said = drawbar("bank", "install", bundle, home=tmp_path / "home", most_bytes=50_000)
    assert code == 1
    one_line(said, tmp_path)
    assert "fetch" not in said
    assert [p for p in (tmp_path / "home" / "installed").iterdir() if p.is_dir()] == []


COMMANDS: dict[str, Callable[[Path], list[object]]] = {
    "render": lambda out: ["render", "piano", "--out", out / "a.wav"],
    "pack": lambda out: ["bank", "pack", "embedded", out / "a.drawbank"],
    "report": lambda out: ["report", "evidence", "--out", out / "a.html"],
    "build": lambda out: ["build", "composed:2", "--out", out / "run"],
    "compose": lambda out: ["compose", out / "corpus"],
    "prove": lambda out: ["prove", "embedded", "--out", out / "run"],
    "blind": lambda out: ["blind", "--wav", out / "clips"],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("place", ["a file", "too long", "not allowed"])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, place: str
) -> None:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "file").write_text("x")
    folder = {"a file": "file", "too long": "n" * 300, "not allowed": "closed"}[place]
    if place == "not allowed":
        real = os.open

        def denied(path: object, flags: int, *rest: int, **more: object) -> int:
            if flags & os.O_CREAT:
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, flags, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "open", denied)
    words = COMMANDS[name](tmp_path / folder)
    assert cli.main([str(word) for word in words]) == 1
    said = capsys.readouterr().err
    one_line(said)
    assert {p.name for p in tmp_path.iterdir()} <= {"file", "home"}


def test_the_estimate_is_compared_with_the_room_that_there_is(tmp_path: Path) -> None:
    from drawbar.errors import DiskError

    for check in (check_file, check_folder):
        check(tmp_path / "new" / "name", 1000)
        with pytest.raises(DiskError, match=r"about 1,000,000,000,000 MB are needed, and the disk has"):
            check(tmp_path / "new" / "name", 10**18)
    assert list(tmp_path.iterdir()) == []


def test_labels_that_another_program_writes_are_named_by_the_command(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sqlite3

    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path))
    with Bank.open(bundle.with_name("bank")) as bank:
        feature = bank.search(limit=1)[0].id
        bank.add_label(feature, "one")
        path = bank.edits_path
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **{**k, "timeout": 0.01}))
    holder = real(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    (tmp_path / "labels.csv").write_text(f"feature,label\n{feature},two\n")
    words = ["features", "import", tmp_path / "labels.csv", "--bank", bundle.with_name("bank")]
    assert cli.main([str(word) for word in words]) == 1
    one_line(capsys.readouterr().err, path, "another program")
    holder.close()
