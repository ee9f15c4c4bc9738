"""README.md -> its tree is what the modules say of themselves, and its links lead somewhere."""

import re

from tests.test_packaging import ROOT, load

SOURCES = [
    path
    for folder in ("backend", "desktop", "packaging")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "build" not in path.relative_to(ROOT).parts
]


def test_tree_in_the_readme_is_what_the_docstrings_say() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert load("tree").readme_with_tree(readme) == readme, "run `python packaging/tree.py`"


def test_every_module_says_what_goes_in_and_what_comes_out() -> None:
    lines = {str(path.relative_to(ROOT)): load("tree").first_line(path) for path in SOURCES}
    silent = {path: line for path, line in lines.items() if not re.search(r"[.?]$", line)}
    assert silent == {}, "the first line of a module's docstring is one sentence"


def test_readme_links_lead_to_files() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert (ROOT / target).exists(), target
