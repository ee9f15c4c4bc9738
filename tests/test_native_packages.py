"""A native package that does not load -> its name and cure in one line: at set-up, in doctor, in every command."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from drawbar import native_packages
from drawbar.native_packages import PACKAGES, Failure, Native, explain, failures
from tests.test_packaging import PROJECT, ROOT, load

BY_NAME = {native.distribution: native for native in PACKAGES}
NO_LIBRARY = "raise OSError('libfoo.so.1: cannot open shared object file: No such file or directory')"


@pytest.fixture
def stub(tmp_path: Path) -> Callable[[str, str], dict[str, str]]:
    """Put a module that does something on the path; returns the environment that finds it first."""

    def put(module: str, code: str) -> dict[str, str]:
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").write_text(code)
        paths = [str(tmp_path), str(ROOT / "backend"), str(ROOT / "desktop")]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    return put


def test_every_declared_package_with_compiled_parts_is_proven() -> None:
    compiled = set()
    for requirement in PROJECT["project"]["dependencies"]:
        name = requirement.partition(";")[0].rstrip("<>=!,.0123456789 ").partition("<")[0].partition(">")[0]
        try:
            files = metadata.distribution(name).files or []
        except metadata.PackageNotFoundError:
            continue
        if any(file.suffix in (".so", ".pyd", ".dll", ".dylib") for file in files):
            compiled.add(name)
    compiled -= {"pyyaml"}  # it has Python for what its C part does
    assert {"torch", "numpy"} <= compiled <= set(BY_NAME)


@pytest.mark.parametrize("native", PACKAGES, ids=lambda native: native.distribution)
@pytest.mark.parametrize(
    "fault", [NO_LIBRARY, "raise ImportError('DLL load failed')", "import not_there_either"]
)
def test_a_package_that_cannot_be_imported_is_explained_in_one_line(
    native: Native,
    fault: str,
    stub: Callable[[str, str], dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stub(native.module, fault)
    for name in [name for name in sys.modules if name.partition(".")[0] == native.module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises((ImportError, OSError)) as raised:
        importlib.import_module(native.opens.partition(":")[0])
    line = explain(raised.value)
    assert line is not None
    assert line.startswith(f"{native.module} does not load: ")
    assert "packaging/run.py setup" in line
    assert "\n" not in line


def test_what_is_not_installed_at_all_is_named_too() -> None:
    with pytest.raises(ImportError) as raised:
        importlib.import_module("surely_not_installed.part")
    assert explain(raised.value) == (
        "the Python package surely_not_installed is not installed; run: python3 packaging/run.py setup"
    )


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "no such file", "x.wav"), ValueError("x"), KeyError("y")]
)
def test_other_errors_are_not_taken_for_a_missing_package(error: Exception) -> None:
    assert explain(error) is None
    with pytest.raises(ImportError) as ours:
        importlib.import_module("drawbar.no_such_part")
    assert explain(ours.value) is None


@pytest.mark.parametrize(
    "words",
    [
        ["render", "piano", "-o", "x.wav"],
        ["analyse", "x.wav"],
        ["bench", "live"],
        ["--smoke-test", "shot.png"],
    ],
    ids=lambda words: words[0].strip("-"),
)
def test_every_command_says_which_package_and_the_cure_without_a_traceback(
    words: list[str], stub: Callable[[str, str], dict[str, str]], tmp_path: Path
) -> None:
    environment = stub("numpy", NO_LIBRARY) | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-m", "drawbar_desktop", *words],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        f"drawbar: numpy does not load: {NO_LIBRARY[15:-2]}; run: python3 packaging/run.py setup"
    ]


def test_a_package_that_crashes_costs_only_itself(stub: Callable[[str, str], dict[str, str]]) -> None:
    stub("soxr", "import os; os._exit(3)")
    stub("llvmlite", NO_LIBRARY)
    environment = stub("tokenizers", "class Tokenizer: ...")
    tried = [BY_NAME[name] for name in ("tokenizers", "llvmlite", "soxr", "numpy")]
    found = {f.native.distribution: f.why for f in failures(packages=tried, environment=environment)}
    assert set(found) == {"llvmlite", "soxr"}
    assert "libfoo.so.1" in found["llvmlite"]
    assert "exit code 3" in found["soxr"]


def test_a_missing_library_is_named_with_its_debian_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(native_packages, "loads", lambda soname: False)
    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    assert str(Failure(BY_NAME["soundfile"], "cannot load library")) == (
        "soundfile does not load: it found no libsndfile.so.1; "
        "run: python3 packaging/run.py setup (or apt-get install libsndfile1)"
    )


@pytest.mark.parametrize("mended_by", ["pip", "apt", "nothing"])
def test_set_up_mends_what_does_not_load_or_names_it(
    mended_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT / "packaging")
    import system

    run = load("run")
    lock = tmp_path / "some.lock"
    lock.write_text("soundfile==0.14.0 \\\n    --hash=sha256:00\nsoxr==1.1.0 \\\n    --hash=sha256:01\n")
    done: list[str] = []

    def failing(*_: object, **__: object) -> list[Failure]:
        return [] if mended_by in done else [Failure(BY_NAME["soundfile"], "cannot load library")]

    monkeypatch.setattr(native_packages, "failures", failing)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(native_packages, "loads", lambda soname: False)
    monkeypatch.setattr(run, "reinstall_with_pip", lambda lock, names: done.extend(["pip", *names]))
    monkeypatch.setattr(system, "obtain", lambda packages, say: done.extend(["apt", *packages]))
    assert run.prove(lock) is (mended_by != "nothing")
    assert done == ["pip", "soundfile"] + (["apt", "libsndfile1"] if mended_by != "pip" else [])
    assert ("soundfile does not load" in capsys.readouterr().out) is (mended_by == "nothing")


def test_what_failed_the_proof_is_proven_again_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load("run")
    monkeypatch.setattr(run, "STAMP", tmp_path / "stamp.json")
    monkeypatch.setattr(run, "answers", lambda python: list(sys.version_info[:2]))
    for step in ("make_venv", "install_drawbar"):
        monkeypatch.setattr(run, step, lambda: None)
    monkeypatch.setattr(run, "install_with_pip", lambda lock: None)
    monkeypatch.setattr(run, "install_with_uv", lambda lock: True)
    answers = iter([False, True])
    monkeypatch.setattr(run, "prove", lambda lock: next(answers))
    assert run.setup("play") is False
    assert run.setup("play") is True
    assert run.setup("play") is None
    assert "play" in json.loads(run.STAMP.read_text())
