"""The lock, pyproject.toml, run.py and what is shipped -> they agree with one another."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import drawbar

ROOT = Path(__file__).resolve().parents[1]
PACKAGING = ROOT / "packaging"
LOCKS = sorted(PACKAGING.glob("requirements*.lock"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def load(name: str) -> ModuleType:
    """A script of packaging/ as a module; the folder is no package."""
    spec = importlib.util.spec_from_file_location(f"drawbar_packaging_{name}", PACKAGING / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def requirements(lock: Path) -> dict[str, list[str]]:
    """Every locked requirement ("name==version ; marker") and its hashes."""
    found: dict[str, list[str]] = {}
    for line in lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            head, *hashes = re.split(r"\s+--hash=", line.strip())
            found[head.strip()] = hashes
    return found


def test_version_is_the_same_everywhere() -> None:
    assert PROJECT["project"]["version"] == drawbar.__version__


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_requirement_is_exact_and_hashed(lock: Path) -> None:
    locked = requirements(lock)
    assert locked
    for head, hashes in locked.items():
        assert re.match(r"^[a-z0-9][a-z0-9.-]*==\S+", head), head
        assert hashes, f"{head} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), head


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_hold_no_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--index|--extra-index|--find-links|--trusted)", text, re.MULTILINE)
    assert str(Path.home()) not in text


def test_smaller_locks_are_parts_of_the_full_one() -> None:
    full = requirements(PACKAGING / "requirements.lock")
    play = requirements(PACKAGING / "requirements-play.lock")
    build = requirements(PACKAGING / "requirements-build.lock")
    assert build.items() <= play.items() <= full.items()
    assert len(play) < len(full)


def test_lock_holds_every_declared_dependency() -> None:
    declared = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    for group in [
        *PROJECT["project"]["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]:
        declared += group
    names = {re.split(r"[^A-Za-z0-9.-]", entry)[0].lower() for entry in declared}
    locked = {head.split("==")[0] for head in requirements(PACKAGING / "requirements.lock")}
    assert names <= locked, f"run `python packaging/run.py lock`; missing: {sorted(names - locked)}"


def test_the_app_installs_nothing_under_the_agpl_and_no_test_tools() -> None:
    play = {head.split("==")[0] for head in requirements(PACKAGING / "requirements-play.lock")}
    assert not play & {"essentia", "audiocraft", "encodec", "laion-clap", "pytest", "mypy", "ruff"}


def test_lock_keeps_versions_unless_told_to_move_them() -> None:
    kept_versions = load("lock").kept_versions
    text = "a==1.0 \\\n    --hash=sha256:00\nb-c==2.1 ; sys_platform == 'linux' \\\nd==1 ; m\nd==2 ; n\n"
    assert kept_versions(text, None) == ["a==1.0", "b-c==2.1", "d>=1,<=2"]
    assert kept_versions(text, ["B_C"]) == ["a==1.0", "d>=1,<=2"]
    assert kept_versions(text, []) == []


def test_run_script_explains_itself_and_refuses_what_it_does_not_know() -> None:
    script = str(PACKAGING / "run.py")
    helped = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=False)
    assert helped.returncode == 0
    assert "run.py test" in helped.stdout
    refused = subprocess.run([sys.executable, script, "tset"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "tset" in refused.stdout


def test_run_script_needs_nothing_but_the_standard_library() -> None:
    code = "import sys; sys.path[:0] = ['packaging']; import run, system, lock, tree"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_setup_is_done_again_only_when_its_inputs_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load("run")
    for name in run.LOCKS:
        (tmp_path / name).write_text(name)
    (tmp_path / "pyproject.toml").write_text("one")
    monkeypatch.setattr(run, "LOCKS", {name: tmp_path / name for name in run.LOCKS})
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "STAMP", tmp_path / "stamp.json")
    monkeypatch.setattr(run, "answers", lambda python: list(sys.version_info[:2]))
    done: list[str] = []

    def with_uv(lock: Path) -> bool:
        done.append(f"uv {lock.name}")
        return True

    for step in ("make_venv", "install_drawbar"):
        monkeypatch.setattr(run, step, lambda step=step: done.append(step))
    monkeypatch.setattr(run, "install_with_pip", lambda lock: done.append(f"pip {lock.name}"))
    monkeypatch.setattr(run, "install_with_uv", with_uv)
    monkeypatch.setattr(run, "prove", lambda lock: True)
    everything = ["make_venv", "pip build", "uv play", "install_drawbar"]
    run.setup("play")
    assert done == everything
    run.setup("play")
    assert done == everything
    (tmp_path / "play").write_text("other")
    run.setup("play")
    assert done == everything * 2
    done.clear()
    run.setup("all")
    run.setup("play")
    assert done == ["make_venv", "pip build", "uv all", "install_drawbar"], "everything includes what plays"


def test_pips_configuration_reaches_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    run = load("run")
    shown = ":env:.find-links='/wheels /more'\nglobal.index-url='https://mirror.example/simple'\nglobal.timeout='9'\n"
    monkeypatch.setattr(
        run.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0, stdout=shown, stderr="")
    )
    settings = run.pip_settings_for_uv()
    assert settings["UV_FIND_LINKS"] == "/wheels,/more"
    assert settings["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"


def test_uv_installs_away_from_the_project_whose_overrides_would_replace_the_locks_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = load("run")
    folders: list[Path] = []

    def record(command: list[str], **options: str) -> "subprocess.CompletedProcess[str]":
        if "uv" in command:
            folders.append(Path(options["cwd"]))
        return subprocess.CompletedProcess(command, 0, stdout="", stderr="")

    monkeypatch.setattr(run.subprocess, "run", record)
    assert run.install_with_uv(run.LOCKS["play"])
    for folder in folders:
        assert not [at for at in (folder, *folder.parents) if (at / "pyproject.toml").exists()]
    assert len(folders) == 1


def test_missing_system_packages_are_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    system = load("system")
    monkeypatch.setattr(system.sys, "platform", "linux")
    monkeypatch.setattr(system, "loads", lambda soname: soname != "libEGL.so.1")
    monkeypatch.setattr(
        system.shutil, "which", lambda tool: "/usr/bin/apt-get" if tool == "apt-get" else None
    )
    monkeypatch.setattr(system.os, "geteuid", lambda: 1000, raising=False)
    said: list[str] = []
    system.ensure(for_tests=True, say=said.append)
    assert len(said) == 1
    assert said[0].endswith("sudo apt-get install -y --no-install-recommends libegl1 xvfb pulseaudio")


def test_ci_runs_the_documented_command() -> None:
    script = ROOT / ".ci" / "run"
    assert "python3 packaging/run.py test" in script.read_text(encoding="utf-8")
    assert "python3 packaging/run.py test" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_everything_in_assets_has_its_licence_noted() -> None:
    notices = (ROOT / "assets" / "NOTICES.md").read_text(encoding="utf-8")
    shipped = [path for path in (ROOT / "assets").iterdir() if path.name != "NOTICES.md"]
    for path in shipped:
        name = f"`{path.name}/`" if path.is_dir() else f"`{path.name}`"
        assert name in notices, f"assets/NOTICES.md does not mention {name}"


def test_every_backend_package_has_its_place_in_the_layers() -> None:
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    placed = {name.strip("() ") for layer in layers for name in layer.split("|")}
    packages = {
        f"drawbar.{path.parent.name}" for path in (ROOT / "backend" / "drawbar").glob("*/__init__.py")
    }
    assert packages <= placed, f"name them in [tool.importlinter]: {sorted(packages - placed)}"


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands for pip-audit")
@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (None, 0, "not looked at: pip-audit is not installed"),
        ("", 0, "not looked at: no network"),
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', 0, "1 packages looked at"),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}]}',
            1,
            "a 1: X-1: fixed in 2",
        ),
    ],
)
def test_known_weaknesses_are_looked_up_where_that_is_possible(
    tmp_path: Path, answer: str | None, code: int, said: str
) -> None:
    if answer is not None:
        program = tmp_path / "pip-audit"
        write = f"printf '%s' '{answer}' > \"$8\"" if answer else "echo no network >&2; exit 1"
        program.write_text(f"#!/bin/sh\n{write}\n")
        program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, str(ROOT / "packaging" / "audit.py")],
        env={"PATH": f"{tmp_path}:/bin:/usr/bin" if answer is not None else str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert said in done.stdout
