"""This machine -> what Drawbar finds on it, what is missing, and how to get it."""

import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from drawbar.errors import DrawbarError
from drawbar.native_packages import PACKAGES, SETUP, Failure, Native, failures
from drawbar.paths import assets_dir, embedded_bank_dir, embedded_model_dir, user_dir

_PURE = ("transformers", "librosa", "pyqtgraph")
"""Packages that only have to be installed; those with compiled parts must load as well."""


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    ok: bool
    finding: str
    cure: str = ""
    """What to do about it; empty where nothing is missing."""
    needed: bool = False
    """Without it nothing plays at all."""


def examine(model_folder: Path | None = None, bank_folder: Path | None = None) -> list[Check]:
    """Look at everything; opens no device and changes nothing. ``None`` means the embedded model and bank."""
    model, bank = model_folder or embedded_model_dir(), bank_folder or embedded_bank_dir()
    broken = {failure.native.distribution: failure for failure in failures()}
    # What imports our own code needs all that this code imports.
    own = [] if any(f.native.needed for f in broken.values()) else [*_devices(), _bank(bank), _soundfont()]
    return [
        _versions(),
        *(_native(native, broken.get(native.distribution)) for native in PACKAGES),
        *(_installed(package) for package in _PURE),
        _memory(),
        *own,
        _model(model),
        _detectors(),
        _audio_out("sounddevice" in broken),
        _display(),
        _takes(),
    ]


def playable(checks: list[Check]) -> bool:
    """True when nothing that playing needs is missing."""
    return all(check.ok for check in checks if check.needed)


def _versions() -> Check:
    name = (
        f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {platform.machine()}"
    )
    ok = (3, 11) <= sys.version_info[:2] < (3, 13)
    return Check(
        "Python", ok, name, "" if ok else "use Python 3.11 or 3.12: python3 packaging/run.py setup", True
    )


def _native(native: Native, failure: Failure | None) -> Check:
    if failure is not None:
        return Check(native.distribution, False, failure.finding, failure.cure, native.needed)
    return _installed(native.distribution, native.needed)


def _installed(package: str, needed: bool = True) -> Check:
    try:
        return Check(package, True, metadata.version(package), needed=needed)
    except metadata.PackageNotFoundError:
        return Check(package, False, "not installed", f"{SETUP}, then use .venv/bin/drawbar", needed)


def _memory() -> Check:
    total, free = _memory_gib()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if free is None:
        return Check("machine", True, f"{cores} cores")
    ok = free >= 1.0
    cure = "" if ok else "close other programs: playing takes about 1 GiB"
    return Check("machine", ok, f"{cores} cores, {free:.1f} of {total:.1f} GiB memory free", cure)


def _memory_gib() -> tuple[float, float | None]:
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(fields[name].split()[0]) / 2**20 for name in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError, IndexError):
        return 0.0, None
    return total, free


def _devices() -> list[Check]:
    import torch

    found = [Check("compute: cpu", True, f"{torch.get_num_threads()} threads")]
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        found.append(
            Check(f"compute: cuda:{index}", True, f"{about.name}, {about.total_memory / 2**30:.0f} GiB")
        )
    if torch.backends.mps.is_available():
        found.append(Check("compute: mps", True, "Apple GPU (the codec stays on the CPU)"))
    return found


def _model(folder: Path) -> Check:
    missing = [name for name in ("config.json", "model.safetensors") if not (folder / name).is_file()]
    if missing:
        cure = "clone the repository whole, or make it: `python -m drawbar.bundled`"
        return Check("model", False, f"{folder}: no {' and no '.join(missing)}", cure, True)
    megabytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    return Check("model", True, f"{folder} ({megabytes:.1f} MB)", needed=True)


def _bank(folder: Path) -> Check:
    from drawbar.bank import Bank

    try:
        bank = Bank.open(folder)
        finding = (
            f"{bank.info.name}: {bank.count()} features on layers {', '.join(map(str, bank.info.layers))}"
        )
    except DrawbarError as error:
        return Check("bank", False, str(error), "clone the repository whole, or make one: `drawbar build`")
    return Check("bank", True, finding)


def _detectors() -> Check:
    folder = assets_dir() / "detectors"
    ok = (folder / "detectors.safetensors").is_file()
    cure = "" if ok else "needed for benchmarks only; make them: `python -m drawbar.bundled`"
    return Check("detectors", ok, str(folder) if ok else f"{folder}: none", cure)


def _audio_out(no_library: bool) -> Check:
    if no_library:
        cure = "see sounddevice above; until then Drawbar plays in silence"
        return Check("audio output", False, "no PortAudio", cure)
    import sounddevice

    try:
        outputs = [device for device in sounddevice.query_devices() if device["max_output_channels"] > 0]
    except sounddevice.PortAudioError as error:
        return Check("audio output", False, f"PortAudio does not start ({error})", "check the sound system")
    if not outputs:
        return Check(
            "audio output", False, "PortAudio works, no output device", "connect one; rendering works"
        )
    return Check("audio output", True, f"{len(outputs)} devices, first: {outputs[0]['name']}")


def _display() -> Check:
    if sys.platform in ("win32", "darwin"):
        return Check("display", True, sys.platform)
    for name in ("WAYLAND_DISPLAY", "DISPLAY"):
        if os.environ.get(name):
            return Check("display", True, f"{name}={os.environ[name]}")
    cure = "run on a desktop or use `drawbar render`; for a screenshot: QT_QPA_PLATFORM=offscreen"
    return Check("display", False, "no display server", cure)


def _soundfont() -> Check:
    from drawbar.corpus import DEFAULT_SOUNDFONT

    font = Path(DEFAULT_SOUNDFONT)
    if font.is_file():
        return Check("soundfont", True, str(font))
    cure = "needed only to compose training music: apt install fluid-soundfont-gm, or give --soundfont"
    return Check("soundfont", False, f"{font}: none", cure)


def _takes() -> Check:
    folder = user_dir()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    ok = os.access(nearest, os.W_OK)
    return Check("takes", ok, str(folder), "" if ok else "not writable: set DRAWBAR_HOME to a folder that is")
