"""A slider from sound files: the right layer, honest figures, and refusals that say what to do."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from drawbar import cli
from drawbar.cli import direction as commands
from drawbar.contrast.contrast import Area, Contrast, ContrastSettings
from drawbar.contrast.examples import (
    ExampleSettings,
    best_layer,
    from_examples,
    sound_files,
    tokens_of,
)
from drawbar.errors import BadInputError
from drawbar.steering import OwnDirections
from tests.evidence.planted import FakeModel

RATE = 32_000
SHORT = ExampleSettings(contrast=ContrastSettings(window_frames=20, segment_frames=40))


class HearingModel(FakeModel):
    """Its codec hears loudness: the low bit of the tokens says loud, the rest is the sound's own."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = SimpleNamespace(name="fake", d_model=24, n_layers=2, context_frames=1500)
        self.codec = SimpleNamespace(encode=self._encode, sample_rate_hz=RATE, samples_per_frame=640)

    @staticmethod
    def _encode(audio: Tensor) -> Tensor:
        frames = audio[0, 0].split(640)
        loud = torch.tensor([int(part.abs().max() > 0.3) for part in frames])
        own = torch.tensor([int(part.abs().sum() * 100) % 97 for part in frames])
        return (own * 2 + loud)[None, None].expand(1, 4, -1).clone()


