"""The benchmarks of discovery's speed: what they print is complete, and what they cannot measure they say."""

import sys
from pathlib import Path

import pytest
import torch

from drawbar.bench import harvest, sae, score
from drawbar.errors import BadInputError, DrawbarError, MissingDependencyError
from drawbar.musicgen import Model
from drawbar.musicgen.network.decoder import Decoder
from tests.musicgen.tiny import SPEC

FAKE_SAELENS = """
import json, sys
config = json.load(open(sys.argv[1]))
assert config["d_sae"] == 64 and config["data"].endswith(".safetensors")
print("a warning")
print(json.dumps({"version": "9.9", "torch": "x"}), flush=True)
for line in sys.stdin:
    words = line.split()
    print(json.dumps({"fvu": 0.5} if words == ["fvu"] else {"seconds": 100.0 * int(words[1])}), flush=True)
"""


def test_without_saelens_only_ours_is_measured_and_the_table_says_so() -> None:
    result = sae.run(width=16, features=64, k=4, batch=32, steps=2, rounds=1, warm_up=1)
    assert result["ratio"] is None
    assert result["activations_per_s"]["ours"] > 0
    assert ("SAELens", "not measured", "give --saelens-python") in sae.rows(result)


def test_with_a_python_the_other_trainer_takes_its_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(FAKE_SAELENS, encoding="utf-8")
    monkeypatch.setattr(sae, "_WORKER", str(worker))
    result = sae.run(
        width=16,
        features=64,
        k=4,
        batch=32,
        steps=2,
        rounds=1,
        warm_up=1,
        saelens_python=Path(sys.executable),
    )
    assert result["activations_per_s"]["theirs"] == pytest.approx(32 / 100)
    assert result["fvu"]["theirs"] == 0.5
    assert result["ratio"] > 1
    assert any("SAELens 9.9" in str(row[0]) for row in sae.rows(result))


def test_a_python_without_saelens_is_named_with_the_cure(tmp_path: Path) -> None:
    sizes = {"width": 16, "features": 64, "k": 4, "batch": 32, "steps": 1, "rounds": 1, "warm_up": 1}
    with pytest.raises(MissingDependencyError, match="does not run"):
        sae.run(**sizes, saelens_python=tmp_path / "nothing")  # type: ignore[arg-type]


def test_the_synthetic_residuals_have_the_norm_that_both_trainers_expect() -> None:
    data = sae.synthetic(16, 64, 4, 32, 3)
    assert data.shape == (3, 32, 16)
    assert float(data.norm(dim=2).mean()) == pytest.approx(4.0)


def test_harvest_reports_a_ratio_and_the_bytes_of_the_file_that_is_written() -> None:
    model = Model(SPEC, Decoder(SPEC).eval().requires_grad_(False), None, None)  # type: ignore[arg-type]
    result = harvest.run(model, count=2, clips=2, frames=200, batch=2, rounds=1, features=64, k=4)
    assert result["layers"] == [1, 2]
    assert result["ratio"] > 0
    assert 4 * 4 <= result["bytes_per_token"] / 2 < 4 * 4 + 4  # four bytes a pair, and headers
    assert len(harvest.rows(result)) == 6
    with pytest.raises(BadInputError, match="layers"):
        harvest.run(model, count=9)


def test_scoring_runs_in_a_process_of_its_own_and_tells_its_peak() -> None:
    told: list[str] = []
    sizes = score.ScoreSizes(features=64, layers=1, k=4, width=8, clips=6, frames=100)
    result = score.run(sizes, progress=lambda what, _: told.append(what))
    assert result["peak_bytes"] >= result["before_bytes"] > 0
    assert set(result["seconds"]) == {"profile", "concepts", "neighbours"}
    assert "layer 0: profile" in told
    assert score.rows(result)[0][0] == "64 features x 1 layers, 6 clips"


def test_a_scoring_process_that_dies_is_an_error_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "_work", sys.exit)
    with pytest.raises(DrawbarError, match="ended with code"):
        score.run(score.ScoreSizes(features=8, layers=1, k=2, width=4, clips=2, frames=10))
    with pytest.raises(BadInputError, match="k at most"):
        score.ScoreSizes(features=8, k=9)


def test_thread_counts_are_reported() -> None:
    result = sae.run(width=8, features=16, k=2, batch=16, steps=1, rounds=1, warm_up=1)
    assert result["threads"] == torch.get_num_threads()
