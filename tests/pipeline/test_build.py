"""A toy model and a few composed or recorded clips -> a bank; killed, repeated and changed builds."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from drawbar.bank import Bank
from drawbar.errors import AudioFileError, BadInputError, CancelledError, SiteMismatchError
from drawbar.features import analyse
from drawbar.features.labellers.descriptors import DescriptorSettings
from drawbar.features.labellers.ground_truth import TruthSettings
from drawbar.features.profile import ProfileSettings
from drawbar.pipeline import BuildResult, BuildSettings, Progress, build
from drawbar.sae import SaeSettings, load_sae
from tests.pipeline.fakes import FakeModel

CLIPS = Path(__file__).parents[1] / "data" / "composed"
SAE_SETTINGS = SaeSettings(
    d_sae=24, k=3, batch=128, steps=60, lr=3e-3, k_aux=6, dead_after=4000, log_every=20, save_every=15
)


def tones(folder: Path, files: int = 8) -> Path:
    """Recordings in which a loud low tone alternates with a quiet high one; one is damaged, one is text."""
    folder.mkdir(parents=True)
    time = np.arange(3 * 44_100) / 44_100
    for number in range(files):
        gate = np.sin(2 * np.pi * (0.5 + 0.1 * number) * time) > 0
        sound = np.where(gate, 0.5 * np.sin(2 * np.pi * 90 * time), 0.02 * np.sin(2 * np.pi * 6000 * time))
        soundfile.write(folder / f"take {number}.wav", np.stack([sound, sound], 1), 44_100)
    (folder / "broken.wav").write_bytes(b"RIFF....WAVE")
    (folder / "notes.txt").write_text("not audio")
    return folder


def settings(corpus: Path, out: Path) -> BuildSettings:
    return BuildSettings(
        corpus=str(corpus),
        out=out,
        layers=(1,),
        clip_s=1.5,
        held_out=0.3,
        min_firings=10,
        sae=SAE_SETTINGS,
        profile=ProfileSettings(window_frames=25, pool_clips=8),
        truth=TruthSettings(train_clips=8, held_out_clips=8),
        descriptors=DescriptorSettings(train_clips=8, held_out_clips=8, window_frames=10),
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[BuildSettings, BuildResult]:
    root = tmp_path_factory.mktemp("recorded")
    made = settings(tones(root / "music"), root / "run")
    return made, build(made, model=FakeModel())


def rows(bank: Path) -> list[object]:
    with Bank.open(bank, edits=bank.parent / "edits") as opened:
        found = opened.search(limit=1000)
        return [(row, opened.feature(row.id), [vars(e) for e in opened.examples(row.id)]) for row in found]


def test_a_folder_of_recordings_becomes_a_bank(recorded: tuple[BuildSettings, BuildResult]) -> None:
    _, result = recorded
    assert result.clips == 16
    assert [name for name, _ in result.failed] == ["broken.wav"]
    assert result.features > 5
    assert result.metrics[1]["fvu"] < 0.6
    with Bank.open(result.bank, edits=result.bank / "edits") as bank:
        assert bank.info.layers == (1,)
        assert bank.info.fingerprint == FakeModel().fingerprint
        assert bank.info.sae_settings["k"] == 3
        assert bank.facets().authors.get("descriptors", 0) > 0
        first = bank.search(limit=1)[0]
        assert first.label_score is not None
        assert first.label_score > 0.75
        feature = bank.feature(first.id)
        assert feature.quantiles.p50 <= feature.quantiles.p90 <= feature.quantiles.p999
        assert feature.neighbours
        assert abs(feature.correlations["loudness_db"]) <= 1
        unnamed = [row for row in bank.search(limit=1000) if not row.label]
        assert all(any(tag.startswith("like take ") for tag in row.tags) for row in unnamed)
        top = bank.examples(first.id, "top")[0]
        assert top.tokens.shape == (4, 25)
        assert top.activations.max() > 0


def test_the_banks_directions_are_the_saes(recorded: tuple[BuildSettings, BuildResult]) -> None:
    made, result = recorded
    sae = load_sae(made.out / "sae-1", fingerprint=FakeModel().fingerprint)
    with Bank.open(result.bank, edits=result.bank / "edits") as bank:
        row = bank.search(limit=1)[0]
        found = bank.vectors([row.id])
    np.testing.assert_allclose(found["W_dec"][0], sae.W_dec[row.index], atol=2e-3)
    np.testing.assert_allclose(found["W_enc"][0], sae.W_enc[:, row.index], atol=2e-3)
    assert found["scale"][0] == pytest.approx(row.p99, rel=1e-3)


def test_of_several_layers_the_first_is_a_bank_before_the_others_are_begun(
    recorded: tuple[BuildSettings, BuildResult], tmp_path: Path
) -> None:
    made = replace(recorded[0], out=tmp_path / "run", layers=(0, 1))
    seen: list[tuple[tuple[int, ...], int, bool]] = []

    def first(folder: Path) -> None:
        with Bank.open(folder, edits=tmp_path / "edits") as bank:
            seen.append((bank.info.layers, len(bank.search(limit=1000)), (made.out / "sae-1").exists()))
        raise CancelledError("paused")

    with pytest.raises(CancelledError):
        build(made, model=FakeModel(), first=first)
    ((layers, features, begun),) = seen
    assert (layers, begun) == ((0,), False)
    assert features > 5
    whole = build(made, model=FakeModel(), first=lambda folder: None)
    assert not (made.out / "bank-first").exists()
    with Bank.open(whole.bank, edits=tmp_path / "edits") as bank:
        assert {row.layer for row in bank.search(limit=1000)} == {0, 1}
    alone, among = (load_sae(run / "sae-1").W_dec for run in (recorded[0].out, made.out))
    assert torch.equal(alone, among)  # it is the same as without a bank in between
    again: list[Path] = []
    assert build(made, model=FakeModel(), first=again.append) == whole
    assert again == []


def test_a_second_build_does_nothing(recorded: tuple[BuildSettings, BuildResult]) -> None:
    made, result = recorded
    model = FakeModel()
    assert build(made, model=model) == result
    assert model.calls == 0


def test_a_build_that_is_stopped_everywhere_ends_in_the_same_bank(
    recorded: tuple[BuildSettings, BuildResult], tmp_path: Path
) -> None:
    made, result = recorded
    again = replace(made, out=tmp_path / "run")
    stages_seen: set[str] = set()

    def stop_once_in_each_stage(moment: Progress) -> None:
        if moment.stage not in stages_seen:
            stages_seen.add(moment.stage)
            raise CancelledError("stopped")

    for _ in range(20):
        try:
            second = build(again, stop_once_in_each_stage, model=FakeModel())
            break
        except CancelledError:
            continue
    assert len(stages_seen) >= 6
    assert replace(second, bank=result.bank) == result
    for name in ("cfg.json", "sae_weights.safetensors", "history.json"):
        assert (again.out / "sae-1" / name).read_bytes() == (made.out / "sae-1" / name).read_bytes()
    assert str(rows(second.bank)) == str(rows(result.bank))


def test_only_what_changed_is_made_again(recorded: tuple[BuildSettings, BuildResult], tmp_path: Path) -> None:
    made, _ = recorded
    shutil.copytree(made.out, tmp_path / "run")
    seen: list[str] = []
    changed = replace(made, out=tmp_path / "run", sae=replace(SAE_SETTINGS, steps=40))
    model = FakeModel()
    build(changed, lambda moment: seen.append(moment.stage), model=model)
    assert model.calls <= 2  # tokens and residuals are still good; only the site test asks the model
    assert "sae layer 1" in seen
    assert not {"tokens", "residuals"} & set(seen)


def test_streamed_residuals_train_nearly_the_same_sae(
    recorded: tuple[BuildSettings, BuildResult], tmp_path: Path
) -> None:
    made, result = recorded
    streamed = build(replace(made, out=tmp_path / "run", residuals="stream"), model=FakeModel())
    assert streamed.metrics[1]["fvu"] == pytest.approx(result.metrics[1]["fvu"], rel=0.1)


def test_composed_clips_give_labels_from_ground_truth(tmp_path: Path) -> None:
    """The folder layout that ``drawbar compose`` writes, made of the four clips that ship with the tests."""
    corpus = tmp_path / "corpus"
    (corpus / "audio").mkdir(parents=True)
    (corpus / "pieces").mkdir()
    lines = []
    for copy in range(3):  # each piece three times over: enough tracks for both splits
        for clip in sorted(CLIPS.glob("*.ogg")):
            name = f"{clip.stem}-{copy}"
            shutil.copy(clip, corpus / "audio" / f"{name}.ogg")
            shutil.copy(clip.with_suffix(".json"), corpus / "pieces" / f"{name}.json")
            lines.append(f'{{"id": "{name}", "audio": "audio/{name}.ogg", "licence": "CC0-1.0"}}')
    (corpus / "manifest.jsonl").write_text("\n".join(lines))
    made = replace(settings(corpus, tmp_path / "run"), truth=TruthSettings(min_auroc=0.6))
    result = build(made, model=FakeModel())
    assert {row["concept"] for row in result.concepts} >= {"drums", "bass"}
    assert all(row["feature"].startswith("1/") for row in result.concepts)
    with Bank.open(result.bank, edits=tmp_path / "edits") as bank:
        assert bank.facets().authors.get("truth", 0) > 0


def test_analysis_names_what_a_recording_activates(
    recorded: tuple[BuildSettings, BuildResult], tmp_path: Path
) -> None:
    _, result = recorded
    rate = 44_100
    time = np.arange(4 * rate) / rate
    sound = np.where(time < 2, 0.5 * np.sin(2 * np.pi * 90 * time), 0.02 * np.sin(2 * np.pi * 6000 * time))
    soundfile.write(tmp_path / "a.flac", np.stack([sound, sound], 1), rate)
    with Bank.open(result.bank, edits=tmp_path / "edits") as bank:
        found = analyse(tmp_path / "a.flac", FakeModel(), bank, top=8)
        assert found.seconds == pytest.approx(4.0, abs=0.05)
        assert found.curves.shape == (len(found.rows), 200)
        assert [row.salience for row in found.rows] == sorted((r.salience for r in found.rows), reverse=True)
        for row, curve in zip(found.rows, found.curves, strict=True):
            assert row.mean == pytest.approx(float(curve.mean()), rel=1e-2)
            assert row.when
            assert all(0 <= start < end <= 4.0 for start, end in row.when)
        halves = {row.when[0][0] < 1.9 for row in found.rows}
        assert halves == {True, False}  # some features mark the first half, others the second
        with pytest.raises(SiteMismatchError):
            analyse(tmp_path / "a.flac", FakeModel(seed=1), bank)
        with pytest.raises(AudioFileError):
            analyse(np.zeros(5, np.float32), FakeModel(), bank)
        with pytest.raises(BadInputError, match="top=0"):
            analyse(tmp_path / "a.flac", FakeModel(), bank, top=0)


def test_chunks_with_a_lead_in_hear_what_one_piece_hears(
    recorded: tuple[BuildSettings, BuildResult], tmp_path: Path
) -> None:
    """25 s run as two chunks equal the same frames run alone, but for the codec's first frames."""
    _, result = recorded
    generator = np.random.default_rng(0)
    sound = (generator.standard_normal(25 * 32_000) * np.repeat(generator.random(50), 16_000)).astype(
        np.float32
    ) / 4
    with Bank.open(result.bank, edits=tmp_path / "edits") as bank:
        whole = analyse(sound, FakeModel(), bank, top=3)
        tail = analyse(sound[15 * 32_000 :], FakeModel(), bank, top=50)
    for row, curve in zip(whole.rows, whole.curves, strict=True):
        same = [c for r, c in zip(tail.rows, tail.curves, strict=True) if r.row.id == row.row.id]
        np.testing.assert_allclose(curve[-250:], same[0][-250:], atol=1e-2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"corpus": "composed:many"},
        {"corpus": "composed:0"},
        {"layers": (1, 1)},
        {"held_out": 0.0},
        {"clip_s": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object], tmp_path: Path) -> None:
    given: dict[str, object] = {"corpus": "composed:3", "out": tmp_path} | wrong
    with pytest.raises(BadInputError):
        BuildSettings(**given)  # type: ignore[arg-type]


