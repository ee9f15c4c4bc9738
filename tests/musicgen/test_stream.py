from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from drawbar.errors import BadInputError, NotFiniteError
from drawbar.musicgen import Model, Stream
from drawbar.musicgen.generation.stream import Frame
from drawbar.musicgen.network.delay import to_steps

PROMPT = "slow piano in a minor"


def play(stream: Stream, frames: int | None = None) -> list[Frame]:
    result = []
    with stream:
        for frame in stream:
            result.append(frame)
            if frames is not None and len(result) == frames:
                break
    return result


def tokens_of(frames: list[Frame]) -> Tensor:
    return torch.stack([frame.tokens for frame in frames], dim=-1)


@dataclass
class Keeper:
    name: str = "keeper"
    layers: tuple[int, ...] = (0, 2)

    def observe(self, residuals: dict[int, Tensor]) -> Tensor:
        return torch.stack([residuals[layer].clone() for layer in self.layers])


def test_a_stream_decides_what_the_whole_sequence_pass_predicts(tiny: Model) -> None:
    got = tokens_of(play(tiny.stream(PROMPT, seconds=0.4, temperature=0, guidance=None)))
    predicted = tiny.logits(got[None], PROMPT)[0].argmax(-1)
    for book, delay in enumerate(tiny.spec.delays):
        assert torch.equal(predicted[book, : 20 - delay], got[book, : 20 - delay])


def test_observers_see_what_residuals_returns_one_position_later(tiny: Model) -> None:
    frames = play(tiny.stream(PROMPT, seconds=0.4, observers=[Keeper()]))
    whole = tiny.residuals(tokens_of(frames)[None], PROMPT, layers=(0, 2))
    for frame in frames[:-1]:
        expected = torch.stack([whole[layer][0, frame.index + 1] for layer in (0, 2)])
        torch.testing.assert_close(frame.observed["keeper"], expected, atol=1e-4, rtol=0)


def test_the_same_seed_gives_the_same_tokens_and_another_seed_others(tiny: Model) -> None:
    first = tokens_of(play(tiny.stream(PROMPT, seed=7, seconds=0.4)))
    assert torch.equal(first, tokens_of(play(tiny.stream(PROMPT, seed=7, seconds=0.4))))
    assert not torch.equal(first, tokens_of(play(tiny.stream(PROMPT, seed=8, seconds=0.4))))


def test_generate_gives_the_tokens_of_the_streams(tiny: Model) -> None:
    clips = tiny.generate([PROMPT, None], [7, 8], 0.4)
    for row, (prompt, seed) in enumerate([(PROMPT, 7), (None, 8)]):
        assert torch.equal(clips[row], tokens_of(play(tiny.stream(prompt, seed=seed, seconds=0.4))))


def test_an_endless_take_begins_like_a_finite_one(tiny: Model) -> None:
    finite = tokens_of(play(tiny.stream(PROMPT, seed=7, seconds=0.4)))
    endless = tokens_of(play(tiny.stream(PROMPT, seed=7), 20))
    assert torch.equal(finite[:, :17], endless[:, :17])


def test_a_prefix_is_kept_and_continued(tiny: Model) -> None:
    whole = tokens_of(play(tiny.stream(PROMPT, seed=7, seconds=0.6)))
    frames = play(tiny.stream(PROMPT, seed=7, seconds=0.6, prefix=whole[:, :12]))
    assert frames[0].index == 12
    assert torch.equal(tokens_of(frames), whole[:, 12:])
    again = tiny.generate(PROMPT, [7], 0.6, prefix=whole[None, :, :12])
    assert torch.equal(again[0], whole)


@pytest.mark.parametrize("back_to", [0, 5, 12])
def test_going_back_without_a_change_gives_the_same_tokens_again(tiny: Model, back_to: int) -> None:
    expected = tokens_of(play(tiny.stream(PROMPT, seed=7, seconds=0.6)))
    with tiny.stream(PROMPT, seed=7, seconds=0.6, observers=[Keeper()]) as stream:
        seen = [next(stream) for _ in range(12)]
        stream.rewind(back_to)
        assert stream.next_frame == back_to
        seen = seen[:back_to] + list(stream)
    assert torch.equal(tokens_of(seen), expected)
    assert all(frame.observed for frame in seen)


def test_the_twin_is_the_unsteered_take(tiny: Model) -> None:
    alone = tokens_of(play(tiny.stream(PROMPT, seed=7, seconds=0.4)))
    frames = play(tiny.stream(PROMPT, seed=7, seconds=0.4, twin=True))
    twins = [frame.twin_tokens for frame in frames if frame.twin_tokens is not None]
    assert torch.equal(torch.stack(twins, dim=-1), alone)
    assert torch.equal(tokens_of(frames), alone)


