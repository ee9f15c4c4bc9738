from pathlib import Path

import numpy as np
import pytest

from drawbar.bench import null
from drawbar.errors import BadInputError
from drawbar.evidence.statistics.synthetic_studies import SyntheticSettings, synthetic_study

SMALL = SyntheticSettings(sliders=4, directions=160, measures=6)


@pytest.fixture(scope="module")
def fifty() -> dict[str, object]:
    return null.run(50, SMALL, seed=0)


def test_nothing_is_proven_more_often_than_promised(fifty: dict[str, object]) -> None:
    """50 null runs: every exact 95 % interval still holds the nominal rate, or lies below it."""
    counts = fifty["null"]
    assert isinstance(counts, dict)
    assert counts["proven sliders without an effect"]["of"] == 200
    for name, count in counts.items():
        assert count["low"] <= 0.05, name
    assert counts["studies with a false proven slider"]["rate"] <= 0.1


def test_ranks_are_exact_enough_to_see_an_excess(fifty: dict[str, object]) -> None:
    counts = fifty["null"]
    assert isinstance(counts, dict)
    for name in ("p below 0.05, a label's own measure", "p below 0.05, any measure"):
        assert 0.005 <= counts[name]["rate"] <= 0.1


def test_larger_effects_are_found_more_often(fifty: dict[str, object]) -> None:
    power = fifty["power"]
    assert isinstance(power, list)
    found = [row["found"]["rate"] for row in power]
    assert found[0] < 0.5 < found[-1]
    assert found == sorted(found)


def test_the_page_says_what_was_run_and_found(fifty: dict[str, object], tmp_path: Path) -> None:
    null.write_report(fifty, tmp_path / "null.md")
    page = (tmp_path / "null.md").read_text()
    assert "--runs 50" in page
    assert "| proven sliders without an effect |" in page
    assert "| 2 |" in page


def test_the_world_is_what_it_says() -> None:
    study, real = synthetic_study(SyntheticSettings(sliders=4, affected=0.5, effect=1.0, judged=0.5), 1)
    assert real == ("0/0", "0/1")
    assert sum(slider.target is not None for slider in study.sliders) == 2
    again, _ = synthetic_study(SyntheticSettings(sliders=4, affected=0.5, effect=1.0, judged=0.5), 1)
    assert np.array_equal(study.pools[0].values, again.pools[0].values)
    with pytest.raises(BadInputError, match="tails above 2"):
        SyntheticSettings(tails=1)
    with pytest.raises(BadInputError, match="at least 1"):
        null.run(0)
