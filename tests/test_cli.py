"""The command line: exit codes, what goes to which stream, and that it starts quickly."""

import json
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from rich.console import Console

from drawbar import cli
from drawbar.bench.synthetic import synthetic_bank
from drawbar.cli import compose_and_analyse as discovery
from drawbar.cli import features_and_bank as banks
from drawbar.cli import output as shared
from drawbar.cli import render_and_doctor as playing
from drawbar.cli.settings_file import settings_from
from drawbar.errors import BadInputError
from drawbar.native_packages import PACKAGES, Failure
from drawbar.pipeline import BuildSettings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path / "home"))
    synthetic_bank(tmp_path / "bank", features=40).close()
    return tmp_path / "bank"


@dataclass
class Played:
    """What the fake player was asked for."""

    settings: Any = None
    bank: Any = None
    saved: list[Path] = field(default_factory=list)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """A player in place of the engine: the command line's part of `render` without a model."""
    seen = Played()

    def play(model: object, bank: object, settings: object, progress: Callable[[int, int], None]) -> object:
        seen.settings, seen.bank = settings, bank
        progress(1, 2)
        return types.SimpleNamespace(save=seen.saved.append)

    import_module("drawbar.live.melody")  # it is looked for in the real package, whatever was imported before
    fake = types.ModuleType("drawbar.live")
    fake.__dict__.update(TakeSettings=types.SimpleNamespace, render=play)
    monkeypatch.setitem(sys.modules, "drawbar.live", fake)
    monkeypatch.setattr(playing, "load", lambda *_: object())
    return seen


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys\nfrom drawbar.cli import main\ncode = main(['--help'])\n"
        "heavy = {'torch', 'numpy', 'transformers', 'librosa', 'PySide6', 'soundfile'} & set(sys.modules)\n"
        "print(code, sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "0 []"
    for command in ("compose", "build", "analyse", "features", "render", "doctor", "bench"):
        assert command in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("render",),
        ("render", "piano", "--amount", "drums"),
        ("render", "piano", "--amount", "=1"),
        ("render", "piano", "--amount", "drums=loud"),
        ("render", "piano", "--amount", "drums=nan"),
        ("render", "piano", "-o", "take.mp3"),
        ("features", "show"),
        ("build", "somewhere"),
        ("analyse", "x.wav", "--top", "0"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_so_on_stderr(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert "Error" in err


def test_an_error_is_one_line_and_exit_code_1(run: Run, tmp_path: Path) -> None:
    code, out, err = run("analyse", tmp_path / "missing.wav", "--bank", tmp_path)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "missing.wav" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("content", [b"", b"no music\n" * 400, b"RIFF\x24\x00\x00\x00WAVEfmt "])
def test_what_is_not_audio_is_refused_before_a_model_is_loaded(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(discovery, "load", pytest.fail)
    path = tmp_path / "thing.wav"
    path.write_bytes(content)
    code, _, err = run("analyse", path)
    assert code == 1
    assert "thing.wav" in err


def test_ctrl_c_is_exit_code_130(run: Run, monkeypatch: pytest.MonkeyPatch, bank: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(banks, "open_bank", stop)
    code, _, err = run("features", "search", "drums")
    assert code in (1, 130)
    assert "Traceback" not in err


def test_search_prints_a_table_or_a_list_of_rows(run: Run, bank: Path) -> None:
    code, out, _ = run("features", "search", "--bank", bank, "--limit", 5, "--json")
    rows = json.loads(out)
    assert code == 0
    assert len(rows) == 5
    assert {"id", "label", "label_score", "density", "layer"} <= set(rows[0])
    code, out, err = run("features", "search", "--bank", bank, "--limit", 5)
    assert code == 0
    assert rows[0]["id"] in out
    assert "5 of 40" in err
    code, out, err = run("features", "search", "nothing like this zzz", "--bank", bank, "--json")
    assert (code, json.loads(out)) == (0, [])


def test_show_prints_a_page_for_an_id_or_a_label(run: Run, bank: Path) -> None:
    code, out, _ = run("features", "show", "3/0", "--bank", bank, "--json")
    page = json.loads(out)
    assert code == 0
    assert page["row"]["id"] == "3/0"
    assert {"labels", "quantiles", "histogram", "neighbours"} <= set(page)
    code, out, _ = run("features", "show", "3/0", "--bank", bank)
    assert code == 0
    assert "p50 / p90 / p99" in out
    code, out, err = run("features", "show", "3/99999", "--bank", bank)
    assert (code, out) == (1, "")
    assert "3/99999" in err


def test_a_folder_that_is_no_bank_is_refused(run: Run, tmp_path: Path) -> None:
    code, _, err = run("features", "search", "drums", "--bank", tmp_path)
    assert code == 1
    assert str(tmp_path) in err.replace("\n", "")


def test_render_resolves_labels_shows_the_seed_and_prints_the_file(
    run: Run, played: Played, bank: Path
) -> None:
    rows = json.loads(run("features", "search", "--bank", bank, "--limit", 40, "--json")[1])
    named = next(row for row in rows if row["label"])
    take = bank.parent / "take.flac"
    code, out, err = run(
        "render", "slow piano in A minor with drums", "-o", take, "--seed", 7, "--seconds", 2,
        "--amount", f"{named['id']}=+1.5", "--amount", "3/1=-0.5", "--bank", bank, "--top-k", 50,
    )  # fmt: skip
    assert code == 0, err
    assert out.strip() == str(take)
    assert "seed 7" in err
    assert played.settings.amounts == {named["id"]: 1.5, "3/1": -0.5}
    assert (played.settings.seed, played.settings.seconds, played.settings.top_k) == (7, 2.0, 50)
    assert played.saved == [take]
    code, _, err = run("render", "piano", "-o", take)
    assert code == 0
    assert f"seed {played.settings.seed}" in err  # a random one, decided before it is used
    assert played.settings.seed >= 0


def test_words_that_the_embedded_model_does_not_know_are_told(
    run: Run, played: Played, tmp_path: Path
) -> None:
    code, _, err = run("render", "slow piano with kazoo and Zamponas", "-o", tmp_path / "take.wav")
    assert code == 0
    assert "kazoo" in err
    assert "zamponas" in err
    assert played.settings.prompt == "slow piano with and"
    run("render", "slow kazoo", "-o", tmp_path / "take.wav", "--model", str(tmp_path))
    assert played.settings.prompt == "slow kazoo"  # only the embedded model has a closed vocabulary


def test_an_unknown_feature_gets_the_nearest_matches(run: Run, played: Played, bank: Path) -> None:
    rows = json.loads(run("features", "search", "--bank", bank, "--json")[1])
    label = next(row["label"] for row in rows if len(row["label"]) > 6)
    code, _, err = run("render", "piano", "--amount", f"{label[:-1]}q=1", "--bank", bank)
    assert code == 1
    assert label.split()[0] in err
    assert played.saved == []


def test_a_device_that_is_not_there_is_refused_before_anything_is_loaded(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playing, "load", lambda *_: pytest.fail("loaded"))
    for name in ("cuda:97", "no device", "meta"):
        code, _, err = run("render", "piano", "--device", name)
        assert code == 1
        assert err.count("\n") == 1
        assert name in err
        assert "cpu" in err


def test_doctor_says_what_is_missing_and_how_to_get_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWBAR_ASSETS", str(tmp_path / "assets"))
    soundfile = next(native for native in PACKAGES if native.distribution == "soundfile")
    monkeypatch.setattr("drawbar.doctor.failures", lambda: [Failure(soundfile, "it carries no library")])
    code, out, _ = run("doctor")
    assert code == 1
    assert "soundfile: run: python3 packaging/run.py setup" in out
    monkeypatch.setattr("drawbar.doctor.failures", lambda: [])
    code, out, _ = run("doctor")
    assert code == 1
    assert "python -m drawbar.bundled" in out
    assert "not ready to play" in out
    model = tmp_path / "assets" / "model"
    model.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (model / name).write_bytes(b"{}")
    code, out, _ = run("doctor", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["playable"] is True
    assert {"Python", "torch", "audio output", "display", "soundfont"} <= {
        c["name"] for c in report["checks"]
    }
    assert all(check["cure"] for check in report["checks"] if not check["ok"])


def test_build_refuses_settings_it_does_not_know(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "build.json"
    config.write_text(json.dumps({"corpus": "composed:2", "colour": "red"}))
    code, _, err = run("build", tmp_path / "run", "--config", config)
    assert code == 1
    assert "colour" in err
    config.write_text("{")
    code, _, err = run("build", tmp_path / "run", "--config", config)
    assert code == 1
    code, _, err = run("build", tmp_path / "run", "--corpus", "composed:none")
    assert code == 1
    assert "composed:N" in err


def test_build_joins_the_configuration_and_the_options(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drawbar import pipeline

    seen: list[pipeline.BuildSettings] = []

    def build(
        settings: pipeline.BuildSettings, progress: Callable[[pipeline.Progress], None], **others: object
    ) -> object:
        seen.append(settings)
        progress(pipeline.Progress("tokens", 1, 2, "clips", 3.0, 1.0))
        return pipeline.BuildResult(settings.out / "bank", 2, 100, 5, 6, {}, [], [("bad.wav", "empty")])

    monkeypatch.setattr(pipeline, "build", build)
    config = tmp_path / "build.json"
    config.write_text(json.dumps({"corpus": "composed:2", "layers": [1, 2], "sae": {"k": 8, "d_sae": 64}}))
    code, out, err = run("build", tmp_path / "run", "--config", config, "--k", 4, "--name", "mine")
    assert code == 0, err
    assert out.strip() == str(tmp_path / "run" / "bank")
    assert "bad.wav: empty" in err
    settings = seen[0]
    assert (settings.layers, settings.name, settings.sae.k, settings.sae.d_sae) == ((1, 2), "mine", 4, 64)


def test_json_has_no_value_that_json_does_not_know() -> None:
    plain = shared.plain({"a": float("nan"), "b": np.float32(1.5), "c": (Path("x"), np.arange(2)), 1: None})
    assert plain == {"a": None, "b": 1.5, "c": ["x", [0, 1]], "1": None}


def test_compose_writes_a_corpus(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from drawbar.corpus import DEFAULT_SOUNDFONT

    if not Path(DEFAULT_SOUNDFONT).is_file():
        pytest.skip("needs the soundfont (apt install fluid-soundfont-gm)")
    code, out, err = run("compose", tmp_path / "corpus", "--pieces", 2, "--seconds", 5, "--seed", 3)
    assert code == 0, err
    assert out.strip() == str(tmp_path / "corpus")
    rows = [json.loads(line) for line in (tmp_path / "corpus" / "manifest.jsonl").read_text().splitlines()]
    assert [row["seed"] for row in rows] == [3, 4]
    assert soundfile.info(tmp_path / "corpus" / rows[0]["audio"]).duration == pytest.approx(5.0)


def test_compose_without_a_soundfont_says_how_to_get_one(run: Run, tmp_path: Path) -> None:
    code, _, err = run("compose", tmp_path / "corpus", "--soundfont", tmp_path / "none.sf2")
    assert code == 1
    assert "fluid-soundfont-gm" in err


def test_a_setting_that_should_be_an_object_and_is_not_is_named() -> None:
    with pytest.raises(BadInputError, match=r"setting sae: 3 must be a JSON object"):
        settings_from(BuildSettings, {"sae": 3})


def test_long_work_says_how_far_it_is_where_no_terminal_reads(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 5.0, 16.0, 16.0, 20.0, 40.0, 40.0])
    monkeypatch.setattr("drawbar.cli.output.time", types.SimpleNamespace(monotonic=lambda: next(now)))
    monkeypatch.setattr(shared, "notes", Console(stderr=True, highlight=False, force_terminal=False))
    with shared.progress("playing") as tell:
        for share in (0.1, 0.25, 0.3, 0.9):
            tell("playing", share)
    assert capsys.readouterr().err.splitlines() == ["playing: 25%", "playing: 90%"]
