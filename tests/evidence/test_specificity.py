"""Specificity by choosing the worst side effect on one half of the pairs and estimating it on the other."""

import numpy as np
import pytest

from drawbar.evidence.statistics.responses import Floats
from drawbar.evidence.statistics.slopes import location, prompt_weights
from drawbar.evidence.statistics.specificity import MOST, Specificity, unbiased_specificity

PROMPTS = [f"prompt {n % 4}" for n in range(8)]
MEASURES = 26


def study(rng: np.random.Generator, target: float, sides: list[float], tails: float = 4.0) -> Floats:
    """Slopes of 8 pairs: correlated heavy-tailed noise of variance 1 about what the slider really does."""
    truth = np.zeros(MEASURES)
    truth[0] = target
    truth[1 : 1 + len(sides)] = sides
    thick = np.sqrt((tails - 2) / rng.chisquare(tails, (8, 1)))
    noise = np.sqrt(0.5) * rng.standard_normal((8, 1)) + np.sqrt(0.5) * rng.standard_normal((8, MEASURES))
    found: Floats = truth + noise * thick
    return found


def run(target: float, sides: list[float], runs: int = 200) -> tuple[list[Specificity], Floats]:
    rng = np.random.default_rng(0)
    others = np.ones(MEASURES, bool)
    others[0] = False
    found: list[Specificity] = []
    naive = []
    for _ in range(runs):
        pairs = study(rng, target, sides)
        one = unbiased_specificity(pairs, PROMPTS, 0, others)
        assert one is not None
        found.append(one)
        naive.append(np.abs(location(pairs[:, 1:].T, prompt_weights(PROMPTS))).max())
    return found, np.array(naive)


def test_null_side_effects_are_nothing_on_average_where_the_largest_is_not() -> None:
    found, naive = run(3.0, [])
    worst = np.array([one.worst for one in found])
    assert abs(worst.mean()) < 3 * worst.std() / np.sqrt(len(worst)) + 0.02
    assert naive.mean() > 0.5  # what the old figure called a side effect
    assert sum(one.at_least(3) for one in found) > 0.8 * len(found)


@pytest.mark.parametrize("sides", [[2.0], [2.0, 2.0, 2.0, -2.0]])
def test_a_real_side_effect_is_estimated_at_its_size(sides: list[float]) -> None:
    found, naive = run(6.0, sides)
    worst = np.array([one.worst for one in found])
    assert worst.mean() == pytest.approx(2.0, abs=0.1)
    assert naive.mean() > worst.mean()
    ratios = np.array([one.ratio for one in found])
    assert np.median(ratios) == pytest.approx(3.0, rel=0.12)
    covered = np.mean([one.low <= 3.0 <= one.high for one in found])
    assert covered > 0.85


def test_without_side_effects_the_interval_is_open_above() -> None:
    rng = np.random.default_rng(1)
    others = np.arange(MEASURES) > 0
    one = unbiased_specificity(study(rng, 8.0, []), PROMPTS, 0, others)
    assert one is not None
    assert one.high == MOST
    assert one.low > 1


def test_what_cannot_be_estimated_is_none() -> None:
    pairs = np.full((8, 3), np.nan)
    assert unbiased_specificity(pairs, PROMPTS, 0, np.array([False, True, True])) is None
    assert unbiased_specificity(np.ones((8, 3)), PROMPTS, 0, np.zeros(3, bool)) is None
