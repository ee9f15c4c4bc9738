"""Probes and their controls: what is planted is found by name, and no control may be missing or be the candidate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drawbar.errors import BadInputError, ControlError
from drawbar.research.horizon.controls import (
    CONTROLS,
    Chooser,
    RandomFeatures,
    check_controls,
    deal_labels,
    random_rows,
)
from drawbar.research.horizon.folds import fixed, fold_of, read
from drawbar.research.horizon.logistic import fit_path
from drawbar.research.horizon.positive import inject
from drawbar.research.horizon.probes import Probes, shortlist
from drawbar.research.horizon.ranking import rank
from drawbar.research.horizon.readouts import Judging, ProbeSettings, compare
from drawbar.research.horizon.rows import Rows
from drawbar.research.horizon.scores import area, calibration, margin, weights
from drawbar.research.horizon.synthetic import Synthetic, synthetic_rows

FAST = ProbeSettings(
    few=4, shortlist=2, resamples=400, strengths=(1.0, 0.03), folds=3, inner=2, by_folds=False
)
SIZES = Synthetic(tracks=90, width=32, features=40)


def test_the_logistic_fit_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    for width in (5, 80):  # by Newton's method and by L-BFGS
        x = rng.standard_normal((400, width)) * rng.uniform(0.1, 10, width)
        y = rng.random(400) < 1 / (1 + np.exp(-x[:, 0] / x[:, 0].std() - 0.3))
        z = (x - x.mean(0)) / x.std(0)
        for strength, fit in zip((1.0, 0.01), fit_path(x, y, (1.0, 0.01)), strict=True):
            twin = LogisticRegression(C=1 / (strength * len(y)), tol=1e-8, max_iter=3000).fit(z, y)
            np.testing.assert_allclose(fit.weight * x.std(0), twin.coef_[0], atol=3e-4)
    with pytest.raises(BadInputError, match="needs both"):
        fit_path(x, np.ones(400, bool))


def test_areas_and_resampled_areas_are_those_of_the_rows() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(1)
    track = np.repeat(np.arange(8), 12)
    scores = np.round(rng.standard_normal(96), 1)  # with ties
    y = rng.random(96) < 0.3
    found = area(scores, y, track)
    assert found.value == pytest.approx(roc_auc_score(y, scores))
    weight = weights(8, 5, seed=3)
    for row, value in zip(weight, found.resampled(weight), strict=True):
        again = np.concatenate([np.tile(np.flatnonzero(track == t), int(n)) for t, n in enumerate(row)])
        assert value == pytest.approx(roc_auc_score(y[again], scores[again]))


def test_folds_and_splits_never_cut_a_track() -> None:
    track = np.repeat(np.arange(30), 4)
    fold = fold_of(track, 5)
    assert all(len(set(fold[track == t])) == 1 for t in range(30))
    assert sorted(np.bincount(fold[::4]).tolist()) == [6] * 5
    held = np.arange(120) % 2 == 0
    with pytest.raises(BadInputError, match="both held out and trained on"):
        read(fixed(np.zeros((120, 2))), np.arange(120) % 3 == 0, track, held)


def test_memory_of_a_track_does_not_help_on_held_out_tracks() -> None:
    """Columns that name the track would be perfect if rows, not tracks, were dealt into folds."""
    rng = np.random.default_rng(2)
    track = np.repeat(np.arange(60), 10)
    y = np.repeat(rng.random(60) < 0.5, 10)
    names = np.eye(60)[track]
    found = read(fixed(names), y, track, track >= 45, folds=3, inner=2, strengths=(0.01,))
    own = area(found.scores[track < 45], y[track < 45], track[track < 45])
    assert abs(own.value - 0.5) < 0.35  # and not 1
    assert len(np.unique(found.scores[track >= 45])) == 1


def test_probabilities_are_calibrated_and_brier_is_below_that_of_the_share() -> None:
    rng = np.random.default_rng(3)
    chance = rng.uniform(0.02, 0.98, 6000)
    found = calibration(chance, rng.random(6000) < chance)
    assert found.error < 0.03
    assert found.brier < found.brier_of_the_share
    assert calibration(np.clip(chance * 2, 0, 1), rng.random(6000) < chance).error > 0.1


def test_what_is_planted_is_named_by_layer_and_number() -> None:
    rows, units = synthetic_rows(replace(SIZES, layers=(2, 5)))
    planted = next(
        c for c, d in enumerate((units[1].activations(rows.residuals[5]) > 0).mean(0)) if 0.15 < d < 0.4
    )
    probes = Probes(inject(rows, units[1], planted, 2.5), units, FAST)
    best = shortlist(probes.ranking(), probes.long, 1)[0]
    assert best.id == units[1].ids[planted]
    assert best.id != f"5/{planted}"  # the number in the SAE, not the place in a table
    assert (best.layer, best.index) == (5, int(units[1].index[planted]))
    found = probes.feature(best)
    assert found["margins"]["best"]["held"]["low"] > 0
    assert set(found["margins"]["controls"]) == set(CONTROLS)


def test_a_ranking_refuses_a_table_of_another_layer() -> None:
    rows, units = synthetic_rows(SIZES)
    active = units[0].activations(rows.residuals[2])
    with pytest.raises(BadInputError, match="columns for"):
        rank(units[0], active[:, :-1], rows.labels, ~rows.held_rows)


def test_a_missing_control_and_one_that_is_the_candidate_are_errors() -> None:
    candidate = np.random.default_rng(4).standard_normal((50, 3))
    other = candidate + 1.0
    check_controls(candidate, {"position": other, "random": other * 2}, ("position", "random"))
    with pytest.raises(ControlError, match="no random control"):
        check_controls(candidate, {"position": other}, ("position", "random"))
    with pytest.raises(ControlError, match="is the candidate itself"):
        check_controls(candidate, {"position": other, "random": candidate[:, ::-1]}, ("position", "random"))


def test_a_control_that_ranks_as_the_candidate_does_is_an_error() -> None:
    rows, units = synthetic_rows(replace(SIZES, tracks=40))
    judging = Judging(rows.track, rows.held_rows, FAST)
    column = units[0].activations(rows.residuals[2])[:, [3]]
    candidate = judging.judge("candidate", fixed(column), rows.labels[:, 2])
    with pytest.raises(ControlError, match="it is the same"):
        compare(
            judging,
            candidate,
            {"random features": judging.judge("twin", fixed(column * 3), rows.labels[:, 2])},
        )


def test_a_study_without_one_of_its_controls_is_refused() -> None:
    rows, _ = synthetic_rows(replace(SIZES, tracks=30))
    with pytest.raises(BadInputError, match="no columns for the controls acoustics"):
        replace(rows, known={name: x for name, x in rows.known.items() if name != "acoustics"})


def test_random_features_are_as_dense_as_their_twins_where_they_were_matched() -> None:
    rows, units = synthetic_rows(replace(SIZES, tracks=40))
    residual, learn = rows.residuals[2], ~rows.held_rows
    active = units[0].activations(residual)
    table = RandomFeatures(units[0], residual, active, seed=1).table(learn)
    np.testing.assert_allclose((table[learn] > 0).mean(0), (active[learn] > 0).mean(0), atol=0.01)
    assert not np.allclose(table, active)


def test_the_local_control_never_takes_the_candidates_features() -> None:
    rows, units = synthetic_rows(replace(SIZES, tracks=40))
    active = units[0].activations(rows.residuals[2])
    learn = ~rows.held_rows
    # chosen by the same label, the choice would be the same but for the exclusion
    candidate = Chooser(fixed(active), rows.labels[:, 0], 4)
    local = Chooser(fixed(active), rows.labels[:, 0], 4, without=candidate)
    assert not set(candidate.chosen(learn)) & set(local.chosen(learn))


def test_dealt_labels_come_from_other_tracks_and_stay_inside_a_split() -> None:
    rows, _ = synthetic_rows(replace(SIZES, tracks=40))
    dealt = deal_labels(rows.labels, rows.track, rows.time_s, rows.held_out, seed=0)
    same = [np.array_equal(dealt[rows.track == t], rows.labels[rows.track == t]) for t in range(40)]
    quiet = [not rows.labels[rows.track == t].any() for t in range(40)]
    assert sum(s for s, q in zip(same, quiet, strict=True) if not q) == 0
    held = rows.held_rows
    assert dealt[held].sum() == rows.labels[held].sum()  # positions are the same in every track here


def test_selection_is_made_on_the_rows_learnt_from_alone() -> None:
    rng = np.random.default_rng(5)
    y = rng.random(200) < 0.5
    table = rng.standard_normal((200, 30))
    learn = np.arange(200) < 100
    table[100:, 7] = y[100:] * 9.0  # says everything, but only where nothing may be chosen
    assert 7 not in Chooser(fixed(table), y, 3).chosen(learn)


def test_a_margin_is_taken_over_the_best_control_in_each_resample() -> None:
    rng = np.random.default_rng(6)
    track = np.repeat(np.arange(20), 10)
    y = rng.random(200) < 0.4
    noise = [area(rng.standard_normal(200), y, track) for _ in range(4)]
    weight = weights(20, 500)
    strong = area(y + rng.standard_normal(200) * 0.5, y, track)
    assert margin(strong, noise, weight).low > 0.1
    first, *others = sorted(noise, key=lambda one: one.value)
    assert margin(first, others, weight).low < 0
    assert margin(strong, noise, weight).value == pytest.approx(
        strong.value - max(one.value for one in noise)
    )
    with pytest.raises(BadInputError, match="without a control"):
        margin(strong, [], weight)


def test_a_table_survives_the_disk(tmp_path: Path) -> None:
    rows, _ = synthetic_rows(replace(SIZES, tracks=30))
    rows.save(tmp_path / "rows.safetensors")
    again = Rows.load(tmp_path / "rows.safetensors")
    assert again.horizons == rows.horizons
    assert again.names == rows.names
    np.testing.assert_array_equal(again.labels, rows.labels)
    np.testing.assert_array_equal(again.residuals[2], rows.residuals[2])


def test_random_directions_are_unit_vectors_of_their_own() -> None:
    one, two = random_rows(16, 10, 0), random_rows(16, 10, 1)
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-6)
    assert not np.allclose(one, two)
