"""Old takes and examples sound beside a new take, and stop when told."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from drawbar.live import NullOutput, Player, TakeSettings
from tests.live.fakes import SteppedClock


def test_a_sound_is_played_whole_and_only_once() -> None:
    clock = SteppedClock()
    output = NullOutput(clock=clock, record=True)
    player = Player(lambda: output, clock)
    sound = np.asarray(0.5 * np.sin(np.arange(50_000) / 9), np.float32)
    player.play(sound)
    assert player.wait(60)
    heard = output.recorded()
    np.testing.assert_array_equal(heard[48 : 48 + 50_000], sound)
    assert output.underruns == 0
    player.close()


def test_a_new_sound_replaces_the_old_and_stop_ends_it() -> None:
    clock = SteppedClock()
    output = NullOutput(clock=clock)
    player = Player(lambda: output, clock)
    player.play(np.zeros(10_000_000, np.float32))
    player.play(np.zeros(10_000_000, np.float32))
    player.stop()
    assert not player.playing
    player.stop()


def test_sounds_begun_and_stopped_from_many_threads_at_once_leave_one_or_none() -> None:
    output = NullOutput()
    player = Player(lambda: output)
    sound = np.zeros(10_000_000, np.float32)
    gestures = [lambda: player.play(sound), player.stop] * 4
    hands = [threading.Thread(target=gesture) for gesture in gestures]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    player.play(sound)
    players = [t.ident for t in threading.enumerate() if t.name == "drawbar-player"]
    assert len(players) == 1
    player.close()
    assert not any(t.name == "drawbar-player" for t in threading.enumerate())


def test_after_a_device_has_gone_the_next_sound_opens_another() -> None:
    clock = SteppedClock()
    outputs = [NullOutput(clock=clock, record=True), NullOutput(clock=clock, record=True)]
    player = Player(iter(outputs).__next__, clock)
    outputs[0].failed = "headset stopped: was it unplugged?"
    player.play(np.full(1000, 0.5, np.float32))
    assert player.wait(60)
    player.play(np.full(1000, 0.5, np.float32))
    assert player.wait(60)
    assert not outputs[0].recorded().any()
    assert outputs[1].recorded().max() == np.float32(0.5)
    player.close()


def test_an_example_plays_beside_a_take(studio: Any) -> None:
    room = studio()
    tokens = np.zeros((4, 20), np.uint16)
    room.model.at_frame = {20: lambda: room.engine.preview(tokens)}
    take = room.play(TakeSettings("", 3, 1.0))
    assert take.complete
    assert room.engine.player.wait(60)
    assert room.engine.player.played_s > 0.39
