import numpy as np
import pytest
from scipy.stats import false_discovery_control

from drawbar.errors import BadInputError
from drawbar.evidence.statistics.ranking import Null, benjamini_hochberg, rank_p, shared_pairs, standing
from drawbar.evidence.statistics.responses import Pool, Responses

PROMPTS = ("a", "a", "b", "b")
SEEDS = (1, 2, 1, 2)


def _pool(
    directions: int = 40, norms: tuple[float, ...] = (1.0, 2.0), seed: int = 0, effect: float = 1.0
) -> Pool:
    measures = ("d:x", "d:y")
    rng = np.random.default_rng(seed)
    twins = rng.standard_normal((4, len(measures)))
    push = np.array(norms)[:, None, None] * effect
    values = twins + push + rng.standard_normal((directions, len(norms), 4, len(measures)))
    return Pool(measures, PROMPTS, SEEDS, twins, norms, values)


def test_p_counts_the_pool_and_the_candidate() -> None:
    pool = np.arange(19.0)
    assert rank_p(100.0, pool) == pytest.approx(1 / 20)
    assert rank_p(-1.0, pool) == 1.0
    assert rank_p(18.0, pool) == pytest.approx(2 / 20)  # a tie counts against the candidate
    assert rank_p(float("nan"), pool) == 1.0
    assert rank_p(100.0, np.array([np.nan, 1.0])) == pytest.approx(2 / 3)


def test_benjamini_hochberg_equals_scipys() -> None:
    p = np.random.default_rng(0).uniform(1e-6, 1, 57) ** 2
    assert benjamini_hochberg(p.tolist()) == pytest.approx(false_discovery_control(p))
    assert benjamini_hochberg([]).size == 0
    with pytest.raises(BadInputError, match="above 0"):
        benjamini_hochberg([0.0, 0.5])


def test_at_a_norm_of_the_grid_the_pool_is_what_was_played() -> None:
    pool = _pool()
    null = Null(pool)
    for place, norm in enumerate(pool.norms):
        assert np.array_equal(null.differences(norm), pool.values[:, place] - pool.twins)


def test_between_norms_the_effect_is_interpolated_and_the_noise_is_not_averaged_away() -> None:
    pool = _pool(directions=4000, effect=3.0)
    for norm in (1.25, 1.5, 1.75):
        between = Null(pool).differences(norm)
        assert between.mean(0) == pytest.approx(3 * norm, abs=0.1)
        assert between.mean(1).var(0) == pytest.approx(0.25, rel=0.1)  # 4 pairs, noise of variance 1


def test_below_the_grid_the_lowest_norm_stands_in_and_beyond_it_is_refused() -> None:
    pool = _pool()
    null = Null(pool)
    assert np.array_equal(null.differences(0.1), null.differences(1.0))
    assert null.reaches(2.05)
    assert not null.reaches(2.5)
    with pytest.raises(BadInputError, match="the pool ends at 2"):
        null.differences(2.5)


def test_slopes_of_the_pool_are_per_amount_and_turn_with_the_side() -> None:
    pool = _pool(effect=5.0)
    null = Null(pool)
    up = null.slopes((1.0, 2.0), scale=1.0)
    assert np.median(up) == pytest.approx(5.0, abs=0.3)
    assert np.array_equal(null.slopes((-1.0, -2.0), scale=1.0), -up)
    assert np.median(null.slopes((2.0, 4.0), scale=0.5)) == pytest.approx(2.5, abs=0.2)


def test_only_shared_pairs_are_compared() -> None:
    pool = _pool()
    more = Responses(
        pool.measures,
        ("c", *PROMPTS),
        (9, *SEEDS),
        np.concatenate([np.zeros((1, 2)), pool.twins]),
        {1.0: np.zeros((5, 2))},
    )
    ours, theirs = shared_pairs(more, pool)
    assert ours.tolist() == [1, 2, 3, 4]
    assert theirs.tolist() == [0, 1, 2, 3]


def test_a_pool_that_is_not_comparable_is_refused() -> None:
    pool = _pool()
    fine = Responses(pool.measures, PROMPTS, SEEDS, pool.twins, {})
    shared_pairs(fine, pool)
    with pytest.raises(BadInputError, match="twins"):
        shared_pairs(Responses(pool.measures, PROMPTS, SEEDS, pool.twins + 1, {}), pool)
    with pytest.raises(BadInputError, match="same judges"):
        shared_pairs(Responses(("d:x", "d:z"), PROMPTS, SEEDS, pool.twins, {}), pool)
    with pytest.raises(BadInputError, match="0 pairs are shared"):
        shared_pairs(Responses(pool.measures, PROMPTS, (3, 4, 3, 4), pool.twins, {}), pool)


def test_standing_treats_candidate_and_pool_alike() -> None:
    everyone = np.random.default_rng(1).standard_normal((30, 3))
    first, others = standing(everyone[0], everyone[1:])
    again, rest = standing(everyone[5], np.delete(everyone, 5, 0))
    assert again == pytest.approx(others[4])
    assert rest[0] == pytest.approx(first)


def test_standing_ignores_what_cannot_be_compared() -> None:
    candidate = np.array([np.nan, 1.0, 5.0])
    pool = np.column_stack([np.zeros(20), np.ones(20), np.arange(20.0)])
    mine, theirs = standing(candidate, pool)
    assert mine[0] == 0
    assert mine[1] == 0
    assert (theirs[:, :2] == 0).all()
    assert mine[2] > 0


def test_shapes_that_do_not_fit_are_refused() -> None:
    twins = np.zeros((4, 2))
    with pytest.raises(BadInputError, match="amount 1"):
        Responses(("a", "b"), PROMPTS, SEEDS, twins, {1.0: np.zeros((3, 2))})
    with pytest.raises(BadInputError, match="each once"):
        Responses(("a", "b"), PROMPTS, (1, 1, 1, 2), twins, {})
    with pytest.raises(BadInputError, match="rise"):
        Pool(("a", "b"), PROMPTS, SEEDS, twins, (2.0, 1.0), np.zeros((30, 2, 4, 2)))
    with pytest.raises(BadInputError, match="cannot show p"):
        Pool(("a", "b"), PROMPTS, SEEDS, twins, (1.0,), np.zeros((5, 1, 4, 2)))
