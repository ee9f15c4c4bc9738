"""The native Python packages that Drawbar needs -> which of them do not load on this machine, why, and the cure.

A wheel may come without the shared library that it opens, and only importing it shows that. Set-up, `drawbar doctor`
and every command line ask here. Standard library only, because set-up reads it before anything is installed.
"""

import ctypes
import importlib
import json
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_FROZEN = bool(getattr(sys, "frozen", False))
SETUP = "get Drawbar anew" if _FROZEN else "run: python3 packaging/run.py setup"
"""What mends an installation."""
# Shared library -> Debian's package; the one table of them.
PORTAUDIO = {"libportaudio.so.2": "libportaudio2"}
WINDOW_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
}
X11_LIBRARIES = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


@dataclass(frozen=True)
class Native:
    """A package with compiled parts, or one that opens a shared library."""

    distribution: str
    """Its name in the lock."""
    opens: str
    """``module:attribute``: importing the one and reading the other loads all its libraries."""
    needed: bool = True
    """Without it nothing can be rendered. The others cost the window, the sound device or composing."""
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Shared libraries that it looks for on the machine -> Debian's packages."""

    @property
    def module(self) -> str:
        """The top-level module."""
        return self.opens.partition(":")[0].partition(".")[0]

    def missing_libraries(self) -> dict[str, str]:
        """Those of its libraries that this machine does not have (only Linux keeps them apart from the wheels)."""
        if not sys.platform.startswith("linux"):
            return {}
        return {name: package for name, package in self.libraries.items() if not loads(name)}


PACKAGES = (
    Native("torch", "torch:get_num_threads"),  # first: on Windows its DLLs do not load after Qt's
    Native("numpy", "numpy.linalg:inv"),
    Native("scipy", "scipy.signal:lfilter"),
    Native("safetensors", "safetensors.torch:load_file"),
    Native("tokenizers", "tokenizers:Tokenizer"),
    Native("llvmlite", "llvmlite.binding:llvm_version_info"),
    Native("numba", "numba:njit", needed=False),
    Native("soxr", "soxr:resample", libraries={"libsoxr.so.0": "libsoxr0"}),
    Native("soundfile", "soundfile:__libsndfile_version__", libraries={"libsndfile.so.1": "libsndfile1"}),
    Native("sounddevice", "sounddevice:get_portaudio_version", needed=False, libraries=PORTAUDIO),
    Native("rtmixer", "rtmixer:Mixer", needed=False, libraries=PORTAUDIO),
    Native("tinysoundfont", "tinysoundfont:Synth", needed=False),
    Native("pyside6-essentials", "PySide6.QtWidgets:QApplication", needed=False, libraries=WINDOW_LIBRARIES),
)


@dataclass(frozen=True)
class Failure:
    """A package that does not load here."""

    native: Native
    why: str
    """What Python said."""

    def __str__(self) -> str:
        return f"{self.native.module} does not load: {self.finding}; {self.cure}"

    @property
    def finding(self) -> str:
        """The libraries that are missing, or what Python said."""
        missing = self.native.missing_libraries()
        return f"it found no {' and no '.join(missing)}" if missing else " ".join(self.why.split())

    @property
    def cure(self) -> str:
        """The command that mends it."""
        packages = sorted(self.native.missing_libraries().values())
        if not packages:
            return SETUP
        if shutil.which("apt-get"):
            return f"{SETUP} (or apt-get install {' '.join(packages)})"
        return f"{SETUP} (or install what Debian calls {' '.join(packages)})"


def loads(soname: str) -> bool:
    """Whether the dynamic linker finds a shared library."""
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def failures(
    python: str = sys.executable,
    packages: Iterable[Native] = PACKAGES,
    also: Iterable[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> list[Failure]:
    """Load every package in one process of an interpreter -> those that did not.

    A crash costs only the package that crashed: the rest goes on in another process. ``also`` names modules to
    import afterwards, so that they and what they need are compiled; they prove nothing.
    """
    if _FROZEN:  # no interpreter to start
        return [Failure(native, why) for native in packages if (why := _why_not(native))]
    found: list[Failure] = []
    left = list(packages)
    while left:
        command = [python, "-m", "drawbar.native_packages", *(native.distribution for native in left), "--"]
        done = subprocess.run(
            [*command, *also], env=dict(environment), capture_output=True, text=True, check=False
        )
        said = dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith('["'))
        found += [
            Failure(native, said[native.distribution]) for native in left if said.get(native.distribution)
        ]
        left = [native for native in left if native.distribution not in said]
        if left:
            last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            found.append(Failure(left.pop(0), f"the process died, exit code {done.returncode}: {last[0]}"))
    return found


def explain(error: BaseException) -> str | None:
    """One line for a native package that could not be imported, or None where the error is another one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (ImportError, OSError)):
            named = [seen.name.partition(".")[0]] if isinstance(seen, ImportError) and seen.name else []
            # The modules whose import was under way: the innermost that we know is the one that failed.
            importing = [
                str(frame.f_globals.get("__name__")).partition(".")[0]
                for frame, _ in traceback.walk_tb(seen.__traceback__)
                if frame.f_code.co_name == "<module>"
            ]
            for module in reversed([*importing, *named]):
                for native in PACKAGES:
                    if native.module == module:
                        return str(Failure(native, str(seen)))
            if (
                isinstance(seen, ModuleNotFoundError)
                and named
                and named[0] not in ("drawbar", "drawbar_desktop")
            ):
                return f"the Python package {named[0]} is not installed; {SETUP}"
        seen = seen.__cause__
    return None


def main(arguments: list[str]) -> None:
    """Print ``["distribution", "why not"]`` for each, the reason empty where it loads."""
    names, also = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    for native in PACKAGES:
        if native.distribution in names:
            print(json.dumps([native.distribution, _why_not(native)]), flush=True)
    for name in also:
        try:
            importlib.import_module(name)
        except (ImportError, OSError):
            continue


def _why_not(native: Native) -> str:
    """Load it here; empty where it loads, or where it is optional and not installed."""
    module, _, attribute = native.opens.partition(":")
    try:
        getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        return "" if error.name == native.module and not native.needed else str(error)
    except Exception as error:  # whatever a broken package raises
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
