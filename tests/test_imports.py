"""Who imports whom: no circle, type-only imports and those inside functions included."""

import ast
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def modules(folder: Path) -> dict[str, Path]:
    """Module name -> its file, for everything below a source folder."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """The known modules that a file names in any import statement, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in known or node.module in known:
                    yield inner if inner in known else node.module


def circle(graph: Mapping[str, Set[str]]) -> list[str]:
    """The modules of one circle, in order; empty where there is none."""
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for other in sorted(graph[module]):
            if found := walk(other, [*path, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := walk(module, []))), [])


def test_no_module_imports_itself_by_a_detour() -> None:
    known = modules(ROOT / "backend") | modules(ROOT / "desktop")
    graph = {name: set(imported(path, known)) - {name} for name, path in known.items()}
    assert len(graph) > 300, "the source folders have moved"
    assert not (found := circle(graph)), " -> ".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "from package import one",
        "import package.one",
        "def f():\n    from package.one import thing",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from package.one import Thing",
    ],
)
def test_a_circle_is_found_however_the_import_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "one.py").write_text("from package.two import thing\n")
    (tmp_path / "package" / "two.py").write_text(text + "\n")
    known = modules(tmp_path)
    graph = {name: set(imported(path, known)) - {name} for name, path in known.items()}
    assert circle(graph) == ["package.one", "package.two", "package.one"]


def named_in(path: Path) -> set[str]:
    """What a module defines or imports, at its top level or for type checkers."""
    found = {"__file__", "__name__"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def test_every_imported_name_is_there_in_lazy_packages_too() -> None:
    """A package with ``__getattr__`` makes a type checker believe in any name."""
    known = modules(ROOT / "backend") | modules(ROOT / "desktop")
    offered = {name: named_in(path) for name, path in known.items()}
    missing = []
    for path in [*known.values(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in known:
                for alias in node.names:
                    if f"{node.module}.{alias.name}" not in known and alias.name not in offered[node.module]:
                        missing.append(f"{path.relative_to(ROOT)}: {node.module}.{alias.name}")
    assert missing == []


def test_values_of_any_type_stay_rare() -> None:
    """A class or a one-line protocol says what goes through a door; ruff's ANN401 watches the signatures."""
    used = [
        node
        for path in [*modules(ROOT / "backend").values(), *modules(ROOT / "desktop").values()]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Name) and node.id == "Any")
        or (isinstance(node, ast.alias) and node.name == "Any")
    ]
    assert len(used) < 300
