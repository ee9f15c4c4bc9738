"""The modules' docstrings -> the tree in README.md, in flow order; a test keeps the two equal.

    python packaging/tree.py        rewrite the tree between the markers in README.md

Standard library only: it reads the sources and imports none of them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- tree: made by packaging/tree.py -->", "<!-- /tree -->"
WIDTH = 30
# What flows into what; a package that is not named here is an error, so that the tree stays complete.
FLOW = {
    "backend/drawbar": (
        "corpus",
        "musicgen",
        "residuals",
        "sae",
        "listening",
        "features",
        "evidence",
        "bank",
        "steering",
        "live",
        "horizon",
        "pipeline",
        "bench",
        "bundled",
        "cli",
    ),
    "desktop/drawbar_desktop": ("state", "widgets"),
    "packaging": (),
}
# The same for packages that are folders of folders.
INSIDE = {"evidence": ("directions", "statistics", "experiment", "blind", "variants", "report")}
OTHER = {
    "assets/": "The embedded model, its bank, detectors, fonts; NOTICES.md names the licence of each.",
    "tests/": "Mirrors backend/ and desktop/; data/ holds a few composed clips with their truth.",
    "docs/": "LOG.md, a dated notebook of measurements and negative results; the screenshot.",
}


def first_line(path: Path) -> str:
    """The first line of a module's docstring; empty when there is none."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def tree(root: Path = ROOT) -> str:
    """Folders in flow order with their modules, each with the first line of its docstring."""
    lines: list[str] = []
    for package, parts in FLOW.items():
        lines += _package(root / package, package, parts)
        lines.append("")
    lines += [_line(name, 0, what) for name, what in OTHER.items()]
    return "\n".join(lines)


def readme_with_tree(readme: str, root: Path = ROOT) -> str:
    """The README's text with the tree between the markers brought up to date."""
    before, found, rest = readme.partition(START)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise SystemExit(f"README.md needs the lines {START} and {END} around its tree")
    return f"{before}{START}\n```\n{tree(root)}\n```\n{END}{after}"


def main() -> None:
    """Rewrite README.md in place."""
    path = ROOT / "README.md"
    path.write_text(readme_with_tree(path.read_text(encoding="utf-8")), encoding="utf-8")


def _package(folder: Path, name: str, parts: tuple[str, ...]) -> Iterator[str]:
    here = folder / "__init__.py"
    yield _line(
        f"{name}/",
        0,
        first_line(here) if here.exists() else "What sets up, runs, checks and locks; standard library only.",
    )
    yield from _modules(folder, 1)
    found = {p.parent.name for p in folder.glob("*/__init__.py")}
    if found != set(parts):
        raise SystemExit(
            f"packaging/tree.py: FLOW of {name} differs from its folders: {sorted(found ^ set(parts))}"
        )
    for part in parts:
        yield _line(f"{part}/", 1, first_line(folder / part / "__init__.py"))
        yield from _modules(folder / part, 2)
        inner = {p.parent.name for p in (folder / part).glob("*/__init__.py")}
        if inner != set(INSIDE.get(part, ())):
            raise SystemExit(f"packaging/tree.py: INSIDE of {part} differs from its folders: {sorted(inner)}")
        for name in INSIDE.get(part, ()):
            yield _line(f"{name}/", 2, first_line(folder / part / name / "__init__.py"))
            yield from _modules(folder / part / name, 3)


def _modules(folder: Path, depth: int) -> Iterator[str]:
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            yield _line(path.name, depth, first_line(path))


def _line(name: str, depth: int, what: str) -> str:
    return f"{'  ' * depth + name:{WIDTH}}{what}".rstrip()


if __name__ == "__main__":
    main()
