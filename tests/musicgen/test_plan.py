"""What a model would take on this machine, said before it is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drawbar import cli
from drawbar.musicgen.checkpoint.inspection import sizes_of
from drawbar.musicgen.checkpoint.memory_needed import needed
from drawbar.musicgen.checkpoint.plan import plan


def test_longer_takes_and_twins_need_more_and_nothing_is_measured_when_time_is_up(tiny_folder: Path) -> None:
    spec, text, codec = sizes_of(str(tiny_folder))
    assert min(text, codec) > 0
    found = plan(spec, most_s=0)
    choice = found.choices[0]
    assert (choice.device, choice.precision, choice.frame_ms) == ("cpu", "float32", None)
    assert choice.bytes["10 s"] <= choice.bytes["endless"] < choice.bytes["endless + twin"]
    assert choice.bytes["endless + twin"] == needed(spec, rows=4).total


def test_a_released_model_that_is_not_here_can_be_planned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    spec, text, _ = sizes_of("facebook/musicgen-large")
    assert text > 10**8
    assert (spec.d_model, spec.n_layers) == (2048, 48)


def test_the_command_shows_every_precision(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["model", "show", str(tiny_folder), "--plan", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["choices"][0]["precision"] == "float32"
    assert told["choices"][0]["frame_ms"] > 0
    assert cli.main(["model", "show", str(tiny_folder), "--plan"]) == 0
    out = capsys.readouterr().out
    assert "with the twin" in out
    assert "endless" in out
