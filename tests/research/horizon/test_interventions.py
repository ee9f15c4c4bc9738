"""Interventions: the beginning is untouched, twins are matched, degradation alone is no selectivity."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drawbar.errors import BadInputError, ControlError
from drawbar.research.horizon.interventions import BYPASS, WAYS, InterventionSettings, conditions, play, weigh
from drawbar.research.horizon.outcomes import OUTCOMES, HeardReturns
from drawbar.research.horizon.selectivity import effect, selectivity
from drawbar.research.horizon.twins import Acted, twin
from tests.research.horizon.study_fakes import loudness


def _acted(id: str, seed: int, width: int = 32, bias: float = 0.0, layer: int = 1) -> Acted:
    rng = np.random.default_rng(seed)
    row = rng.standard_normal(width).astype(np.float32)
    unit = row / np.linalg.norm(row)
    return Acted(id, layer, row, bias, 0.0, unit, 4.0)


def test_a_twin_is_as_dense_and_takes_as_much_away_and_points_elsewhere() -> None:
    residual = np.random.default_rng(0).standard_normal((3000, 32)).astype(np.float32)
    real = _acted("1/7", 1, bias=-6.0)
    other = twin(real, residual, seed=5)
    mine, theirs = real.activations(residual), other.activations(residual)
    assert (theirs > 0).mean() == pytest.approx((mine > 0).mean(), abs=0.01)
    assert theirs.mean() == pytest.approx(mine.mean(), rel=0.02)
    assert abs(float(real.decoder @ other.decoder)) < 0.7
    with pytest.raises(BadInputError, match="does not fire"):
        twin(_acted("1/8", 1, bias=-1e4), residual, seed=5)


def test_conditions_hold_every_control_and_refuse_the_candidate_as_one() -> None:
    candidate, local = _acted("1/7", 1), _acted("1/9", 2)
    twins = [_acted(f"random {n}", 10 + n) for n in range(5)]
    found = conditions([(candidate, local, twins)])
    assert found[0].name == BYPASS
    assert {(c.role, c.way) for c in found[1:]} == {
        (r, w) for r in ("feature", "local", "random") for w in WAYS
    }
    assert len(found) == 1 + 2 * 7
    with pytest.raises(ControlError, match="the same feature"):
        conditions([(candidate, candidate, twins)])
    with pytest.raises(ControlError, match="the same feature"):
        conditions([(candidate, local, [*twins, _acted("random 9", 1)])])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from drawbar.musicgen import load_model
    from tests.musicgen.tiny import write_checkpoint

    return load_model(write_checkpoint(tmp_path_factory.mktemp("tiny")))


def test_the_beginning_is_given_and_only_what_follows_is_acted_on(tiny: Any) -> None:
    how = InterventionSettings(prefix_s=0.3, seconds=0.4, amount=3.0)
    prefixes = torch.randint(0, 32, (2, 4, 15), generator=torch.Generator().manual_seed(0))
    silent = _acted("1/3", 3, bias=-1e6)
    strong = _acted("1/7", 1)
    all_ = conditions([(strong, silent, [_acted(f"random {n}", 10 + n) for n in range(2)])])
    found = {c.name: play(tiny, loudness, c, prefixes, how) for c in all_[:6]}
    for tokens, values in found.values():
        assert torch.equal(tokens[:, :, :15], prefixes)
        assert values.shape == (2, len(OUTCOMES))
        assert np.isfinite(values).all()
    # A feature that is silent has nothing to be taken away: the same seeds give the same music.
    assert torch.equal(found["1-7.local.ablate"][0], found[BYPASS][0])
    assert not torch.equal(found["1-7.scale-up"][0], found[BYPASS][0])


def _outcomes(effects: dict[str, tuple[float, float]], pairs: int = 8) -> dict[str, Any]:
    """Condition -> (recurrence, cross-entropy) against a bypass that varies between pairs."""
    rng = np.random.default_rng(4)
    base = rng.uniform(0.3, 0.7, (pairs, len(OUTCOMES)))
    result = {BYPASS: base}
    for name, (likeness, nats) in effects.items():
        moved = base + rng.normal(0, 0.005, base.shape)
        moved[:, 0] += likeness
        moved[:, OUTCOMES.index("ce_0")] += nats
        result[name] = moved
    return result


def _played(likeness: float, nats: float) -> dict[str, Any]:
    """Twins lose quality at different rates, and recurrence with it: -0.2 a nat."""
    twins = [_acted(f"random {n}", 10 + n) for n in range(20)]
    all_ = conditions([(_acted("1/7", 1), _acted("1/9", 2), twins)])
    effects = {}
    for condition in all_[1:]:
        if condition.role == "feature":
            effects[condition.name] = (likeness, nats) if condition.way == "ablate" else (0.0, 0.0)
        else:
            lost = (
                (int(condition.name.split("random")[1].split(".")[0]) / 20)
                if "random" in condition.name
                else 0.1
            )
            effects[condition.name] = (-0.2 * lost, lost)
    return weigh("1/7", _outcomes(effects), all_, [f"track {n}" for n in range(8)])


def test_an_effect_beyond_that_of_random_features_at_the_same_quality_is_selective() -> None:
    found = _played(likeness=-0.3, nats=0.1)
    assert found["effects"]["ablate"]["high"] < 0
    assert found["selectivity"]["ablate"]["p"] <= 0.05
    assert found["selectivity"]["ablate"]["p_against"] > 0.5


def test_degrading_everything_is_not_selective() -> None:
    # as much as random features that break the music as much, and more than all of those that break it less
    found = _played(likeness=-0.192, nats=0.95)
    assert found["effects"]["ablate"]["high"] < 0
    assert found["selectivity"]["ablate"]["p"] > 0.1
    beyond = _played(likeness=-0.6, nats=4.0)  # worse than any random feature: nothing to compare with
    assert beyond["selectivity"]["ablate"]["comparable"] is False
    assert beyond["selectivity"]["ablate"]["p"] == 1.0


def test_weighing_without_a_control_is_an_error() -> None:
    twins = [_acted(f"random {n}", 10 + n) for n in range(6)]
    all_ = conditions([(_acted("1/7", 1), _acted("1/9", 2), twins)])
    whole = _outcomes({c.name: (0.0, 0.0) for c in all_[1:]})
    for role in (BYPASS, "local", "random", "1-7.ablate"):
        part = {n: x for n, x in whole.items() if role not in n}
        with pytest.raises(ControlError):
            weigh("1/7", part, all_, [f"track {n}" for n in range(8)])
    with pytest.raises(ControlError, match="random features"):
        selectivity({"recurrence": 0.0, "quality": 0.0}, [{"recurrence": 0.0, "quality": 0.0}] * 3, sense=1)


def test_an_effect_is_that_of_pairs() -> None:
    base = np.linspace(0, 10, 12)  # pairs differ far more than the effect
    moved = base + 0.1 + np.random.default_rng(0).normal(0, 0.01, 12)
    found = effect(moved, base, ["a"] * 12)
    assert found["low"] > 0.08
    assert found["high"] < 0.12


def test_the_detector_hears_a_beginning_return(tmp_path: Path) -> None:
    rate = 16_000
    rng = np.random.default_rng(1)

    def tune(pitches: Any) -> Any:
        time = np.arange(rate // 2) / rate
        fade = np.exp(-3 * time)
        return np.concatenate([np.sin(2 * np.pi * 440 * 2 ** (p / 12) * time) * fade for p in pitches])

    figure, other = rng.permutation(12), [rng.integers(-5, 8, 12) for _ in range(3)]
    begins = tune(np.concatenate([figure, other[0]]))
    again = np.concatenate([begins, tune(figure), tune(other[1])]).astype(np.float32) * 0.3
    fresh = np.concatenate([begins, tune(other[2]), tune(other[1])]).astype(np.float32) * 0.3
    detector = HeardReturns()
    heard = [detector(sound, rate, 12.0)[0] for sound in (again, fresh)]
    assert heard[0] > heard[1]
