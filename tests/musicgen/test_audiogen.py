"""AudioGen: MusicGen's network for sounds of all kinds, at 16 kHz; nothing but sizes and rates differ."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile

from drawbar.live import Engine, NullOutput, TakeSettings, render
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.parity.verify import VerifySettings, origin_of, verify
from tests.live.fakes import PacedModel, SteppedClock
from tests.musicgen import released

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("audiocraft") is None, reason="the audiocraft extra is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released.write_audiocraft(tmp_path_factory.mktemp("audiogen") / "model", sounds=True)


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load_model(folder)


def test_it_gives_the_numbers_of_both_references(folder: Path, model: Model) -> None:
    spec = model.spec
    assert (spec.sample_rate_hz, spec.samples_per_frame, spec.frame_rate_hz) == (16_000, 320, 50.0)
    assert spec.context_frames == 500  # it was trained on 10 s
    verdict = verify(model, VerifySettings(frames=40), origin=origin_of(folder))
    assert verdict.failed == ()
    assert {row.against for row in verdict.rows} >= {"audiocraft", "transformers"}


def test_a_take_is_played_as_it_is_rendered_and_saved_at_16_khz(model: Model, tmp_path: Path) -> None:
    settings = TakeSettings("slow piano", seed=3, seconds=0.6)
    offline = render(model, None, settings)
    clock = SteppedClock()
    with Engine(PacedModel(model, clock), None, NullOutput(16_000, clock=clock), clock=clock) as engine:
        engine.play(settings)
        assert engine.wait(60)
        live = engine.take
    assert live is not None
    np.testing.assert_array_equal(live.tokens, offline.tokens)
    np.testing.assert_allclose(live.audio, offline.audio, atol=1e-5)
    written, rate = soundfile.read(live.save(tmp_path / "take.wav"))
    assert (written.shape, rate) == ((9600,), 16_000)
