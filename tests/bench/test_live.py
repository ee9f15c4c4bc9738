"""The benchmarks of live play and of codecs: what they measure is what they say, on a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drawbar.bench import codec, ear, live, soak
from drawbar.errors import BadInputError
from drawbar.live import NullOutput
from drawbar.musicgen import load_model
from drawbar.musicgen.codec.encodec import EncodecCodec
from tests.live.fakes import SteppedClock, TinyBank, tiny_model
from tests.musicgen.tiny import encodec, write_checkpoint


def test_the_first_difference_is_the_first_frame_that_differs_enough() -> None:
    unmoved = np.sin(np.arange(6400) / 9).astype(np.float32)
    heard = unmoved.copy()
    heard[2000:3000] *= 1.05
    heard[4500:] *= 0.5
    assert ear.first_difference(heard, unmoved, 640) == 4480
    assert ear.first_difference(unmoved, unmoved, 640) is None


def test_quantiles_of_nothing_are_nothing() -> None:
    assert ear.quantiles([])["p99_ms"] is None
    assert ear.quantiles([10.0, 20.0, 30.0])["p50_ms"] == 20.0


def test_the_time_at_which_a_sample_was_heard_counts_the_gaps_before_it() -> None:
    clock = SteppedClock()
    output = NullOutput(1000, clock=clock)
    output.start()
    clock.time_s = 5.0
    output.write(np.ones(100, np.float32))
    clock.time_s = 5.15
    output.write(np.ones(100, np.float32))
    assert output.heard_at_s(50) == pytest.approx(5.05)
    assert output.heard_at_s(120) == pytest.approx(5.17)


def test_the_codec_bench_reports_times_and_errors_by_look_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    small = EncodecCodec(encodec(), 4)
    monkeypatch.setattr(codec, "released_encodec", lambda: small)
    found = codec.run(frames=50, threads=(1,))
    assert {row["threads"] for row in found["times"]} == {1}
    assert all(0 < row["best_ms"] <= row["p50_ms"] <= row["p99_ms"] for row in found["times"])
    exact, *fewer = [row for row in found["errors"] if row["precision"] == "float32"]
    assert exact["look_ahead"] == 4
    assert exact["max_error"] < 1e-5
    assert [row["look_ahead"] for row in fewer] == [3, 2, 1]
    assert all(row["error_db"] > exact["error_db"] for row in fewer)
    assert (small.look_ahead, small.precision) == (4, "float32")
    assert len(codec.rows(found)) == 5
    assert len(codec.error_rows(found)) == 5
    with pytest.raises(BadInputError, match="at least 50"):
        codec.run(frames=10)


def test_a_soak_plays_without_an_end_and_reports_memory() -> None:
    model: Any = tiny_model()
    bank: Any = TinyBank(model.fingerprint)
    found = soak.play(model, bank, ["1/1", "1/2"], "", seconds=2.5)
    assert found["seconds"] > 0
    assert found["window_polls"] > 0
    assert found["memory_most_mb"] >= found["memory_end_mb"] > 50
    assert [name for name, _, _ in soak.rows(found)][1] == "under-runs"
    with pytest.raises(BadInputError, match="at least 2"):
        soak.play(model, bank, ["1/1"], "", seconds=1.0)


def test_the_whole_live_bench_runs_on_any_model_and_makes_a_table(tmp_path: Path) -> None:
    tiny = load_model(write_checkpoint(tmp_path / "tiny"))
    found = live.run(tiny, seconds=0.5, sliders=2, frames=50, moves=1, drag_s=0.5, look_ahead=2)
    assert found["look_ahead_ms"] == 40
    assert [ear["rollback"] for ear in found["slider_to_ear"]] == [True, False]
    names = [name for name, _, _ in live.rows(found)]
    assert sum(name.startswith("slider to ear") for name in names) == 2
    assert sum(name.startswith("dragged") for name in names) == 2
    with pytest.raises(BadInputError, match="no such setting"):
        live.run(tiny_model(), look_ahead=2)
