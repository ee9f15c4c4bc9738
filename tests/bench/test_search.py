from pathlib import Path

from drawbar.bench.search import run
from drawbar.bench.synthetic import synthetic_bank


def test_the_search_benchmark_gives_a_row_for_every_kind_of_keystroke() -> None:
    result = run(features=120)
    names = [row["what"] for row in result["rows"]]
    assert len(names) == len(set(names))
    assert sum("keystroke" in name for name in names) == 6
    assert all(0 < row["p50_ms"] <= row["p95_ms"] <= row["max_ms"] for row in result["rows"])
    assert result["features"] == 120
    assert result["target_p95_ms"] == 50.0


def test_a_synthetic_bank_has_everything_that_its_features_need(tmp_path: Path) -> None:
    with synthetic_bank(tmp_path / "b", features=11, layers=(0, 2), d_model=8, examples=2) as bank:
        rows = bank.search(limit=100)
        assert len(rows) == 11
        assert bank.vectors([row.id for row in rows])["W_dec"].shape == (11, 8)
        assert all(len(bank.examples(row.id)) == 2 for row in rows)
        assert {row.shelf for row in rows} <= {"proven", "named", "unnamed"}
