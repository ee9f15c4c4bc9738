"""Does the instrument work? What is planted is found; what is not there is not claimed."""

from dataclasses import replace

import numpy as np
import pytest

from drawbar.errors import BadInputError
from drawbar.research.horizon.nulls import null_control, without_recurrence
from drawbar.research.horizon.positive import inject, positive_control
from drawbar.research.horizon.readouts import ProbeSettings
from drawbar.research.horizon.synthetic import Synthetic, synthetic_rows
from drawbar.research.horizon.trial import rate, trial

FAST = ProbeSettings(shortlist=2, resamples=400, strengths=(1.0, 0.03), folds=3, inner=2)
SIZES = Synthetic(tracks=110, width=64, features=60)


def test_a_planted_future_is_found_and_its_absence_is_not() -> None:
    rows, units = synthetic_rows(SIZES)
    found = positive_control(rows, units, FAST, strengths=(0.0, 3.0), repeats=3)
    nothing, strong = found["curve"]
    assert nothing["found"]["value"] == 0.0
    assert strong["found"]["value"] == 1.0
    assert strong["auroc"] > nothing["auroc"] + 0.2


def test_a_future_planted_for_all_horizons_alike_is_not_called_long() -> None:
    """A feature that knows the near future as well as the far one fails the gate, however strong it is."""
    rows, units = synthetic_rows(SIZES)
    column = 3
    changed = inject(rows, units[0], column, 3.0)
    near = replace(rows, labels=rows.labels[:, [2, 1, 0]])  # the planted label is now the local one
    local = inject(near, units[0], column, 3.0)
    assert any(row["found"] for row in trial(changed, units, FAST))
    swapped = replace(local, labels=rows.labels)  # knows events 1-3 s ahead
    assert not any(row["found"] for row in trial(swapped, units, FAST))


def test_null_corpora_are_claimed_no_more_often_than_alpha_allows() -> None:
    rows, units = synthetic_rows(replace(SIZES, seed=1))
    found = null_control(rows, units, FAST, repeats=20)
    assert found["claims"]["value"] == 0.0
    # 5 % is nominal; 20 trials show more than 20 % with a chance of 1 in 400 for each control
    assert max(one["value"] for one in found["beats"].values()) <= 0.25
    assert found["above_chance"]["low"] <= 0.05


def test_a_null_corpus_has_no_recurrence_of_its_own() -> None:
    rows, _ = synthetic_rows(replace(SIZES, tracks=150))
    quiet = [t for t in range(150) if not rows.labels[rows.track == t].any()]
    null = without_recurrence(rows, seed=0)
    assert set(null.track) == set(quiet)
    assert null.labels.any()
    again = without_recurrence(rows, seed=1)
    assert not np.array_equal(null.labels, again.labels)


def test_a_rate_has_an_interval_that_fits_its_trials() -> None:
    assert rate(0, 20)["high"] == pytest.approx(0.161, abs=0.002)
    assert rate(1, 20)["low"] == pytest.approx(0.009, abs=0.002)
    assert rate(0, 0)["high"] == 1.0


def test_there_must_be_a_feature_to_plant_in() -> None:
    rows, units = synthetic_rows(SIZES)
    dead = replace(units[0], bias=units[0].bias - 100)
    with pytest.raises(BadInputError, match="none to plant"):
        positive_control(rows, [dead], FAST, repeats=1)
