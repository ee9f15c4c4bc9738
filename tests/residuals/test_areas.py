"""Areas under the curve and probes: every fast path gives what the plain definition gives."""

import pytest
import torch
from torch import Tensor

from drawbar.features.scoring import auroc
from drawbar.residuals.areas import auroc_columns, auroc_each, auroc_pairs
from drawbar.residuals.probes import _STRENGTHS, _ridge, dense_probe, few_columns


def naive(scores: Tensor, truth: Tensor) -> float:
    """Share of (true, false) pairs in the right order, ties half."""
    up, down = scores[truth], scores[~truth]
    over = (up[:, None] > down).double() + 0.5 * (up[:, None] == down).double()
    return float(over.mean())


@pytest.fixture
def draw() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_columns_pairs_and_each_agree_with_the_definition_also_with_ties(draw: torch.Generator) -> None:
    a = (torch.randn(300, 9, generator=draw) * 3).round().clamp_min(0)  # many zeros and equal values
    a[:, 4] = 0  # never fires
    truth = torch.rand(300, 5, generator=draw) < 0.3
    wanted = torch.tensor([[naive(a[:, f], truth[:, c]) for c in range(5)] for f in range(9)])
    at = a.nonzero()
    pairs = (a[at[:, 0], at[:, 1]], at[:, 0], at[:, 1])
    for found in (auroc_columns(a, truth), auroc_pairs(pairs, 9, truth), auroc(a, truth)):
        torch.testing.assert_close(found, wanted.float(), atol=2e-5, rtol=0)
    torch.testing.assert_close(auroc_each(a[:, :5], truth), wanted.diagonal().float(), atol=2e-5, rtol=0)


def test_a_concept_that_is_always_true_has_no_area(draw: torch.Generator) -> None:
    scores = torch.randn(20, 2, generator=draw)
    truth = torch.stack([torch.ones(20, dtype=torch.bool), torch.arange(20) < 9], 1)
    found = auroc_columns(scores, truth)
    assert found[:, 0].isnan().all()
    assert not found[:, 1].isnan().any()


def test_a_dense_probe_reads_a_direction_from_pieces_that_it_has_not_seen(draw: torch.Generator) -> None:
    x = torch.randn(2000, 20, generator=draw) * torch.logspace(-1, 1, 20) + 5
    truth = (x[:, :2] - 5) + 0.02 * torch.randn(2000, 2, generator=draw) > 0
    probe = dense_probe(x[:1000], truth[:1000], torch.arange(1000) // 50)
    assert auroc_each(probe(x[1000:]), truth[1000:]).min() > 0.98
    assert probe.trained.min() > 0.97


def test_a_dense_probe_of_noise_is_at_chance_on_the_pieces_left_out(draw: torch.Generator) -> None:
    piece = torch.arange(600) // 30
    x = torch.randn(600, 300, generator=draw)
    truth = (torch.rand(20, 1, generator=draw) < 0.5)[piece]
    assert abs(float(dense_probe(x, truth, piece).trained) - 0.5) < 0.2


def test_a_few_columns_are_chosen_for_what_they_add_to_one_another(draw: torch.Generator) -> None:
    x = torch.randn(3000, 30, generator=draw)
    x[:, 7] = x[:, 3]  # a copy adds nothing
    truth = x[:, 3] + 0.5 * x[:, 11] > 0
    columns, weight, bias = few_columns(x[:1500], truth[:1500], torch.arange(30), count=2)
    assert len({3, 7} & set(columns.tolist())) == 1
    assert 11 in columns.tolist()
    seen = x[1500:, columns] @ weight + bias
    assert naive(seen, truth[1500:]) > 0.99


@pytest.mark.parametrize("rows", [20, 200])
def test_ridge_gives_the_plain_solution_with_fewer_rows_than_columns_too(
    rows: int, draw: torch.Generator
) -> None:
    z = torch.randn(rows, 60, generator=draw) + 0.3
    y = torch.randn(rows, 2, generator=draw)
    centred = (z - z.mean(0)).double()
    gram = centred.T @ centred / rows
    for strength, (weight, bias) in zip(_STRENGTHS, _ridge(z, y), strict=True):
        wall = strength * gram.diagonal().mean() * torch.eye(60, dtype=torch.float64)
        wanted = torch.linalg.solve(gram + wall, centred.T @ (y - y.mean(0)).double() / rows).float()
        torch.testing.assert_close(weight, wanted, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(bias, y.mean(0) - z.mean(0) @ wanted, atol=1e-3, rtol=1e-3)
