"""The benchmarks of quality and steering: what they count is what they say, on models that are fakes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.audio_analysis import Detectors
from drawbar.audio_analysis.detectors import FactorReport
from drawbar.bench import clips, model, steering
from drawbar.bench.synthetic import synthetic_bank
from drawbar.corpus import HELD_OUT_SEED, compose
from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.musicgen.spec import ModelSpec

NAMES = ("drums", "bass", "lead", "chords:piano")


class FakeJudges:
    """Hears drums in what is loud; the other factors at random."""

    names = NAMES

    def __init__(self) -> None:
        self.reports = {name: FactorReport(0.97, 0.5, 10, 10) for name in NAMES}

    def logits(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        loud = np.sqrt((np.asarray(audio) ** 2).mean())
        return np.full((10, len(NAMES)), 40 * (loud - 0.1), np.float32)

    def batch_scores(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([1 / (1 + np.exp(-self.logits(clip).mean(0))) for clip in np.atleast_2d(audio)])


@dataclass
class FakeCodec:
    """Tokens say how loud the clip is."""

    def encode(self, audio: Tensor) -> Tensor:
        return torch.full((1, 4, -(-audio.shape[-1] // 640)), 3)

    def decode(self, tokens: Tensor) -> Tensor:
        noise = torch.randn(1, 1, tokens.shape[-1] * 640, generator=torch.Generator().manual_seed(0))
        return noise * tokens[0, 0, 0] / 30


@dataclass
class FakeModel:
    """Plays loud when its prompt speaks of drums or its slider is up."""

    spec: ModelSpec = field(default_factory=lambda: ModelSpec(name="fake", d_model=16, n_layers=4, card=64))
    fingerprint: str = "0" * 64
    codec: FakeCodec = field(default_factory=FakeCodec)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def logits(self, tokens: Tensor, prompts: Sequence[str]) -> Tensor:
        logits = torch.zeros(1, 4, tokens.shape[-1], 64)
        logits[..., 3] = 5.0
        logits[:, 3, -3:] = torch.nan  # beyond the valid steps
        return logits

    def generate(self, prompts: list[str], seeds: list[int], seconds: float, **settings: Any) -> Tensor:
        self.calls.append({"seeds": seeds, **settings})
        mixer = settings.get("steering")
        up = sum(mixer.amounts().values()) if mixer else 0.0
        loud = [max(1, round(3 + 4 * up) if mixer else 8 if "drums" in prompt else 1) for prompt in prompts]
        return torch.tensor(loud)[:, None, None].expand(-1, 4, round(seconds * 50))


def fake_model(**fields: Any) -> Any:
    """Stands in for a `Model`, of which it has what is asked for."""
    return FakeModel(**fields)


def composed(count: int, seconds: float, soundfont: object, first: int = 0) -> Iterator[clips.Composed]:
    for seed in range(count):
        piece = compose(seed=HELD_OUT_SEED + seed, seconds=5.0)
        yield clips.Composed(piece, "drums", np.zeros(5 * 32_000, np.float32))


def test_the_quality_table_has_every_measure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DRAWBAR_ASSETS", str(tmp_path))
    monkeypatch.setattr(model, "composed_clips", composed)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "training.json").write_text('{"machine": "two cores", "recipe": {}}')
    told: list[float] = []
    fake: Any = FakeModel()
    result = model.run(
        fake,
        clips=24,
        seconds=1.0,
        held_out=3,
        detectors=FakeJudges(),  # type: ignore[arg-type]
        progress=lambda _what, share: told.append(share),
    )
    assert [len(call["seeds"]) for call in fake.calls] == [16, 8]
    assert {call["guidance"] for call in fake.calls} == {3.0}
    drums = result["prompts"]["factors"]["drums"]
    assert drums["balanced_accuracy"] == 1.0  # the fake plays what it is asked for
    assert abs(drums["shuffled"] - 0.5) < 0.1
    faults = {key: result["faults"][key] for key in ("clips", "not_finite", "silent", "clipped")}
    assert faults == {"clips": 24, "not_finite": 0, "silent": 0, "clipped": 0}
    likely = -np.log(np.exp(5) / (np.exp(5) + 63))
    np.testing.assert_allclose(result["cross_entropy"]["nats"], [likely] * 4, rtol=1e-5)
    lines = {name: value for name, value, _goal in model.rows(result)}
    assert lines["trained: machine"] == "two cores"
    assert "codec log10-mel distance" in lines
    assert told == sorted(told)


def test_unigram_frequencies_come_from_the_other_pieces() -> None:
    same = [np.zeros((1, 1000), np.int64), np.zeros((1, 1000), np.int64)]
    assert model.unigram_nats(same, 4)[0] == pytest.approx(-np.log(1001 / 1004))
    other = [np.zeros((1, 1000), np.int64), np.ones((1, 1000), np.int64)]
    assert model.unigram_nats(other, 4)[0] == pytest.approx(-np.log(1 / 1004))


def test_faults_are_counted_per_clip() -> None:
    good = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    broken, clipped = good.copy(), good.copy()
    broken[5] = np.nan
    clipped[:100] = 1.0
    found = model.faults([good, broken, clipped, good * 0], 32_000)
    assert (found["not_finite"], found["clipped"], found["silent"]) == (1, 1, 1)


def test_prompts_of_a_piece_become_factors() -> None:
    piece = compose(seed=3, seconds=10.0)
    asked = dict(zip(NAMES, clips.factors_of(piece, NAMES), strict=True))
    assert asked["drums"] == any(part.role == "drums" for part in piece.parts)


def test_a_slider_that_works_wins_every_seed_and_one_that_does_nothing_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path / "home"))
    with synthetic_bank(tmp_path / "bank", features=8, layers=(1, 3)) as bank:
        fake: Any = FakeModel()
        judges: Any = FakeJudges()
        result = steering.run(fake, bank, feature="3/0", seconds=0.5, detectors=judges)
        assert result["up_wins"] == 32
        assert sorted(seed for call in fake.calls[:2] for seed in call["seeds"]) == list(range(100, 132))
        assert result["amounts"]["1.0"]["up"] > result["unsteered"] > result["amounts"]["1.0"]["down"]
        assert any("32 of 32" in str(value) for _name, value, _goal in steering.rows(result))
        monkeypatch.setattr(fake, "generate", lambda p, seeds, seconds, **_: torch.ones(len(p), 4, 25).long())
        assert steering.run(fake, bank, feature="3/0", seconds=0.5, detectors=judges)["up_wins"] == 0
        with pytest.raises(BadInputError, match="kazoo"):
            steering.run(fake, bank, detector="kazoo", feature="3/0", detectors=judges)
        with pytest.raises(SiteMismatchError):
            steering.run(fake_model(fingerprint="1" * 64), bank, feature="3/0", detectors=judges)


def test_prompts_and_seeds_must_pair() -> None:
    with pytest.raises(BadInputError, match="one prompt per seed"):
        next(clips.generated_clips(fake_model(), ["a"], [1, 2], 1.0))


def test_detectors_of_the_assets_are_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DRAWBAR_ASSETS", str(tmp_path))
    seen: list[Path] = []
    monkeypatch.setattr(Detectors, "load", lambda folder: seen.append(Path(folder)))
    clips.load_detectors()
    assert seen == [tmp_path / "detectors"]
