"""Clicks, noise and chords made by hand, whose answers are known -> pulse, chord change, shares, tempo, key, chords."""

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbar.audio_analysis.distances import chroma_cosine, compared, frechet_distance, ks_distance, measured
from drawbar.audio_analysis.heard import chord_fits, chroma_in, heard_key, heard_tempo, tempo_matches
from drawbar.audio_analysis.music_measures import MEASURES, measures, standstill_s
from drawbar.errors import BadInputError

RATE = 32_000
MAJOR, MINOR, SEVENTH, SUSPENDED = (0, 4, 7), (0, 3, 7), (0, 3, 7, 10), (0, 5, 7)
AXIS = ((0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR))  # I-V-vi-IV in C


def noise(seconds: float = 8.0, seed: int = 0) -> NDArray[np.float32]:
    drawn: NDArray[np.float32] = np.random.default_rng(seed).standard_normal(int(seconds * RATE)) * 0.1
    return drawn.astype(np.float32)


def clicks(bpm: float, seconds: float = 8.0) -> NDArray[np.float32]:
    audio, hit = 1e-4 * noise(seconds), noise(0.05, seed=1) * np.exp(-np.arange(1600) / 300)
    for start in np.arange(0, seconds - 0.1, 60 / bpm):
        audio[round(start * RATE) :][:1600] += hit
    return audio.astype(np.float32)


def chord(root: int, intervals: tuple[int, ...], seconds: float, attack: bool = True) -> NDArray[np.float32]:
    """Tones with four harmonics around middle C; with ``attack`` they are struck and die away."""
    time = np.arange(round(seconds * RATE)) / RATE
    out = np.zeros(time.size)
    for interval in intervals:
        hz = 440 * 2 ** ((root + interval - 9) / 12)
        out += sum(np.sin(2 * np.pi * hz * n * time + n) / n for n in range(1, 5))
    return (0.05 * out * (np.exp(-time) if attack else 1.0)).astype(np.float32)


def progression(chords: tuple[tuple[int, tuple[int, ...]], ...], bar_s: float = 1.0) -> NDArray[np.float32]:
    return np.concatenate([chord(root, intervals, bar_s) for root, intervals in chords])


def test_a_click_track_has_a_pulse_and_noise_has_none() -> None:
    assert measures(clicks(120))["pulse"] > 0.9
    assert measures(noise())["pulse"] < 0.25
    assert measures(clicks(120))["onset_rate_hz"] == pytest.approx(2.0, abs=0.15)


def test_a_held_chord_changes_nothing_and_a_progression_does() -> None:
    assert measures(chord(0, MAJOR, 8.0, attack=False))["chord_change"] < 0.01
    assert measures(progression(AXIS * 4, bar_s=0.5))["chord_change"] > 0.2
    assert measures(progression(((0, MAJOR),) * 8))["chord_change"] < 0.01


def test_a_chord_is_tonal_and_noise_is_neither_tonal_nor_percussive() -> None:
    held, hiss, hits = (measures(clip) for clip in (chord(0, MAJOR, 8.0, attack=False), noise(), clicks(240)))
    assert held["tonal_share"] > 0.9
    assert held["noise_share"] < 0.05
    assert hiss["tonal_share"] < 0.1
    assert hiss["noise_share"] > 0.3
    assert hits["tonal_share"] < 0.1


def test_dynamics_key_and_spread_order_as_one_would_say() -> None:
    fading = noise() * np.linspace(1, 0.01, 8 * RATE, dtype=np.float32)
    assert measures(fading)["dynamics_db"] > 3 * measures(noise())["dynamics_db"]
    assert measures(progression(AXIS * 2))["key_clarity"] > 0.75 > measures(noise())["key_clarity"]
    assert measures(noise())["spread_hz"] > 4 * measures(chord(0, MAJOR, 8.0))["spread_hz"]


def test_silence_has_finite_measures_and_no_tempo_and_key() -> None:
    silence = np.zeros(4 * RATE, np.float32)
    found = measures(silence)
    assert list(found) == list(MEASURES)
    assert all(np.isfinite(value) for value in found.values())
    assert found["pulse"] == found["chord_change"] == found["onset_rate_hz"] == 0.0
    assert heard_tempo(silence) == 0.0
    assert heard_key(silence) is None


