"""A bare machine -> the system libraries and tools that Drawbar needs, installed or named.

Standard library only. Only Linux lacks anything: the wheels for macOS and Windows carry their own libraries.
``drawbar.native_packages`` has the table of libraries.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "backend"))
from drawbar.native_packages import PORTAUDIO, WINDOW_LIBRARIES, X11_LIBRARIES, loads

# What no wheel for Linux carries.
LIBRARIES = {**PORTAUDIO, **WINDOW_LIBRARIES, **X11_LIBRARIES}
TEST_TOOLS = {"Xvfb": "xvfb", "pulseaudio": "pulseaudio"}
RENAMED = {"libglib2.0-0": "libglib2.0-0t64"}  # Ubuntu 24.04 and Debian 13


def missing(for_tests: bool) -> list[str]:
    """Debian's names of the packages whose library or tool is not here."""
    found = [package for soname, package in LIBRARIES.items() if not loads(soname)]
    if for_tests:
        found += [package for tool, package in TEST_TOOLS.items() if shutil.which(tool) is None]
    return found


def ensure(for_tests: bool, say: Callable[[str], None]) -> None:
    """Install what is missing where we may (root, apt), else name it; never fails."""
    if sys.platform.startswith("linux"):
        obtain(missing(for_tests), say)


def ensure_venv_module(say: Callable[[str], None]) -> None:
    """Debian ships Python without the part that makes virtual environments."""
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    obtain([package], say)
    importlib.invalidate_caches()
    if not importlib.util.find_spec("ensurepip"):
        sys.exit(
            f"run.py: this Python cannot make virtual environments; install it: apt-get install {package}"
        )


def obtain(packages: list[str], say: Callable[[str], None]) -> None:
    """Install Debian packages where we may, else name them with the command; never fails."""
    if not packages:
        return
    if shutil.which("apt-get") is None:
        say(f"missing system libraries, by Debian's names: {' '.join(packages)}")
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if os.geteuid() != 0:
        say(f"missing system packages; install them: sudo {shlex.join(command)}")
        return
    say(f"system packages: {' '.join(packages)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=quiet, stdout=subprocess.DEVNULL, check=False)
    known = [RENAMED[p] if p in RENAMED and not _installable(p) else p for p in packages]
    done = subprocess.run([*command[:4], "-qq", *known], env=quiet, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        say(f"could not install them; what needs them will say so. By hand: {shlex.join(command)}")


def _installable(package: str) -> bool:
    shown = subprocess.run(
        ["apt-cache", "policy", package], capture_output=True, text=True, check=False
    ).stdout
    return "Candidate: (none)" not in shown and "Candidate:" in shown
