"""Every command that writes, on a disk that is read-only or full: one line, exit code 1, the old file as it was.

The commands come from the parser, so that a new one has to be put into one of the two tables here.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from drawbar import cli
from drawbar.bank import install_bank
from drawbar.bank.bundle import export_bank
from drawbar.bench.synthetic import synthetic_bank
from drawbar.cli.options import file_to_write, folder_to_write
from drawbar.paths import embedded_bank_dir
from drawbar.steering.own import OwnDirection, OwnDirections
from drawbar_desktop import __main__ as main_module
from drawbar_desktop.__main__ import main as window
from tests.musicgen.fakehub import serving
from tests.musicgen.released import write_hf

Words = Callable[[Path, Path], list[object]]
"""The disk and a folder of things to read -> a command that would write on that disk."""

WRITES: dict[str, Words] = {
    "bank export-json": lambda disk, given: ["bank", "export-json", given / "bank", disk / "run"],
    "bank install": lambda disk, given: ["bank", "install", given / "b.drawbank"],
    "bank pack": lambda disk, given: ["bank", "pack", "embedded", disk / "old"],
    "bank remove": lambda disk, given: ["bank", "remove", "synthetic-00000000"],
    "bank starter": lambda disk, given: ["bank", "starter", "--out", disk / "run"],
    "bank table": lambda disk, given: ["bank", "table", disk / "run", "embedded"],
    "bench concepts": lambda disk, given: ["bench", "concepts", "--report", disk / "old"],
    "bench loading": lambda disk, given: ["bench", "loading", "--folder", disk / "run"],
    "bench model": lambda disk, given: ["bench", "model", "--report", disk / "old"],
    "bench null": lambda disk, given: ["bench", "null", "--write", disk / "old"],
    "bench scale": lambda disk, given: ["bench", "scale", "--report", disk / "old"],
    "bench steering-methods": lambda disk, given: ["bench", "steering-methods", "x.py", "--out", disk / "run"],
    "bench tables": lambda disk, given: ["bench", "tables", "--rows", 1000, "--folder", disk / "run"],
    "bench variants": lambda disk, given: ["bench", "variants", "--out", disk / "run"],
    "blind": lambda disk, given: ["blind", "--session", disk / "session.json"],
    "build": lambda disk, given: ["build", "composed:2", "--out", disk / "run"],
    "compose": lambda disk, given: ["compose", disk / "corpus", "--pieces", 1],
    "direction from-examples": lambda disk, given: [
        "direction", "from-examples", *[given / f"{n}.wav" for n in range(4)],
        "--unlike", *[given / f"{n}.wav" for n in range(4, 8)], "--name", "new",
    ],
    "direction from-words": lambda disk, given: ["direction", "from-words", "drums"],
    "direction remove": lambda disk, given: ["direction", "remove", "mine"],
    "features import": lambda disk, given: [
        "features", "import", given / "labels.csv", "--bank", given / "bank"
    ],
    "prove": lambda disk, given: ["prove", "embedded", "--out", disk / "run"],
    "render": lambda disk, given: ["render", "piano", "--out", disk / "old"],
    "report evidence": lambda disk, given: ["report", "evidence", "--out", disk / "old"],
    "report horizon": lambda disk, given: ["report", "horizon", given / "run", "--out", disk / "old"],
    "review export": lambda disk, given: ["review", "export", given / "review", "--out", disk / "old"],
    "review queue": lambda disk, given: ["review", "queue", given / "study", disk / "review"],
    "review terminal": lambda disk, given: ["review", "terminal", disk, "--as", "me", "--silent"],
    "sliders": lambda disk, given: ["sliders", "embedded", "--out", disk / "run"],
    "study events": lambda disk, given: ["study", "events", disk],
    "study horizon": lambda disk, given: ["study", "horizon", given / "run.toml", "--out", disk / "run"],
    "study manifest": lambda disk, given: ["study", "manifest", disk / "study", "--composed", 2],
    "study score": lambda disk, given: ["study", "score", "--out", disk / "old"],
}  # fmt: skip
FREES = {"bank remove", "direction remove"}
"""What makes room works on a full disk."""
WINDOW: dict[str, Words] = {
    "--smoke-test": lambda disk, given: ["--smoke-test", disk / "old"],
    "pictures guide": lambda disk, given: ["pictures", "guide", disk],
    "pictures looks": lambda disk, given: ["pictures", "looks", disk / "looks"],
    "review window": lambda disk, given: ["review", "window", disk, "--as", "me"],
}
"""What `drawbar` does beside the command line (drawbar_desktop.__main__); `bench window` writes nothing."""
DOWNLOADS = {"model get"}
"""Writes into the Hub's own cache; it has a test of its own."""
READS = {
    "analyse", "bank list", "bank verify", "bench codec", "bench decoder", "bench harvest", "bench live",
    "bench sae", "bench score", "bench search", "bench site", "bench steering", "bench synth-sae", "direction list",
    "direction show", "doctor", "features search", "features show", "model list", "model show", "report labels",
    "report survivors", "review agreement", "study null", "study positive", "study verify", "verify",
}  # fmt: skip
"""Print, and write at most into a temporary folder."""
ANSWERS = (
    ["bank", "list"], ["bank", "verify", embedded_bank_dir()], ["features", "search", "drums"],
    ["features", "show", "drums"], ["direction", "list"], ["direction", "show", "mine"], ["model", "list"],
    ["report", "labels"],
)  # fmt: skip