def hearing_model() -> Any:
    """Stands in for a `Model`, of which it has what is asked for."""
    return HearingModel()


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Six loud and six soft files of noise, 1 s, in two folders."""
    for side, level in (("loud", 0.8), ("soft", 0.1)):
        folder = tmp_path / side
        folder.mkdir()
        for number in range(6):
            noise = np.random.default_rng(number).uniform(-1, 1, RATE).astype(np.float32)
            soundfile.write(folder / f"{side}{number}.wav", level * noise, RATE)
    return tmp_path


def files(sounds: Path) -> tuple[list[Path], list[Path]]:
    return sound_files([sounds / "loud"]), sound_files([sounds / "soft"])


def test_the_layer_that_knows_is_found_and_the_direction_remembers_its_examples(sounds: Path) -> None:
    found = from_examples(hearing_model(), "loud", *files(sounds), settings=SHORT)
    assert found.own.layer == 1
    assert abs(found.own.vector[3]) > 0.9
    assert found.chosen.difference.mean > 0.95
    assert found.own.about["like"] == [f"loud{n}.wav" for n in range(6)]
    assert found.own.about["auroc_difference"] == pytest.approx(found.chosen.difference.mean, abs=1e-3)
    assert [row[0] for row in found.own.about["layers"]] == [0, 1]


def test_a_meter_reads_one_where_it_is_and_zero_where_it_is_not(sounds: Path) -> None:
    model = hearing_model()
    own = from_examples(model, "loud", *files(sounds), settings=SHORT).own
    direction = own.direction()
    assert direction.encoder is not None
    meters = []
    for side in ("loud", "soft"):
        tokens = tokens_of(model, sounds / side / f"{side}0.wav", SHORT)
        rows = model.residuals(tokens[None], layers=[1])[1][0, 1:]
        meters.append(float((rows @ direction.encoder + direction.bias).mean()) / direction.scale)
    assert meters[0] == pytest.approx(1, abs=0.3)
    assert meters[1] == pytest.approx(0, abs=0.3)


def test_only_the_start_of_a_long_file_is_read(sounds: Path) -> None:
    soundfile.write(sounds / "long.wav", np.zeros(5 * RATE, np.float32) + 0.2, RATE)
    assert tokens_of(hearing_model(), sounds / "long.wav", ExampleSettings(limit_s=2.0)).shape == (4, 100)


def test_files_folders_and_takes_are_all_sound_files(sounds: Path) -> None:
    take = sounds / "take.json"
    take.write_text(json.dumps({"audio": "loud0.wav"}), encoding="utf-8")
    with pytest.raises(BadInputError, match=r"loud0.wav is not beside it"):
        sound_files([take])
    (sounds / "take0.wav").write_bytes((sounds / "loud" / "loud0.wav").read_bytes())
    take.write_text(json.dumps({"audio": "take0.wav"}), encoding="utf-8")
    assert sound_files([take, sounds / "take0.wav"]) == [sounds / "take0.wav"]
    with pytest.raises(BadInputError, match="no such file"):
        sound_files([sounds / "gone.wav"])
    (sounds / "empty").mkdir()
    with pytest.raises(BadInputError, match="no sound files"):
        sound_files([sounds / "empty"])


def test_one_sided_and_too_few_examples_are_refused_with_the_cure(sounds: Path) -> None:
    loud, soft = files(sounds)
    with pytest.raises(BadInputError, match="no examples that are unlike it"):
        from_examples(hearing_model(), "x", loud, [])
    with pytest.raises(BadInputError, match="2 examples like it and 6 unlike it: give at least 3"):
        from_examples(hearing_model(), "x", loud[:2], soft)
    with pytest.raises(BadInputError, match="on both sides"):
        from_examples(hearing_model(), "x", loud, [*soft, loud[0]])
    with pytest.raises(BadInputError, match=r"has layers 0\.\.1"):
        from_examples(hearing_model(), "x", loud, soft, layers=[7])


def test_layers_that_cannot_be_told_apart_leave_the_middle_one() -> None:
    def row(layer: int, mean: float, spread: float) -> Contrast:
        area = Area(mean, spread)
        return Contrast(layer, np.zeros(2, np.float32), 1.0, 0.0, area, area, 10, 10, 40)

    noisy = [row(0, 0.5, 0.2), row(1, 0.86, 0.2), row(2, 0.9, 0.2), row(3, 0.92, 0.2)]
    chosen, tied = best_layer(noisy, 4)
    assert (chosen.layer, tied) == (2, (1, 2, 3))
    sure = [row(0, 0.5, 0.0), row(1, 0.86, 0.0), row(3, 0.92, 0.0)]
    assert best_layer(sure, 4) == (sure[2], (3,))


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(commands, "load", lambda *_: hearing_model())

    def call(*words: object) -> tuple[int, str, str]:
        code = cli.main([str(word) for word in words])
        seen = capsys.readouterr()
        return code, seen.out, seen.err

    return call


def test_the_command_takes_the_words_of_a_shell_pattern_on_both_sides(
    run: Callable[..., Any], sounds: Path
) -> None:
    loud, soft = files(sounds)
    make = ["direction", "from-examples", *loud, "--unlike", *soft, "--name", "my noise"]
    code, out, err = run(*make)
    assert code == 0, err
    assert out.splitlines()[-1] == "mine/my noise"
    assert "6 files like it, 6 unlike it" in out
    assert "nobody has tested" in err
    own = OwnDirections().load("my noise")
    assert len(own.about["unlike"]) == 6
    assert run(*make)[0] == 2
    assert run(*make, "--replace", "--layer", 0)[0] == 0
    assert OwnDirections().load("mine/My Noise").layer == 0
    listed = json.loads(run("direction", "list", "--json")[1])
    assert [(one["id"], one["layer"]) for one in listed] == [("mine/my noise", 0)]
    shown = run("direction", "show", "my noise")[1]
    assert "loud0.wav" in shown
    assert run("direction", "remove", "my noise")[1] == "removed mine/my noise\n"
    assert run("direction", "show", "my noise")[0] == 1
    assert "no directions yet" in run("direction", "list")[2]


def test_the_command_says_when_a_direction_is_worth_little(run: Callable[..., Any], sounds: Path) -> None:
    """Layer 0 knows nothing of loudness."""
    loud, soft = files(sounds)
    make = ["direction", "from-examples", *loud, "--unlike", *soft, "--name", "nothing", "--layer", 0]
    code, out, err = run(*make, "--json")
    assert code == 0
    report = json.loads(out)
    assert report["tied"] == [0]
    assert run("direction", "remove", "nothing")[0] == 0
    err = run(*make)[2]
    assert ("hardly tells files apart" in err) == (report["auroc_difference"] < 0.7)


def test_the_command_refuses_before_a_model_is_loaded(
    run: Callable[..., Any], sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "load", lambda *_: pytest.fail("loaded a model for nothing"))
    code, _, err = run("direction", "from-examples", sounds / "loud", "--name", "x")
    assert code == 1
    assert "no examples that are unlike it" in err
    assert run("direction", "from-examples", sounds / "loud", "--unlike", sounds / "soft")[0] == 2
    assert run("direction", "from-examples", sounds / "loud", "--name", "x", "--unlike")[0] == 2
