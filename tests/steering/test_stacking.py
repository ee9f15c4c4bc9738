"""Sliders that push together share what is allowed; one alone never notices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.live.takes.take import TakeSettings
from drawbar.steering import Automation, Direction, Mixer
from drawbar.steering.mixer import DEFAULT_STACKING
from drawbar.steering.stacking import STACKING, shares
from tests.musicgen.tiny import SPEC

UNIT = torch.eye(SPEC.d_model)


def slider(id: str, vector: Tensor, **changes: object) -> Direction:
    settings: dict[str, object] = {"scale": 2.0, **changes}
    return Direction(id, int(id.split("/")[0]), vector, **settings)  # type: ignore[arg-type]


def pushed(rule: str, amounts: dict[str, float], directions: list[Direction]) -> dict[int, Tensor]:
    mixer = Mixer(directions, spec=SPEC, stacking=rule)
    for id, amount in amounts.items():
        mixer.set(id, amount)
    return mixer.settled().added(3, 2)


@pytest.mark.parametrize("rule", STACKING)
def test_a_lone_slider_is_the_same_to_the_bit_under_every_rule(rule: str) -> None:
    vector = torch.nn.functional.normalize(torch.randn(SPEC.d_model), dim=0)
    others = [slider("1/1", UNIT[1]), slider("2/2", UNIT[2])]
    alone = pushed("none", {"1/0": 0.7}, [slider("1/0", vector)])
    beside = pushed(rule, {"1/0": 0.7}, [slider("1/0", vector), *others])
    assert beside.keys() == {1}
    assert torch.equal(beside[1], alone[1])
    assert pushed(rule, {}, [slider("1/0", vector), *others]) == {}


def test_alike_sliders_are_held_back_and_unlike_ones_are_not() -> None:
    weights = torch.full((1, 4), 2.0)
    alike, unlike = UNIT[:1].repeat(4, 1), UNIT[:4]
    lengths = {
        rule: [float((shares(rule, weights, v) * (weights @ v).norm(dim=1))[0]) for v in (alike, unlike)]
        for rule in STACKING
    }
    assert lengths["none"] == pytest.approx([8, 4])
    assert lengths["mean"] == pytest.approx([2, 1])
    assert lengths["budget"] == pytest.approx([4, 4])
    assert lengths["largest"] == pytest.approx([2, 2])


@pytest.mark.parametrize("rule", STACKING)
def test_nothing_jumps_when_a_second_slider_leaves_rest(rule: str) -> None:
    both = [slider("1/0", UNIT[0]), slider("2/0", UNIT[0])]
    before = pushed(rule, {"1/0": 1.0}, both)[1]
    after = pushed(rule, {"1/0": 1.0, "2/0": 1e-4}, both)[1]
    assert torch.allclose(before, after, atol=1e-3)


def test_sliders_of_all_layers_share_and_the_null_branch_follows_the_conditional_one() -> None:
    both = [slider("1/0", UNIT[0], branch="both"), slider("2/0", UNIT[0])]
    found = pushed("mean", {"1/0": 1.0, "2/0": 1.0}, both)
    assert found[1][0, 0, 0] == found[1][1, 0, 0] == pytest.approx(1)
    assert found[2][0, 0, 0] == pytest.approx(1)
    assert not found[2][1].any()


def test_replayed_lanes_share_as_they_did_while_ramping() -> None:
    mixer = Mixer([slider("1/0", UNIT[0]), slider("1/1", UNIT[0])], spec=SPEC, stacking="mean")
    run = mixer.start()
    for position in range(12):
        if position == 3:
            mixer.set("1/0", 1.0)
        if position == 5:
            mixer.set("1/1", -0.5)
        run.advance(position)
    stored = Automation.from_json(run.recorded.to_json())
    again = mixer.start(stored)
    assert torch.equal(again.added(0, 12)[1], run.added(0, 12)[1])


def test_an_unknown_rule_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(BadInputError, match="none, mean, budget, largest"):
        Mixer(spec=SPEC, stacking="half")


def test_a_stream_keeps_the_rule_that_it_began_with() -> None:
    mixer = Mixer([slider("1/0", UNIT[0]), slider("1/1", UNIT[0])], spec=SPEC, stacking="none")
    for id in ("1/0", "1/1"):
        mixer.set(id, 1.0)
    run = mixer.start()
    mixer.stacking = "mean"
    assert float(run.added(0, 1)[1][0, 0, 0]) == pytest.approx(4)
    assert float(mixer.start().added(0, 1)[1][0, 0, 0]) == pytest.approx(2)
    with pytest.raises(BadInputError, match="half"):
        mixer.stacking = "half"


def test_takes_are_made_with_the_mixers_rule_and_old_ones_are_plain_sums() -> None:
    assert TakeSettings().stacking == DEFAULT_STACKING
    assert TakeSettings.from_dict({"prompt": "piano"}).stacking == "none"
    stored = TakeSettings(stacking="budget").to_dict()
    assert TakeSettings.from_dict(stored).stacking == "budget"
