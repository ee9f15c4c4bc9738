"""The window's bench, in small: it runs and prints the figures that are asked for."""

import json

import pytest

from drawbar_desktop.__main__ import main


def test_the_bench_prints_frame_and_search_figures(qapp: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "window", "--seconds", "1", "--features", "300", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["frame_ms_p99"] > 0
    assert result["search_ms_p95"] > 0
    assert result["features"] == 300
    assert result["meters"] == 64
