"""Ways to steer add what they say, and the comparison finds a better one only where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from drawbar.corpus import CONCEPTS
from drawbar.musicgen import Model, load_model
from drawbar.research.variants.choosing import combinations_of
from drawbar.research.variants.output import best_by, most_specific, output_effects, typical_tokens
from drawbar.research.variants.pushes import RECIPES, Monitor, Push, Recipe, added_norm, steering_for
from drawbar.research.variants.results import Arm, compare
from drawbar.research.variants.settings import VariantSettings
from drawbar.residuals.composed import Tokens
from drawbar.steering import Direction, Mixer, in_mode
from tests.musicgen.tiny import SPEC, write_checkpoint

UNIT = torch.eye(SPEC.d_model)
SLIDER = Direction("1/0", 1, UNIT[0], 2.0, encoder=UNIT[0], threshold=0.5)
SECONDS = 40 / SPEC.frame_rate_hz


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(write_checkpoint(tmp_path_factory.mktemp("variants")))


def recipe(name: str) -> Recipe:
    return next(one for one in RECIPES if one.name == name)


def made(name: str, amount: float = 1.0, seed: int = 7, seconds: float = SECONDS) -> object:
    return steering_for(recipe(name), SLIDER, amount, spec=SPEC, seed=seed, seconds=seconds, level=1.0)


@pytest.mark.parametrize("name", ["plain", "several layers", "conditional only", "decay"])
def test_matched_recipes_add_the_norm_of_the_plain_slider(name: str) -> None:
    frames = SPEC.frames(SECONDS) + SPEC.max_delay
    assert added_norm(made(name), frames) == pytest.approx(2.0, rel=1e-4)  # type: ignore[arg-type]


def test_bursts_add_the_norm_in_expectation_and_depend_on_the_seed_alone() -> None:
    frames = 20_000
    strong, weak = (made(name) for name in ("intermittent", "intermittent, weaker"))
    assert added_norm(strong, frames) == pytest.approx(2.0, rel=0.05)  # type: ignore[arg-type]
    assert added_norm(weak, frames) == pytest.approx(0.6, rel=0.05)  # type: ignore[arg-type]
    one, same, other = (made("intermittent", seed=seed) for seed in (7, 7, 8))
    first, again, another = (push.start().added(0, 300)[1] for push in (one, same, other))  # type: ignore[attr-defined]
    assert torch.equal(first, again)
    assert not torch.equal(first, another)


def test_the_plain_recipe_is_the_slider_itself(tiny: Model) -> None:
    mixer = Mixer([in_mode(SLIDER, "add", "both")], spec=tiny.spec)
    mixer.set("1/0", 1.0)
    found = tiny.generate("slow piano", [3], 0.4, steering=made("plain"))  # type: ignore[arg-type]
    assert torch.equal(found, tiny.generate("slow piano", [3], 0.4, steering=mixer))


def test_the_conditional_branch_is_pushed_as_by_a_slider_of_as_many_times_the_guidance(tiny: Model) -> None:
    mixer = Mixer([SLIDER], spec=tiny.spec)
    mixer.set("1/0", 3.0)
    found = tiny.generate("slow piano", [3], 0.4, steering=made("conditional only"))  # type: ignore[arg-type]
    assert torch.equal(found, tiny.generate("slow piano", [3], 0.4, steering=mixer, guidance=3.0))


def test_a_monitored_push_stops_while_the_feature_fires_and_resumes_when_it_falls() -> None:
    monitor = Monitor(UNIT[0], 0.0, 0.5, 1.0, frames=2)
    run = Push({1: UNIT[0]}, monitor=monitor).start()
    activations = [0.0, 0.4, 3.0, 3.0, 0.0, 0.0]
    x = torch.tensor(activations)[None, :, None] * UNIT[0]
    gate = run.holds(0, 6)[1]
    after = gate.apply(x, 0)[0, :, 0]
    assert (after - x[0, :, 0]).tolist() == [1, 1, 0, 0, 0, 1]
    assert torch.equal(gate.apply(torch.zeros_like(x), 1)[0, :, 0], after - x[0, :, 0])
    run.rewind(3)
    assert list(run.pushed) == [0, 1, 2]


def test_monitored_clips_of_a_batch_are_each_their_own(tiny: Model) -> None:
    pushes = [made("monitor and stop", amount) for amount in (1.0, -1.0)]
    both = tiny.generate("slow piano", [3, 4], 0.4, steering=pushes)  # type: ignore[arg-type]
    alone = made("monitor and stop", -1.0)
    one = tiny.generate("slow piano", [4], 0.4, steering=alone)  # type: ignore[arg-type]
    assert torch.equal(both[1:], one)
    assert 0 <= added_norm(alone, 20) <= 2.0  # type: ignore[arg-type]


def arm(gain: float, cost: float, seed: int = 0, minus: bool = True) -> Arm:
    """4 units, 6 pairs, 3 measures; effects of a dose plus a little noise that pairs share."""
    amounts = (-1.0, 0.5, 1.0) if minus else (0.5, 1.0)
    noise = 0.1 * np.random.default_rng(seed).standard_normal((4, len(amounts), 6, 3))
    dose = np.array(amounts)[None, :, None]
    effects = noise.copy()
    effects[..., 0] += gain * dose
    effects[..., 1:] += 0.3 * cost * dose[..., None]
    log_ce = cost * np.abs(dose) * np.ones((4, 1, 6)) + 0.001 * noise[..., 0]
    return Arm(amounts, effects, (0, 0, 0, 0), log_ce, np.ones(log_ce.shape))


def test_more_effect_at_equal_cost_is_better_and_the_same_is_no_difference() -> None:
    arms = {"plain": arm(1, 0.5), "strong": arm(2, 0.5, 1), "again": arm(1, 0.5, 2), "poor": arm(0.4, 0.5, 3)}
    found = {one.name: one for one in compare(arms, "plain", seed=0, draws=200)}
    assert found["strong"].verdict == "better"
    assert found["again"].verdict == "no difference seen"
    assert found["poor"].verdict == "worse"
    assert found["strong"].up.value == pytest.approx(2, abs=0.2)
    assert found["strong"].down is not None
    assert found["strong"].down.low > 1


def test_a_stronger_push_that_costs_as_much_more_gains_nothing_at_equal_cross_entropy() -> None:
    arms = {"plain": arm(1, 0.1, minus=False), "harder": arm(2, 0.2, 1, minus=False)}
    harder = compare(arms, "plain", seed=0, draws=200)[1]
    assert harder.up.low > 1.5
    assert harder.matched_up.sign == 0
    assert harder.matched_down is None


def test_the_feature_that_makes_a_concepts_tokens_likely_is_chosen_without_generating(tiny: Model) -> None:
    token, concept = 5, CONCEPTS[0]
    truth = torch.zeros(400, len(CONCEPTS), dtype=torch.bool)
    truth[:200, 0] = True
    codes = torch.randint(0, SPEC.card, (SPEC.n_q, 400), generator=torch.Generator().manual_seed(0))
    codes[0, :200] = token
    typical = typical_tokens([Tokens(codes, truth)], [concept], SPEC.card)
    assert int(typical[0, 0].argmax()) == token
    row = tiny.decoder.head.weight[token].detach()
    row = row - row.mean()
    directions = [
        Direction(f"{SPEC.n_layers - 1}/{n}", SPEC.n_layers - 1, sign * row / row.norm(), 4.0)
        for n, sign in enumerate((1, -1))
    ]
    heard, none = codes[None, :, 200:220], torch.zeros(1, 1, dtype=torch.bool)
    effects = output_effects(tiny, directions, heard, typical, none)
    assert effects[0, 0] > 0 > effects[1, 0]
    assert not output_effects(tiny, directions, heard, typical, none, amount=0.0).any()
    assert best_by({"a": float(effects[1, 0]), "b": float(effects[0, 0])}) == "b"


def test_combinations_are_made_of_alike_pairs_or_have_none(tmp_path: Path) -> None:
    settings = VariantSettings(stack_sizes=(2, 4), unlike=3, alike=2)
    ids = [f"2/{n}" for n in range(12)]
    near = {("2/0", "2/1"): 0.95, ("2/2", "2/3"): 0.92, ("2/4", "2/5"): 0.99, ("2/6", "2/7"): 0.5}
    combos = combinations_of(settings, ids, near)
    assert combos == combinations_of(settings, ids, near)
    pairs = [set(pair) for pair, cos in near.items() if cos > 0.9]
    for combo in combos:
        inside = sum(pair <= set(combo.ids) for pair in pairs)
        assert inside == (len(combo.ids) // 2 if combo.alike else 0)
    assert [(len(c.ids), c.alike) for c in combos] == [
        (n, a) for n in (2, 4) for a in (False,) * 3 + (True,) * 2
    ]


def test_a_feature_that_does_everything_is_not_chosen_as_the_specific_one() -> None:
    effects = {"jazz": {"all": 3.0, "jazz": 2.5, "none": 0.0}, "rock": {"all": 3.0, "jazz": 0.1, "none": 0.2}}
    assert most_specific(effects) == {"jazz": "jazz", "rock": "all"}
