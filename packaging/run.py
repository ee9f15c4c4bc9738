"""A fresh machine -> a locked .venv -> Drawbar's window, its tests, or a new lock.

    python3 packaging/run.py              set up what playing needs and open the window
    python3 packaging/run.py setup        only set up (setup --all: also every extra and the test tools)
    python3 packaging/run.py test [...]   set up everything, then format, lint, types, contracts and tests
    python3 packaging/run.py lock [...]   resolve the dependencies anew (see lock.py)

Standard library only. Packages come from wherever pip is configured to find them, and only with the hashes in
packaging/*.lock. Doing it twice is quick: .venv/drawbar-stamp.json holds what was installed.
"""

import ast
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "drawbar-stamp.json"
LOCKS = {
    name: HERE / f"requirements{suffix}.lock"
    for name, suffix in (("all", ""), ("play", "-play"), ("build", "-build"))
}
PIP_FLAGS = ("-qq", "--disable-pip-version-check", "--no-deps", "--require-hashes")
PLAYING = ("drawbar.cli", "drawbar.live.rendering", "drawbar_desktop.app")
"""What is imported at set-up, so that the first start finds it compiled."""
WANTED = ((3, 11), (3, 12))
DEMO = ROOT / "runs" / "demonstration.wav"
DEMO_PROMPT = "slow piano in A minor with drums"
IN_PARALLEL = ("-n", "2", "--dist", "loadgroup")
CHECKS = (
    ("format", ["ruff", "format", "--check", "."]),
    ("lint", ["ruff", "check", "."]),
    ("types", ["mypy"]),
    ("contracts", ["lint-imports", "--no-cache"]),
)


def say(text: str) -> None:
    """One line about what is happening now."""
    print(f"drawbar: {text}", flush=True)


