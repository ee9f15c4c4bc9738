"""`drawbar render` outside a slider's usable range: it plays, and says what to expect and how to stay inside."""

import sys
import types
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drawbar import cli
from drawbar.cli import render_and_doctor as playing

GUARDS = [
    {"amount": -2, "holds": False, "broken": ["silence"]},
    {"amount": 1, "holds": True, "broken": []},
    {"amount": 4, "holds": False, "broken": ["clipping"]},
    {"amount": 2, "holds": False, "broken": ["cross-entropy", "loudness"]},
]


class OneSlider:
    """A bank with drums, usable from -0.5 to about +1.26."""

    def __init__(self, evidence: Any) -> None:
        self.evidence = evidence

    def resolve(self, name: str) -> Any:
        return SimpleNamespace(id="4/1", label="drums")

    def feature(self, id: str) -> Any:
        usable = None if self.evidence is None else (-0.5, 1.2599)
        return SimpleNamespace(usable_range=usable, evidence=self.evidence)

    def concept_sliders(self) -> list[Any]:
        return []


@pytest.fixture
def said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, Any], str]:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "300")
    fake = types.ModuleType("drawbar.live")
    take = SimpleNamespace(save=lambda path: path)
    fake.__dict__.update(TakeSettings=SimpleNamespace, render=lambda *_, progress: take)
    monkeypatch.setitem(sys.modules, "drawbar.live", fake)
    monkeypatch.setattr(playing, "load", lambda *_: object())

    def call(amount: str, evidence: Any) -> str:
        monkeypatch.setattr(playing, "open_bank", lambda _: OneSlider(evidence))
        assert (
            cli.main(["render", "piano", "-o", str(tmp_path / "t.wav"), "--amount", f"drums={amount}"]) == 0
        )
        seen = capsys.readouterr()
        assert "warning" not in seen.out
        return seen.err

    return call


def test_an_amount_outside_names_range_reason_and_cure(said: Callable[[str, Any], str]) -> None:
    up = said("+2.5", {"guards": GUARDS})
    assert (
        "warning: 4/1 at +2.5 is outside its usable range, -0.5 to +1.25 (at +2 cross-entropy, loudness broke)"
        in up
    )
    assert "--amount 'drums=+1.25' stays inside" in up
    assert "--amount 'drums=-0.5' stays inside" in said("-1", {"guards": GUARDS})
    assert "(it was not tested there)" in said("+2.5", {"guards": []})


def test_inside_the_range_and_without_evidence_nothing_is_said(said: Callable[[str, Any], str]) -> None:
    assert "warning" not in said("+1.25", {"guards": GUARDS})
    assert "warning" not in said("+3", None)
