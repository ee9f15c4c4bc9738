"""README.md and docs/TREE.md -> they say what the sources say, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.test_packaging import ROOT, load

SOURCES = [
    path
    for folder in ("backend", "desktop", "packaging")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not {"build", "dist"} & set(path.relative_to(ROOT).parts)
]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def test_tree_is_what_the_docstrings_say() -> None:
    tree = load("tree")
    assert tree.PAGE.read_text(encoding="utf-8") == tree.page(), "run `python packaging/tree.py`"


def test_tree_names_every_module() -> None:
    lines = re.findall(r"^ *[a-z_0-9]+\.py ", load("tree").page(), re.MULTILINE)
    assert len(lines) == sum(path.name != "__init__.py" for path in SOURCES)


def test_tree_refuses_a_package_that_it_does_not_know(tmp_path: Path) -> None:
    for folder in ("backend/drawbar", "backend/drawbar/surprise"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").write_text('"""A package."""\n', encoding="utf-8")
    with pytest.raises(SystemExit, match="surprise"):
        load("tree").page(tmp_path)


def test_every_module_says_what_it_is_in_one_sentence() -> None:
    lines = {str(path.relative_to(ROOT)): load("tree").first_line(path) for path in SOURCES}
    silent = {path: line for path, line in lines.items() if not re.search(r"[.?]$", line)}
    assert silent == {}, "the first line of a module's docstring is one sentence"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (document.parent / target).exists(), target


def test_contributing_names_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:backend|desktop|tests|packaging|docs)/[^`\s]*)`", text)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 250
