"""What stands after position t never reaches what is read at t: through the codec, the model and every control."""

from typing import Any

import numpy as np
import pytest
import torch

from drawbar.errors import BadInputError, LeakError
from drawbar.research.horizon.acoustics import ACOUSTICS, past_acoustics
from drawbar.research.horizon.features_at import (
    TOLERANCE,
    Units,
    check_causal,
    encoder_look_ahead,
    frames_at,
    read_track,
)
from tests.pipeline.fakes import FakeCodec, FakeModel

RATE = 32_000
TIMES = np.array([1.5, 2.02, 3.0])


class FarCodec(FakeCodec):
    """A codec whose tokens know five frames ahead."""

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        tokens = super().encode(audio)
        frames = tokens.shape[-1]
        ahead = torch.nn.functional.pad(tokens, (0, 5), value=0)
        return (tokens + sum(ahead[..., k : k + frames] for k in range(1, 6))) % 64


def _model(codec: Any) -> Any:
    model: Any = FakeModel()
    model.codec = codec
    return model


def _music(seconds: float = 4.0, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.uniform(0.01, 0.5, round(seconds * 10)), RATE // 10)
    return (rng.standard_normal(round(seconds * RATE)) * level).astype(np.float32)


def _units(width: int = 16) -> Units:
    rng = np.random.default_rng(5)
    encoder = rng.standard_normal((12, width)).astype(np.float32)
    return Units(1, np.arange(12) * 7, encoder, np.zeros(12, np.float32), np.zeros(12, np.float32))


@pytest.mark.parametrize("codec", [FakeCodec(), FarCodec()])
@pytest.mark.parametrize("at", range(len(TIMES)))
def test_audio_after_a_position_changes_nothing_there(codec: FakeCodec, at: int) -> None:
    model, audio = _model(codec), _music()
    look_ahead = encoder_look_ahead(codec)
    other = audio.copy()
    cut = round(TIMES[at] * RATE)
    other[cut:] = _music(seed=9)[cut:] * 3
    one = read_track(model, audio, TIMES, [0, 1], look_ahead)
    two = read_track(model, other, TIMES, [0, 1], look_ahead)
    units = _units()
    for layer in (0, 1):
        np.testing.assert_allclose(one.residuals[layer][at], two.residuals[layer][at], rtol=0, atol=1e-5)
    active = [units.activations(found.residuals[1])[at] for found in (one, two)]
    np.testing.assert_allclose(active[0], active[1], rtol=0, atol=1e-4)
    heard = [past_acoustics(sound, RATE, TIMES)[at] for sound in (audio, other)]
    np.testing.assert_array_equal(heard[0], heard[1])
    # and the test can see: later positions do change
    if at == 0:
        assert np.abs(one.residuals[1][2] - two.residuals[1][2]).max() > 0.01
        assert (
            np.abs(past_acoustics(audio, RATE, TIMES)[2] - past_acoustics(other, RATE, TIMES)[2]).max() > 0.01
        )


def test_the_look_ahead_of_a_codec_is_measured() -> None:
    assert encoder_look_ahead(FakeCodec()) == 0
    assert encoder_look_ahead(FarCodec()) == 5
    assert frames_at(np.array([2.0]), 50.0, 0).tolist() == [99]  # the frame that ends at 2 s
    assert frames_at(np.array([2.0]), 50.0, 6).tolist() == [93]
    with pytest.raises(BadInputError, match="no frame"):
        frames_at(np.array([0.05]), 50.0, 6)


def test_a_look_ahead_that_is_too_short_is_caught() -> None:
    model, audio = _model(FarCodec()), _music()
    honest = read_track(model, audio, TIMES, [1], 5)
    assert check_causal(model, audio, 2.02, {1: honest.residuals[1][1]}, 5) <= TOLERANCE
    leaking = read_track(model, audio, TIMES, [1], 2)
    with pytest.raises(LeakError, match="what comes later"):
        check_causal(model, audio, 2.02, {1: leaking.residuals[1][1]}, 2)


def test_a_residual_of_the_next_frame_is_caught() -> None:
    model, audio = _model(FakeCodec()), _music()
    late = read_track(model, audio, TIMES + 0.02, [1], 1)  # what a slip by one frame would give
    with pytest.raises(LeakError):
        check_causal(model, audio, 2.02, {1: late.residuals[1][1]}, 1)


def test_the_embedded_codec_looks_nowhere_ahead_and_the_released_one_does() -> None:
    from drawbar.musicgen.codec.encodec import EncodecCodec
    from drawbar.musicgen.codec.spectral import SpectralCodec, SpectralConfig
    from tests.musicgen.tiny import encodec

    torch.manual_seed(0)
    small = SpectralConfig(encoder_width=16, decoder_width=16, encoder_blocks=1, decoder_blocks=1, latent=8)
    assert encoder_look_ahead(SpectralCodec(small).eval(), trials=2) == 0
    torch.manual_seed(0)
    released = EncodecCodec(encodec(), 4)
    found = encoder_look_ahead(released, trials=3)
    assert 1 <= found <= 12


def test_every_acoustic_column_has_a_name_and_silence_is_finite() -> None:
    found = past_acoustics(np.zeros(4 * RATE, np.float32), RATE, np.array([0.1, 2.0, 4.0]))
    assert found.shape == (3, len(ACOUSTICS))
    assert np.isfinite(found).all()


def test_repetition_is_heard_by_the_acoustic_control() -> None:
    time = np.arange(RATE // 2) / RATE

    def tune(*pitches: int) -> Any:
        return np.concatenate([np.sin(2 * np.pi * 440 * 2 ** (p / 12) * time) for p in pitches])

    start, figure, other = tune(1, 6, 3, 8), tune(0, 4, 7, 2), tune(5, 1, 10, 6)
    most = ACOUSTICS.index("likeness to the past, most")
    heard = [
        past_acoustics(np.concatenate([start, figure, other, last]).astype(np.float32), RATE, np.array([8.0]))
        for last in (figure, tune(9, 11, 3, 8))
    ]
    assert heard[0][0, most] > 0.8
    assert heard[0][0, most] > heard[1][0, most] + 0.2
