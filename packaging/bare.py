"""This checkout on a machine made as bare as it can be -> whether the README's first command works there.

    python packaging/bare.py        as root on Debian or Ubuntu; elsewhere it says why it skips

In a mount namespace of its own, the shared libraries are hidden that a minimal Debian with Python does not have:
no libsndfile, PortAudio, PulseAudio, OpenGL or X. There is no apt-get, no display, an empty home, and a copy of the
checkout without .venv. Packages come from uv's cache where it has them. Standard library only.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import wave
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INFO = Path("/var/lib/dpkg/info")
KEPT_SETTINGS = re.compile(r"(PIP|UV|SSL|REQUESTS)_|(HTTPS?|ALL|NO)_PROXY$|LANG$|OPENBLAS_", re.IGNORECASE)
MULTIARCH = str(sysconfig.get_config_var("MULTIARCH"))
LIBRARY_FOLDERS = (Path("/usr/lib"), Path("/usr/local/lib"))
ABSENT = ("libsndfile.so.1", "libportaudio.so.2", "libpulse.so.0", "libEGL.so.1", "libX11.so.6")


def say(text: str) -> None:
    """One line about what is happening now."""
    print(f"bare: {text}", flush=True)


def main(arguments: list[str]) -> int:
    """Make the machine, run the commands in it; 0 when all of them work, or where there can be no such machine."""
    if arguments[:1] == ["--inside"]:
        return inside(Path(arguments[1]))
    why = why_not()
    if why:
        say(f"skipped: {why}")
        return 0
    with tempfile.TemporaryDirectory(prefix="drawbar-bare-") as name:
        folder = Path(name)
        copy_checkout(folder / "drawbar")
        for part in ("home", "bin"):
            (folder / part).mkdir()
        python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        (folder / "bin" / "python3").symlink_to(python)
        command = ["unshare", "--mount", python, str(Path(__file__).resolve()), "--inside", str(folder)]
        return subprocess.call(command, env=bare_environment(folder))


def why_not() -> str:
    """Why there can be no bare machine here; empty where there can."""
    if not sys.platform.startswith("linux") or not INFO.is_dir():
        return "hiding system libraries is done for Debian and Ubuntu"
    if os.geteuid() != 0:
        return "only root may hide system libraries in a mount namespace"
    if not (shutil.which("unshare") and shutil.which("git")):
        return "it needs unshare (util-linux) and git"
    with tempfile.TemporaryDirectory() as name:
        target = LIBRARY_FOLDERS[0]
        tried = subprocess.run(
            ["unshare", "--mount", "sh", "-c", '"$@"', "sh", *overlay(target, Path(name))],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    return (
        f"this kernel does not let us lay over {target}: {tried.stderr.strip()}" if tried.returncode else ""
    )


def copy_checkout(target: Path) -> None:
    """What a clone would hold, with what is not committed yet."""
    words = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def bare_environment(folder: Path) -> dict[str, str]:
    """No display, no tools but Python, an empty home; only where packages come from is kept."""
    kept = {name: value for name, value in os.environ.items() if KEPT_SETTINGS.match(name)}
    for settings in ("~/.config/pip/pip.conf", "~/.pip/pip.conf"):
        if Path(settings).expanduser().exists():
            kept.setdefault("PIP_CONFIG_FILE", str(Path(settings).expanduser()))
    caches = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    kept.setdefault("UV_CACHE_DIR", str(Path(caches, "uv")))
    kept.setdefault("PIP_CACHE_DIR", str(Path(caches, "pip")))
    return {"LANG": "C.UTF-8"} | kept | {
        "HOME": str(folder / "home"),
        "PATH": f"{folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
    }  # fmt: skip


# --- inside the namespace -----------------------------------------------------------------------------------


def inside(folder: Path) -> int:
    """Hide the libraries, then run what a newcomer types; 0 when all of it works."""
    hidden = hide(folder)
    present = [name for name in ABSENT if loads(name)]
    if present:
        say(f"FAILED  {', '.join(present)} can still be loaded")
        return 1
    say(f"{hidden} shared libraries are hidden")
    os.environ["PATH"] = str(folder / "bin")
    checkout, clip = folder / "drawbar", folder / "clip.wav"
    drawbar = str(checkout / ".venv" / "bin" / "drawbar")
    demonstration = checkout / "runs" / "demonstration.wav"
    failed = False
    for name, words, made in (
        ("python3 packaging/run.py", ["python3", "packaging/run.py"], demonstration),
        ("drawbar render", [drawbar, "render", "piano", "-o", str(clip), "--seconds", "2"], clip),
        ("drawbar analyse", [drawbar, "analyse", str(clip)], None),
        ("drawbar doctor", [drawbar, "doctor"], None),
    ):
        began = time.monotonic()
        done = subprocess.run(
            words, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        fine = done.returncode == 0 and "Traceback" not in done.stdout and (made is None or sounds(made))
        say(f"{'passed' if fine else 'FAILED'}  {name}  {time.monotonic() - began:.0f} s")
        for line in done.stdout.splitlines() if fine else ():
            if line.startswith("drawbar: "):
                say(f"    {line}")
        if not fine:
            failed = True
            say(f"exit code {done.returncode}, the end of what it said:\n{done.stdout[-4000:]}")
    return int(failed)


def overlay(target: Path, folder: Path) -> list[str]:
    """The command that lays an empty, writable layer over a folder."""
    parts = [folder / f"{part}{str(target).replace('/', '-')}" for part in ("over", "work")]
    for part in parts:
        part.mkdir()
    options = f"lowerdir={target},upperdir={parts[0]},workdir={parts[1]}"
    return ["mount", "-t", "overlay", "overlay", "-o", options, str(target)]


def hide(folder: Path) -> int:
    """Take away the shared libraries that neither a minimal Debian nor this Python needs; returns how many."""
    kept = minimal_files() | needed_by_python()
    for place in LIBRARY_FOLDERS:
        subprocess.run(overlay(place, folder), check=True)
    places = [*LIBRARY_FOLDERS, *(place / MULTIARCH for place in LIBRARY_FOLDERS)]
    found = [path for place in places for path in place.glob("lib*.so*")]
    surplus = [path for path in found if os.path.realpath(path) not in kept]
    for path in surplus:
        path.unlink()
    return len(surplus)


def minimal_files() -> set[str]:
    """The files of the packages that every Debian has, and of all that these depend on."""
    form = "${Package}\t${Priority}\t${Essential}\t${Pre-Depends}, ${Depends}\n"
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", form], capture_output=True, text=True, check=True
    ).stdout
    needs: dict[str, set[str]] = {}
    wanted = set()
    for line in shown.splitlines():
        name, priority, essential, depends = line.split("\t")
        needs[name] = set(re.findall(r"(?:^|[,|] *)([a-z0-9][a-z0-9.+-]*)", depends))
        if priority == "required" or essential == "yes":
            wanted.add(name)
    while more := set().union(*(needs.get(name, set()) for name in wanted)) & set(needs) - wanted:
        wanted |= more
    lists = [path for path in INFO.glob("*.list") if path.stem.partition(":")[0] in wanted]
    names = [name for path in lists for name in path.read_text().splitlines() if ".so" in name]
    return {os.path.realpath(name) for name in names}


def needed_by_python() -> set[str]:
    """The libraries of this interpreter and of its own extension modules, without Tk's, which bring X along."""
    modules = Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("*.so")
    extensions = [path for path in modules if not path.name.startswith("_tkinter")]
    words = ["ldd", os.path.realpath(sys.executable), *map(str, extensions)]
    shown = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    return {os.path.realpath(name) for name in re.findall(r"=> (/\S+)", shown)}


def loads(soname: str) -> bool:
    """Whether the dynamic linker finds a shared library."""
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def sounds(path: Path) -> bool:
    """Whether a WAV file is there and holds more than silence."""
    try:
        with wave.open(str(path)) as file:
            return file.getnframes() > file.getframerate() and any(file.readframes(file.getnframes()))
    except (OSError, wave.Error, EOFError):
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