def test_a_corpus_without_audio_or_a_layer_too_many_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match="no audio files"):
        build(BuildSettings(str(tmp_path / "empty"), tmp_path / "run"), model=FakeModel())
    with pytest.raises(BadInputError, match="is no folder"):
        build(BuildSettings(str(tmp_path / "nowhere"), tmp_path / "run"), model=FakeModel())
    music = tones(tmp_path / "music", files=1)
    with pytest.raises(BadInputError, match="layer 9"):
        build(BuildSettings(str(music), tmp_path / "run", layers=(9,)), model=FakeModel())


def test_a_folder_with_other_files_is_never_emptied(tmp_path: Path) -> None:
    music = tones(tmp_path / "music", files=2)
    mine = tmp_path / "run" / "tokens" / "my thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    with pytest.raises(BadInputError, match="no build made"):
        build(settings(music, tmp_path / "run"), model=FakeModel())
    assert mine.read_text() == "precious"


def test_the_toy_model_is_causal() -> None:
    """The toy keeps the promise that the pipeline relies on."""
    tokens = torch.randint(0, 64, (1, 4, 30), generator=torch.Generator().manual_seed(0))
    other = tokens.clone()
    other[..., 20:] = 0
    a, b = (FakeModel().residuals(t, layers=[2])[2] for t in (tokens, other))
    assert torch.equal(a[:, :21], b[:, :21])
