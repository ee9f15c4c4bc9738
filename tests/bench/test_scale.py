"""Made-up runs whose times one can say in one's head -> points, ratios and the page."""

from dataclasses import asdict
from typing import Any

import pytest

from drawbar.bench.scale import Timed, points, ratios
from drawbar.bench.scale_page import page


def run(workers: int, tokens: float, residuals: float, sae: float, features: float) -> Timed:
    """Tokens and residuals are two parts each of 10 and 20 s, the rest is one of 30 and one of 5 s."""
    parts = {"tokens": [10.0] * 2, "residuals": [20.0] * 2, "sae": [30.0], "features": [5.0]}
    walls = {"corpus": 1.0, "tokens": tokens, "residuals": residuals, "sae": sae, "features": features}
    return Timed(workers, 9.0 if workers else 0.0, walls, parts if workers else {})


RUNS = [run(0, 20, 40, 30, 5), run(1, 25, 41, 31, 6), run(2, 15, 21, 31, 6)]
"""Plain; one worker that starts in 4 s, with a second for each stage; two of them."""


def test_one_worker_foretells_two() -> None:
    (two,) = points(RUNS, cores=2)
    assert two.workers == 2
    assert two.simulated_s == pytest.approx(two.measured_s, abs=0.2)
    assert ratios(RUNS) == {
        "one worker / plain, all stages": round(104 / 96, 3),
        "one worker / plain, all stages and Ray's own start": round(113 / 96, 3),
        "one worker / plain, tokens + residuals": 1.1,
        "two workers / one, tokens + residuals": round(36 / 66, 3),
    }


def test_the_page_shows_what_was_measured_and_says_whether_the_simulation_holds() -> None:
    measured: dict[str, Any] = {
        "pieces": "composed:40",
        "sae_steps": 100,
        "runs": [asdict(one) for one in RUNS],
        "points": [asdict(one) | {"off": one.off} for one in points(RUNS, cores=2)],
        "ratios": ratios(RUNS),
    }
    text = page(measured, "drawbar bench scale", "2 cores")
    assert "| 2 workers | 1.0 | 15.0 | 21.0 | 31.0 | 6.0 | 74.0 | 9.0 |" in text
    assert "are within 15%" in text
    assert "64 GPUs" in text
    text = page(measured | {"points": [measured["points"][0] | {"off": -0.2}]}, "drawbar bench scale", "")
    assert "are **not** within 15%" in text