def main(arguments: list[str]) -> int:
    """Do what the words ask for; returns the exit code."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("play", [])
    if command in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    if command not in ("play", "setup", "test", "lock") or (
        command == "setup" and rest not in ([], ["--all"])
    ):
        say(f"{shlex.join(arguments)!r} is not something run.py does\n\n{__doc__}")
        return 2
    use_right_python(arguments)
    sys.path[:0] = [str(HERE), str(ROOT / "backend"), str(ROOT / "desktop")]
    if command == "lock":
        setup("build")
        return call("lock", [str(PYTHON), str(HERE / "lock.py"), *rest])
    import system

    everything = command == "test" or rest == ["--all"]
    system.ensure_venv_module(say)
    system.ensure(for_tests=everything, say=say)
    profile = "all" if everything else "play"
    proven = setup(profile)
    if command == "setup":
        if proven is None:  # nothing was installed, but the machine may have changed
            proven = prove(LOCKS[profile])
        say(f"{'ready' if proven else 'not ready, see above'}; the command line is {BIN / 'drawbar'}")
        return 0 if proven else 1
    return test(rest) if command == "test" else play()


# --- setting up ---------------------------------------------------------------------------------------------


def use_right_python(arguments: list[str]) -> None:
    """Go on under Python 3.11 or 3.12, starting another interpreter where this one is not."""
    if sys.version_info[:2] in WANTED:
        return
    script = [str(Path(__file__).resolve()), *arguments]
    for version in reversed(WANTED):
        name = "python{}.{}".format(*version)
        found = shutil.which(name)
        if found and answers(Path(found)) == list(version):
            say(f"this is Python {sys.version.split()[0]}; going on with {name}")
            sys.exit(subprocess.call([found, *script]))
    sys.exit(
        f"run.py: Drawbar needs Python 3.11 or 3.12 and this is {sys.version.split()[0]} ({sys.executable}); "
        f"install one (python.org, your package manager, or: uv python install 3.12) and run: "
        f"python3.12 {shlex.join(script)}"
    )


def answers(python: Path) -> "list[int] | None":
    """The version of an interpreter, or None when it does not run."""
    ask = "import sys; print(list(sys.version_info[:2]))"
    try:
        shown = subprocess.run(
            [str(python), "-c", ask], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        return list(json.loads(shown))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def setup(profile: str) -> "bool | None":
    """Make .venv hold at least the profile ("build", "play" or "all"), and prove it.

    Returns None when it was there already, else whether all that rendering needs loads.
    """
    stamps = read_stamps()
    wanted = fingerprint(profile)
    if stamps.get(profile) == wanted or (profile != "all" and stamps.get("all") == fingerprint("all")):
        return None
    started = time.monotonic()
    make_venv()
    say("installing what installs the rest")
    install_with_pip(LOCKS["build"])
    if profile != "build":
        size = "everything, tests included" if profile == "all" else "what playing needs"
        say(f"installing {size} (PyTorch alone is some gigabytes on Linux; the first time takes minutes)")
        if not install_with_uv(LOCKS[profile]):
            say("uv could not do it here; pip takes over")
            install_with_pip(LOCKS[profile])
        install_drawbar()
    proven = profile == "build" or prove(LOCKS[profile])
    if proven:
        STAMP.write_text(json.dumps({**read_stamps(), profile: wanted}, indent=1))
    say(f"set up in {time.monotonic() - started:.0f} s")
    return proven


def prove(lock: Path) -> bool:
    """Load every native package, mend what does not load, and name what stays; False if rendering needs it.

    Wheels come without bytecode, so this leaves it behind for what playing imports: compiling all of PyTorch's and
    Transformers' 13,000 modules takes a minute and a half of CPU and spares no more.
    """
    import system
    from drawbar.native_packages import failures

    say("proving that every native package loads")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    broken = failures(str(PYTHON), also=PLAYING, environment=environment)
    again = {failure.native.distribution for failure in broken} & set(locked_requirements(lock))
    if again:
        # uv takes the first index's wheel, pip the best of all indexes: the one that carries its library.
        say(f"installing again, with pip: {' '.join(sorted(again))}")
        reinstall_with_pip(lock, again)
        broken = failures(str(PYTHON), [failure.native for failure in broken])
    absent = {package for failure in broken for package in failure.native.missing_libraries().values()}
    absent -= set(system.LIBRARIES.values())  # tried before anything else
    if absent:
        system.obtain(sorted(absent), say)
        broken = failures(str(PYTHON), [failure.native for failure in broken])
    for failure in broken:
        say(str(failure))
    return not any(failure.native.needed for failure in broken)


def locked_requirements(lock: Path) -> "dict[str, str]":
    """Name -> its lines of a lock, hashes included."""
    found: dict[str, str] = {}
    for line in lock.read_text().replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            name = line.partition("==")[0]
            found[name] = f"{found.get(name, '')}{line}\n"
    return found


def fingerprint(profile: str) -> str:
    """What decides the contents of .venv: the lock, pyproject.toml, the interpreter, and where we are."""
    digest = hashlib.sha256()
    for path in (LOCKS[profile], LOCKS["build"], ROOT / "pyproject.toml"):
        digest.update(path.read_bytes() if path.exists() else b"")
    digest.update(repr((sys.version_info[:2], str(ROOT))).encode())
    return digest.hexdigest()


def read_stamps() -> "dict[str, str]":
    """What earlier runs installed; empty when the environment is gone or broken."""
    if answers(PYTHON) != list(sys.version_info[:2]):
        return {}
    try:
        return dict(json.loads(STAMP.read_text()))
    except (OSError, ValueError):
        return {}


def make_venv() -> None:
    """A virtual environment with a working pip, made anew when the one that is there does not run."""
    if answers(PYTHON) != list(sys.version_info[:2]):
        if VENV.exists():
            say(f"the environment in {VENV} does not run with this Python; making it anew")
        else:
            say(f"making {VENV}")
        base = getattr(sys, "_base_executable", sys.executable)
        must([base, "-m", "venv", "--clear", str(VENV)])
    if subprocess.run([str(PYTHON), "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        must([str(PYTHON), "-m", "ensurepip", "--upgrade"])


def install_with_pip(lock: Path) -> None:
    """Install a lock with pip, exactly and with its hashes."""
    flags = [*PIP_FLAGS, *([] if lock == LOCKS["build"] else ["--no-build-isolation", "--no-compile"])]
    must([str(PYTHON), "-m", "pip", "install", *flags, "-r", str(lock)])


def reinstall_with_pip(lock: Path, names: "set[str]") -> None:
    """Put a lock's packages in anew; what cannot be had stays as it is."""
    locked = locked_requirements(lock)
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder, lock.name)
        part.write_text("".join(locked[name] for name in sorted(names)))
        flags = ["--force-reinstall", "--no-compile", "--no-build-isolation", *PIP_FLAGS]
        subprocess.run([str(PYTHON), "-m", "pip", "install", *flags, "-r", str(part)], check=False)