@pytest.mark.parametrize("bad", [np.zeros(100), np.full(4 * RATE, np.nan), np.zeros((2, 4 * RATE))])
def test_audio_that_cannot_be_measured_is_refused(bad: NDArray[np.float64]) -> None:
    for ask in (measures, heard_tempo, heard_key, standstill_s):
        with pytest.raises(BadInputError, match="32 kHz"):
            ask(bad)


@pytest.mark.parametrize("bpm", [62.5, 83.3, 94.0, 125.0, 150.0])
def test_the_tempo_of_clicks_is_heard(bpm: float) -> None:
    assert tempo_matches(heard_tempo(clicks(bpm)), bpm, octave=True)


def test_a_tempo_is_kept_within_four_percent_or_an_octave() -> None:
    assert tempo_matches(96.0, 93.75)
    assert not tempo_matches(98.0, 93.75)
    assert not tempo_matches(188.0, 93.75)
    assert tempo_matches(188.0, 93.75, octave=True)
    assert not tempo_matches(0.0, 93.75, octave=True)


@pytest.mark.parametrize("tonic", [0, 3, 8])
def test_key_and_mode_are_told_from_their_relatives(tonic: int) -> None:
    major = [((tonic + root) % 12, shape) for root, shape in AXIS]
    minor = [
        ((tonic + root) % 12, shape) for root, shape in ((0, MINOR), (8, MAJOR), (3, MAJOR), (10, MAJOR))
    ]
    assert heard_key(progression(tuple(major) * 2)) == (tonic, "major")
    assert heard_key(progression(tuple(minor) * 2)) == (tonic, "minor")


def test_chords_fit_only_the_progression_that_is_played() -> None:
    asked = (*AXIS, (2, SEVENTH), (4, SUSPENDED))
    chroma = chroma_in(progression(asked), [(float(bar), bar + 1.0) for bar in range(len(asked))])
    assert all(chord_fits(heard, *one) for heard, one in zip(chroma, asked, strict=True))
    turned = (*asked[1:], asked[0])
    assert not any(chord_fits(heard, *one) for heard, one in zip(chroma, turned, strict=True))
    assert not chord_fits(chroma[0], 0, MINOR)
    past_the_end = chroma_in(progression(asked), [(60.0, 61.0)])[0]
    assert not chord_fits(past_the_end, 0, MAJOR)


def test_only_a_stuck_loop_stands_still() -> None:
    assert standstill_s(chord(0, MAJOR, 8.0, attack=False)) > 7
    assert standstill_s(np.tile(noise(0.2), 40)) > 7  # a stutter
    assert standstill_s(np.zeros(8 * RATE, np.float32)) > 7
    assert standstill_s(noise()) < 1
    assert standstill_s(progression(AXIS * 2)) < 2


def test_two_samples_are_as_far_apart_as_their_cumulative_shares() -> None:
    assert ks_distance([1, 2, 3], [1, 2, 3]) == 0
    assert ks_distance([1, 2], [3, 4]) == 1
    assert ks_distance([1, 2, 3, 4], [3, 4, 5, 6]) == 0.5
    with pytest.raises(BadInputError, match="0 and 2"):
        ks_distance([], [1, 2])


def test_the_frechet_distance_of_known_normal_distributions() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((20_000, 3))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(a, a + np.array([3, 0, 0])) == pytest.approx(9, rel=1e-6)
    assert frechet_distance(a, 2 * rng.standard_normal((20_000, 3))) == pytest.approx(
        3, rel=0.05
    )  # 3 (2 - 1)^2


def test_chroma_cosine_is_one_for_a_copy_and_falls_for_other_notes() -> None:
    played = progression(AXIS)
    assert chroma_cosine(played, 0.5 * played) == pytest.approx(1, abs=1e-3)
    assert chroma_cosine(played, progression(tuple((root + 1, shape) for root, shape in AXIS))) < 0.6


def test_sets_are_compared_by_median_and_distance() -> None:
    composed = measured([clicks(100), clicks(120), clicks(140)])
    rows = compared(composed, {"same": composed, "noise": measured([noise(seed=s) for s in range(3)])})
    assert rows["pulse"]["ks_same"] == 0
    assert rows["pulse"]["ks_noise"] == 1
    assert rows["pulse"]["composed"] > 0.9
    assert rows["mean"]["ks_same"] == 0
    assert rows["mean"]["ks_noise"] > 0.5
