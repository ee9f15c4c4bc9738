"""Clicks and chords made by hand -> tempo, pulse, key and Essentia's figures; librosa is the oracle for tempo."""

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbar.audio_analysis.descriptors import descriptors
from drawbar.audio_analysis.essentia import ESSENTIA_DSP, dsp_windows, has_essentia
from drawbar.audio_analysis.tempo_and_key import MUSICAL, musical_curves, tempo

RATE = 32_000


def clicks(bpm: float, seconds: float = 12.0) -> NDArray[np.float32]:
    generator = np.random.default_rng(0)
    audio = 1e-3 * generator.standard_normal(int(seconds * RATE))
    for start in np.arange(0, seconds - 0.1, 60 / bpm):
        at = int(start * RATE)
        audio[at : at + 1600] += generator.standard_normal(1600) * np.exp(-np.arange(1600) / 300) / 3
    return audio.astype(np.float32)


def chord(semitones: tuple[int, ...], seconds: float = 6.0) -> NDArray[np.float32]:
    time = np.arange(int(seconds * RATE)) / RATE
    tones = [np.sin(2 * np.pi * 261.63 * 2 ** (s / 12) * time) for s in semitones]
    mixed: NDArray[np.float32] = (np.sum(tones, axis=0) / 8).astype(np.float32)
    return mixed


@pytest.mark.parametrize("bpm", [90.0, 125.0, 150.0])
def test_tempo_is_that_of_the_clicks(bpm: float) -> None:
    curves = musical_curves(descriptors(clicks(bpm), RATE))
    middle = curves["tempo_bpm"][200:400]
    assert np.abs(middle / bpm - 1).max() < 0.04
    assert curves["pulse"][300] > 0.3


def test_tempo_is_librosas() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import librosa

        onsets = descriptors(clicks(110.0), RATE)["onset_strength"]
        theirs = librosa.feature.tempo(
            onset_envelope=onsets, sr=50, hop_length=1, aggregate=None, max_tempo=300, ac_size=8.0
        )
    ours, _ = tempo(onsets)
    middle = slice(200, 400)
    assert np.median(ours[8:16]) == pytest.approx(np.median(theirs[middle]), rel=0.03)


def test_a_scale_has_a_clear_key_and_noise_has_none() -> None:
    major = np.concatenate([chord((0, 4, 7)), chord((5, 9, 12)), chord((7, 11, 14))])
    minor = np.concatenate([chord((0, 3, 7)), chord((5, 8, 12)), chord((7, 10, 14))])
    found = {name: musical_curves(descriptors(x, RATE)) for name, x in (("major", major), ("minor", minor))}
    noise = np.random.default_rng(0).standard_normal(6 * RATE).astype(np.float32) / 8
    assert found["major"]["key_strength"][450] > 0.6
    assert found["major"]["major"][450] > found["minor"]["major"][450]
    strength = musical_curves(descriptors(noise, RATE))["key_strength"][150]
    assert strength < found["major"]["key_strength"][450] - 0.1


def test_curves_are_finite_and_as_long_as_the_others_also_in_silence() -> None:
    for audio in (np.zeros(RATE, np.float32), clicks(100, 0.3)):
        curves = descriptors(audio, RATE)
        found = musical_curves(curves)
        assert tuple(found) == MUSICAL
        assert all(len(x) == len(curves["loudness_db"]) and np.isfinite(x).all() for x in found.values())


@pytest.mark.skipif(not has_essentia(), reason="the extra 'labels' (essentia) is not installed")
def test_essentia_hears_roughness_and_one_pitch() -> None:
    tone, rough = chord((24,), 4.0), chord((24, 25), 4.0)
    figures = {name: dsp_windows(x, RATE, 8, 0.5) for name, x in (("tone", tone), ("rough", rough))}
    assert figures["tone"].shape == (8, len(ESSENTIA_DSP))
    dissonance = ESSENTIA_DSP.index("dissonance")
    assert figures["rough"][2:6, dissonance].mean() > figures["tone"][2:6, dissonance].mean() + 0.05
    silent = dsp_windows(np.zeros(2 * RATE, np.float32), RATE, 4, 0.5)
    assert np.isfinite(silent[:, :5]).all()
