"""The benchmarks of quality and steering: what they count is what they say, on models that are fakes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.audio_analysis import Detectors
from drawbar.audio_analysis.detectors import FactorReport
from drawbar.audio_analysis.music_measures import MEASURES
from drawbar.audio_analysis.transcriber import Transcription
from drawbar.bench import clips, model, model_music, model_prompts, model_report, steering
from drawbar.bench.model_music import Compared
from drawbar.bench.spectrograms import png
from drawbar.bench.synthetic import synthetic_bank
from drawbar.corpus import Piece, compose
from drawbar.corpus.composer.harmony import QUALITIES
from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.musicgen.spec import ModelSpec

CURVE = [
    {"step": step, "train": [4.0 - step, 6.0], "held_out": [4.5 - step, 6.1], "minutes": 2.0 * step}
    for step in (1, 2, 3)
]
NAMES = ("drums", "bass", "lead", "chords:piano")


class FakeJudges:
    """Hears drums in what is loud; the other factors at random."""

    names = NAMES

    def __init__(self) -> None:
        self.reports = {name: FactorReport(0.97, 0.5, 10, 10) for name in NAMES}

    def logits(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        loud = np.sqrt((np.asarray(audio) ** 2).mean())
        return np.full((10, len(NAMES)), 40 * (loud - 0.1), np.float32)

    def embeddings(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        level = np.abs(np.asarray(audio)[: len(audio) // 4000 * 4000].reshape(-1, 4000))
        return np.stack([level.mean(1), level.max(1)], axis=1)

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
    for seed in range(first, first + count):
        piece = compose(seed=seed, seconds=seconds)
        audio = np.random.default_rng(seed).normal(0, 0.05, round(seconds * 32_000))
        yield clips.Composed(piece, "drums" if piece.part("drums") else "bass", audio.astype(np.float32))


def measure_fakes(
    monkeypatch: pytest.MonkeyPatch, folder: Path, fake: Any, **settings: Any
) -> tuple[dict[str, Any], Compared]:
    monkeypatch.setenv("DRAWBAR_ASSETS", str(folder))
    for module in (model, model_music):
        monkeypatch.setattr(module, "composed_clips", composed)
    monkeypatch.setattr(model, "has_transcriber", lambda: False)
    (folder / "model").mkdir()
    record = {"machine": "two cores", "recipe": {}, "decoder_curve": CURVE}
    (folder / "model" / "training.json").write_text(json.dumps(record))
    return model.run(fake, detectors=FakeJudges(), **settings)  # type: ignore[arg-type]


def test_the_quality_table_has_every_measure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[float] = []
    fake = fake_model()
    result, heard = measure_fakes(
        monkeypatch,
        tmp_path,
        fake,
        clips=8,
        seconds=2.5,
        held_out=3,
        progress=lambda _what, share: told.append(share),
    )
    assert [len(call["seeds"]) for call in fake.calls] == [8]
    assert {call["guidance"] for call in fake.calls} == {3.0}
    assert {len(clip) for clips in heard.sets().values() for clip in clips} == {80_000}
    found = result["music"]
    drums = {kind: found["factors"][kind]["factors"]["drums"] for kind in model_music.SETS}
    assert drums["generated"]["balanced_accuracy"] == 1.0  # the fake plays what it is asked for
    assert drums["composed"]["balanced_accuracy"] == 0.5  # the noise that stands for music does not
    assert abs(drums["generated"]["shuffled"] - 0.5) < 0.1
    assert set(found["measures"]) == {*MEASURES, "mean"}
    assert found["notes"] is None
    assert found["faults"]["generated"]["clips"] == 8
    assert all(found["faults"][kind][fault] == 0 for kind in model_music.SETS for fault in model_music.FAULTS)
    likely = -np.log(np.exp(5) / (np.exp(5) + 63))
    np.testing.assert_allclose(result["cross_entropy"]["nats"], [likely] * 4, rtol=1e-5)
    lines = {line[0]: line[1:] for line in model.rows(result)}
    assert {len(line) for line in lines.values()} == {len(model.COLUMNS) - 1}
    assert lines["trained: machine"][2] == "two cores"
    assert {"KS pulse", "chroma cosine", "log10-mel distance", "chords kept", "clips stuck"} <= set(lines)
    assert told == sorted(told)


def test_the_page_has_the_table_the_pictures_and_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result, heard = measure_fakes(monkeypatch, tmp_path, fake_model(), clips=8, seconds=2.5, held_out=0)
    written = model_report.write_report(result, heard, tmp_path / "docs" / "model.md")
    names = [str(path.relative_to(tmp_path / "docs")) for path in written]
    takes = [f"takes/model-{number}.ogg" for number in range(1, 9)]
    assert names == ["model.md", "model-spectrograms.svg", "model-curve.svg", *takes]
    page = written[0].read_text()
    assert all(f"]({name})" in page for name in names[1:])
    assert "| pulse |" in page
    assert "cross-entropy, codebook" not in page  # no held-out pieces were asked for
    for svg in written[1:3]:
        ElementTree.parse(svg)
    assert soundfile.info(written[-1]).frames == 80_000


def test_a_quick_look_compares_takes_with_their_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_music, "composed_clips", composed)
    found = model.quick(fake_model(), pieces=3, seconds=2.5)
    assert set(found) == {*model.QUICK, "mean"}
    assert set(found["pulse"]) == {"composed", "codec", "generated", "ks_codec", "ks_generated"}
    assert len(model.quick_rows(found)) == 5


def test_clips_too_short_to_measure_are_refused_before_anything_is_generated() -> None:
    fake = fake_model()
    with pytest.raises(BadInputError, match=r"1 s.*2\.5 s"):
        model.run(fake, clips=2, seconds=1.0, detectors=FakeJudges())  # type: ignore[arg-type]
    assert not fake.calls


def test_unigram_frequencies_come_from_the_other_pieces() -> None:
    same = [np.zeros((1, 1000), np.int64), np.zeros((1, 1000), np.int64)]
    assert model.unigram_nats(same, 4)[0] == pytest.approx(-np.log(1001 / 1004))
    other = [np.zeros((1, 1000), np.int64), np.ones((1, 1000), np.int64)]
    assert model.unigram_nats(other, 4)[0] == pytest.approx(-np.log(1 / 1004))


def test_faults_are_counted_per_clip() -> None:
    good = np.random.default_rng(0).normal(0, 0.1, 5 * 32_000).astype(np.float32)
    broken, clipped, stuck = good.copy(), good.copy(), np.tile(good[:8_000], 20)
    broken[5] = np.nan
    clipped[:1000] = 1.0
    found = model_music.faults([good, broken, clipped, good * 0, stuck], 32_000)
    assert {name: found[name] for name in model_music.FAULTS} == dict.fromkeys(model_music.FAULTS, 1)


def sung(piece: Piece, seconds: float) -> NDArray[np.float32]:
    """A piece's chords as plain tones, struck once each."""
    audio = np.zeros(round(seconds * 32_000))
    for chord in piece.chords:
        first, last = round(chord.start_s * 32_000), min(round(chord.end_s * 32_000), audio.size)
        time = np.arange(max(0, last - first)) / 32_000
        for interval in QUALITIES[chord.quality]:
            hz = 440 * 2 ** ((chord.root + interval % 12 - 9) / 12)
            audio[first:last] += 0.05 * np.exp(-time) * np.sin(2 * np.pi * hz * time)
    return audio.astype(np.float32)


