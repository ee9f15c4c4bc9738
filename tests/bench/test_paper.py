"""examples/paper.toml: the paper's grid, planned and run at a small shape."""

import dataclasses
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from drawbar.cli import app
from drawbar.cli.settings_file import settings_from
from drawbar.pipeline import BuildSettings, build
from drawbar.pipeline.grid import cells
from tests.musicgen.tiny import write_checkpoint

PAPER = Path(__file__).parents[2] / "examples" / "paper.toml"


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "musicset"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number in range(6):
        sound = draw.standard_normal(25_600) * np.repeat(draw.random(40), 640) / 4
        soundfile.write(folder / f"{number}.wav", sound, 32_000)
    return folder


def _settings() -> BuildSettings:
    given = tomllib.loads(PAPER.read_text(encoding="utf-8"))
    found: BuildSettings = settings_from(BuildSettings, given | {"out": Path(given["out"])})
    return found


def test_the_grid_is_the_papers() -> None:
    settings = _settings()
    grid = cells(settings.sweep, settings.sae, settings.layers, 1024)
    assert len(grid) == 20
    assert [layer + 1 for layer in settings.layers] == [2, 6, 12, 18, 22]
    assert {cell.sae.d_sae for cell in grid} == {4096, 32768}
    assert {cell.sae.k for cell in grid} == {32, 100}
    assert settings.sae.steps * settings.sae.batch == pytest.approx(63_172_593, abs=64)
    assert settings.sae.lr_at(0) == settings.sae.lr_at(settings.sae.steps - 1) == 3e-4
    assert (settings.sae.k_aux, settings.text, settings.profile.top) == (0, "null", 10)


def test_the_file_is_planned_at_a_small_shape(music: Path, tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model")
    words = ["build", str(PAPER), "--plan", "--json", "--model", str(model), "--layers", "0,2"]
    found = CliRunner().invoke(app, [*words, "--corpus", str(music), "--out", str(tmp_path / "run")])
    assert found.exit_code == 0, found.output
    assert found.stdout.count('"sae') + found.stdout.count('"sweep') >= 3
    assert not (tmp_path / "run").exists()


def test_the_grid_runs_at_a_small_shape_and_reports_its_survivors(music: Path, tmp_path: Path) -> None:
    paper = _settings()
    settings = dataclasses.replace(
        paper,
        corpus=str(music),
        out=tmp_path / "run",
        model=str(write_checkpoint(tmp_path / "model")),
        layers=(0, 2),
        min_firings=1,
        site_test=False,  # twenty steps teach an SAE no site
        sae=dataclasses.replace(paper.sae, steps=20, log_every=10),
        labels=dataclasses.replace(paper.labels, essentia="off"),
    )
    result = build(settings)
    assert set(result.metrics) == {0, 2}
    assert (
        len([path for path in (tmp_path / "run" / "sweep").iterdir() if (path / "cfg.json").is_file()]) == 8
    )
    found = CliRunner().invoke(app, ["report", "survivors", str(tmp_path / "run")])
    assert found.exit_code == 0, found.output
    assert "0.01" in found.output or "1 %" in found.output
