import numpy as np
import pytest

from drawbar.evidence.statistics.effects import (
    Dose,
    dose_effects,
    noticeable_amount,
    saturation,
    seeds_needed,
    slope_of,
)
from drawbar.evidence.statistics.preservation import Curve, area, curve_of, matched
from drawbar.evidence.statistics.responses import Floats, Responses
from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.evidence.statistics.side_effects import (
    largest_specificity,
    other_measures,
    side_effects,
    take_correlations,
)

PROMPTS = tuple("aaaabbbb")
SEEDS = (1, 2, 3, 4) * 2
HOW = StatisticsSettings(draws=200)


def _responses(shape: dict[float, list[float]], noise: float = 0.0) -> Responses:
    """Amount -> the effect on each of two measures."""
    rng = np.random.default_rng(0)
    twins = rng.standard_normal((8, 2))
    doses = {a: twins + np.array(effect) + noise * rng.standard_normal((8, 2)) for a, effect in shape.items()}
    return Responses(("d:x", "d:y"), PROMPTS, SEEDS, twins, doses)


def test_every_dose_has_its_effect_and_an_interval_around_it() -> None:
    doses = dose_effects(_responses({1.0: [2.0, 0.0], -1.0: [-1.0, 0.0]}, noise=0.5), 0, 2.0, HOW)
    assert [dose.amount for dose in doses] == [-1.0, 1.0]
    assert doses[1].effect == pytest.approx(1.0, abs=0.3)
    assert doses[0].effect == pytest.approx(-0.5, abs=0.3)
    assert all(dose.low < dose.effect < dose.high for dose in doses)


def test_a_slope_is_positive_on_both_sides_of_a_slider_that_works() -> None:
    played = _responses({1.0: [1.0, 0], 2.0: [2.0, 0], -1.0: [-1.0, 0], -2.0: [-2.0, 0]})
    assert slope_of(played, (1.0, 2.0), 0, 0.5, HOW).slope == pytest.approx(2.0)
    assert slope_of(played, (-1.0, -2.0), 0, 0.5, HOW).slope == pytest.approx(2.0)
    assert np.isnan(slope_of(played, (), 0, 0.5, HOW).slope)


def test_saturation_tells_a_line_from_a_plateau() -> None:
    line = [Dose(a, a, 0, 0) for a in (-2.0, -1.0, 1.0, 2.0)]
    assert saturation(line, 1) == saturation(line, -1) == pytest.approx(1.0)
    assert saturation([Dose(1.0, 1.5, 0, 0), Dose(2.0, 1.5, 0, 0)], 1) == pytest.approx(0.5)
    assert saturation([Dose(1.0, 0.01, 0, 0), Dose(2.0, 1.5, 0, 0)], 1) is None
    assert saturation([Dose(1.0, 1.0, 0, 0)], 1) is None


def test_noticeable_is_only_said_inside_the_usable_range() -> None:
    assert noticeable_amount(2.0, 1.0, HOW) == pytest.approx(0.5)
    assert noticeable_amount(0.5, 1.0, HOW) is None
    assert noticeable_amount(-2.0, 1.0, HOW) is None
    assert noticeable_amount(float("nan"), 1.0, HOW) is None


def test_a_smaller_effect_needs_more_seeds_until_none_suffice() -> None:
    def needed(slope: float, noise: float = 1.0) -> int | None:
        return seeds_needed(slope, 0.3, 8, 0.5, noise, HOW)

    big, small = needed(2.0), needed(0.5)
    assert big is not None
    assert small is not None
    assert big < small
    assert needed(0.5, noise=0.0) is None  # what random directions really do does not shrink with more seeds
    assert needed(-1.0) is None


def test_needed_seeds_give_the_power_that_was_asked_for() -> None:
    count = seeds_needed(0.5, 0.3, 8, 0.5, 1.0, HOW)
    assert count is not None
    rng = np.random.default_rng(1)
    shrink = np.sqrt(8 / count)
    passed = 0.5 + 0.3 * shrink * rng.standard_normal(4000) > 0.5 * shrink
    assert passed.mean() == pytest.approx(0.8, abs=0.03)


def test_near_synonyms_are_no_side_effect() -> None:
    rng = np.random.default_rng(2)
    base = rng.standard_normal((40, 1))
    takes: Floats = np.concatenate(
        [base, -base + 0.05 * rng.standard_normal((40, 1)), rng.standard_normal((40, 2))], axis=1
    )
    prompts = ("a",) * 20 + ("b",) * 20
    takes[20:] += 100  # what a prompt brings along correlates with nothing
    found = take_correlations(takes, prompts)
    others, near = other_measures(0, found, np.array([True, True, True, True]), [3], 0.9)
    assert near == [1]
    assert others.tolist() == [False, False, True, False]
    sides = side_effects(np.array([3.0, -3.0, -0.5, 9.0]), others, ("x", "minus x", "y", "second"))
    assert sides == {"y": -0.5}
    assert largest_specificity(3.0, sides) == pytest.approx(6.0)
    assert largest_specificity(3.0, {}) is None


def test_side_effects_are_listed_by_size() -> None:
    found = side_effects(np.array([0.1, -2.0, np.nan]), np.array([True, True, True]), ("a", "b", "c"))
    assert list(found) == ["b", "a"]


def test_a_method_that_moves_only_its_target_has_the_larger_area() -> None:
    sd = np.ones(2)
    others = np.array([False, True])
    clean = curve_of(_responses({1.0: [1.0, 0.0], 2.0: [2.0, 0.0]}), 1, (1.0, 2.0), 0, others, sd)
    dirty = curve_of(_responses({1.0: [1.0, 2.0], 2.0: [2.0, 4.0]}), 1, (1.0, 2.0), 0, others, sd)
    assert clean is not None
    assert dirty is not None
    assert clean.preservation.tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert dirty.preservation[2] == pytest.approx(0.2)
    assert area(clean) == pytest.approx(2.0)
    dirty_area = area(dirty)
    assert dirty_area is not None
    assert 0 < dirty_area < 0.5
    assert area(None) is None


def test_methods_are_compared_where_both_preserve_equally_much() -> None:
    gentle = Curve(np.array([1.0, 0.8]), np.array([0.0, 1.0]))
    rough = Curve(np.array([1.0, 0.6]), np.array([0.0, 1.0]))
    found = matched(gentle, rough)
    assert found is not None
    assert found.preservation == pytest.approx(0.8)
    assert found.effect == pytest.approx(1.0)
    assert found.baseline == pytest.approx(0.5, abs=0.02)
    assert matched(gentle, None) is None


def test_the_minus_side_and_a_lowering_slider_count_the_way_they_should_move() -> None:
    others = np.array([False, True])
    played = _responses({-1.0: [-2.0, 0.0], 1.0: [-2.0, 0.0]})
    lowers = curve_of(played, -1, (-1.0,), 0, others, np.ones(2))
    leans = curve_of(played, 1, (1.0,), 0, others, np.ones(2), lean=-1)
    assert lowers is not None
    assert leans is not None
    assert lowers.effect[1] == leans.effect[1] == pytest.approx(2.0)
    assert curve_of(played, 1, (), 0, others, np.ones(2)) is None