def test_chords_are_kept_by_who_plays_them_and_not_by_who_plays_anothers() -> None:
    pieces = [compose(seed=seed, seconds=12.0) for seed in range(8)]
    pieces = [piece for piece in pieces if piece.part("chords")]
    kept = model_prompts.chords_kept([sung(piece, 12.0) for piece in pieces], pieces)
    assert kept["kept"] > 0.9
    assert kept["shuffled"] < 0.6
    assert kept["other_prompts"] < 0.35
    swapped = [sung(piece, 12.0) for piece in (*pieces[1:], pieces[0])]
    assert model_prompts.chords_kept(swapped, pieces)["kept"] < 0.35


def test_tempo_and_key_are_judged_against_what_was_asked() -> None:
    piece = compose(seed=1, seconds=8.0)
    hit = np.random.default_rng(0).normal(0, 0.1, 1600) * np.exp(-np.arange(1600) / 300)
    beats = np.zeros(8 * 32_000)
    for start in np.arange(0, 7.9, 60 / piece.tempo_bpm):
        beats[round(start * 32_000) :][:1600] += hit
    assert model_prompts.tempo_kept([beats.astype(np.float32)], [piece])["or_an_octave"] == 1
    other = replace(piece, tempo_bpm=round(piece.tempo_bpm * 1.2))
    assert model_prompts.tempo_kept([beats.astype(np.float32)], [other])["or_an_octave"] == 0
    silence = np.zeros(8 * 32_000, np.float32)
    assert model_prompts.key_kept([silence], [piece])["key_and_mode"] == 0


def test_notes_are_held_against_the_written_ones() -> None:
    pieces = [compose(seed=seed, seconds=8.0) for seed in range(6)]
    heard = iter(pieces)

    class Perfect:
        def notes(self, _audio: object) -> Transcription:
            piece = next(heard)
            classes = np.zeros(12)
            for note in piece.notes:
                classes[note.pitch % 12] += note.duration_s * (note.part != "drums")
            return Transcription(2.0, classes)

    audio = [np.zeros(8 * 32_000, np.float32)] * 6
    found = model_prompts.notes_kept(audio, pieces, Perfect())  # type: ignore[arg-type]
    assert found["pitch_class_agreement"] > 0.98 > found["other_prompts"]
    assert found["notes_per_s"] == 2.0


def test_a_picture_is_a_png_that_others_read() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    palette = np.arange(36, dtype=np.uint8).reshape(12, 3)
    image = pytest.importorskip("PySide6.QtGui").QImage.fromData(png(pixels, palette))
    assert (image.width(), image.height()) == (4, 3)
    assert image.pixelColor(1, 2).getRgb()[:3] == (27, 28, 29)


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


def test_clips_are_generated_in_batches() -> None:
    fake = fake_model()
    assert len(list(clips.generated_clips(fake, ["a"] * 18, range(18), 0.1))) == 18
    assert [len(call["seeds"]) for call in fake.calls] == [16, 2]


def test_prompts_and_seeds_must_pair() -> None:
    with pytest.raises(BadInputError, match="one prompt per seed"):
        next(clips.generated_clips(fake_model(), ["a"], [1, 2], 1.0))


def test_detectors_of_the_assets_are_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DRAWBAR_ASSETS", str(tmp_path))
    seen: list[Path] = []
    monkeypatch.setattr(Detectors, "load", lambda folder: seen.append(Path(folder)))
    clips.load_detectors()
    assert seen == [tmp_path / "detectors"]
