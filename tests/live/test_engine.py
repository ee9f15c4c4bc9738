"""The engine plays what rendering gives, reacts to moves, and survives whatever ends a take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from drawbar.errors import BadInputError, DeviceError, NotFiniteError, SiteMismatchError
from drawbar.live import Engine, NullOutput, TakeSettings, render
from drawbar.steering import Automation

SETTINGS = TakeSettings("", seed=4, seconds=2.0)
STEERED = TakeSettings("", seed=4, seconds=2.0, amounts={"1/2": 0.5})


def decoded(model: Any, tokens: Any) -> Any:
    return model.codec.decode(torch.from_numpy(tokens.astype(np.int64))[None])[0, 0].numpy()


def test_a_take_plays_to_its_end_without_an_underrun(studio: Any, model: Any) -> None:
    room = studio()
    take = room.play(SETTINGS)
    snapshot = room.engine.snapshot()
    assert (snapshot.state, snapshot.underruns, snapshot.message) == ("done", 0, "")
    assert snapshot.frame == 100
    assert snapshot.played_s == pytest.approx(2.0)
    assert take.complete
    assert take.audio.shape == (64_000,)
    np.testing.assert_allclose(take.audio, decoded(model, take.tokens), atol=1e-4)


def test_what_is_heard_is_the_take_behind_the_limiter(studio: Any) -> None:
    room = studio()
    room.engine.set_gain_db(-40)
    take = room.play(SETTINGS)
    heard, delay = room.output.recorded(), room.engine.context.monitor.delay
    settled = 400
    expected = take.audio[settled : 64_000 - delay] * 0.01
    np.testing.assert_allclose(heard[settled + delay : 64_000], expected, atol=1e-6)


@pytest.mark.parametrize("twin", [False, True])
def test_live_and_rendered_tokens_are_the_same(studio: Any, model: Any, bank: Any, twin: bool) -> None:
    settings = TakeSettings("", seed=9, seconds=1.0, amounts={"1/2": 0.5, "1/0": -0.3}, twin=twin)
    live = studio().play(settings)
    offline = render(model, bank, settings)
    np.testing.assert_array_equal(live.tokens, offline.tokens)
    np.testing.assert_allclose(live.audio, offline.audio, atol=1e-5)
    assert live.automation == offline.automation


def test_recorded_automation_replays_a_take_with_moves(studio: Any, model: Any, bank: Any) -> None:
    room = studio(rollback=False)
    room.model.at_frame = {
        20: lambda: room.engine.set_amount("1/2", 1.0),
        50: lambda: room.engine.set_amount("1/4", -1.0),
        51: lambda: room.engine.set_amount("1/4", 0.5),
    }
    live = room.play(STEERED)
    again = render(model, bank, STEERED, Automation.from_json(live.automation))
    np.testing.assert_array_equal(live.tokens, again.tokens)
    assert not np.array_equal(live.tokens, render(model, bank, STEERED).tokens)


def test_a_move_takes_back_frames_that_were_not_played(studio: Any, model: Any, bank: Any) -> None:
    room = studio(rollback=True)
    room.model.at_frame = {40: lambda: room.engine.set_amount("1/2", 3.0)}
    live = room.play(STEERED)
    assert len(live.rewinds) == 1
    first = live.rewinds[0]
    assert first <= 40
    unmoved = render(model, bank, STEERED)
    np.testing.assert_array_equal(live.tokens[:, :first], unmoved.tokens[:, :first])
    assert not np.array_equal(live.tokens, unmoved.tokens)
    np.testing.assert_allclose(live.audio, decoded(model, live.tokens), atol=1e-4)
    assert room.engine.snapshot().underruns == 0
    again = render(model, bank, STEERED, Automation.from_json(live.automation))
    np.testing.assert_array_equal(again.tokens, live.tokens)


def test_rollback_brings_a_move_to_the_ear_sooner(studio: Any, model: Any, bank: Any) -> None:
    heard_after = {}
    unmoved = render(model, bank, STEERED).audio
    for rollback in (False, True):
        room = studio(rollback=rollback)
        moved_at: list[float] = []

        def move(room: Any = room, moved_at: list[float] = moved_at) -> None:
            moved_at.append(room.clock.now())
            room.engine.set_amount("1/2", 5.0)

        room.model.at_frame = {60: move}
        take = room.play(STEERED)
        first = int(np.argmax(np.abs(take.audio - unmoved) > 1e-3))
        heard_after[rollback] = room.output.started_at_s + first / 32_000 - moved_at[0]
    assert 0 < heard_after[True] < heard_after[False]


def test_a_drag_never_starves_the_output(studio: Any) -> None:
    room = studio(rollback=True)
    room.model.cost_s = lambda _frame: 0.009
    for frame in range(10, 95):
        room.model.at_frame[frame] = lambda frame=frame: room.engine.set_amount("1/3", np.sin(frame))
    take = room.play(SETTINGS)
    assert take.complete
    assert room.engine.snapshot().underruns == 0


def test_the_lead_stays_short_and_the_latency_is_told(studio: Any) -> None:
    room = studio()
    ahead: list[float] = []
    snapshots: list[Any] = []

    def look() -> None:
        snapshots.append(room.engine.snapshot())
        ahead.append(snapshots[-1].frame / 50 - snapshots[-1].played_s)

    room.model.at_frame = {frame: look for frame in range(30, 90)}
    room.play(SETTINGS)
    assert max(ahead) < 0.15
    assert {s.state for s in snapshots} == {"playing"}
    assert 20 < snapshots[-1].latency_ms < 200
    assert snapshots[-1].real_time_factor == pytest.approx(5, rel=0.2)


def test_a_slow_machine_underruns_says_so_and_still_ends(studio: Any) -> None:
    room = studio()
    room.model.cost_s = lambda _frame: 0.03
    take = room.play(SETTINGS)
    assert take.complete
    assert room.engine.snapshot().underruns > 0
    assert room.engine.context.lead.target_s > 0.1


def test_bypass_switches_to_the_unsteered_twin_and_back(studio: Any, model: Any, bank: Any) -> None:
    room = studio()
    settings = TakeSettings("", seed=4, seconds=2.0, amounts={"1/2": 4.0}, twin=True)
    room.model.at_frame = {
        40: lambda: room.engine.set_bypass(True),
        70: lambda: room.engine.set_bypass(False),
    }
    take = room.play(settings)
    (on, _), (off, _) = take.bypass
    assert [state for _, state in take.bypass] == [True, False]
    heard = room.engine.trace.audio()
    np.testing.assert_array_equal(heard[:on], take.audio[:on])
    np.testing.assert_allclose(heard[on + 320 : off], take.twin_audio[on + 320 : off], atol=1e-6)
    np.testing.assert_array_equal(heard[off + 320 :], take.audio[off + 320 :])
    plain = render(model, bank, TakeSettings("", seed=4, seconds=2.0))
    np.testing.assert_allclose(take.twin_audio, plain.audio, atol=1e-3)


def test_a_take_that_is_steered_in_the_middle_has_its_twin_from_there_on(
    studio: Any, model: Any, bank: Any
) -> None:
    room = studio()
    settings = TakeSettings("", seed=4, seconds=2.0, amounts={"1/2": 0.0}, twin=True)
    room.model.at_frame = {
        40: lambda: room.engine.set_amount("1/2", 4.0),
        60: lambda: room.engine.set_bypass(True),
    }
    take = room.play(settings)
    plain = render(model, bank, TakeSettings("", seed=4, seconds=2.0))
    assert take.twin_audio is not None
    np.testing.assert_allclose(take.twin_audio, plain.audio, atol=1e-3)
    (on, _), *_ = take.bypass
    heard = room.engine.trace.audio()
    np.testing.assert_allclose(heard[on + 320 :], plain.audio[on + 320 :], atol=1e-3)
    assert not np.allclose(take.audio, plain.audio, atol=1e-3)
    assert len(take.twin_audio) == len(take.audio)
    np.testing.assert_allclose(take.audio, decoded(model, take.tokens), atol=1e-4)
    again = render(model, bank, settings, Automation.from_json(take.automation))
    np.testing.assert_array_equal(again.tokens, take.tokens)
    assert again.twin_audio is not None
    np.testing.assert_allclose(again.twin_audio, take.twin_audio, atol=1e-5)


def test_a_take_that_is_never_steered_has_no_twin_of_its_own(studio: Any) -> None:
    room = studio()
    take = room.play(TakeSettings("", seed=4, seconds=1.0, amounts={"1/2": 0.0}, twin=True))
    assert take.twin_audio is None
    np.testing.assert_array_equal(room.engine.trace.twin(), take.audio)


def test_bypass_without_a_twin_lets_go_of_the_sliders(studio: Any) -> None:
    room = studio(rollback=False)
    room.model.at_frame = {40: lambda: room.engine.set_bypass(True)}
    take = room.play(STEERED)
    points = dict(map(tuple, take.automation["lanes"]["1/2"]))
    assert points[max(points)] == 0.0
    assert room.engine.snapshot().amounts == {"1/2": 0.5}


def test_stop_keeps_what_was_heard_and_the_next_take_works(studio: Any, model: Any) -> None:
    room = studio()
    room.model.at_frame = {50: room.engine.stop}
    stopped = room.play(TakeSettings("", seed=1, seconds=None))
    assert not stopped.complete
    assert 0.5 < stopped.seconds < 1.2
    np.testing.assert_allclose(stopped.audio, decoded(model, stopped.tokens)[: len(stopped.audio)], atol=1e-4)
    whole = room.play(SETTINGS)
    assert whole.complete
    assert room.engine.snapshot().state == "done"


def test_playing_again_while_playing_ends_the_first_take(studio: Any) -> None:
    room = studio()
    room.model.at_frame = {30: lambda: room.engine.play(SETTINGS)}
    take = room.play(TakeSettings("", seed=2, seconds=None))
    assert take.settings == SETTINGS
    assert take.complete


def test_an_error_ends_the_take_with_its_message_only(studio: Any) -> None:
    room = studio()

    def fail() -> None:
        raise NotFiniteError("logits are not finite at layer 2 with amounts 1/2=9")

    room.model.at_frame = {25: fail}
    room.play(SETTINGS)
    assert room.engine.snapshot().state == "error"
    assert "layer 2" in room.engine.snapshot().message
    assert room.play(SETTINGS).complete
    assert room.engine.snapshot().message == ""


def test_a_lost_device_does_not_end_the_take(studio: Any) -> None:
    room = studio()
    room.model.at_frame = {40: lambda: setattr(room.output, "failed", "the USB headset stopped.")}
    take = room.play(SETTINGS)
    assert take.complete
    assert room.engine.snapshot().device_lost == "the USB headset stopped."
    assert room.engine.output is not room.output
    assert room.engine.snapshot().played_s == pytest.approx(2.0, abs=0.01)

    room.play(SETTINGS)
    assert room.engine.snapshot().device_lost, "it is still gone in the next take"
    room.engine.set_output(None, "null")
    room.engine.wait()
    assert room.engine.snapshot().device_lost == ""


def test_a_device_that_does_not_start_is_told(studio: Any) -> None:
    room = studio()

    def refuse() -> None:
        raise DeviceError("the card is busy: close the other program")

    room.output.start = refuse
    room.play(SETTINGS)
    assert room.engine.snapshot().state == "error"
    assert "busy" in room.engine.snapshot().message


def test_features_come_and_go_while_playing(studio: Any) -> None:
    room = studio()
    room.model.at_frame = {
        20: lambda: room.engine.add_feature("1/5"),
        30: lambda: room.engine.set_amount("1/5", 2.0),
        60: lambda: room.engine.remove_feature("1/5"),
    }
    take = room.play(SETTINGS)
    lane = dict(map(tuple, take.automation["lanes"]["1/5"]))
    assert lane[min(lane)] == 0.0
    assert max(lane.values()) == 2.0
    assert lane[max(lane)] == 0.0
    assert room.engine.snapshot().amounts == {}


def test_a_slider_removed_right_after_a_move_does_not_end_the_take(studio: Any) -> None:
    room = studio()

    def move_and_remove() -> None:
        room.engine.set_amount("1/5", 2.0)
        room.engine.context.sliders._rack.pop("1/5")
        room.engine.context.sliders.mixer.remove("1/5")

    room.model.at_frame = {30: move_and_remove}
    assert room.play(SETTINGS).complete


def test_stop_right_after_play_plays_nothing(studio: Any) -> None:
    room = studio()
    room.engine.play(TakeSettings("", seed=1, seconds=None))
    room.engine.stop()
    assert room.engine.wait(60)
    assert room.engine.snapshot().state == "done"


def test_watched_features_show_their_own_activation(studio: Any, model: Any, bank: Any) -> None:
    room = studio()
    room.engine.watch(["1/1", "1/3"])
    take = room.play(replace(STEERED, branch="both"))
    ids, shown = room.engine.trace.activations()
    assert set(ids) == {"1/1", "1/2", "1/3"}
    assert shown.shape == (3, 100)
    tokens = torch.from_numpy(take.tokens.astype(np.int64))[None]
    mixer = room.engine.context.sliders.mixer
    residual = model.residuals(tokens, None, [1], steering=mixer)[1][0, 1:]
    row = torch.from_numpy(bank.rows[3])
    expected = torch.relu(residual @ row).numpy()
    expected[expected <= 0.1] = 0
    np.testing.assert_allclose(shown[ids.index("1/3")], expected, atol=1e-3)


def test_unusable_requests_are_refused_at_once(studio: Any, model: Any) -> None:
    room = studio()
    with pytest.raises(BadInputError, match="not in the bank"):
        room.engine.set_amount("1/99", 1.0)
    with pytest.raises(BadInputError, match="nan"):
        room.engine.set_amount("1/1", float("nan"))
    with pytest.raises(BadInputError, match="not in the bank"):
        room.engine.play(TakeSettings("", amounts={"1/77": 1.0}))
    with Engine(model, None, NullOutput()) as engine, pytest.raises(BadInputError, match="no bank"):
        engine.set_amount("1/1", 1.0)


def test_a_bank_of_another_model_is_refused(model: Any, bank: Any) -> None:
    other = type(bank)("f" * 64)
    with Engine(model, other, NullOutput()) as engine, pytest.raises(SiteMismatchError, match="ffff"):
        engine.add_feature("1/1")


def test_a_model_may_be_loaded_by_the_worker(model: Any, bank: Any, studio: Any) -> None:
    room = studio()
    with Engine(lambda: model, bank, room.output, clock=room.clock) as engine:
        engine.add_feature("1/2")
        engine.play(SETTINGS)
        assert engine.wait(60)
        assert engine.take is not None
        assert engine.take.complete


def test_a_model_that_cannot_be_loaded_is_told(studio: Any) -> None:
    def broken() -> Any:
        raise BadInputError("no such folder")

    room = studio()
    with Engine(broken, None, room.output, clock=room.clock) as engine:
        assert engine.wait(60)
        assert engine.snapshot().state == "error"
        engine.play(SETTINGS)
        assert engine.wait(60)
        assert "no model is loaded" in engine.snapshot().message


def test_a_slider_asked_for_by_two_threads_at_once_is_added_once(
    studio: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = studio().engine
    sliders = engine.context.sliders
    look_up = sliders._directions

    def slow(ids: Any) -> Any:
        found = look_up(ids)
        monkeypatch.setattr(sliders, "_directions", look_up)
        engine.add_feature("1/2")  # the other thread, while this one reads the bank
        return found

    monkeypatch.setattr(sliders, "_directions", slow)
    engine.add_feature("1/2")
    assert list(sliders.mixer.amounts()) == ["1/2"]
