"""Stereo models: what they read and speak, played live, taken back, saved and exported with both channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from drawbar.errors import BadInputError
from drawbar.live import Engine, NullOutput, TakeSettings, render
from drawbar.live.audio_out.limiter import Monitor
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.codec.interface import mono
from drawbar.musicgen.codec.stereo import StereoCodec
from tests.live.fakes import PacedModel, SteppedClock
from tests.musicgen import released


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(released.write_hf(tmp_path_factory.mktemp("stereo") / "model", stereo=True))


@pytest.fixture
def tokens(model: Model) -> torch.Tensor:
    return torch.randint(0, model.spec.card, (2, 8, 12), generator=torch.Generator().manual_seed(2))


def test_the_sizes_are_those_of_two_channels(model: Model) -> None:
    assert (model.spec.channels, model.spec.n_q, model.spec.max_delay) == (2, 8, 3)
    assert isinstance(model.codec, StereoCodec)
    assert (model.codec.channels, model.codec.n_q, model.codec.inner.n_q) == (2, 8, 4)


def test_each_channel_is_the_mono_codec_s(model: Model, tokens: torch.Tensor) -> None:
    assert isinstance(model.codec, StereoCodec)
    sound = model.codec.decode(tokens)
    assert sound.shape == (2, 2, 12 * 640)
    left, right = (model.codec.inner.decode(tokens[:, side::2]) for side in (0, 1))
    torch.testing.assert_close(sound, torch.cat([left, right], 1), atol=1e-6, rtol=0)
    torch.testing.assert_close(mono(sound), (left + right) / 2, atol=1e-6, rtol=0)


def test_mono_audio_is_coded_on_both_channels(model: Model) -> None:
    audio = torch.randn(1, 1, 6400, generator=torch.Generator().manual_seed(1)) / 4
    coded = model.codec.encode(audio)
    assert torch.equal(coded[:, ::2], coded[:, 1::2])
    assert torch.equal(coded, model.codec.encode(audio.expand(-1, 2, -1)))
    with pytest.raises(BadInputError, match=r"\[1, 3, 6400\]"):
        model.codec.encode(audio.expand(-1, 3, -1))


@pytest.mark.parametrize("batch", [1, 2])
def test_a_stream_can_go_back_and_joins_to_the_whole(model: Model, tokens: torch.Tensor, batch: int) -> None:
    stream = model.codec.stream(batch)
    given = tokens[:batch]
    parts = [stream.push(given[..., :5])]
    state = stream.snapshot()
    stream.push(tokens[:batch].flip(-1)[..., :4])
    stream.restore(state)
    parts += [stream.push(given[..., t : t + 1]) for t in range(5, 12)]
    whole = torch.cat([*parts, stream.flush()], -1)
    torch.testing.assert_close(whole, model.codec.decode(given), atol=1e-5, rtol=0)


@pytest.mark.parametrize("twin", [False, True])
def test_a_take_is_played_as_it_is_rendered_and_both_channels_are_saved(
    model: Model, tmp_path: Path, twin: bool
) -> None:
    settings = TakeSettings("slow piano", seed=3, seconds=0.6, twin=twin)
    offline = render(model, None, settings)
    clock = SteppedClock()
    output = NullOutput(32_000, clock=clock, record=True)
    with Engine(PacedModel(model, clock), None, output, clock=clock) as engine:
        engine.play(settings)
        assert engine.wait(60)
        live, trace = engine.take, engine.trace
        assert live is not None
        assert trace.peaks(50).shape[1] == 2
        assert trace.audio().shape == (19_200, 2)
        if twin:  # nothing was steered: it is the take itself
            np.testing.assert_array_equal(trace.twin(), live.audio)
            assert live.twin_audio is None
    np.testing.assert_array_equal(live.tokens, offline.tokens)
    assert live.audio.shape == (19_200, 2)
    np.testing.assert_allclose(live.audio, offline.audio, atol=1e-5)
    assert np.abs(live.audio[:, 0] - live.audio[:, 1]).max() > 1e-3
    behind = Monitor(32_000).process(live.audio)
    np.testing.assert_allclose(output.recorded()[: len(behind)], behind, atol=1e-5)
    for ending in ("wav", "flac"):
        written, rate = soundfile.read(live.save(tmp_path / f"take.{ending}"))
        assert (written.shape, rate) == ((19_200, 2), 32_000)
        np.testing.assert_allclose(written, np.clip(live.audio, -1, 1), atol=1e-6)


def test_going_back_without_a_change_gives_the_same_tokens(model: Model) -> None:
    with model.stream("slow piano", seed=5, seconds=0.6) as stream:
        first = [next(stream).tokens for _ in range(20)]
        stream.rewind(9)
        again = [frame.tokens for frame in stream]
    assert torch.equal(torch.stack(first[9:]), torch.stack(again)[:11])
    assert torch.equal(model.generate("slow piano", [5], 0.6)[0].T, torch.stack([*first[:9], *again]))


def test_a_prefix_is_gone_on_from(model: Model) -> None:
    whole = model.generate("slow piano", [5], 0.6)[0]
    assert torch.equal(model.generate("slow piano", [5], 0.6, prefix=whole[:, :12])[0, :, :12], whole[:, :12])


def test_both_channels_get_the_limiter_s_gain_and_neither_passes_the_ceiling() -> None:
    loud = np.zeros((6400, 2), np.float32)
    loud[:, 0] = 2.0 * np.sin(np.arange(6400) / 20)
    loud[:, 1] = 0.1
    monitor = Monitor(32_000)
    out = np.concatenate([monitor.process(loud[:3000]), monitor.process(loud[3000:]), monitor.flush()])
    heard: Any = out[monitor.delay :]
    assert heard.shape == loud.shape
    assert np.abs(heard).max() <= 10 ** (-1 / 20) + 1e-3
    quiet = heard[2000:, 1] / loud[2000:, 1]
    assert quiet.max() < 0.5  # the right channel is turned down with the left: the picture stays where it is
