"""The source of backend and window -> no decision hangs on the words of a message: a field or a type says it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "backend").rglob("*.py"), *(ROOT / "desktop").rglob("*.py")])
MESSAGES = {"message", "reason", "trouble", "words", "notice", "error"}
"""Attributes and variables that hold sentences for people."""
FOREIGN = {
    "backend/drawbar/bank/database.py": "sqlite3 raises a bare OperationalError for text that is no UTF-8",
    "backend/drawbar/musicgen/checkpoint/download.py": "the HTTP library raises a bare ValueError for an odd proxy",
    "backend/drawbar/files/disk_errors.py": "PyTorch's and safetensors' writers tell a full disk in words only",
}
"""Where another library gives no type and no code: one place for each, and nothing of ours."""
_WORDS = "|".join(sorted(MESSAGES))
_HINT = re.compile(
    rf"( in | == | != ).*({_WORDS}|str\()|({_WORDS})( == | != |\.(startswith|endswith|find|lower|casefold)\()"
)
"""What a line must have before its file is worth parsing."""


def decided_by_words(source: str) -> list[int]:
    """Lines on which a literal is looked for in, or compared with, what was written for people."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = node.left, node.comparators[0]
            if isinstance(node.ops[0], (ast.In, ast.NotIn)) and _literal(left) and _sentence(right):
                found.append(node.lineno)
            if isinstance(node.ops[0], (ast.Eq, ast.NotEq)) and _sentence(left) and _literal(right):
                found.append(node.lineno)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("startswith", "endswith", "find")
            and _sentence(node.func.value)
        ):
            found.append(node.lineno)
    return found


def _literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != ""


def _sentence(node: ast.expr) -> bool:
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("lower", "casefold")
    ):
        return _sentence(node.func.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str":
        return (
            bool(node.args)
            and isinstance(node.args[0], ast.Name)
            and node.args[0].id in ("e", "exc", "error")
        )
    if isinstance(node, ast.Attribute):
        return node.attr in MESSAGES
    return isinstance(node, ast.Name) and node.id in ("message", "reason", "trouble")


def test_no_decision_hangs_on_the_words_of_a_message() -> None:
    found = {
        str(path.relative_to(ROOT)): lines
        for path in SOURCES
        if str(path.relative_to(ROOT)) not in FOREIGN
        and _HINT.search(source := path.read_text(encoding="utf-8"))
        and (lines := decided_by_words(source))
    }
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        'lost = snapshot.message if "without sound" in snapshot.message else ""',
        'if "out of memory" in str(error).lower(): pass',
        'if status.message == "done": pass',
        'if reason.startswith("no device"): pass',
    ],
)
def test_what_decides_by_words_is_found(line: str) -> None:
    assert decided_by_words(line) == [1]
