"""Parts, rates and word lengths of what is exported."""

import numpy as np
import pytest

from drawbar.errors import BadInputError
from drawbar.live.audio_out.ring import Floats
from drawbar.live.takes.finishing import dithered, resampled, seamless, whole_bars

RATE = 32_000


def tone(seconds: float, hz: float = 440.0) -> Floats:
    return np.asarray(0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE), np.float32)


def test_a_loop_repeats_without_a_jump_wherever_it_lies() -> None:
    """The largest step across the seam is no larger than inside of the music."""
    rng = np.random.default_rng(1)
    music = np.convolve(rng.standard_normal(4 * RATE), np.hanning(64) / 32, "same").astype(np.float32)
    inside = np.abs(np.diff(music)).max()
    for start_s, end_s in ((1.0, 2.5), (0.0, 1.7)):
        loop = seamless(music, RATE, start_s, end_s)
        assert len(loop) == round((end_s - start_s) * RATE)
        twice = np.tile(loop, 2)
        assert np.abs(np.diff(twice[len(loop) - 50 : len(loop) + 50])).max() <= inside
    cut = np.tile(music[RATE : round(2.5 * RATE)], 2)
    assert np.abs(cut[round(1.5 * RATE)] - cut[round(1.5 * RATE) - 1]) > np.abs(
        twice[len(loop)] - twice[len(loop) - 1]
    )
    whole = seamless(music, RATE, 0.0, 4.0)
    assert abs(whole[0]) < 1e-6
    assert abs(whole[-1]) < 1e-6
    with pytest.raises(BadInputError, match="too short"):
        seamless(music, RATE, 1.0, 1.0)


def test_whole_bars_begin_on_a_line_and_are_bars_to_the_sample() -> None:
    bars = whole_bars(tone(9.0), RATE, 2.0, 0.3)
    assert len(bars) == 8 * RATE
    assert len(whole_bars(tone(9.0), RATE, 2.0, 4.3)) == 8 * RATE
    with pytest.raises(BadInputError, match="shorter than a bar"):
        whole_bars(tone(1.0), RATE, 2.0, 0.0)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_another_rate_keeps_the_pitch_and_the_length(rate: int) -> None:
    out = resampled(tone(2.0), RATE, rate)
    assert len(out) == 2 * rate
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    assert abs(np.argmax(spectrum) / 2 - 440) <= 0.5
    assert resampled(out, rate, 0) is out


def test_dither_makes_the_error_independent_of_a_quiet_sound() -> None:
    """A tone of half a step vanishes when it is cut to 16 bits, and is kept on average with dither."""
    quiet = tone(4.0) * np.float32(1 / 32_768)
    cut = np.round(quiet * 32_767)
    kept = np.round(dithered(quiet, 16, seed=3) * 32_767)
    reference = tone(4.0)
    assert abs(np.dot(cut, reference)) < 0.2 * np.dot(kept, reference) or not cut.any()
    assert np.dot(kept, reference) / np.dot(reference, reference) == pytest.approx(1.0, rel=0.1)
    assert np.array_equal(dithered(quiet, 16, seed=3), dithered(quiet, 16, seed=3))


def test_both_channels_of_a_stereo_take_are_finished() -> None:
    both = np.stack([tone(3.0), tone(3.0, 660.0)], 1)
    loop = seamless(dithered(resampled(both, RATE, 48_000), 16, 1), 48_000, 1.0, 2.0)
    assert loop.shape == (48_000, 2)
    assert np.allclose(loop[:-2000], resampled(both, RATE, 48_000)[48_000:94_000], atol=1e-4)
    assert whole_bars(both, RATE, 1.0, 0.0).shape == (3 * RATE, 2)
