"""What a package offers in its `__all__` -> says in a docstring what it is."""

import ast
from pathlib import Path

import pytest

from tests.test_packaging import ROOT

FOLDERS = (ROOT / "backend", ROOT / "desktop")
PACKAGES = [path for folder in FOLDERS for path in sorted(folder.rglob("__init__.py"))]


def offered(package: Path) -> set[str]:
    """The names in a package's `__all__`."""
    for node in ast.parse(package.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                return {str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant)}
    return set()


def silent(package: Path) -> set[str]:
    """Offered classes and functions of a package, defined anywhere inside it, without a docstring."""
    names = offered(package)
    found: dict[str, bool] = {}
    for path in package.parent.rglob("*.py") if names else ():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name in names:
                found[node.name] = found.get(node.name, False) or ast.get_docstring(node) is not None
    return {name for name, told in found.items() if not told}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_offered_names_say_what_they_are(package: Path) -> None:
    assert silent(package) == set()


def test_an_offered_name_without_a_docstring_is_found(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text('__all__ = ["told", "untold"]\n', encoding="utf-8")
    (tmp_path / "inner.py").write_text(
        'def told() -> None:\n    """Says it."""\n\n\ndef untold() -> None: ...\n', encoding="utf-8"
    )
    assert silent(tmp_path / "__init__.py") == {"untold"}
