"""The environment -> every locked package imports in one process, and `import drawbar` stays light."""

import json
import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from tests.test_packaging import PACKAGING, requirements

# One process, because what quarrels are native parts: OpenMP runtimes, protobuf, FFmpeg, Qt.
WHOLE_CARD = """
import importlib, json, os, sys, types
os.environ["QT_QPA_PLATFORM"] = "offscreen"
sys.argv = ["imports"]
# audiocraft imports these two at the top and uses neither on our path; [tool.uv] leaves them out.
for name in ("spacy", "xformers", "xformers.ops"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["xformers"].ops = sys.modules["xformers.ops"]
failed = {}
for name in json.loads(sys.stdin.read()):
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = f"{type(error).__name__}: {error}"
print("RESULT " + json.dumps(failed))
"""
# Deeper than the top, because the top imports little: what we use of each.
ALSO = [
    "PySide6.QtWidgets",
    "audiocraft.models.musicgen",
    "essentia.standard",
    "laion_clap.hook",
    "torchaudio.functional",
    "torchvision.transforms",
    "transformers.models.musicgen.modeling_musicgen",
]
# Not for importing: namespaces of shared libraries, programs, and a start-up hook.
NOT_MODULES = ("nvidia", "cuda", "isympy", "distutils", "pydevd_plugins", "tests")


def modules_of(distribution: metadata.Distribution) -> set[str]:
    """The public modules that a distribution puts at the top."""
    tops = {
        file.parts[0].removesuffix(".py").split(".")[0]
        for file in distribution.files or []
        if (len(file.parts) == 1 and file.suffix in (".py", ".so", ".pyd"))
        or (len(file.parts) == 2 and file.name == "__init__.py")
    }
    return {top for top in tops if top.isidentifier() and not top.startswith(("_", *NOT_MODULES))}


def test_every_locked_package_imports_in_one_process() -> None:
    wanted: set[str] = set()
    absent = []
    for head in requirements(PACKAGING / "requirements.lock"):
        requirement = Requirement(head)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            found = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            absent.append(requirement.name)
            continue
        assert found.version in requirement.specifier, (
            f"{requirement.name} {found.version} is not what is locked"
        )
        wanted |= modules_of(found)
    if absent:
        pytest.skip(f"only part of the lock is installed (no {absent[0]}); run: packaging/run.py setup --all")
    assert {"audiocraft", "laion_clap", "torch", "torchaudio", "torchvision", "sounddevice", "av"} <= wanted
    first = ["torch"] if sys.platform == "win32" else []  # there its DLLs do not load after Qt's
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WHOLE_CARD],
        input=json.dumps([*first, *sorted(wanted), *ALSO]),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    result = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert result, f"the process died (exit code {done.returncode}): {done.stderr[-2000:]}"
    failed = json.loads(result[0].removeprefix("RESULT "))
    without_portaudio = {name for name, why in failed.items() if "PortAudio library not found" in why}
    for name in without_portaudio:
        del failed[name]
    assert failed == {}
    if without_portaudio:
        pytest.skip("all but sounddevice: this machine has no PortAudio (apt-get install libportaudio2)")


HEAVY = {
    "torch",
    "transformers",
    "librosa",
    "scipy",
    "sklearn",
    "numba",
    "PySide6",
    "pyqtgraph",
    "audiocraft",
}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules in memory after a statement, in a fresh process."""
    show = "import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    code = f"{statement}\n{show}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "module", ["drawbar", "drawbar.cli", "drawbar_desktop", "drawbar_desktop.services.display"]
)
def test_importing_loads_nothing_heavy(module: str) -> None:
    assert not loaded_by(f"import {module}") & HEAVY


def test_bank_loads_neither_torch_nor_qt() -> None:
    assert not loaded_by("import drawbar.bank") & {"torch", "transformers", "PySide6", "librosa"}


def test_state_of_the_window_loads_no_qt() -> None:
    assert not loaded_by("import drawbar_desktop.state") & {"PySide6", "pyqtgraph", "torch"}


def test_backend_loads_no_qt() -> None:
    statement = (
        "import drawbar.live, drawbar.pipeline, drawbar.features, drawbar.audio_analysis, drawbar.corpus"
    )
    assert not loaded_by(statement) & {"PySide6", "pyqtgraph", "drawbar_desktop"}
