"""A take beyond the model's context goes on without a gap, and what was played by hand replays to the same tokens."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from drawbar.bench.ear import clicks
from drawbar.live import TakeSettings, render
from drawbar.steering import Automation

SLIDES = (403, 643, 883)
"""Positions at which the tiny model's windows take over (400 frames of context, 240 apart)."""


def decoded(model: Any, tokens: Any) -> Any:
    return model.codec.decode(torch.from_numpy(tokens.astype(np.int64))[None])[0, 0].numpy()


def played_by_hand(room: Any, seconds: float, seed: int, near: tuple[int, ...] = ()) -> Any:
    """A take whose sliders move at random, and at every frame near the given ones."""
    rng = random.Random(seed)
    frames = {rng.randrange(10, int(50 * seconds) - 5) for _ in range(int(4 * seconds))}
    frames |= {frame + off for frame in near for off in range(-6, 7, 3)}
    for frame in frames:
        id, amount = f"1/{rng.randrange(4)}", round(rng.uniform(-4, 4), 2)
        room.model.at_frame[frame] = lambda id=id, amount=amount: room.engine.set_amount(id, amount)
    return room.play(TakeSettings("", seed=seed, seconds=seconds, amounts={"1/2": 0.5}))


def test_playing_past_the_context_has_no_gap_and_replays_to_the_same_tokens(
    studio: Any, model: Any, bank: Any
) -> None:
    room = studio()
    take = played_by_hand(room, 19.0, seed=3, near=SLIDES)
    assert take.complete
    assert room.engine.snapshot().underruns == 0
    assert take.tokens.shape[1] == 950
    assert any(abs(frame - slide) < 8 for frame in take.rewinds for slide in SLIDES)
    np.testing.assert_allclose(take.audio, decoded(model, take.tokens), atol=1e-4)
    again = render(model, bank, take.settings, Automation.from_json(take.automation))
    np.testing.assert_array_equal(again.tokens, take.tokens)


@pytest.mark.parametrize("seed", [5, 6])
@pytest.mark.parametrize("twin", [False, True])
def test_any_hand_replays_to_the_same_tokens(
    studio: Any, model: Any, bank: Any, seed: int, twin: bool
) -> None:
    room = studio(safety_s=0.5)
    room.engine.controls.interval_s = 0.02
    take = played_by_hand(room, 4.0, seed=seed)
    assert len(take.rewinds) > 5
    again = render(model, bank, take.settings, Automation.from_json(take.automation))
    np.testing.assert_array_equal(again.tokens, take.tokens)
    np.testing.assert_allclose(again.audio, take.audio, atol=1e-4)


def test_the_joints_of_what_was_decided_again_do_not_click(studio: Any) -> None:
    room = studio()
    take = played_by_hand(room, 8.0, seed=8)
    joints = clicks(take.audio, room.engine.playback.splices)
    assert joints["joints"] == len(take.rewinds) > 10
    assert joints["above"] == 0
    assert joints["worst_of_usual"] <= 1


def test_a_joint_that_clicks_is_found() -> None:
    audio = np.sin(np.arange(64_000) / 40).astype(np.float32)
    assert clicks(audio, [20_000])["above"] == 0
    audio[20_000:] += 0.3
    found = clicks(audio, [20_000, 40_000])
    assert (found["joints"], found["above"]) == (2, 1)
    assert found["worst_of_usual"] > 5


def test_a_long_safety_buffer_is_kept_and_does_not_make_sliders_later(
    studio: Any, model: Any, bank: Any
) -> None:
    settings = TakeSettings("", seed=4, seconds=3.0, amounts={"1/2": 0.5})
    unmoved = render(model, bank, settings).audio
    delays = {}
    for safety_s in (0.1, 0.5):
        room = studio(safety_s=safety_s)
        moved: list[float] = []
        ahead: list[float] = []

        def move(room: Any = room, moved: list[float] = moved, ahead: list[float] = ahead) -> None:
            snapshot = room.engine.snapshot()
            ahead.append(snapshot.frame / 50 - snapshot.played_s)
            moved.append(room.clock.now())
            room.engine.set_amount("1/2", 5.0)

        room.model.at_frame = {90: move}
        take = room.play(settings)
        assert ahead[0] >= safety_s - 0.03
        first = int(np.argmax(np.abs(take.audio - unmoved) > 1e-3))
        delays[safety_s] = room.output.heard_at_s(first) - moved[0]
    assert abs(delays[0.5] - delays[0.1]) <= 0.03
    assert delays[0.5] < 0.2
