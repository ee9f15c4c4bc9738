"""Curves of timbre on sounds whose answer is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbar.audio_analysis.descriptors import descriptors
from drawbar.audio_analysis.timbre import OCTAVES, TIMBRE, timbre_curves
from drawbar.corpus.naming import descriptor_label

RATE = 32_000
TIME = np.arange(3 * RATE) / RATE


def curves(audio: NDArray[np.float64], rate: int = RATE) -> dict[str, NDArray[np.float32]]:
    found = timbre_curves(audio, rate, descriptors(audio, rate))
    assert set(found) == set(TIMBRE)
    assert all(np.isfinite(curve).all() and len(curve) == 150 for curve in found.values())
    return found


@pytest.mark.parametrize("hz", [63, 250, 1000, 8000])
def test_a_tone_is_in_its_own_octave(hz: int) -> None:
    found = curves(0.3 * np.sin(2 * np.pi * hz * TIME))
    means = {name: float(found[name][20:-20].mean()) for name in OCTAVES}
    assert max(means, key=lambda name: means[name]) == f"band_{hz}"
    assert means[f"band_{hz}"] > -1


def test_noise_is_wide_and_even_where_a_tone_is_narrow_and_peaky() -> None:
    noise = curves(np.random.default_rng(0).standard_normal(len(TIME)) / 5)
    tone = curves(0.3 * np.sin(2 * np.pi * 440 * TIME))
    middle = slice(20, -20)
    assert noise["spread_hz"][middle].mean() > 10 * tone["spread_hz"][middle].mean()
    assert noise["crest"][middle].mean() + 15 < tone["crest"][middle].mean()
    assert noise["flux"][middle].mean() > 3 * tone["flux"][middle].mean()


def test_swelling_attacks_tremolo_and_vibrato_are_told_apart() -> None:
    plain = 0.3 * np.sin(2 * np.pi * 440 * TIME)
    swell = curves(plain * 10 ** ((TIME - 3) * 10 / 20))  # 10 dB a second
    struck = curves(plain * np.exp(-8 * (TIME % 0.5)))
    tremolo = curves(plain * (1 + 0.5 * np.sin(2 * np.pi * 6 * TIME)))
    vibrato = curves(0.3 * np.sin(2 * np.pi * 440 * TIME + 2.2 * np.sin(2 * np.pi * 6 * TIME)))
    still, middle = curves(plain), slice(40, -40)
    assert swell["slope_db_s"][middle].mean() == pytest.approx(10, abs=1)
    assert struck["attack_db"][middle].mean() > 10 * max(0.1, still["attack_db"][middle].mean())
    assert tremolo["tremolo_db"][middle].mean() > 1.5 > 10 * still["tremolo_db"][middle].mean()
    assert vibrato["vibrato_cents"][middle].mean() > 30 > 10 * still["vibrato_cents"][middle].mean()
    assert tremolo["vibrato_cents"][middle].mean() < 10


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_silence_and_other_rates_are_finite(rate: int) -> None:
    found = curves(np.zeros(3 * rate), rate)
    assert float(found["band_63"].max()) == -60
    assert float(found["attack_db"].max()) == 0


def test_every_curve_has_words() -> None:
    for name in TIMBRE:
        high, low = descriptor_label(name, True), descriptor_label(name, False)
        assert high != low
        assert not any("_" in word or " db" in word for word in (high, low))
        assert not high.startswith("high ")
