"""Descriptor curves: on sounds whose answer is known, and finite on sounds that say nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbar.audio_analysis.descriptors import DESCRIPTORS, descriptors
from drawbar.errors import BadInputError

RATE = 32_000


def tone(hz: float, seconds: float = 1.0, rate_hz: int = RATE) -> NDArray[np.float32]:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    wave: NDArray[np.float32] = (0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32)
    return wave


@pytest.mark.parametrize("rate_hz", [22_050, 32_000, 44_100])
@pytest.mark.parametrize("hz", [82.4, 220.0, 440.0, 987.8])
def test_a_tone_has_its_pitch_its_class_and_its_centre(hz: float, rate_hz: int) -> None:
    curves = descriptors(tone(hz, rate_hz=rate_hz), rate_hz)
    middle = slice(5, 45)
    assert np.median(curves["pitch_hz"][middle]) == pytest.approx(hz, rel=0.01)
    assert np.median(curves["centroid_hz"][middle]) == pytest.approx(hz, rel=0.05)
    assert curves["loudness_db"][25] == pytest.approx(-9.03, abs=0.3)
    assert curves["flatness"][25] < 0.01
    note = round(12 * np.log2(hz / 440) + 9) % 12
    if hz > 150:  # lower, a bin is wider than a semitone
        assert np.argmax([curves[name][25] for name in DESCRIPTORS[-12:]]) == note


def test_bands_tell_low_from_high() -> None:
    low, high = descriptors(tone(80.0)), descriptors(tone(6000.0))
    assert low["low_band_share"][25] > 0.95
    assert high["high_band_share"][25] > 0.95
    assert high["low_band_share"][25] < 0.01


def test_clicks_are_counted_as_onsets() -> None:
    audio = np.zeros(8 * RATE, np.float32)
    rng = np.random.default_rng(0)
    for start in range(0, audio.size, RATE // 4):
        audio[start : start + 640] = rng.uniform(-0.5, 0.5, 640)
    curves = descriptors(audio)
    assert np.median(curves["onset_rate_hz"][100:300]) == pytest.approx(4.0, abs=0.6)


def test_noise_is_flat_and_has_no_pitch() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, RATE).astype(np.float32)
    curves = descriptors(noise)
    assert np.median(curves["flatness"]) > 0.4
    assert np.mean(curves["pitch_hz"] == 0) > 0.9


@pytest.mark.parametrize("audio", [np.zeros(5000), np.ones(5000), np.zeros(1), np.full(30_000, 1e-9)])
def test_silence_and_constants_give_finite_curves_of_the_right_length(audio: NDArray[np.float64]) -> None:
    curves = descriptors(audio)
    assert tuple(curves) == DESCRIPTORS
    for name, curve in curves.items():
        assert curve.dtype == np.float32, name
        assert curve.shape == (-(-audio.size // 640),), name
        assert np.isfinite(curve).all(), name


def test_a_long_clip_is_described_as_its_parts_are() -> None:
    audio = np.random.default_rng(2).normal(0, 0.1, 45 * RATE).astype(np.float32)  # several chunks of frames
    whole, part = descriptors(audio), descriptors(audio[: 10 * RATE])
    for name in set(DESCRIPTORS) - {"onset_rate_hz"}:
        np.testing.assert_allclose(whole[name][:490], part[name][:490], rtol=1e-4, atol=1e-5)


def test_audio_that_cannot_be_described_is_refused() -> None:
    for audio in (np.zeros(0), np.zeros((2, 100)), np.array([0.0, np.nan])):
        with pytest.raises(BadInputError, match="mono"):
            descriptors(audio)
    with pytest.raises(BadInputError, match="8000"):
        descriptors(np.zeros(100), 4000)
