"""Every third-party import -> declared in pyproject.toml where it belongs, and everything declared is imported."""

import ast
import re
import sys
from functools import cache
from itertools import chain

import pytest

from tests.test_packaging import PROJECT, ROOT

# Imported under a name that is not the distribution's.
DISTRIBUTION = {
    "PySide6": "pyside6-essentials",
    "pythonosc": "python-osc",
    "rtmidi": "python-rtmidi",
    "shiboken6": "pyside6-essentials",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
NOT_DISTRIBUTED = {"_typeshed"}  # the type checker's own
OURS = {"drawbar", "drawbar_desktop", "tests", *(path.stem for path in (ROOT / "packaging").glob("*.py"))}
UNDECLARED = {
    "keyring": "used where the user's Python has it; without it the key comes from the environment",
    "sae-lens": "runs in an interpreter of its own",
}
NOT_IMPORTED = {
    "av": "audiocraft imports it, and asks for a version that cannot be built",
    "torchaudio": "audiocraft imports it, and asks for a version that wants another PyTorch",
    "basic-pitch": "the file of its network is read, its code is not",
    "import-linter": "a command",
    "laion-clap": "its checkpoints are read, its code asks the network when imported",
    "mypy": "a command",
    "ruff": "a command",
    "s3fs": "fsspec imports it for s3:// addresses",
    "torchvision": "laion-clap imports it",
    "pytest-qt": "a plugin of pytest",
    "pytest-xdist": "a plugin of pytest",
}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", entry)[0].lower() for entry in requirements}


def imported(*folders: str) -> dict[str, str]:
    """Distribution -> one file that imports it, wherever in the file that is."""
    found: dict[str, str] = {}
    for folder in folders:
        for name, path in _imported(folder).items():
            found.setdefault(name, path)
    return {name: path for name, path in found.items() if name not in UNDECLARED}


@cache
def _imported(folder: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        if "build" in path.relative_to(ROOT).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for module in _modules(node):
                top = module.partition(".")[0]
                if top not in sys.stdlib_module_names | OURS | NOT_DISTRIBUTED:
                    distribution = DISTRIBUTION.get(top, top.lower().replace("_", "-"))
                    found.setdefault(distribution, str(path.relative_to(ROOT)))
    return found


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        first = node.args[0]
        if node.func.attr in ("import_module", "importorskip") and isinstance(first, ast.Constant):
            return [str(first.value)]
    return []


PLAYING = names(PROJECT["project"]["dependencies"])
EXTRAS = names([*chain.from_iterable(PROJECT["project"]["optional-dependencies"].values())])
TESTING = names(PROJECT["dependency-groups"]["dev"])


@pytest.mark.parametrize(
    ("folders", "declared"),
    [
        (("backend", "desktop"), PLAYING | EXTRAS),
        (("examples",), PLAYING),
        (("packaging",), set[str]()),
        (("tests",), PLAYING | EXTRAS | TESTING | {"surely-not-installed"}),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_imported_is_declared(folders: tuple[str, ...], declared: set[str]) -> None:
    undeclared = {name: path for name, path in imported(*folders).items() if name not in declared}
    assert undeclared == {}, "declare it in pyproject.toml, then run: python packaging/run.py lock"


@pytest.mark.parametrize(
    ("folders", "declared"),
    [(("backend", "desktop"), PLAYING | EXTRAS), (("tests",), TESTING)],
    ids=["the app", "the tests"],
)
def test_what_is_declared_is_imported(folders: tuple[str, ...], declared: set[str]) -> None:
    if folders == ("backend", "desktop"):
        declared = declared - {
            "omegaconf"
        }  # of the audiocraft extra: the tests write audiocraft's files with it
    unused = declared - set(imported(*folders)) - set(NOT_IMPORTED)
    assert unused == set(), "nothing imports it: take it out of pyproject.toml"


def test_every_exception_is_still_one() -> None:
    declared = PLAYING | EXTRAS | TESTING
    everything = set(imported("backend", "desktop", "tests"))
    assert set(NOT_IMPORTED) <= declared - everything
    assert not set(UNDECLARED) & declared
