import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from drawbar.evidence.statistics.responses import Floats
from drawbar.evidence.statistics.slopes import (
    bootstrap,
    interval,
    location,
    pair_slopes,
    prompt_weights,
    slopes,
    take_sd,
)

PROMPTS = ("a", "a", "a", "b", "b", "b", "b", "c", "c")


def _huber_loss(centre: float, values: Floats, weights: Floats, limit: float) -> float:
    away = np.abs(values - centre)
    return float((weights * np.where(away < limit, away**2 / 2, limit * (away - limit / 2))).sum())


def test_every_prompt_has_the_same_weight() -> None:
    weights = prompt_weights(PROMPTS)
    names = np.array(PROMPTS)
    assert [weights[names == name].sum() for name in "abc"] == pytest.approx([1 / 3] * 3)


def test_take_sd_does_not_see_what_prompts_bring_along() -> None:
    rng = np.random.default_rng(0)
    prompts = ("a",) * 400 + ("b",) * 400 + ("c",) * 400
    takes = rng.standard_normal((1200, 1)) * 2 + np.repeat([0.0, 100.0, -50.0], 400)[:, None]
    assert take_sd(takes, prompts)[0] == pytest.approx(2.0, rel=0.05)


def test_a_measure_that_never_varies_has_no_unit() -> None:
    takes = np.full((6, 2), 0.1)
    takes[:, 1] = np.arange(6)
    found = take_sd(takes, ("a", "a", "a", "b", "b", "b"))
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(1.0)


def test_missing_takes_are_left_out_of_the_spread() -> None:
    takes = np.array([[0.0], [2.0], [np.nan], [5.0], [7.0]])
    assert take_sd(takes, ("a", "a", "a", "b", "b"))[0] == pytest.approx(np.sqrt(2))


def test_a_noiseless_line_gives_its_slope_on_both_sides() -> None:
    line = np.array([0.5, -1.5])  # [M]
    for amounts in ((0.5, 1.0, 2.0), (-0.5, -1.0, -2.0)):
        played = np.array(amounts)[:, None, None] * line * np.ones((3, 9, 1))
        assert slopes(amounts, played, prompt_weights(PROMPTS)) == pytest.approx(line)


def test_pair_slopes_equal_least_squares_through_the_origin() -> None:
    rng = np.random.default_rng(1)
    amounts = np.array([0.5, 1.0, 2.0])
    played = rng.standard_normal((3, 4, 2))
    played[0, 2, 1] = np.nan
    found = pair_slopes(amounts.tolist(), played)
    for pair in range(4):
        for measure in range(2):
            y = played[:, pair, measure]
            have = np.isfinite(y)
            naive = np.linalg.lstsq(amounts[have, None], y[have], rcond=None)[0][0]
            assert found[pair, measure] == pytest.approx(naive)


def test_location_minimises_hubers_loss() -> None:
    """The fast path against its definition: the minimum of Huber's loss at the stated scale."""
    rng = np.random.default_rng(2)
    for _ in range(20):
        values = rng.standard_t(2, 9)
        weights = prompt_weights(PROMPTS)
        limit = 1.345 * 1.2533 * np.abs(values - np.median(values)).mean()

        naive = minimize_scalar(
            _huber_loss,
            bounds=(values.min(), values.max()),
            method="bounded",
            args=(values, weights, limit),
        ).x
        assert location(values, weights) == pytest.approx(naive, abs=1e-3 * values.std())


def test_missing_pairs_equal_a_shorter_list() -> None:
    rng = np.random.default_rng(3)
    values = rng.standard_normal((5, 9))
    values[:, [1, 6]] = np.nan
    keep = [0, 2, 3, 4, 5, 7, 8]
    weights = prompt_weights(PROMPTS)
    assert location(values, weights) == pytest.approx(location(values[:, keep], weights[keep]), abs=1e-6)
    assert np.isnan(location(np.full(9, np.nan), weights))


def test_one_wild_pair_hardly_moves_the_slope() -> None:
    values = np.array([1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.02, 0.98, 1000.0])
    weights = np.full(9, 1 / 9)
    assert abs(location(values, weights) - 1) < 0.25 * abs(values.mean() - 1)


def test_a_minority_that_responds_is_not_lost() -> None:
    """The median would say 0: most takes of a prompt that already has drums do not change."""
    values = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0])
    assert location(values, np.full(8, 1 / 8)) > 0.2


def test_no_usable_dose_has_no_slope() -> None:
    assert np.isnan(slopes((), np.zeros((0, 9, 3)), prompt_weights(PROMPTS))).all()


def test_bootstrap_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    prompts = tuple("aaaaaaaabbbbbbbbcccccccc")
    weights = prompt_weights(prompts)
    inside = 0
    for run in range(300):
        values = 0.3 + rng.standard_normal((1, 24))
        low, high = interval(bootstrap(values, prompts, weights, draws=400, seed=run)[:, 0])
        inside += low <= 0.3 <= high
    assert 0.90 <= inside / 300 <= 0.98


def test_bootstrap_repeats_with_its_seed() -> None:
    values = np.random.default_rng(5).standard_normal((2, 9))
    weights = prompt_weights(PROMPTS)
    first = bootstrap(values, PROMPTS, weights, draws=50, seed=7)
    assert np.array_equal(first, bootstrap(values, PROMPTS, weights, draws=50, seed=7))
    assert first.shape == (50, 2)


def test_the_worked_example_of_the_docstring_is_what_the_functions_say() -> None:
    from drawbar.evidence import statistics
    from drawbar.evidence.statistics.ranking import benjamini_hochberg, rank_p

    prompts = ["a", "a", "b", "b"]
    sd = take_sd(np.array([[-3.0], [-2.0], [-1.0], [-2.0]]), prompts)
    differences = np.array([[0.5, 0.6, 0.4, 0.5], [1.1, 1.0, 0.9, 1.4]])[:, :, None]
    of_pairs = pair_slopes([0.5, 1.0], differences)[:, 0]
    slope = float(location(of_pairs, prompt_weights(prompts)))
    figures = [*(f"{one:.2f}" for one in of_pairs), f"{slope / sd[0]:.2f} standard", f"= {sd[0] / slope:.2f}"]
    figures += [f"p = (1 + 0) / (1 + 19) = {rank_p(slope, np.linspace(-0.8, 0.9, 19)):g}"]
    q = benjamini_hochberg([0.01, 0.02, 0.05, 0.2])
    figures += ["q = " + ", ".join(f"{one:.2g}" for one in q)]
    told = " ".join((statistics.__doc__ or "").split())
    assert [figure for figure in figures if figure not in told] == []
