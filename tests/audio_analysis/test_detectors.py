"""Detectors: they learn what is plainly audible, store what they are worth, and survive saving."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from drawbar.audio_analysis import Detectors, balanced_accuracy
from drawbar.audio_analysis.detector_training import DetectorSettings, train_detectors
from drawbar.audio_analysis.detectors import clip_truth
from drawbar.audio_analysis.scoring import auroc, best_threshold
from drawbar.errors import BadInputError, CheckpointError

RATE = 32_000
NAMES = ("hum", "hiss")


def clips(count: int, seed: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Two seconds with or without a low tone, and with or without noise in most of it."""
    rng = np.random.default_rng(seed)
    times = np.arange(2 * RATE) / RATE
    for _ in range(count):
        hum, hiss = rng.random(2) < 0.5
        second_half = bool(rng.random() < 0.5)
        audio = rng.normal(0, 1e-4, times.size)
        audio += hum * 0.3 * np.sin(2 * np.pi * rng.uniform(80, 120) * times)
        truth = np.zeros((100, 2), bool)
        truth[:, 0] = hum
        if hiss:
            part = slice(40, 100) if second_half else slice(0, 60)
            truth[part, 1] = True
            audio[part.start * 640 : part.stop * 640] += rng.normal(0, 0.1, 60 * 640)
        yield audio.astype(np.float32), truth


@pytest.fixture(scope="module")
def trained() -> Detectors:
    torch.set_num_threads(1)
    settings = DetectorSettings(epochs=10, batch=8, crop_s=1.6, width=16)
    return train_detectors(clips(48, 1), clips(24, 2), NAMES, settings)


def test_what_is_plainly_audible_is_heard_and_when(trained: Detectors) -> None:
    assert trained.names == NAMES
    assert trained.reports["hum"].auroc > 0.9
    audio, truth = next((a, t) for a, t in clips(20, 3) if t[40:, 1].all() and not t[:40, 1].any())
    curve = trained.curves(audio)["hiss"]
    assert curve.shape == (25,)
    assert curve[12:].mean() > curve[:8].mean() + 0.3
    assert set(trained.scores(audio)) == set(NAMES)
    assert truth.shape == (100, 2)


def test_saved_detectors_score_as_before(trained: Detectors, tmp_path: Path) -> None:
    trained.save(tmp_path)
    loaded = Detectors.load(tmp_path)
    assert loaded.reports == trained.reports
    assert loaded.training["clips"] == 48
    json.loads((tmp_path / "detectors.json").read_text(), parse_constant=pytest.fail)  # no NaN in the file
    audio = np.stack([a for a, _ in clips(4, 4)])
    np.testing.assert_allclose(loaded.batch_scores(audio), trained.batch_scores(audio), atol=0.02)  # fp16
    assert loaded.heard(audio[0]).keys() == set(NAMES)


def test_a_batch_scores_as_its_clips_do_and_a_long_clip_as_a_short_one(trained: Detectors) -> None:
    audio = np.stack([a for a, _ in clips(3, 5)])
    single = [list(trained.scores(clip).values()) for clip in audio]
    np.testing.assert_allclose(trained.batch_scores(audio), single, atol=1e-5)
    assert trained.logits(np.zeros(65 * RATE, np.float32)).shape == (813, 2)


def test_audio_that_is_not_finite_is_refused(trained: Detectors) -> None:
    with pytest.raises(BadInputError, match="finite"):
        trained.scores(np.full(RATE, np.nan))
    with pytest.raises(BadInputError, match="finite"):
        trained.scores(np.zeros(0))


def test_training_needs_clips_and_truth_that_fits() -> None:
    with pytest.raises(BadInputError, match="no clips"):
        train_detectors([], [], NAMES)
    with pytest.raises(BadInputError, match="one column per factor"):
        train_detectors([(np.zeros(RATE, np.float32), np.zeros((50, 3), bool))], [], NAMES)
    with pytest.raises(BadInputError, match="out of range"):
        DetectorSettings(epochs=0)


def test_a_folder_without_sound_detectors_is_refused(trained: Detectors, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"drawbar\.bundled"):
        Detectors.load(tmp_path)
    trained.save(tmp_path)
    about = json.loads((tmp_path / "detectors.json").read_text())
    (tmp_path / "detectors.json").write_text(json.dumps(about | {"width": 32}))
    with pytest.raises(CheckpointError):
        Detectors.load(tmp_path)
    (tmp_path / "detectors.json").write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(CheckpointError, match="format 99"):
        Detectors.load(tmp_path)


def test_auroc_counts_ties_half() -> None:
    assert auroc([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]) == 1.0
    assert auroc([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1]) == 0.0
    assert auroc([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1]) == 0.5
    assert auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == 0.75
    assert np.isnan(auroc([0.1, 0.2], [1, 1]))


def test_the_best_threshold_separates_what_can_be_separated() -> None:
    scores, truth = [0.1, 0.2, 0.6, 0.9], [False, False, True, True]
    threshold = best_threshold(scores, truth)
    assert 0.2 < threshold < 0.6
    assert balanced_accuracy(scores, truth, threshold) == 1.0
    assert balanced_accuracy(scores, truth, 0.7) == 0.75
    assert np.isnan(balanced_accuracy(scores, [True] * 4, 0.5))
    assert best_threshold(scores, [False] * 4) == 0.5


def test_clip_truth_leaves_out_what_is_in_between() -> None:
    np.testing.assert_array_equal(clip_truth([0.0, 0.04, 0.3, 0.51, 1.0]), [0, 0, np.nan, 1, 1])