def test_the_window_slides_at_fixed_frames(tiny: Model) -> None:
    # 40 frames of context: windows begin at frames 0, 24, 48, ...
    whole = tokens_of(play(tiny.stream(PROMPT, seed=7), 110))
    assert torch.equal(whole, tokens_of(play(tiny.stream(PROMPT, seed=7), 110)))
    offline = tiny.generate(PROMPT, [7], 110 / 50)[0]
    assert torch.equal(whole[:, :100], offline[:, :100])


def test_a_slid_window_predicts_what_its_own_frames_predict(tiny: Model) -> None:
    spec = tiny.spec
    got = tokens_of(play(tiny.stream(PROMPT, temperature=0, guidance=None), 70))
    # The second window takes over at position 43 + 24, and sees frames from 48 on as a sequence of its own.
    window = tiny.logits(got[None, :, 48:], PROMPT)[0].argmax(-1)
    first = 24 + spec.context_frames + spec.max_delay
    assert torch.equal(window[0, first - 48 :], got[0, first:])


@pytest.mark.parametrize(("played", "back_to"), [(60, 38), (60, 44), (90, 60), (90, 3), (46, 43)])
def test_going_back_across_a_window_gives_the_same_tokens_again(
    tiny: Model, played: int, back_to: int
) -> None:
    expected = tokens_of(play(tiny.stream(PROMPT, seed=7), 100))
    with tiny.stream(PROMPT, seed=7) as stream:
        seen = [next(stream) for _ in range(played)]
        stream.rewind(back_to)
        seen = seen[:back_to] + [next(stream) for _ in range(100 - back_to)]
    assert torch.equal(tokens_of(seen), expected)


def test_cancel_ends_the_iteration_and_the_model_goes_on(tiny: Model) -> None:
    with tiny.stream(PROMPT) as stream:
        for frame in stream:
            if frame.index == 3:
                stream.cancel()
    assert frame.index == 3
    assert stream.cancelled
    assert len(play(tiny.stream(PROMPT, seconds=0.1))) == 5


def test_a_stream_is_used_inside_with_and_once(tiny: Model) -> None:
    stream = tiny.stream(PROMPT, seconds=0.1)
    with pytest.raises(BadInputError, match=r"with model\.stream"):
        next(stream)
    play(stream)
    with pytest.raises(BadInputError, match="new one"):
        play(stream)


def test_logits_that_are_not_finite_end_the_take_with_the_layer(tiny: Model) -> None:
    from drawbar.steering import Direction, Mixer

    vector = torch.zeros(32)
    vector[0] = 1
    mixer = Mixer([Direction("1/0", 1, vector, 3e38)], spec=tiny.spec)
    with tiny.stream(PROMPT, steering=mixer) as stream:
        next(stream)
        mixer.set("1/0", 9.0)
        with pytest.raises(NotFiniteError, match=r"layer 1.*1/0"):
            next(stream)


def test_settings_that_do_not_fit_are_refused(tiny: Model) -> None:
    with pytest.raises(BadInputError, match="prefix"):
        tiny.stream(PROMPT, seconds=0.1, prefix=torch.zeros(4, 9, dtype=torch.long))
    with pytest.raises(BadInputError, match="outside"):
        tiny.logits(torch.full((1, 4, 3), 99))
    with pytest.raises(BadInputError, match="layers 0"):
        tiny.residuals(torch.zeros(1, 4, 3, dtype=torch.long), layers=[3])
    with pytest.raises(BadInputError, match="seconds"):
        tiny.stream(PROMPT, seconds=math.inf)
    with pytest.raises(BadInputError, match="temperature"):
        tiny.stream(PROMPT, temperature=-1)


def test_a_step_from_the_cache_equals_the_full_pass(tiny: Model, tokens: Tensor) -> None:
    from drawbar.musicgen.network.cache import Cache
    from drawbar.musicgen.network.step import Stepper

    assert tiny.text is not None
    states, mask = tiny.text.encode([PROMPT, "fast drums"])
    steps = to_steps(tokens, tiny.spec.delays, tiny.spec.card)
    with torch.inference_mode():
        full = tiny.decoder(steps, states, mask)
        stepper = Stepper(tiny.decoder)
        for block in (1, 5):
            cache = Cache(tiny.spec, 2, steps.shape[-1])
            text = stepper.text(states, mask)
            parts = [
                stepper.logits(stepper.forward(part, cache, text)).view(2, -1, 4, tiny.spec.card)
                for part in steps.split(block, dim=-1)
            ]
            torch.testing.assert_close(torch.cat(parts, 1).transpose(1, 2), full, atol=1e-5, rtol=0)
