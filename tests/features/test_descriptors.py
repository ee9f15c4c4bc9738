"""Curves and activations made by hand -> the word that fits, its score and its correlation."""

import numpy as np
import torch

from drawbar.features.labellers.descriptors import (
    DescriptorSettings,
    correlations,
    label_from_descriptors,
    score_descriptors,
    window_curves,
)


def test_a_feature_that_follows_brightness_is_called_bright() -> None:
    generator = torch.Generator().manual_seed(0)
    names = ("loudness_db", "centroid_hz")
    sides = []
    for _ in range(2):
        curves = torch.rand(200, 2, generator=generator)
        activation = torch.stack([curves[:, 1], -curves[:, 0] + 1, torch.rand(200, generator=generator)], 1)
        sides.append((activation, curves))
    related = correlations(*sides[1])
    labels = label_from_descriptors(
        2, score_descriptors(names, *sides), related, DescriptorSettings(), [0, 1, 2]
    )
    assert [(x.feature, x.label.text) for x in labels] == [("2/0", "bright"), ("2/1", "quiet")]
    assert labels[0].label.evidence["r_held_out"] > 0.99
    assert labels[1].label.evidence["r_held_out"] < -0.99


def test_windows_are_means_and_no_pitch_is_no_low_pitch() -> None:
    curves = {
        "loudness_db": np.arange(10, dtype=np.float32),
        "pitch_hz": np.array([0, 0, 0, 440, 440, 440, 440, 0, 440, 440], dtype=np.float32),
    }
    found = window_curves(curves, ("loudness_db", "pitch_hz"), 10, 5)
    assert found[:, 0].tolist() == [2.0, 7.0]
    assert bool(found[0, 1].isnan())
    assert float(found[1, 1]) == 440.0


def test_a_constant_curve_correlates_with_nothing() -> None:
    found = correlations(torch.rand(20, 3), torch.ones(20, 1))
    assert found.abs().max() == 0
