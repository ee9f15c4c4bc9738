"""Pausing, making first, and waiting on a machine that is too slow: nothing of a take is lost, and nothing stutters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from drawbar.live import TakeSettings

SETTINGS = TakeSettings("", seed=4, seconds=3.0)


def loud(heard: Any) -> Any:
    """Which hundredths of a second sound."""
    whole = heard[: len(heard) // 320 * 320].reshape(-1, 320)
    return np.abs(whole).max(1) > 1e-6


def test_a_paused_take_is_silent_and_goes_on_where_it_was(studio: Any) -> None:
    whole = studio().play(SETTINGS)
    room, seen = studio(), []

    def hold() -> None:
        room.engine.pause(True)
        room.clock.later(1.0, go_on)

    def go_on() -> None:
        seen.append(room.engine.snapshot())
        room.engine.pause(False)

    room.model.at_frame = {60: hold}
    take = room.play(SETTINGS)
    assert seen[0].paused
    assert seen[0].state == "playing"
    np.testing.assert_array_equal(take.tokens, whole.tokens)
    np.testing.assert_allclose(take.audio, whole.audio, atol=1e-5)
    assert room.engine.snapshot().underruns == 0, "a pause is no drop-out"
    heard = loud(room.output.recorded())
    gaps = np.flatnonzero(np.diff(np.flatnonzero(heard)) > 50)
    assert len(gaps) == 1


def test_a_new_take_is_never_paused(studio: Any) -> None:
    room = studio()
    room.engine.pause(True)
    assert room.play(SETTINGS).complete


def test_a_take_that_is_made_first_is_heard_whole_and_without_a_gap(studio: Any) -> None:
    room = studio()
    room.model.cost_s = lambda _: 0.05
    room.engine.make_first(True)
    take = room.play(SETTINGS)
    assert take.complete
    assert room.output.missed_samples == 0
    assert room.engine.snapshot().underruns == 0


def test_a_slow_machine_waits_seldom_and_long_enough(studio: Any) -> None:
    room = studio()
    room.model.cost_s = lambda _: 0.025
    take = room.play(TakeSettings("", seed=4, seconds=8.0))
    assert take.complete
    assert room.engine.snapshot().real_time_factor == pytest.approx(0.8, abs=0.05)
    assert 1 <= room.engine.snapshot().underruns <= 3