def install_with_uv(lock: Path) -> bool:
    """Install a lock with uv, which is several times faster; False when it fails (pip may know better)."""
    command = [str(PYTHON), "-m", "uv", "pip", "install", "--python", str(PYTHON), "--no-deps"]
    command += ["--require-hashes", "--no-build-isolation", "-r", str(lock)]
    environment = {**pip_settings_for_uv(), **os.environ}
    # Away from pyproject.toml: its override-dependencies (torchaudio>=2.11) would replace the lock's exact versions.
    with tempfile.TemporaryDirectory() as elsewhere:
        return subprocess.run(command, cwd=elsewhere, env=environment, check=False).returncode == 0


def install_drawbar() -> None:
    """Put this checkout on the environment's path, with its console script."""
    flags = ["-qq", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index"]
    must([str(PYTHON), "-m", "pip", "install", *flags, "-e", str(ROOT)])


def pip_settings_for_uv() -> "dict[str, str]":
    """Pip's configuration (indexes, certificates) in uv's environment variables; uv reads none of pip's."""
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
        "proxy": "ALL_PROXY",
        "trusted-host": "UV_INSECURE_HOST",
        "no-index": "UV_NO_INDEX",
    }
    shown = subprocess.run(
        [str(PYTHON), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    settings = {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # pip's own rule; the hashes decide what is taken
    for line in shown.stdout.splitlines():
        key, _, value = line.partition("=")
        name = names.get(key.rpartition(".")[2])
        if name:
            words = str(ast.literal_eval(value)).split()
            settings[name] = ("," if name == "UV_FIND_LINKS" else " ").join(words)
    return settings


# --- running ------------------------------------------------------------------------------------------------


def play() -> int:
    """Open the window; where there is no display, say so and render a take to a file instead."""
    from drawbar_desktop.services.display import why_no_window

    why = why_no_window()
    if why is None:
        say("opening the window")
        return call("window", [str(BIN / "drawbar")])
    say(why)
    DEMO.parent.mkdir(exist_ok=True)
    say(f"rendering a demonstration to {DEMO.relative_to(ROOT)}")
    words = [
        "render",
        DEMO_PROMPT,
        "-o",
        str(DEMO),
        "--seconds",
        "8",
        "--seed",
        "7",
        "--amount",
        "drums=+0.5",
    ]
    return call("render", [str(BIN / "drawbar"), *words])


def test(pytest_arguments: "list[str]") -> int:
    """Run every check, even after one failed, and say how long each took."""
    checks = [(name, [str(BIN / words[0]), *words[1:]]) for name, words in CHECKS]
    whole = not pytest_arguments
    checks.append(("tests", [str(PYTHON), "-m", "pytest", *(IN_PARALLEL if whole else pytest_arguments)]))
    if whole:
        checks.append(("first command", [str(PYTHON), str(HERE / "bare.py")]))
        checks.append(("known weaknesses", [sys.executable, str(HERE / "audit.py")]))
    results = []
    for name, command in checks:
        say(f"{name}: {shlex.join([Path(command[0]).name, *command[1:]])}")
        started = time.monotonic()
        results.append((name, call(name, command), time.monotonic() - started))
    for name, code, seconds in results:
        say(f"{'passed' if code == 0 else 'FAILED'}  {name}  {seconds:.0f} s")
    return int(any(code for _, code, _ in results))


def call(name: str, command: "list[str]") -> int:
    """Run a command in the repository's root, its output passed through; returns its exit code."""
    try:
        return subprocess.call(command, cwd=ROOT)
    except FileNotFoundError:
        say(f"{name}: {command[0]} is missing; remove {STAMP} and run this again")
        return 1


def must(command: "list[str]") -> None:
    """Run a command; end with its own message and what was run when it fails."""
    code = subprocess.call(command)
    if code:
        sys.exit(f"run.py: this failed with exit code {code} (its message is above): {shlex.join(command)}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
