"""The whole study on a made-up corpus: it resumes, it answers, and its page says what it found."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drawbar.errors import BadInputError, CancelledError, LeakError
from drawbar.pipeline.progress import Progress
from drawbar.research.horizon.controls import CONTROLS
from drawbar.research.horizon.features_at import read_track
from drawbar.research.horizon.study import positions as horizon_positions
from drawbar.research.horizon.study.plan import plan_study
from drawbar.research.horizon.study.report import write_report
from drawbar.research.horizon.study.run import STAGES, study
from tests.research.horizon.study_fakes import FakeBank, StudyModel, loudness, settings, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


def _run(corpus: Path, out: Path, **more: Any) -> tuple[dict[str, Any], StudyModel]:
    model: Any = StudyModel()
    bank: Any = FakeBank(model)
    given = more.pop("settings", settings(corpus, out))
    return study(given, model=model, bank=bank, detector=loudness, **more), model


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "run"
    _run(corpus, out)
    return out


def test_noise_gives_no_evidence_and_says_what_could_have_been_seen(finished: Path) -> None:
    gate = json.loads((finished / "6-gate" / "gate.json").read_text())
    assert gate["verdict"] == "no evidence"
    assert 0 < gate["detectable"] < 1
    assert gate["candidates"] == []
    probes = json.loads((finished / "3-probes" / "probes.json").read_text())
    assert set(probes["features"][0]["margins"]["controls"]) == set(CONTROLS)
    assert [feature["layer"] for feature in probes["features"]] == [1, 1]
    assert all(feature["index"] % 7 == 0 for feature in probes["features"])
    positions = json.loads((finished / "2-positions" / "manifest.json").read_text())["facts"]
    assert positions["worst_difference_when_cut"] < 1e-4


def test_a_second_run_does_nothing_and_a_killed_one_goes_on(
    corpus: Path, finished: Path, tmp_path: Path
) -> None:
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*.json")}
    again, model = _run(corpus, finished)
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*.json")} == before
    assert model.played == 0
    killed = tmp_path / "killed"
    for stage, at in (("positions", 7), ("interventions", 4)):

        def stop(now: Progress, stage: str = stage, at: int = at) -> None:
            if now.stage == stage and now.done >= at:
                raise CancelledError("enough")

        with pytest.raises(CancelledError):
            _run(corpus, killed, progress=stop)
    assert len(list((killed / "5-interventions").glob("*.safetensors"))) >= 3
    result, model = _run(corpus, killed)
    assert 0 < model.played < 15  # conditions that were done are not played again
    assert result == again


def test_a_change_of_settings_runs_what_depends_on_it(corpus: Path, finished: Path, tmp_path: Path) -> None:
    import shutil

    out = tmp_path / "copy"
    shutil.copytree(finished, out)
    kept = (out / "2-positions" / "rows.safetensors").stat().st_mtime_ns
    given = settings(corpus, out)
    given = replace(given, probes=replace(given.probes, shortlist=1))
    _run(corpus, out, settings=given, until="probes")
    assert (out / "2-positions" / "rows.safetensors").stat().st_mtime_ns == kept
    assert len(json.loads((out / "3-probes" / "probes.json").read_text())["features"]) == 1


def test_a_track_that_was_changed_is_refused_by_name(corpus: Path, tmp_path: Path) -> None:
    import shutil

    changed = tmp_path / "changed"
    shutil.copytree(corpus, changed)
    (changed / "track-04.wav").write_bytes((changed / "track-05.wav").read_bytes())
    _run(changed, tmp_path / "run", until="tracks")
    facts = json.loads((tmp_path / "run" / "1-tracks" / "manifest.json").read_text())["facts"]
    assert facts["tracks"] == 29
    assert "track-04" in facts["refused"][0]


def test_a_model_that_sees_ahead_stops_the_study(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = read_track

    def leaking(model: Any, audio: Any, times_s: Any, layers: Any, look_ahead: int) -> Any:
        return real(model, audio, times_s + 0.02, layers, look_ahead)  # one frame too many

    monkeypatch.setattr(horizon_positions, "read_track", leaking)
    with pytest.raises(LeakError, match="what comes later"):
        _run(corpus, tmp_path / "run", until="positions")


def test_stages_and_settings_that_do_not_exist_are_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=STAGES[0]):
        _run(corpus, tmp_path / "run", until="nothing")
    with pytest.raises(BadInputError, match="needs its events"):
        replace(settings(corpus, tmp_path), events="")
    with pytest.raises(BadInputError, match="at least two that differ"):
        replace(settings(corpus, tmp_path), horizons=((1.0, 3.0), (1.0, 3.0)))


def test_the_page_holds_everything_and_fetches_nothing(finished: Path, tmp_path: Path) -> None:
    text = write_report(finished, tmp_path / "page.html", labels={"1/7": "a <label>"}).read_text()
    assert "no evidence" in text
    for control in CONTROLS:
        assert control in text
    manifest = json.loads((finished / "3-probes" / "manifest.json").read_text())
    assert manifest["digest"] in text
    assert text.count("data:audio/mpeg;base64,") == 3  # one beginning, left alone, ablated, scaled up
    assert "http" not in text
    assert "<label>" not in text
    assert "would have been found four times in five" in text


def test_an_unfinished_study_has_no_page(corpus: Path, tmp_path: Path) -> None:
    _run(corpus, tmp_path / "run", until="tracks")
    with pytest.raises(BadInputError, match="no finished study"):
        write_report(tmp_path / "run")


def test_a_plan_writes_nothing_and_knows_what_is_done(corpus: Path, finished: Path, tmp_path: Path) -> None:
    model: Any = StudyModel()
    bank: Any = FakeBank(model)
    fresh = plan_study(settings(corpus, tmp_path / "fresh"), model=model, bank=bank, detector=loudness)
    assert [one.stage for one in fresh] == list(STAGES)
    assert {one.state for one in fresh} == {"run"}
    assert not (tmp_path / "fresh").exists()
    assert all(one.seconds > 0 for one in fresh)
    done = plan_study(settings(corpus, finished), model=model, bank=bank, detector=loudness)
    assert [(one.state, one.seconds) for one in done] == [("done", 0.0)] * len(STAGES)
