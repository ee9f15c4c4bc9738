"""Melody models: pitch classes as both references compute them, takes that follow them, live, rewound and restored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from drawbar import cli
from drawbar.errors import BadInputError, NotSupportedError
from drawbar.live import Engine, NullOutput, TakeSettings, render
from drawbar.live.melody import read_melody
from drawbar.live.takes.take import load_settings
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.network.chroma import chroma_frames, pitch_classes
from drawbar.musicgen.parity.audiocraft_model import has_audiocraft, import_audiocraft
from tests.live.fakes import PacedModel, SteppedClock
from tests.musicgen import released

TUNE = tuple([0, 4, 7, 11, 2] * 10)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(released.write_hf(tmp_path_factory.mktemp("melody") / "model", melody=True))


def sung(seconds: float = 4.0, seed: int = 0) -> NDArray[np.float32]:
    """Notes of half a second with overtones and breath."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * 32_000)) / 32_000
    hertz = 220 * 2 ** (rng.integers(0, 24, round(2 * seconds) + 1) / 12)[(2 * time).astype(int)]
    phase = 2 * np.pi * np.cumsum(hertz) / 32_000
    voice = sum(np.sin(n * phase) / n for n in (1, 2, 3)) + 0.05 * rng.standard_normal(len(time))
    return np.asarray(0.2 * voice, np.float32)


@pytest.mark.parametrize("seconds", [0.2, 4.0, 9.3])
def test_pitch_classes_are_those_of_transformers_and_audiocraft(seconds: float) -> None:
    from transformers import MusicgenMelodyFeatureExtractor

    audio = sung(seconds)
    ours = pitch_classes(audio, 32_000)
    assert len(ours) == chroma_frames(len(audio))
    theirs = MusicgenMelodyFeatureExtractor()(audio, sampling_rate=32_000, return_tensors="pt")[
        "input_features"
    ]
    assert ours == tuple(theirs[0].argmax(-1).tolist())
    if not has_audiocraft():
        pytest.skip("the audiocraft extra is not installed")
    import_audiocraft()
    from audiocraft.modules.chroma import ChromaExtractor

    extractor = ChromaExtractor(sample_rate=32_000, radix2_exp=14, argmax=True)
    assert ours == tuple(extractor(torch.from_numpy(audio)[None])[0].argmax(-1).tolist())


def test_a_tune_is_heard_and_silence_is_c() -> None:
    time = np.arange(64_000) / 32_000
    assert set(pitch_classes(np.sin(2 * np.pi * 440 * time).astype(np.float32), 32_000)[2:-2]) == {9}
    assert set(pitch_classes(np.zeros(64_000, np.float32), 32_000)) == {0}
    for bad in (np.zeros(0, np.float32), np.full(9, np.nan, np.float32), np.zeros((2, 9), np.float32)):
        with pytest.raises(BadInputError, match="melody of shape"):
            pitch_classes(bad, 32_000)


def test_the_melody_decides_the_take_and_goes_round(model: Model) -> None:
    def play(tune: tuple[int, ...], prompt: str | None = "slow piano") -> torch.Tensor:
        return model.generate(prompt, [3], 0.4, melody=tune)

    plain = play(())
    assert not torch.equal(play(TUNE), plain)
    assert torch.equal(play(TUNE), play(TUNE * 3))
    assert torch.equal(play((0,)), plain)
    assert not torch.equal(play(TUNE, None), play((), None))
    with pytest.raises(BadInputError, match=r"0\.\.11"):
        play((12,))


def test_clips_of_one_batch_do_not_touch_each_other(model: Model) -> None:
    prompts = ["slow piano in a minor", None, "fast drums", "slow piano"]
    together = model.generate(prompts, [1, 2, 3, 4], 0.3, melody=TUNE)
    for clip, prompt in enumerate(prompts):
        assert torch.equal(together[clip], model.generate(prompt, [clip + 1], 0.3, melody=TUNE)[0])
    alone = model.residuals(together[:1], prompts[0], [1, 3], melody=TUNE)
    every = model.residuals(together, prompts, [1, 3], melody=TUNE)
    for layer, residual in alone.items():
        assert residual.shape == (1, 16, released.D)
        torch.testing.assert_close(every[layer][:1], residual, atol=1e-5, rtol=0)


def test_a_take_can_go_back_and_slides_its_window(model: Model) -> None:
    with model.stream("slow piano", seed=5, seconds=0.6, melody=TUNE, twin=True) as stream:
        first = [next(stream).tokens for _ in range(20)]
        stream.rewind(9)
        again = torch.stack([*first[:9], *(frame.tokens for frame in stream)])
    whole = model.generate("slow piano", [5], 0.6, melody=TUNE)[0]
    assert torch.equal(again.T, whole)
    assert torch.equal(model.generate("slow piano", [5], 0.6, prefix=whole[:, :12], melody=TUNE)[0], whole)


def test_live_is_as_rendered_and_the_melody_is_kept_with_the_take(model: Model, tmp_path: Path) -> None:
    settings = TakeSettings("slow piano", seed=3, seconds=0.4, melody=TUNE)
    offline = render(model, None, settings)
    clock = SteppedClock()
    with Engine(PacedModel(model, clock), None, NullOutput(32_000, clock=clock), clock=clock) as engine:
        engine.play(settings)
        assert engine.wait(60)
        assert engine.take is not None
        np.testing.assert_array_equal(engine.take.tokens, offline.tokens)
    assert load_settings(offline.save(tmp_path / "take.wav")) == settings
    with pytest.raises(BadInputError, match="pitch classes"):
        TakeSettings(melody=(12,))


def test_the_command_reads_a_hummed_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = released.write_hf(tmp_path / "model", melody=True)
    soundfile.write(tmp_path / "hummed.wav", sung(2.0), 32_000)
    command = ["render", "slow piano", "--model", str(folder), "--seconds", "0.3", "--seed", "1"]
    out = tmp_path / "take.wav"
    assert cli.main([*command, "--melody", str(tmp_path / "hummed.wav"), "--out", str(out)]) == 0
    assert load_settings(out).melody == read_melody(tmp_path / "hummed.wav", load_model(folder).spec)
    other = released.write_hf(tmp_path / "other")
    command[3] = str(other)
    assert cli.main([*command, "--melody", str(tmp_path / "hummed.wav"), "--out", str(out)]) == 1
    assert "facebook/musicgen-melody" in capsys.readouterr().err


def test_what_melody_models_do_not_do_is_said(model: Model, tiny: Model) -> None:
    with pytest.raises(BadInputError, match="follows no melody"):
        tiny.generate("slow piano", [1], 0.2, melody=TUNE)
    from drawbar.musicgen.quantised.precision import make_stepper

    with pytest.raises(NotSupportedError, match="melody models run in float32"):
        make_stepper(model.decoder, "int8")
