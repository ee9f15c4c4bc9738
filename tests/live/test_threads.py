"""How many threads a take and a load are computed with: one place says it, and never more than torch was told."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from drawbar.live import threads

DESKTOP = Path(__file__).parents[2] / "desktop"


@pytest.mark.parametrize(
    ("cores", "allowed", "spare"), [(8, 8, 7), (8, 1, 1), (8, 3, 3), (2, 2, 1), (1, 1, 1), (None, 4, 1)]
)
def test_a_core_is_left_free_and_a_lower_limit_holds(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, allowed: int, spare: int
) -> None:
    told: list[int] = []
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: allowed)
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    assert threads.playing_threads(SimpleNamespace(precision="float32")) == spare
    assert threads.playing_threads(SimpleNamespace(precision="int8")) == allowed
    monkeypatch.setattr("sys.platform", "linux")
    threads.leave_one_core()
    monkeypatch.setattr("sys.platform", "darwin")
    threads.leave_one_core()
    assert told == [spare]


def test_the_window_has_no_policy_of_its_own() -> None:
    found = [p for p in DESKTOP.rglob("*.py") if re.search(r"set_num_threads", p.read_text("utf-8"))]
    assert found == []
