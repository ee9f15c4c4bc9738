"""`drawbar build` in its three forms -> the settings they mean; what is wrong is said in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from drawbar import cli, pipeline

RUN = """
corpus = "music"
out = "runs/mine"
layers = [2, 4]
residuals = "stream"

[sae]
expansion = 8
k = 32

[sae_layers.4]
k = 64

[sweep]
layers = [1, 2]
k = [16, 32]
seed = [0, 1]
"""


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[pipeline.BuildSettings]:
    """The settings that a build was started with."""
    found: list[pipeline.BuildSettings] = []

    def build(
        settings: pipeline.BuildSettings,
        progress: Callable[[pipeline.Progress], None],
        first: Callable[[Path], object] | None = None,
    ) -> object:
        found.append(settings)
        progress(pipeline.Progress("tokens", 1, 4, "tracks", 0.5, 6.0))
        return pipeline.BuildResult(settings.out / "bank", 2, 100, 5, 6, {}, [], [])

    monkeypatch.setattr(pipeline, "build", build)
    return found


def test_a_file_of_settings(
    seen: list[pipeline.BuildSettings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "RUN.toml"
    config.write_text(RUN)
    assert cli.main(["build", str(config), "--k", "16", "--out", str(tmp_path / "here")]) == 0
    made = seen[0]
    assert (made.corpus, made.out, made.layers, made.residuals) == (
        "music",
        tmp_path / "here",
        (2, 4),
        "stream",
    )
    assert (made.sae.expansion, made.sae.k, made.sae_at(4).k) == (8, 16, 64)
    assert (made.sweep.layers, made.sweep.k, made.sweep.seed) == ((1, 2), (16, 32), (0, 1))
    shown = capsys.readouterr()
    assert shown.out.strip() == str(tmp_path / "here" / "bank")
    assert "tokens: 1 of 4 tracks, 0.5 tracks/s, 6 s left" in shown.err


def test_a_corpus_and_options(seen: list[pipeline.BuildSettings], tmp_path: Path) -> None:
    saes = [str(tmp_path / name) for name in "ab"]
    for sae in saes:
        Path(sae).mkdir()
    words = ["build", str(tmp_path), "--model", "small", "--layers", "3,5", "--out", str(tmp_path / "run")]
    assert cli.main([*words, "--sae", saes[0], "--sae", saes[1], "--stream"]) == 0
    assert cli.main(["build", str(tmp_path / "run"), "--corpus", "composed:3", "--layer", "3"]) == 0
    first, second = seen
    assert (first.corpus, first.model, first.layers, first.sae_files) == (
        str(tmp_path),
        "small",
        (3, 5),
        tuple(saes),
    )
    assert first.residuals == "stream"
    assert (second.corpus, second.out, second.layers) == ("composed:3", tmp_path / "run", (3,))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["music"], "--out"),
        (["music", "--out", "run", "--layers", "two"], "3,5"),
        (["nowhere.toml"], "not a readable TOML"),
        (["nowhere", "--out", "run"], "is no folder"),
        (["composed:2", "--out", "run", "--only", "cooking"], "there are corpus, tokens"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["build", *words]) in (1, 2)
    assert reason in capsys.readouterr().err
