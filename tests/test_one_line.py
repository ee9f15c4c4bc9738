"""Programs that are started with ``python -m``: what is missing or full is one line there, too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from drawbar.errors import BadInputError, CancelledError
from drawbar.one_line import one_line, run

ROOT = Path(__file__).parents[1]
MISSING = """
import runpy, sys
module, library, sys.argv = sys.argv[1], sys.argv[2], ["x", "--help"]
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == library:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
runpy.run_module(module, run_name="__main__")
"""


@pytest.mark.parametrize(("module", "library"), [("drawbar.bundled", "torch"), ("drawbar_desktop", "typer")])
def test_a_missing_library_is_one_line_with_its_cure(module: str, library: str) -> None:
    paths = os.pathsep.join(str(ROOT / part) for part in ("backend", "desktop"))
    done = subprocess.run(
        [sys.executable, "-c", MISSING, module, library],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert library in done.stderr


def test_faults_of_our_own_keep_their_traceback() -> None:
    assert one_line(KeyError("x")) is None
    assert one_line(CancelledError("x")) == ("stopped", 130)
    assert one_line(BadInputError("two\nlines")) == ("drawbar: two lines", 1)

    def fault() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(fault)


def test_a_message_is_short_and_steers_no_terminal_whatever_a_library_quotes() -> None:
    """Found by tests/fuzz: tokenizers quotes a whole value of the file."""
    error = BadInputError(f"a.json is damaged ({'9' * 5000}\x1b]0;x\x07): copy it again")
    assert len(str(error)) < 900
    assert str(error).isprintable()
    assert str(error).startswith("a.json is damaged (999")
    assert str(error).endswith(": copy it again")
