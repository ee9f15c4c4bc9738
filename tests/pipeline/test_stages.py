"""Stages alone, planned, swept, streamed; padding, outliers, captions; ready SAEs and where they belong."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.pipeline import BuildSettings, SweepSettings, build, plan_build, run_stages
from drawbar.pipeline.build import STAGES, Run
from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.sae import load_sae, save_sae
from tests.pipeline.fakes import FakeModel
from tests.pipeline.test_build import SAE_SETTINGS, settings, tones


def shards(run: Path) -> ClipStore:
    return ClipStore(sorted((run / "tokens").glob("*.safetensors")))


def test_each_stage_runs_alone_once_the_ones_before_it_are_done(tmp_path: Path) -> None:
    made = settings(tones(tmp_path / "music"), tmp_path / "run")
    with pytest.raises(BadInputError, match=r"stage corpus .* not finished"):
        run_stages(made, model=FakeModel(), only="tokens")
    assert not (tmp_path / "run" / "corpus").exists()
    for stage in ("corpus", "tokens", "residuals"):
        run_stages(made, model=FakeModel(), only=stage)
    assert {p.name for p in (tmp_path / "run").iterdir() if p.is_dir()} == {"corpus", "tokens", "residuals"}
    run_stages(made, model=FakeModel(), until="features")
    assert not (tmp_path / "run" / "bank").exists()
    with pytest.raises(BadInputError, match="there are corpus, tokens"):
        run_stages(made, model=FakeModel(), only="bnak")


def test_settings_and_manifest_lie_beside_every_output(tmp_path: Path) -> None:
    made = settings(tones(tmp_path / "music", 4), tmp_path / "run")
    run_stages(made, model=FakeModel(), until="features")
    for stage in ("corpus", "tokens", "residuals", "sae-1", "profile-1"):
        assert json.loads((tmp_path / "run" / stage / "settings.json").read_text())
        manifest = json.loads((tmp_path / "run" / stage / "manifest.json").read_text())
        assert manifest["digest"]
        assert manifest["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    with (tmp_path / "run" / "corpus" / "tracks.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert {row["split"] for row in listed} == {"train", "held-out"}
    assert all(float(row["seconds"]) == 3.0 for row in listed)
    unreadable = json.loads((tmp_path / "run" / "corpus" / "unreadable.json").read_text())
    assert [name for name, _ in unreadable] == ["broken.wav"]


def test_a_plan_writes_nothing_and_names_what_would_run(tmp_path: Path) -> None:
    made = settings(tones(tmp_path / "music"), tmp_path / "run")
    plan = plan_build(made, model=FakeModel())
    assert not (tmp_path / "run").exists()
    assert (plan.tracks, plan.unreadable, plan.audio_s) == (9, 1, 24.0)
    assert {stage.state for stage in plan.stages} == {"run"}
    assert {stage.stage for stage in plan.stages} >= {"corpus", "tokens", "residuals", "sae", "pairs", "bank"}
    assert min(plan.seconds, plan.disk_bytes, plan.memory_bytes) > 0
    run_stages(made, model=FakeModel(), until="residuals")
    states = {stage.folder: stage.state for stage in plan_build(made, model=FakeModel()).stages}
    assert [states[name] for name in ("corpus", "tokens", "residuals", "sae-1")] == ["done"] * 3 + ["run"]
    build(made, model=FakeModel())
    done = plan_build(made, model=FakeModel())
    assert {stage.state for stage in done.stages} == {"done"}
    assert (done.seconds, done.disk_bytes) == (0, 0)


def test_the_split_is_by_track_and_does_not_change_when_files_are_added(tmp_path: Path) -> None:
    made = replace(settings(tones(tmp_path / "music", 12), tmp_path / "run"), held_out=0.4)
    before = {track.id: track.split for track in Run(made, None, FakeModel()).source.tracks}
    soundfile.write(tmp_path / "music" / "another.wav", np.zeros(44_100), 44_100)
    after = {track.id: track.split for track in Run(made, None, FakeModel()).source.tracks}
    assert set(before.values()) == {"train", "held-out"}
    assert {name: after[name] for name in before} == before
    run_stages(made, model=FakeModel(), until="tokens")
    splits: dict[str, set[str]] = {}
    for clip in shards(made.out).clips:
        splits.setdefault(clip.track, set()).add(clip.split)
    assert all(len(found) == 1 for found in splits.values())


def test_frames_that_reach_beyond_the_audio_are_marked_and_not_trained_on(tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    noise = np.random.default_rng(0).standard_normal(int(32_000 * 2.51)) / 8
    for number in range(4):
        soundfile.write(music / f"{number}.wav", noise, 32_000)
    made = replace(settings(music, tmp_path / "run"), clip_s=1.0)
    run_stages(made, model=FakeModel(), until="residuals")
    store = shards(made.out)
    assert store.frames == [50, 50] * 4  # the rest of 0.51 s is too short to keep
    assert all(bool(store.mask(clip).all()) for clip in range(len(store)))
    run_stages(replace(made, clip_s=1.255), model=FakeModel(), until="residuals")
    store = shards(made.out)
    assert store.frames == [63, 63] * 4
    assert [int(store.mask(clip).sum()) for clip in range(len(store))] == [62, 62] * 4
    facts = json.loads((made.out / "residuals" / "manifest.json").read_text())["facts"]
    assert (facts["padding_left_out"], facts["start_steps_left_out"], facts["frames"]) == (8, 8, 504)


class Spiky(FakeModel):
    """Parks a huge vector at every 20th position of layer 2."""

    def residuals(self, *args: Any, **kwargs: Any) -> dict[int, torch.Tensor]:
        found = super().residuals(*args, **kwargs)
        for layer, x in found.items():
            if layer == 2:
                x[:, 5::20] *= 200
        return found


@pytest.mark.parametrize("how", ["disk", "stream"])
def test_norm_spikes_are_counted_and_not_trained_on(tmp_path: Path, how: Literal["disk", "stream"]) -> None:
    made = replace(settings(tones(tmp_path / "music"), tmp_path / "run"), layers=(2,), residuals=how)
    result = build(made, model=Spiky())
    facts = json.loads((made.out / "residuals" / "manifest.json").read_text())["facts"]
    assert facts["norms"]["2"]["largest"] > 100 * facts["norms"]["2"]["median"]
    if how == "disk":
        assert facts["outliers_left_out"] == pytest.approx(sum(shards(made.out).frames) / 20, rel=0.2)
    assert result.metrics[2]["fvu"] < 0.6  # with the spikes in it would be all about them


def test_streamed_saes_of_several_layers_share_one_pass_and_equal_those_from_disk(tmp_path: Path) -> None:
    music = tones(tmp_path / "music", 6)
    base = replace(settings(music, tmp_path / "disk"), layers=(0, 1, 2))
    run_stages(base, model=FakeModel(), until="sae")
    streamed = replace(base, out=tmp_path / "stream", residuals="stream")
    model = FakeModel()
    run_stages(streamed, model=model, until="sae")
    one = FakeModel()
    run_stages(replace(streamed, out=tmp_path / "one", layers=(1,)), model=one, until="sae")
    assert model.calls < 3 * one.calls * 0.8
    for layer in (0, 1, 2):
        disk, stream = (load_sae(tmp_path / where / f"sae-{layer}") for where in ("disk", "stream"))
        best = (disk.W_dec @ stream.W_dec.T).amax(1)
        assert float(best.median()) > 0.98  # half precision on disk makes the difference


def test_the_tracks_text_reaches_the_model_only_if_asked_for(tmp_path: Path) -> None:
    music = tones(tmp_path / "music", 4)
    (music / "manifest.csv").write_text(
        "path,text,licence,tags\n" + "".join(f"take {n}.wav,song {n},CC0-1.0,low;loud\n" for n in range(4))
    )
    made = settings(music, tmp_path / "run")
    null, told = FakeModel(), FakeModel()
    run_stages(made, model=null, until="residuals")
    run_stages(replace(made, text="track"), model=told, until="residuals")
    assert null.prompts == set()
    assert told.prompts == {f"song {n}" for n in range(4)}
    assert {clip.tags for clip in shards(made.out).clips} == {("low", "loud")}


def test_a_sweep_trains_every_cell_and_tables_its_metrics(tmp_path: Path) -> None:
    made = replace(
        settings(tones(tmp_path / "music", 6), tmp_path / "run"),
        sae=replace(SAE_SETTINGS, steps=30),
        sweep=SweepSettings(layers=(0, 1), expansion=(1, 2), k=(2, 4), seed=(0, 1)),
    )
    run_stages(made, model=FakeModel(), until="sweep")
    with (made.out / "sweep-table" / "table.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == 16
    assert {(row["layer"], row["d_sae"], row["k"], row["seed"]) for row in table} == {
        (layer, size, k, seed) for layer in "01" for size in ("16", "32") for k in "24" for seed in "01"
    }
    assert all(0 < float(row["fvu"]) < 1 and 0 < float(row["seed_stability"]) <= 1 for row in table)
    assert (made.out / "sweep-table" / "table.md").read_text().count("\n") == 18
    model = FakeModel()
    run_stages(made, model=model, until="sweep")
    assert model.calls == 0


@pytest.mark.parametrize("activation", ["batchtopk", "jumprelu"])
def test_saes_with_thresholds_make_banks_too(tmp_path: Path, activation: Any) -> None:
    made = settings(tones(tmp_path / "music"), tmp_path / "run")
    sae = replace(SAE_SETTINGS, activation=activation, steps=120)
    result = build(replace(made, sae=sae), model=FakeModel())
    assert result.features > 5
    assert result.metrics[1]["fvu"] < 0.6
    assert 1 < result.metrics[1]["l0"] < 7


def test_single_layers_may_have_sizes_of_their_own(tmp_path: Path) -> None:
    made = replace(
        settings(tones(tmp_path / "music", 6), tmp_path / "run"),
        layers=(0, 1),
        sae=replace(SAE_SETTINGS, expansion=2),
        sae_layers={"1": {"expansion": 3, "k": 5}, "2": {"d_sae": 40}},
    )
    build(made, model=FakeModel())
    found = [load_sae(made.out / f"sae-{layer}") for layer in (0, 1)]
    assert [(sae.d_sae, sae.k) for sae in found] == [(32, 3), (48, 5)]
    assert made.at_width(16).sae_at(2).d_sae == 40
    with pytest.raises(BadInputError, match="colour"):
        replace(made, sae_layers={"1": {"colour": 3}})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> BuildSettings:
    root = tmp_path_factory.mktemp("ready")
    made = settings(tones(root / "music"), root / "run")
    run_stages(made, model=FakeModel(), until="sae")
    return made


def test_a_ready_sae_is_used_as_it_is(trained: BuildSettings, tmp_path: Path) -> None:
    ready = replace(
        trained, out=tmp_path / "run", layers=(), sae_files=(str(trained.out / "sae-1"),), sae=SAE_SETTINGS
    )
    result = build(ready, model=FakeModel())
    assert set(result.metrics) == {1}
    mine, given = load_sae(tmp_path / "run" / "sae-1"), load_sae(trained.out / "sae-1")
    assert torch.equal(mine.W_dec, given.W_dec)


@pytest.mark.parametrize("moved", [0, 2])
def test_a_ready_sae_moved_by_one_layer_is_refused(
    trained: BuildSettings, tmp_path: Path, moved: int
) -> None:
    sae = load_sae(trained.out / "sae-1")
    sae.layer = moved
    save_sae(tmp_path / "moved", sae)
    ready = replace(trained, out=tmp_path / "run", layers=(), sae_files=(str(tmp_path / "moved"),))
    with pytest.raises(SiteMismatchError, match=rf"says layer {moved}, but it reconstructs layer 1 better"):
        build(ready, model=FakeModel())
    assert not (tmp_path / "run" / "bank").exists()
    with pytest.raises(SiteMismatchError):  # and so is a second attempt
        build(ready, model=FakeModel())


class _EasyNeighbour(FakeModel):
    """Layer 1 is layer 2 with noise on top: whatever learned layer 1 reconstructs layer 2 better."""

    def residuals(
        self, tokens: Tensor, prompts: Sequence[str | None] | None = None, *, layers: Sequence[int]
    ) -> dict[int, Tensor]:
        at = super().residuals(tokens, prompts, layers=[1])[1]
        noise = 2 * torch.randn(1000, 16, generator=torch.Generator().manual_seed(5))[: at.shape[1]]
        return {layer: at if layer == 2 else at + noise for layer in layers}


def test_what_a_run_trained_itself_is_never_refused(tmp_path: Path) -> None:
    made = replace(settings(tones(tmp_path / "music"), tmp_path / "run"), site_test=True)
    run_stages(made, model=_EasyNeighbour(), until="sae")
    found = json.loads((made.out / "sae-1" / "cfg.json").read_text("utf-8"))["metadata"]["drawbar"]["metrics"]
    assert found["fvu_at_2"] < found["fvu_at_1"] / 1.1, "the test says the opposite, and it is wrong"
    assert load_sae(made.out / "sae-1").layer == 1


def test_stages_are_those_of_the_documents() -> None:
    assert STAGES == ("corpus", "tokens", "residuals", "sae", "sweep", "features", "labels", "bank")


def test_what_could_not_be_used_is_in_the_report(tmp_path: Path) -> None:
    music = tones(tmp_path / "music", 3)
    soundfile.write(music / "silence.flac", np.zeros(2 * 44_100), 44_100)
    (music / "cut.wav").write_bytes((music / "take 0.wav").read_bytes()[:50])
    made = settings(music, tmp_path / "run")
    run_stages(made, model=FakeModel(), until="tokens")
    report = json.loads((made.out / "tokens" / "report.json").read_text())
    assert [name for name, _ in report["unreadable"]] == ["broken.wav", "cut.wav"]
    assert all(reason for _, reason in report["unreadable"])
    assert report["silent"] == ["silence.flac"]
