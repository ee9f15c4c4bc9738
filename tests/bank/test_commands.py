"""`drawbar bank ...`, `report ...`, `features import` as a user types them."""

import json
from pathlib import Path

import pytest

from drawbar.bank import Bank
from drawbar.bench.synthetic import synthetic_bank
from drawbar.cli import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_bank_is_packed_verified_installed_searched_listed_and_removed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    synthetic_bank(home / "bank", features=30).close()
    bundle = home / "b.drawbank"
    assert main(["bank", "pack", str(home / "bank"), str(bundle)]) == 0
    told = capsys.readouterr()
    assert "CC0-1.0" in told.err
    assert told.out.strip() == str(bundle)
    assert main(["bank", "verify", str(bundle)]) == 0
    assert main(["bank", "install", str(bundle)]) == 0
    name = capsys.readouterr().out.strip().splitlines()[-1]
    assert main(["features", "search", "--bank", name, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 20
    (home / "said.csv").write_text("feature,label\n1/0,my own word\n1/9999,ghost\n", "utf-8")
    assert main(["features", "import", str(home / "said.csv"), "--bank", name]) == 0
    assert "1/9999" in capsys.readouterr().err
    assert main(["features", "search", "my own", "--bank", name, "--json"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == ["1/0"]
    assert main(["bank", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["features"], listed["published"]) == (name, 30, True)
    assert main(["bank", "remove", name]) == 0
    assert main(["bank", "remove", name]) == 1
    assert "not installed" in capsys.readouterr().err


def test_a_damaged_bundle_ends_in_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "x.drawbank").write_bytes(b"PK nonsense")
    assert main(["bank", "install", str(home / "x.drawbank")]) == 1
    assert main(["bank", "verify", str(home / "nowhere")]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("drawbar: ") for line in lines)


def test_survivors_of_an_older_bank_are_counted_from_its_features(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    synthetic_bank(home / "bank", features=40, layers=(3,)).close()
    assert main(["report", "survivors", str(home / "bank"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["3"]
    with Bank.open(home / "bank") as bank:
        rates = [bank.feature(row.id).clip_density for row in bank.search(limit=100)]
    assert found["paper"] == sum(0.01 <= rate <= 0.25 for rate in rates)
    assert main(["report", "survivors", str(home / "bank")]) == 0
    assert "paper's filter" in capsys.readouterr().out
    assert main(["report", "labels", str(home / "bank")]) == 1
    assert "build it again" in capsys.readouterr().err


def test_a_report_shows_what_the_build_measured(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with synthetic_bank(home / "run" / "bank", features=10, layers=(3,)) as bank:
        good = {"labels": 8, "true_median": 0.9, "shuffled_median": 0.5, "auroc": 0.97}
        bank.write_quality(
            {"layers": {"3": {"labels": {"truth": good, "clap": None}, "consistency": good, "survivors": {}}}}
        )
    assert main(["report", "labels", str(home / "run")]) == 0
    shown = capsys.readouterr().out
    assert "0.970" in shown
    assert "too few" in shown


def test_the_embedded_bank_is_called_by_its_name_everywhere(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWBAR_ASSETS", str(home / "assets"))
    synthetic_bank(home / "assets" / "bank", features=30).close()
    assert main(["bank", "verify", "embedded"]) == 0
    assert main(["bank", "pack", "embedded", str(home / "b.drawbank")]) == 0
    assert main(["bank", "export-json", "embedded", str(home / "json")]) == 0
    assert main(["bank", "verify", str(home / "b.drawbank")]) == 0
