import numpy as np
import pytest

from drawbar.errors import BadInputError
from drawbar.evidence.statistics.responses import Responses
from drawbar.evidence.statistics.settings import GuardLimits
from drawbar.evidence.statistics.synthetic_studies import guard_responses
from drawbar.evidence.statistics.usable_range import rising_fit, usable_range

PROMPTS = ("a", "a", "b", "b")
SEEDS = (1, 2, 1, 2)
AMOUNTS = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
NAMES = ("ce_0", "ce_1", "loudness_db", "silent_share", "clipped_share", "repetition", "finite")


def _changed(name: str, values: dict[float, float], factor: bool = False) -> Responses:
    """Quiet guards but for one, which these amounts change."""
    guards = guard_responses(PROMPTS, SEEDS, AMOUNTS)
    column = guards.column(name)
    for amount, value in values.items():
        if factor:
            guards.doses[amount][:, column] *= value
        else:
            guards.doses[amount][:, column] += value
    return guards


def test_where_nothing_breaks_the_whole_range_is_usable() -> None:
    found = usable_range(guard_responses(PROMPTS, SEEDS, AMOUNTS), GuardLimits())
    assert (found.up, found.down) == (2.0, 2.0)
    assert [row.amount for row in found.rows] == list(AMOUNTS)
    assert all(row.holds for row in found.rows)


def test_the_edge_is_interpolated_between_the_last_good_and_the_first_bad_dose() -> None:
    guards = _changed("ce_0", {1.0: 1.02, 2.0: 1.10}, factor=True)
    found = usable_range(guards, GuardLimits())
    share = (0.05 - 0.02) / (0.10 - 0.02)
    assert found.up == pytest.approx(1 + share)
    assert found.down == 2.0
    broken = {row.amount: row.broken for row in found.rows}
    assert broken[2.0] == ("cross-entropy",)
    assert broken[1.0] == ()


def test_nothing_is_usable_when_the_first_dose_breaks() -> None:
    found = usable_range(_changed("loudness_db", {0.5: -30.0, 1.0: -30.0, 2.0: -30.0}), GuardLimits())
    assert (found.up, found.down) == (0.0, 2.0)


def test_sides_are_judged_apart() -> None:
    found = usable_range(_changed("silent_share", {-2.0: 0.9}), GuardLimits())
    assert found.up == 2.0
    assert 1.0 < found.down < 2.0


def test_a_fall_of_cross_entropy_breaks_too() -> None:
    found = usable_range(_changed("ce_0", {2.0: 0.8}, factor=True), GuardLimits())
    assert 1.0 < found.up < 2.0


def test_one_take_that_is_not_finite_ends_the_range_before_it() -> None:
    guards = guard_responses(PROMPTS, SEEDS, AMOUNTS)
    guards.doses[2.0][1, guards.column("finite")] = 0.0
    guards.doses[2.0][1, guards.column("loudness_db")] = np.nan
    found = usable_range(guards, GuardLimits())
    assert found.up == 1.0
    assert [row.broken for row in found.rows][-1] == ("not finite",)


def test_a_blip_that_heals_further_out_is_noise() -> None:
    """6 % at 0.5 and 0 at 1 and 2: damage cannot shrink as the dose grows."""
    found = usable_range(_changed("ce_0", {0.5: 1.06}, factor=True), GuardLimits())
    assert found.up == 2.0


def test_one_twin_that_is_easy_to_foresee_does_not_break_every_dose() -> None:
    """Measured: a stuck loop among eight twins put every steered take 20 % above them."""
    guards = guard_responses(PROMPTS, SEEDS, AMOUNTS)
    guards.twins[0, 0] *= 0.1
    level = {prompt: {"ce_0": 4.0, "ce_1": 5.0} for prompt in ("a", "b")}
    strict = GuardLimits(errors=0.0)
    assert usable_range(guards, strict).up == 0.0
    assert usable_range(guards, strict, level).up == 2.0


def test_a_figure_that_noise_explains_does_not_end_the_range() -> None:
    """Pairs scatter by +-30 %, their mean lies at +6 %: 1 standard error is allowed for."""
    guards = guard_responses(PROMPTS, SEEDS, AMOUNTS)
    scatter = np.array([1.36, 0.76, 1.36, 0.76])
    for amount in (0.5, 1.0, 2.0):
        guards.doses[amount][:, 0] *= scatter
    assert usable_range(guards, GuardLimits()).up == 2.0
    strict = usable_range(guards, GuardLimits(ce_rise=0.005, errors=0.0))
    assert strict.up == 0.0
    assert strict.rows[-1].ce_error > 0.1


def test_rising_fit_pools_what_falls() -> None:
    assert rising_fit(np.array([1.0, 3.0, 2.0, 4.0])).tolist() == [1.0, 2.5, 2.5, 4.0]
    assert rising_fit(np.array([-1.0, -3.0])).tolist() == [0.0, 0.0]
    assert rising_fit(np.zeros(0)).tolist() == []


def test_a_guard_that_was_not_measured_is_named() -> None:
    guards = guard_responses(PROMPTS, SEEDS, AMOUNTS)
    less = Responses(
        NAMES[:-2], PROMPTS, SEEDS, guards.twins[:, :-2], {a: v[:, :-2] for a, v in guards.doses.items()}
    )
    with pytest.raises(BadInputError, match=r"'finite'|'repetition'"):
        usable_range(less, GuardLimits())
    with pytest.raises(BadInputError, match="loudness_db -1"):
        GuardLimits(loudness_db=-1)
