"""`drawbar study horizon`, `positive`, `null` and `drawbar report horizon`, as typed."""

import json
from pathlib import Path

import pytest

from drawbar import cli
from drawbar.cli.research.horizon import _settings
from drawbar.errors import BadInputError

EXAMPLE = Path(__file__).parents[3] / "examples" / "horizon.toml"


def test_the_example_is_a_study() -> None:
    found = _settings(EXAMPLE, Path("elsewhere"))
    assert found.composed == 200
    assert found.out == Path("elsewhere")
    assert [horizon.name for horizon in found.ahead] == ["1-3 s", "5-10 s", "15-25 s"]
    assert found.interventions.twins >= 19  # with fewer, no rank is below 0.05
    assert found.grid.step_s == 1.0


def test_unknown_settings_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run.toml"
    run.write_text('corpus = "composed:40"\nhorizon = 3\n')
    assert cli.main(["study", "horizon", str(run)]) == 1
    assert "unknown settings horizon" in capsys.readouterr().err
    run.write_text("corpus = ")
    with pytest.raises(BadInputError, match="not a readable TOML"):
        _settings(run, None)


def test_an_unfinished_study_has_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.json").write_text("{}")
    assert cli.main(["report", "horizon", str(tmp_path)]) == 1
    assert "no finished study" in capsys.readouterr().err


def test_the_null_control_on_a_made_up_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["study", "null", "--tracks", "60", "--repeats", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["repeats"] == 1
    assert found["claims"]["value"] == 0.0
