"""Several prompts with weights, moved while it plays."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.live import TakeSettings, render
from drawbar.live.takes.take import stored
from drawbar.musicgen import Model, Stream
from drawbar.prompts import PromptPart, weight_id
from drawbar.steering import Automation, Mixer, prompt_weight

PIANO, DRUMS, LOUD = "slow piano in a minor", "fast drums", "loud trumpet"


def tokens_of(stream: Stream, frames: int = 24) -> Tensor:
    with stream:
        return torch.stack([next(stream).tokens for _ in range(frames)], dim=-1)


def mixer_for(model: Model, *weights: float) -> Mixer:
    mixer = Mixer(spec=model.spec)
    for place, weight in enumerate(weights):
        mixer.add(prompt_weight(place, model.spec.d_model), weight)
    return mixer


def test_one_prompt_with_all_the_weight_is_that_prompt(tiny: Model) -> None:
    alone = tokens_of(tiny.stream(PIANO, seed=3))
    assert torch.equal(tokens_of(tiny.stream(seed=3, blend=[PromptPart(PIANO)])), alone)
    beside = [PromptPart(PIANO), PromptPart(DRUMS, 0.0), PromptPart(LOUD, 0.0, unwanted=True)]
    assert torch.equal(tokens_of(tiny.stream(seed=3, blend=beside)), alone)
    assert torch.equal(tokens_of(tiny.stream(seed=3, blend=beside, twin=True)), alone)


def test_no_weight_at_all_is_no_prompt(tiny: Model) -> None:
    nothing = tokens_of(tiny.stream(None, seed=3))
    assert torch.equal(tokens_of(tiny.stream(seed=3, blend=[PromptPart(PIANO, 0.0)])), nothing)


def test_each_weight_and_what_is_unwanted_changes_the_music(tiny: Model) -> None:
    def played(*parts: PromptPart) -> tuple[int, ...]:
        return tuple(tokens_of(tiny.stream(seed=3, guidance=8.0, blend=parts)).flatten().tolist())

    takes = {
        played(PromptPart(PIANO, 0.5), PromptPart(DRUMS, 0.5)),
        played(PromptPart(PIANO, 1.0), PromptPart(DRUMS, 0.1)),
        played(PromptPart(PIANO, 0.5)),
        played(PromptPart(PIANO), PromptPart(DRUMS, unwanted=True)),
        played(PromptPart(PIANO), PromptPart(DRUMS, 0.5, unwanted=True)),
        played(PromptPart(PIANO)),
    }
    assert len(takes) == 6


@pytest.mark.parametrize("twin", [False, True])
def test_weights_moved_live_replay_to_every_token_after_rewinds_too(tiny: Model, twin: bool) -> None:
    parts = [PromptPart(PIANO, 0.7), PromptPart(DRUMS, 0.3), PromptPart(LOUD, 0.2, unwanted=True)]
    mixer = mixer_for(tiny, 0.7, 0.3, 0.2)
    final: dict[int, Tensor] = {}
    with tiny.stream(seed=5, seconds=0.8, blend=parts, steering=mixer, twin=twin) as stream:
        for step, (place, weight) in enumerate(((0, 0.1), (1, 0.9), (2, 1.0), (1, 0.0))):
            for _ in range(7):
                frame = next(stream)
                final[frame.index] = frame.tokens
            mixer.set(weight_id(place), weight)
            if step % 2:
                stream.rewind(stream.next_frame - 3)
        while stream.next_frame < 40:
            frame = next(stream)
            final[frame.index] = frame.tokens
        recorded = stream.recorded
    assert recorded is not None
    played = torch.stack([final[i] for i in range(40)], dim=-1)
    automation = Automation.from_json(json.loads(json.dumps(stored(recorded))))
    settings = TakeSettings(PIANO, seed=5, seconds=0.8, blend=tuple(parts), twin=twin)
    settings = TakeSettings.from_dict(json.loads(json.dumps(settings.to_dict())))
    take = render(tiny, None, settings, automation)
    assert torch.equal(torch.from_numpy(take.tokens.astype("int64")), played)
    unmoved = render(tiny, None, settings)
    assert not torch.equal(torch.from_numpy(unmoved.tokens.astype("int64")), played)


def test_weights_move_across_a_window_as_position_by_position(tiny: Model) -> None:
    """Several positions at once (a prefix, a rebuilt window) each have their own weights."""
    lanes = Automation.from_json(
        {"lanes": {"prompt:0": [[0, 1.0], [30, 0.0]], "prompt:1": [[0, 0.0], [30, 1.0]]}}
    )
    parts = [PromptPart(PIANO), PromptPart(DRUMS, 0.0)]
    begun = {"seed": 1, "blend": parts, "automation": lanes, "guidance": 3.0, "temperature": 0}
    whole = tokens_of(tiny.stream(steering=mixer_for(tiny, 1, 0), **begun), 40)  # type: ignore[arg-type]
    with tiny.stream(steering=mixer_for(tiny, 1, 0), prefix=whole[:, :20], **begun) as stream:  # type: ignore[arg-type]
        rest = torch.stack([next(stream).tokens for _ in range(20)], dim=-1)
    assert torch.equal(rest, whole[:, 20:])


def test_a_weight_outside_its_range_is_refused(tiny: Model) -> None:
    with pytest.raises(BadInputError, match=r"weight 1\.5"):
        PromptPart(PIANO, 1.5)
    with pytest.raises(BadInputError, match="at most 8"), tiny.stream(blend=[PromptPart(PIANO)] * 9):
        pass


def test_the_take_keeps_its_prompts(tiny: Model) -> None:
    settings = TakeSettings(
        PIANO, seed=5, seconds=0.2, blend=(PromptPart(PIANO, 0.5), PromptPart(DRUMS, 0.5))
    )
    record = render(tiny, None, settings).record()
    assert record["settings"]["blend"][1] == {"text": DRUMS, "weight": 0.5, "unwanted": False}
