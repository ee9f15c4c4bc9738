"""Audio -> proposals where a motif returns, whatever its key, timbre and level, and none where only a loop does."""

import numpy as np
import pytest

from drawbar.errors import BadInputError
from drawbar.research.horizon.foreground import ForegroundSettings
from drawbar.research.horizon.recurrence import Proposal, Recurrences, RecurrenceSettings, find_recurrences
from drawbar.research.horizon.selfsimilarity import SimilaritySettings
from tests.research.horizon.bands import MOTIF, RATE, STEP_S, Floats, line, loop, piece

SECONDS = 44.0
FIRST_S, LAG_S = 24 * STEP_S, 78 * STEP_S


def _sound(again: list[int] | None, bright: float = 0.5) -> Floats:
    return loop(SECONDS) + line(piece(again), SECONDS, bright)


def _there(found: Recurrences) -> list[Proposal]:
    """Proposals of the planted pair."""
    return [
        p
        for p in found.proposals
        if abs(p.recurrence.start_s - p.motif.start_s - LAG_S) < 0.3 and abs(p.motif.start_s - FIRST_S) < 3
    ]


def test_an_exact_return_is_the_best_proposal() -> None:
    found = find_recurrences(_sound(list(MOTIF)))
    assert found.proposals[:1] == tuple(_there(found)[:1])
    assert found.proposals[0].semitones == 0
    assert found.proposals[0].kind == "exact"


@pytest.mark.parametrize("semitones", [5, -3])
def test_a_transposed_return_is_found_with_its_interval(semitones: int) -> None:
    mine = _there(find_recurrences(_sound([p + semitones if p else 0 for p in MOTIF])))
    assert mine
    assert mine[0].semitones == semitones
    assert mine[0].kind == "transposed"


def test_another_timbre_and_another_level_hide_nothing() -> None:
    """The second half is played by a brighter instrument and 12 dB softer."""
    half = round(SECONDS / 2 * RATE)
    sound = np.concatenate([_sound(list(MOTIF))[:half], 0.25 * _sound(list(MOTIF), bright=0.8)[half:]])
    assert _there(find_recurrences(sound))


def test_level_changes_no_score() -> None:
    sound = _sound(list(MOTIF))
    loud, soft = find_recurrences(sound), find_recurrences(0.01 * sound)
    assert [p.motif for p in loud.proposals] == [p.motif for p in soft.proposals]
    assert [p.score for p in loud.proposals] == pytest.approx([p.score for p in soft.proposals], abs=1e-3)


def test_a_loop_an_ostinato_and_a_free_melody_over_a_loop_are_no_motifs() -> None:
    assert find_recurrences(loop(SECONDS)).proposals == ()
    ostinato = loop(SECONDS) + line([72, 76, 0, 79, 76, 0, 79, 72] * 22, SECONDS)
    assert find_recurrences(ostinato).proposals == ()
    assert find_recurrences(_sound(None)).proposals == ()


def test_silence_and_noise_are_no_motifs() -> None:
    assert find_recurrences(np.zeros(30 * RATE, np.float32)).proposals == ()
    noise = np.random.default_rng(0).normal(0, 0.1, 30 * RATE).astype(np.float32)
    assert find_recurrences(noise).proposals == ()


def test_likeness_between_two_times_is_high_only_where_the_motif_is() -> None:
    found = find_recurrences(_sound(list(MOTIF)))
    assert found.between(FIRST_S, FIRST_S + LAG_S) > 0.5
    assert found.between(FIRST_S, FIRST_S + LAG_S - 7) < 0.4
    assert np.isnan(found.between(FIRST_S, FIRST_S + 1))


@pytest.mark.parametrize("seconds", [3.0, 10.0, 901.0])
def test_a_track_of_the_wrong_length_is_refused(seconds: float) -> None:
    with pytest.raises(BadInputError, match="of audio"):
        find_recurrences(np.zeros(round(seconds * RATE), np.float32))


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadInputError):
        RecurrenceSettings(least=1.5)
    with pytest.raises(BadInputError):
        SimilaritySettings(window_s=8.0, shortest_lag_s=6.0)
    with pytest.raises(BadInputError):
        ForegroundSettings(neighbours=1)
