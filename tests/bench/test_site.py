"""The site test's benchmark on a random model: a table of every layer against every claim."""

from pathlib import Path

import numpy as np
import soundfile

from drawbar.bench import site
from tests.pipeline.fakes import FakeModel


def test_the_site_benchmark_counts_every_layer_against_every_claim(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for corpus in ("noise", "tones"):
        (tmp_path / corpus).mkdir()
        for number in range(4):
            time = np.arange(2 * 32_000) / 32_000
            tone = 0.3 * np.sin(2 * np.pi * (200 + 90 * number) * time)
            sound = draw.normal(0, 0.1, len(time)) if corpus == "noise" else tone
            soundfile.write(tmp_path / corpus / f"{number}.wav", sound, 32_000)
    corpora = [str(tmp_path / name) for name in ("noise", "tones")]
    result = site.run(FakeModel(), corpora, layers=[0, 1], clips=4, steps=30)  # type: ignore[arg-type]
    assert len(result["cases"]) == 2 * 2 * 2 * 2
    table = site.rows(result)
    assert [row[0] for row in table] == ["layer 0", "layer 1"]
    assert all(cell.endswith(" of 4") for row in table for cell in row[1:] if isinstance(cell, str))
    home = [case for case in result["cases"] if case["trained_on"] == case["tested_on"]]
    assert all(case["best"] == case["layer"] for case in home if case["said"] == case["layer"])
    assert not any(case["refused"] for case in home if case["said"] == case["layer"])
    assert site.summary(result).startswith("refused at home: ")
