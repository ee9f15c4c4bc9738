"""Writes docs/TREE.md: every package and module with the first line of its docstring, packages in flow order.

    python packaging/tree.py        write docs/TREE.md anew; a test keeps it equal to the sources

Standard library only: it reads the sources and imports none of them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "TREE.md"
WIDTH = 34
TOPS = ("backend/drawbar", "desktop/drawbar_desktop", "packaging")
# The packages inside each package, in the order in which sound and figures flow through them.
FLOW = {
    "backend/drawbar": (
        "files",
        "corpus",
        "musicgen",
        "residuals",
        "sae",
        "audio_analysis",
        "features",
        "bank",
        "markup",
        "steering",
        "contrast",
        "evidence",
        "listening_test",
        "live",
        "pipeline",
        "research",
        "bench",
        "bundled",
        "cli",
    ),
    "backend/drawbar/corpus": ("composer",),
    "backend/drawbar/musicgen": (
        "network",
        "checkpoint",
        "codec",
        "generation",
        "compiled",
        "quantised",
        "parity",
    ),
    "backend/drawbar/features": ("labellers",),
    "backend/drawbar/evidence": ("statistics", "experiment", "methods", "words", "report"),
    "backend/drawbar/evidence/methods": ("arms",),
    "backend/drawbar/live": ("audio_out", "takes"),
    "backend/drawbar/bank": ("tables",),
    "backend/drawbar/pipeline": ("inputs", "stages", "cluster"),
    "backend/drawbar/research": ("horizon", "variants"),
    "backend/drawbar/research/horizon": ("study",),
    "backend/drawbar/cli": ("research",),
    "desktop/drawbar_desktop": ("state", "widgets", "controllers", "services", "style", "review", "devtools"),
    "desktop/drawbar_desktop/widgets": ("common", "top", "browser", "rack", "timeline", "side", "sheets"),
}
# What has no docstring of its own.
OTHER = {
    "packaging": "What sets up, runs, checks and locks; standard library only.",
    "assets": "The embedded model, its bank, detectors, fonts; NOTICES.md names the licence of each.",
    "examples": "Configurations and short programs to start from.",
    "tests": "Mirrors backend/ and desktop/; data/ holds a few composed clips with their truth.",
    "docs": "The guide, what was measured and how, LOG.md (a dated notebook), pictures.",
}
HEAD = """# The tree

Made by `python packaging/tree.py`: the first line of every module's docstring. Packages stand in flow order; imports
point one way only (`[tool.importlinter]` in pyproject.toml).

    audio -> codec tokens -> residuals -> SAE -> features -> labels -> evidence -> bank
          -> sliders -> steered decode -> sound

"""


def first_line(path: Path) -> str:
    """The first line of a module's docstring; empty when there is none."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def page(root: Path = ROOT) -> str:
    """The text of docs/TREE.md; exits where ``FLOW`` and the folders disagree."""
    blocks = ["\n".join(_package(root, top, 0)) for top in TOPS]
    blocks.append("\n".join(_line(f"{name}/", 0, OTHER[name]) for name in OTHER if name not in TOPS))
    return HEAD + "```\n" + "\n\n".join(blocks) + "\n```\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def _package(root: Path, name: str, depth: int) -> Iterator[str]:
    folder = root / name
    here = folder / "__init__.py"
    yield _line(f"{name if not depth else folder.name}/", depth, OTHER.get(name) or first_line(here))
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            yield _line(path.name, depth + 1, first_line(path))
    parts = FLOW.get(name, ())
    if wrong := {p.parent.name for p in folder.glob("*/__init__.py")} ^ set(parts):
        raise SystemExit(f"packaging/tree.py: FLOW of {name} differs from its folders: {sorted(wrong)}")
    for part in parts:
        yield from _package(root, f"{name}/{part}", depth + 1)


def _line(name: str, depth: int, what: str) -> str:
    return f"{'  ' * depth + name:{WIDTH}}{what}".rstrip()


if __name__ == "__main__":
    main()
