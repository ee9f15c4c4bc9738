"""Music that repeats itself is noticed, and a nudge leads out of it in a way that can be played again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from drawbar.live import TakeSettings, playback, render
from drawbar.musicgen.generation.loops import repeated

GREEDY = TakeSettings("", seed=4, seconds=3.0, temperature=0.0)


def test_repetition_is_the_share_of_stretches_that_came_before() -> None:
    rng = np.random.default_rng(1)
    assert repeated(rng.integers(0, 1000, 500)) == 0
    assert repeated(np.tile(np.arange(20), 25)) == pytest.approx(1 - 20 / 493)
    assert repeated(np.zeros(8, np.int64)) == 0


def test_a_loop_is_told_and_left_by_a_nudge_that_the_take_remembers(
    studio: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playback, "LOOP_FRAMES", 40)
    monkeypatch.setattr(playback, "LOOP_SHARE", 0.0)  # the tiny model does not really repeat itself
    room, told = studio(), []
    for frame in (30, 90):
        room.model.at_frame[frame] = lambda: told.append(room.engine.snapshot().loops)
    room.model.at_frame[91] = room.engine.nudge
    take = room.play(GREEDY)
    assert told == [False, True]
    assert len(take.settings.nudges) == 1
    assert not room.engine.snapshot().loops
    plain = render(model, None, GREEDY)
    first = take.settings.nudges[0]
    np.testing.assert_array_equal(take.tokens[0, :first], plain.tokens[0, :first])
    assert not np.array_equal(take.tokens[0, first : first + 50], plain.tokens[0, first : first + 50])
    again = render(model, None, take.settings)
    np.testing.assert_array_equal(again.tokens, take.tokens)
    assert TakeSettings.from_dict(take.settings.to_dict()) == take.settings
