"""The public names: they are what docs/api.md lists, they load nothing early, and its example and the one file run."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import drawbar

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
NAMES = sorted(set(drawbar.__all__) - {"__version__"})


def run(*arguments: object, folder: Path) -> str:
    """A Python of its own, which finds what this one finds -> its output."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "DRAWBAR_HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_lists_the_public_names_and_no_others() -> None:
    cells = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    listed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert sorted(listed | {"DrawbarError"}) == NAMES
    assert len(NAMES) <= 45


def test_every_public_name_is_there_and_is_what_type_checkers_are_told() -> None:
    block = next(
        node for node in ast.parse(Path(drawbar.__file__).read_text("utf-8")).body if isinstance(node, ast.If)
    )
    told = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(told) == NAMES
    for name, module in told.items():
        assert getattr(drawbar, name) is getattr(sys.modules[str(module)], name), name
        assert getattr(drawbar, name).__doc__, f"{name} says nothing about itself"


def test_importing_loads_neither_torch_nor_qt(tmp_path: Path) -> None:
    code = "import sys, drawbar; dir(drawbar); print([m for m in ('torch', 'numpy', 'PySide6') if m in sys.modules])"
    assert run("-c", code, folder=tmp_path).strip() == "[]"


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    run("-c", code.replace("seconds=4", "seconds=1"), folder=tmp_path)
    assert (tmp_path / "more-drums.wav").stat().st_size > 32_000


def test_the_one_file_goes_from_audio_to_steered_sound(tmp_path: Path) -> None:
    path = ROOT / "examples" / "one_file.py"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 150
    small = ("--clips", 3, "--seconds", 1, "--features", 64, "--steps", 10, "--out", tmp_path)
    told = run(path, *small, folder=tmp_path)
    assert "reconstruction misses" in told
    assert (tmp_path / "plain.wav").read_bytes() != (tmp_path / "steered.wav").read_bytes()


def test_the_one_file_uses_public_names_only() -> None:
    tree = ast.parse((ROOT / "examples" / "one_file.py").read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "drawbar"
    }
    assert used
    assert used <= set(NAMES)
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [module for module in imported if module and module.startswith("drawbar")]