def leaves() -> dict[str, Any]:
    """Every command by its words."""
    found: dict[str, Any] = {}

    def walk(at: Any, words: list[str]) -> None:
        for name, below in getattr(at, "commands", {}).items():
            walk(below, [*words, name])
        if not getattr(at, "commands", None):
            found[" ".join(words)] = at

    walk(typer.main.get_command(cli.app), [])
    return found


def test_no_command_is_forgotten() -> None:
    known = leaves()
    assert known.keys() == WRITES.keys() | READS | DOWNLOADS, "say in this file whether it writes"
    named = {"--out", "--report", "--write", "--wav", "--csv", "--session", "--annotations", "--install"}
    for name, command in known.items():
        writing = [p.opts[0] for p in command.params if named & set(p.opts)]
        assert not (writing and name in READS), f"{name} writes {writing}"


def test_no_command_of_the_window_is_forgotten() -> None:
    source = Path(main_module.__file__).read_text()
    known = {" ".join(pair) for pair in re.findall(r'given\[:2\] == \["(\w+)", "(\w+)"\]', source)}
    assert known | {"--smoke-test"} == WINDOW.keys() | {"bench window"}, "say in this file whether it writes"


def test_every_path_that_is_written_is_checked_before_the_work() -> None:
    source = "".join(path.read_text() for path in Path(cli.__file__).parent.rglob("*.py"))
    for check in (file_to_write, folder_to_write):
        assert f"callback={check.__name__}" in source
    for name, command in leaves().items():
        for part in command.params:
            if {"--out", "--report", "--write", "--wav", "--csv", "--annotations"} & set(part.opts):
                assert part.callback is not None, f"{name} {part.opts[0]}"


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands read, on a disk of its own."""
    import soundfile

    folder = tmp_path_factory.mktemp("given")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAWBAR_HOME", str(folder / "home"))
        with synthetic_bank(folder / "bank", features=40) as bank:
            feature = bank.search(limit=1)[0].id
        export_bank(folder / "bank", folder / "b.drawbank")
    (folder / "labels.csv").write_text(f"feature,label\n{feature},two\n")
    rng = np.random.default_rng(0)
    for n in range(8):
        soundfile.write(folder / f"{n}.wav", rng.uniform(-0.5, 0.5, 32_000), 32_000)
    (folder / "run.toml").write_text(f'study = "{folder / "study"}"\n')
    return folder


def _fill(disk: Path, given: Path) -> None:
    """An old file, an installed bank and a direction of one's own."""
    (disk / "old").write_bytes(b"old")
    install_bank(given / "b.drawbank", disk / "home" / "installed", edits=disk / "home" / "edits")
    vector = np.eye(1, 8, dtype=np.float32)[0]
    OwnDirections(disk / "home" / "directions").save(OwnDirection("mine", "f" * 64, "m", 1, vector, 1.0))


@pytest.fixture(scope="module", params=["read-only", "full"])
def disk(
    request: pytest.FixtureRequest, given: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A disk that is mounted read-only, so that not even root can write, or one that has no room for another name."""
    place = tmp_path_factory.mktemp(request.param)
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m,nr_inodes=300", "tmpfs", str(place)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk of its own needs Linux and the right to mount one")
    try:
        _fill(place, given)
        if request.param == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        else:
            _use_up(place / "others")
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _use_up(folder: Path) -> None:
    folder.mkdir()
    try:
        for n in range(1000):
            (folder / str(n)).touch()
    except OSError:
        return
    pytest.skip("this disk takes any number of names")


def _all_of(disk: Path) -> dict[str, bytes]:
    return {str(p.relative_to(disk)): p.read_bytes() for p in disk.rglob("*") if p.is_file()}


@pytest.fixture
def home(disk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DRAWBAR_HOME", str(disk / "home"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    return disk / "home"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", WRITES)
def test_it_ends_in_one_line_and_changes_nothing(
    disk: Path, given: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    if disk.name.startswith("full") and name in FREES:
        pytest.skip("see the last test")
    before = _all_of(disk)
    assert cli.main([str(word) for word in WRITES[name](disk, given)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert str(disk) in said
    assert "read-only" in said if disk.name.startswith("read-only") else "full" in said
    assert _all_of(disk) == before


@pytest.mark.display
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", WINDOW)
def test_the_windows_own_commands_do_the_same(
    disk: Path, given: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    before = _all_of(disk)
    assert window([str(word) for word in WINDOW[name](disk, given)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert str(disk) in said
    assert _all_of(disk) == before


@pytest.mark.usefixtures("home")
def test_a_download_says_that_its_place_cannot_be_written(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_hf(tmp_path / "repository")
    before = _all_of(disk)
    with serving() as hub:
        hub.add("acme/tiny", tmp_path / "repository")
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(disk / "hub"))
        assert cli.main(["model", "get", "acme/tiny", "--accept-licence"]) == 1
        assert not hub.ranges, "nothing is fetched"
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert str(disk / "hub") in said.splitlines()[-1]
    assert _all_of(disk) == before


@pytest.mark.usefixtures("home", "disk")
@pytest.mark.parametrize("words", ANSWERS, ids=lambda words: " ".join(map(str, words[:2])))
def test_what_only_reads_needs_no_disk_to_write_on(words: list[object], disk: Path) -> None:
    before = _all_of(disk)
    assert cli.main([str(word) for word in words]) == 0
    assert _all_of(disk) == before


@pytest.mark.usefixtures("home")
def test_what_makes_room_works_on_a_full_disk(disk: Path, given: Path) -> None:
    if disk.name.startswith("full"):
        for name in FREES:
            assert cli.main([str(word) for word in WRITES[name](disk, given)]) == 0
        assert not list((disk / "home" / "installed").iterdir())
        assert not list((disk / "home" / "directions").iterdir())
