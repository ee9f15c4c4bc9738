"""Labels of the future: each horizon has its own, and a study whose horizons agree is refused."""

import numpy as np
import pytest

from drawbar.errors import BadInputError
from drawbar.research.horizon.events import Event, Window
from drawbar.research.horizon.horizons import HORIZONS, Grid, Horizon, check_labels, label_sets
from drawbar.research.horizon.rows import past_events
from drawbar.research.horizon.synthetic import Synthetic, synthetic_rows


def test_an_event_falls_in_one_horizon_at_a_time() -> None:
    times = np.arange(5.0, 31.0)
    labels = label_sets([30.0], times, HORIZONS)
    assert times[labels[:, 0]].tolist() == [27, 28]  # 30 is in (t + 1, t + 3]
    assert times[labels[:, 1]].tolist() == [20, 21, 22, 23, 24]
    assert times[labels[:, 2]].tolist() == list(range(5, 15))
    assert not (labels.sum(axis=1) > 1).any()


def test_the_three_label_sets_of_a_corpus_differ() -> None:
    rows, _ = synthetic_rows(Synthetic(tracks=40))
    labels = rows.labels
    for one in range(3):
        for other in range(one):
            assert (labels[:, one] != labels[:, other]).mean() > 0.1
    assert len({horizon.name for horizon in rows.horizons}) == 3


def test_horizons_that_label_alike_are_refused() -> None:
    same = np.repeat(np.array([[True], [False], [True]]), 3, axis=1)
    with pytest.raises(BadInputError, match="alike"):
        check_labels(same, HORIZONS)
    with pytest.raises(BadInputError, match="nothing to tell apart"):
        check_labels(np.array([[True, False, True], [True, True, False]]), HORIZONS)
    with pytest.raises(BadInputError, match="lie ahead"):
        Horizon(3.0, 1.0)


def test_positions_are_asked_about_only_where_the_whole_future_is_known() -> None:
    assert Grid().times(56.0, HORIZONS).tolist() == list(range(5, 31))
    assert Grid().times(40.0, HORIZONS).max() == 15.0
    assert len(Grid().times(20.0, HORIZONS)) == 0


def test_an_event_that_is_under_way_is_not_yet_a_past_event() -> None:
    event = Event("a", Window(1.0, 4.0), Window(10.0, 13.0), "exact", True)
    none = Event("a", Window(1.0, 4.0), Window(5.0, 8.0), "none", True)
    counts = past_events(np.array([9.0, 12.0, 13.0, 20.0]), [event, none])[:, 0]
    assert counts.tolist() == [0, 0, 1, 1]
