"""Two layers labelled part by part -> nothing is listened to or asked twice, also when the build is killed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from drawbar.audio_analysis.essentia import has_essentia
from drawbar.bank import Bank
from drawbar.errors import CancelledError
from drawbar.features.labellers.compound import CompoundSettings
from drawbar.features.labellers.descriptors import DescriptorSettings
from drawbar.features.labellers.registry import LabelSettings
from drawbar.features.labellers.sound_windows import DescriptorSounds
from drawbar.features.profile import ProfileSettings
from drawbar.pipeline import BuildSettings, Progress, build
from drawbar.sae import SaeSettings
from tests.pipeline.fakes import FakeModel

CLIPS = Path(__file__).parents[1] / "data" / "composed"
NO_NAMES = CompoundSettings(min_auroc=0)


def settings(out: Path) -> BuildSettings:
    return BuildSettings(
        corpus=str(CLIPS),
        out=out,
        layers=(0, 1),
        held_out=0.3,
        min_firings=10,
        site_test=False,
        sae=SaeSettings(d_sae=24, k=3, batch=128, steps=40, lr=3e-3, k_aux=6, dead_after=4000, log_every=20),
        profile=ProfileSettings(window_frames=25, pool_clips=8),
        descriptors=DescriptorSettings(train_clips=8, held_out_clips=8, window_frames=10),
        labels=LabelSettings(essentia="off", detectors="off", compound=NO_NAMES),
    )


@pytest.fixture
def listened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for every clip that was described."""
    heard: list[int] = []
    plain = DescriptorSounds.describe

    def counted(self: DescriptorSounds, audio: object, rate_hz: int, frames: int) -> object:
        heard.append(frames)
        return plain(self, audio, rate_hz, frames)  # type: ignore[arg-type]

    monkeypatch.setattr(DescriptorSounds, "describe", counted)
    return heard


def test_clips_are_listened_to_once_for_all_layers_and_parts_survive_a_kill(
    tmp_path: Path, listened: list[int]
) -> None:
    cfg = settings(tmp_path / "run")

    def stop(at: Progress) -> None:
        if at.stage == "descriptors layer 1":
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        build(cfg, stop, model=FakeModel())
    first = len(listened)
    assert first > 0
    done = {path: path.stat().st_mtime_ns for path in cfg.out.glob("labels-*-*/manifest.json")}
    assert {path.parent.name for path in done} == {"labels-0-descriptors"}
    result = build(cfg, model=FakeModel())
    assert len(listened) == first
    assert {path: path.stat().st_mtime_ns for path in done} == done
    with Bank.open(result.bank, edits=tmp_path / "edits") as bank:
        rows = bank.search(limit=1000)
        assert {row.layer for row in rows} == {0, 1}
        assert any(row.consistency is not None for row in rows)
        quality = bank.info.quality["layers"]
        assert set(quality) == {"0", "1"}
        assert quality["1"]["survivors"]["features"] == 24
        assert set(quality["1"]["labels"]) == {"descriptors"}
        duplicates = [bank.feature(row.id).duplicates for row in rows]
        assert all(
            other.startswith("0/")
            for row, found in zip(rows, duplicates, strict=True)
            if row.layer == 1
            for other, _ in found
        )


def test_labellers_that_are_added_later_run_alone(tmp_path: Path, listened: list[int]) -> None:
    cfg = settings(tmp_path / "run")
    result = build(cfg, model=FakeModel())
    with Bank.open(result.bank, edits=tmp_path / "edits") as bank:
        feature = bank.search(limit=1)[0].id
    before = {p: p.stat().st_mtime_ns for p in cfg.out.glob("labels-*-*/manifest.json")}
    heard = len(listened)
    (tmp_path / "said.csv").write_text(f"feature,label,author\n{feature},my word,Ada\n", "utf-8")
    again = build(
        replace(
            cfg,
            labels=LabelSettings(
                essentia="auto", people=str(tmp_path / "said.csv"), detectors="off", compound=NO_NAMES
            ),
        ),
        model=FakeModel(),
    )
    assert len(listened) == heard
    assert {p: p.stat().st_mtime_ns for p in before} == before
    with Bank.open(again.bank, edits=tmp_path / "edits") as bank:
        row = bank.row(feature)
        assert (row.label, row.label_author) == ("my word", "Ada")
        assert len(bank.feature(feature).labels) > 1 or not row.label_score
    separation = json.loads((cfg.out / "labels-0" / "separation.json").read_text("utf-8"))
    assert set(separation) == {"descriptors", "people"} | ({"essentia"} if has_essentia() else set())
