"""Sliders on a playing model: neutral at rest, ramped when moved, replayed exactly."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from drawbar.bank import BankInfo
from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.musicgen import Model, Stream, load_model
from drawbar.musicgen.generation.stream import Frame
from drawbar.steering import Automation, Direction, Mixer, check_site, in_mode
from drawbar.steering.automation import Lane
from drawbar.steering.ramps import Ramps
from tests.musicgen.tiny import SPEC, write_checkpoint

PROMPT = "slow piano"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(write_checkpoint(tmp_path_factory.mktemp("steered")))


def direction(id: str = "1/5", seed: int = 0, **changes: object) -> Direction:
    generator = torch.Generator().manual_seed(seed)
    vector = torch.nn.functional.normalize(torch.randn(SPEC.d_model, generator=generator), dim=0)
    settings: dict[str, object] = {"scale": 2.0, "encoder": vector, **changes}
    return Direction(id, int(id.split("/")[0]), vector, **settings)  # type: ignore[arg-type]


def play(
    stream: Stream, frames: int, moves: Callable[[int], None] = lambda index: None
) -> tuple[Tensor, list[Frame]]:
    seen = []
    with stream:
        for frame in stream:
            seen.append(frame)
            moves(frame.index)
            if len(seen) == frames:
                break
    return torch.stack([frame.tokens for frame in seen], dim=-1), seen


def test_amount_zero_is_bit_identical_to_no_steering(tiny: Model) -> None:
    mixer = Mixer([direction("0/1"), direction("2/7", 1)], spec=tiny.spec)
    tokens = torch.randint(0, 32, (1, 4, 9))
    assert torch.equal(
        tiny.logits(tokens, PROMPT, steering=mixer).nan_to_num(), tiny.logits(tokens, PROMPT).nan_to_num()
    )
    assert mixer.start().added(0, 5) == {}
    steered, _ = play(tiny.stream(PROMPT, seed=3, steering=mixer), 12)
    assert torch.equal(steered, play(tiny.stream(PROMPT, seed=3), 12)[0])


def test_a_stream_with_a_moved_slider_is_what_the_whole_sequence_pass_predicts(tiny: Model) -> None:
    mixer = Mixer([direction(), direction("2/7", 1)], spec=tiny.spec)
    mixer.set("2/7", 0.5)

    def moves(index: int) -> None:
        if index == 6:
            mixer.set("1/5", 2.0)

    stream = tiny.stream(PROMPT, steering=mixer, temperature=0, guidance=None)
    tokens, _ = play(stream, 20, moves)
    logits = tiny.logits(tokens[None], PROMPT, steering=mixer, automation=stream.recorded)
    assert torch.equal(logits[0, 0].argmax(-1), tokens[0])
    assert torch.equal(logits[0, 1, :19].argmax(-1), tokens[1, :19])


def test_recorded_automation_replays_to_the_same_tokens(tiny: Model) -> None:
    mixer = Mixer([direction(), direction("2/7", 1)], spec=tiny.spec)

    def moves(index: int) -> None:
        if index in (4, 5, 9):
            mixer.set("1/5", index * 0.7)
        if index == 12:
            mixer.set("2/7", -2)

    stream = tiny.stream(PROMPT, seed=3, steering=mixer)
    played, _ = play(stream, 20, moves)
    recorded = stream.recorded
    assert isinstance(recorded, Automation)
    stored = Automation.from_json(json.loads(json.dumps(recorded.to_json())))
    assert stored == recorded
    again, _ = play(tiny.stream(PROMPT, seed=3, steering=mixer, automation=stored), 20)
    assert torch.equal(again, played)


def test_a_take_with_rewinds_replays_to_the_same_tokens(tiny: Model) -> None:
    mixer = Mixer([direction(scale=6.0)], spec=tiny.spec)
    with tiny.stream(PROMPT, seed=3, steering=mixer) as stream:
        final: dict[int, Tensor] = {}
        for _ in range(8):
            frame = next(stream)
            final[frame.index] = frame.tokens
        for step, amount in enumerate((1.0, 2.0, -2.0)):
            mixer.set("1/5", amount)
            for _ in range(7):
                frame = next(stream)
                final[frame.index] = frame.tokens
            stream.rewind(stream.next_frame - 4 + step % 2)
        while stream.next_frame < 24:
            frame = next(stream)
            final[frame.index] = frame.tokens
        recorded = stream.recorded
    assert recorded is not None
    again, _ = play(tiny.stream(PROMPT, seed=3, steering=mixer, automation=recorded), 24)
    assert torch.equal(again, torch.stack([final[i] for i in range(24)], dim=-1))


def test_rewinding_and_moving_changes_what_follows_and_nothing_before(tiny: Model) -> None:
    mixer = Mixer([direction(scale=8.0)], spec=tiny.spec)
    before, _ = play(tiny.stream(PROMPT, seed=3), 24)
    with tiny.stream(PROMPT, seed=3, steering=mixer, twin=True) as stream:
        frames = [next(stream) for _ in range(14)]
        stream.rewind(10)
        mixer.set("1/5", 2.0)
        frames = frames[:10] + [next(stream) for _ in range(14)]
    tokens = torch.stack([frame.tokens for frame in frames], dim=-1)
    twins = torch.stack([frame.twin_tokens for frame in frames if frame.twin_tokens is not None], dim=-1)
    assert torch.equal(tokens[:, :10], before[:, :10])
    assert not torch.equal(tokens[:, 10:], before[:, 10:])
    assert torch.equal(twins, before)
    assert [frame.amounts["1/5"] for frame in frames[9:14]] == pytest.approx([0, 2 / 3, 4 / 3, 2, 2])


@pytest.mark.parametrize("moved_at", [0, 2, 14, 60])
def test_the_twin_costs_nothing_before_the_first_move_and_is_the_unsteered_take_after_it(
    tiny: Model, moved_at: int
) -> None:
    """Also where the window has slid (at 67), and the take replays from its automation to every token of both."""
    mixer, length = Mixer([direction(scale=8.0)], spec=tiny.spec), max(24, moved_at + 30)
    before, _ = play(tiny.stream(PROMPT, seed=3), length)
    frames = []
    with tiny.stream(PROMPT, seed=3, steering=mixer, twin=True) as stream:
        for index in range(length):
            if index == moved_at:
                mixer.set("1/5", 2.0)
            frames.append(next(stream))
            assert stream._generation is not None
            assert stream._generation.rows == (4 if frames[-1].apart else 2)
        recorded = stream.recorded
    assert [frame.apart for frame in frames[: moved_at + 1]] == [False] * moved_at + [True]
    for index, frame in enumerate(frames):
        assert index >= moved_at or torch.equal(frame.tokens, before[:, index])
        assert frame.twin_tokens is not None
        assert torch.equal(frame.twin_tokens, before[:, index])
    assert recorded is not None
    with tiny.stream(PROMPT, seed=3, steering=mixer, automation=recorded, twin=True) as stream:
        for one in frames:
            again = next(stream)
            assert again.twin_tokens is not None
            assert one.twin_tokens is not None
            assert torch.equal(one.tokens, again.tokens)
            assert torch.equal(one.twin_tokens, again.twin_tokens)


def test_a_first_move_that_is_taken_back_leaves_one_stream(tiny: Model) -> None:
    mixer = Mixer([direction(scale=8.0)], spec=tiny.spec)
    before, _ = play(tiny.stream(PROMPT, seed=3), 30)
    with tiny.stream(PROMPT, seed=3, steering=mixer, twin=True) as stream:
        frames = [next(stream) for _ in range(10)]
        mixer.set("1/5", 2.0)
        assert [next(stream) for _ in range(6)][-1].apart
        mixer.set("1/5", 0.0)
        stream.rewind(8)
        frames = frames[:8] + [next(stream) for _ in range(22)]
        assert not any(frame.apart for frame in frames)
        assert stream._generation is not None
        assert stream._generation.rows == 2
    assert torch.equal(torch.stack([frame.tokens for frame in frames], dim=-1), before)


def test_each_position_keeps_its_own_amounts_when_the_window_slides(tiny: Model) -> None:
    mixer = Mixer([direction(scale=6.0)], spec=tiny.spec)

    def moves(index: int) -> None:
        if index == 30:
            mixer.set("1/5", 1.5)

    stream = tiny.stream(PROMPT, steering=mixer, temperature=0, guidance=None)
    tokens, _ = play(stream, 64, moves)
    # From position 43 on, frames 24 and later are a sequence of their own, with the amounts they were made with.
    lane = stream.recorded
    assert isinstance(lane, Automation)
    moved = Automation([Lane("1/5", tuple((f - 24, a) for f, a in lane.lanes[0].points))])
    logits = tiny.logits(tokens[None, :, 24:], PROMPT, steering=mixer, automation=moved)
    assert torch.equal(logits[0, 0].argmax(-1)[43 - 24 :], tokens[0, 43:])


def test_the_conditional_branch_alone_can_be_steered(tiny: Model) -> None:
    tokens = []
    for branch in ("both", "conditional"):
        mixer = Mixer([direction(scale=8.0, branch=branch)], spec=tiny.spec)
        mixer.set("1/5", 1.0)
        vectors = mixer.start().added(0, 1)[1]
        assert bool(vectors[1].any()) == (branch == "both")
        tokens.append(play(tiny.stream(PROMPT, seed=3, steering=mixer), 20)[0])
    assert not torch.equal(*tokens)


def test_an_amount_on_the_conditional_branch_means_the_same_at_every_guidance(tiny: Model) -> None:
    mixer = Mixer([direction(scale=8.0)], spec=tiny.spec)
    mixer.set("1/5", 1.0)
    for guidance, share in ((None, 1.0), (0.5, 1.0), (1.0, 1.0), (3.0, 1 / 3), (10.0, 0.1)):
        conditional, null = mixer.start(guidance=guidance).added(0, 1)[1][:, 0]
        assert float(conditional.norm()) == pytest.approx(8.0 * share)
        assert not null.any()


def test_what_holds_an_activation_holds_it_in_both_branches() -> None:
    assert [direction(mode=mode).branch for mode in ("add", "clamp", "mute")] == [
        "conditional",
        "both",
        "both",
    ]
    assert in_mode(in_mode(direction(), "mute"), "add").branch == "conditional"
    assert in_mode(direction(), "add", "both").branch == "both"


def test_clamp_holds_the_activation_and_mute_takes_it_away(tiny: Model) -> None:
    clip = torch.randint(0, 32, (1, 4, 9), generator=torch.Generator().manual_seed(1))
    plain = tiny.residuals(clip, PROMPT, [1])[1]
    for mode, amount, expected in (("clamp", 1.5, 3.0), ("mute", 1.0, 0.0)):
        chosen = direction(mode=mode)
        mixer = Mixer([chosen], spec=tiny.spec)
        off = tiny.residuals(clip, PROMPT, [1], steering=mixer)[1]
        assert torch.equal(off, plain)
        mixer.set("1/5", amount)
        held = tiny.residuals(clip, PROMPT, [1], steering=mixer)[1]
        active = plain @ chosen.vector > 0
        got = (held @ chosen.vector)[active]
        torch.testing.assert_close(got, torch.full_like(got, expected), atol=1e-4, rtol=0)
        play(tiny.stream(PROMPT, steering=mixer), 4)


def test_each_clip_of_a_batch_can_have_its_own_mixer(tiny: Model) -> None:
    mixer = Mixer([direction(scale=8.0)], spec=tiny.spec)
    mixer.set("1/5", 1.0)
    clips = tiny.generate(PROMPT, [3, 3], 0.4, steering=[None, mixer])
    assert torch.equal(clips[0], play(tiny.stream(PROMPT, seed=3, seconds=0.4), 20)[0])
    assert torch.equal(clips[1], play(tiny.stream(PROMPT, seed=3, seconds=0.4, steering=mixer), 20)[0])


def test_a_direction_added_or_removed_while_playing_ramps(tiny: Model) -> None:
    mixer = Mixer(spec=tiny.spec)

    def moves(index: int) -> None:
        if index == 3:
            mixer.add(direction(), 3.0)
        if index == 10:
            mixer.remove("1/5")

    stream = tiny.stream(PROMPT, steering=mixer)
    _, frames = play(stream, 20, moves)
    amounts = [frame.amounts.get("1/5", 0.0) for frame in frames]
    assert amounts == pytest.approx([0] * 7 + [1, 2, 3, 3, 3, 3, 3, 2, 1] + [0] * 4)
    with pytest.raises(BadInputError, match="not on the mixer"):
        mixer.set("1/5", 1.0)


def test_a_lane_is_linear_between_its_points_and_flat_outside() -> None:
    lane = Lane("a", ((2, 0.0), (6, 1.0), (6, 3.0), (8, math.nan)))
    assert [lane.amount(frame) for frame in (0, 2, 4, 6, 7)] == [0.0, 0.0, 0.5, 3.0, 3.0]
    assert math.isnan(lane.amount(9))
    for points in ((), ((3, 0.0), (1, 0.0)), ((0, math.inf),)):
        with pytest.raises(BadInputError):
            Lane("a", points)


def test_a_ramp_cut_short_goes_on_from_where_it_is() -> None:
    ramps = Ramps(0.0)
    ramps.move(4, 3.0)
    ramps.move(6, 0.0)
    assert [ramps.amount(p) for p in range(3, 10)] == pytest.approx([0, 1, 2, 4 / 3, 2 / 3, 0, 0])
    lane = ramps.lane("a")
    assert [lane.amount(p) for p in range(20)] == [ramps.amount(p) for p in range(20)]
    ramps.forget(5)
    assert ramps.amount(9) == 3.0


def test_what_does_not_fit_is_refused(tiny: Model) -> None:
    mixer = Mixer([direction()], spec=tiny.spec, slots=1)
    for act, reason in (
        (lambda: mixer.set("1/5", math.nan), "finite"),
        (lambda: mixer.add(direction("1/6")), "slots"),
        (lambda: Mixer([direction("3/1")], spec=tiny.spec), "3 layers"),
        (lambda: direction(encoder=None, mode="clamp"), "encoder"),
        (lambda: Direction("1/1", 1, torch.ones(32), 1.0), "length"),
        (lambda: mixer.start(Automation([Lane("9/9", ((0, 0.0),))])), "9/9"),
        (lambda: Automation.from_json({"lanes": 3}), "automation"),
    ):
        with pytest.raises(BadInputError, match=reason):
            act()


def test_a_bank_of_another_model_is_refused_with_both_sites(tiny: Model) -> None:
    class Bank:
        info = BankInfo("my bank", "other", "f" * 64, (3,), d_model=8)

        def vectors(self, ids: object) -> dict[str, object]:
            return {}

    with pytest.raises(SiteMismatchError, match=rf"ffff.*{tiny.fingerprint[:12]}"):
        check_site(Bank(), tiny)


def test_moves_from_another_thread_arrive(tiny: Model, tmp_path: Path) -> None:
    import threading

    mixer = Mixer([direction()], spec=tiny.spec)
    with tiny.stream(PROMPT, steering=mixer) as stream:
        next(stream)
        thread = threading.Thread(target=mixer.set, args=("1/5", 3.0))
        thread.start()
        thread.join()
        frames = [next(stream) for _ in range(8)]
    assert frames[-1].amounts["1/5"] == 3.0
