"""SAEs of a planted stream of layers -> at home at their own; one that was moved by one layer is refused."""

import random
import re

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.sae import SAE, SaeSettings, SiteTest, site_test
from drawbar.sae.train import train_sae

SETTINGS = SaeSettings(d_sae=32, k=3, batch=256, steps=250, lr=5e-3, k_aux=8, log_every=50)

_DRAW = random.Random(7)
given_shares = pytest.mark.parametrize(
    ("layer", "shares"),
    [
        (layer, {n: round(0.3 * (1 + _DRAW.uniform(0, spread)), 4) for n in (1, 2, 3)})
        for layer in (1, 2, 3)
        for spread in (0.005, 0.02, 0.08, 1.0)
    ],
)


def layers(n: int = 4, rows: int = 4096) -> list[Tensor]:
    """A residual stream: every block adds a few directions of its own to what came before."""
    generator = torch.Generator().manual_seed(3)
    x, found = torch.zeros(rows, 16), []
    for _ in range(n):
        planted = functional.normalize(torch.randn(12, 16, generator=generator), dim=1)
        which = torch.rand(rows, 12, generator=generator).topk(2, dim=1).indices
        strength = torch.rand(rows, 2, generator=generator) * 6 + 3
        x = x * 0.7 + torch.zeros(rows, 12).scatter(1, which, strength) @ planted
        found.append(x)
    return found


@pytest.fixture(scope="module")
def trained() -> tuple[SAE, list[Tensor]]:
    stream = layers()
    batches = (stream[1][torch.randint(0, 4096, (256,), generator=torch.Generator().manual_seed(s))]
               for s in range(251))  # fmt: skip
    return train_sae(batches, SETTINGS, layer=1).sae, stream


def test_an_sae_is_at_home_at_its_own_layer(trained: tuple[SAE, list[Tensor]]) -> None:
    sae, stream = trained
    found = site_test(sae, {layer: [stream[layer]] for layer in (0, 1, 2)})
    assert (found.best, found.passed) == (1, True)
    assert found.fvu[1] < min(found.fvu[0], found.fvu[2]) / 1.3
    found.require("it")


@pytest.mark.parametrize("moved", [0, 2])
def test_an_sae_moved_by_one_layer_is_refused_with_both_layers_named(
    trained: tuple[SAE, list[Tensor]], moved: int
) -> None:
    sae, stream = trained
    there = sae.empty_like()
    there.load_state_dict(sae.state_dict())
    there.layer = moved
    near = {layer: [stream[layer]] for layer in (moved - 1, moved, moved + 1) if layer >= 0}
    found = site_test(there, near)
    assert not found.passed
    with pytest.raises(SiteMismatchError, match=rf"says layer {moved}, but it reconstructs layer 1 better"):
        found.require("the SAE")


def test_a_site_test_needs_the_saes_own_layer(trained: tuple[SAE, list[Tensor]]) -> None:
    with pytest.raises(BadInputError, match="layer 1"):
        site_test(trained[0], {0: [torch.zeros(3, 16)]})


def test_layers_that_are_alike_are_no_mismatch_however_loud_they_are(
    trained: tuple[SAE, list[Tensor]],
) -> None:
    sae, stream = trained
    alike = {0: [stream[1] * 0.99], 1: [stream[1]], 2: [stream[1] * 1.01]}
    for layer in (0, 1, 2):
        moved = sae.empty_like()
        moved.load_state_dict(sae.state_dict())
        moved.layer = layer
        found = site_test(moved, alike)
        assert found.passed
        assert 0.05 < found.probability[layer] < 0.95, "nothing tells them apart"


def test_real_music_that_used_to_be_refused_passes() -> None:
    """31 tracks of game music, layer 2: the errors were smallest at home, the loudness nearest at layer 3."""
    shares = {1: 0.286, 2: 0.266, 3: 0.273}
    found = SiteTest(2, shares, shares)
    assert (found.best, found.passed) == (2, True)
    assert found.probability[2] > 0.9


@given_shares
def test_a_verdict_agrees_with_its_figures(layer: int, shares: dict[int, float]) -> None:
    found = SiteTest(layer, shares, shares)
    assert sum(found.probability.values()) == pytest.approx(1)
    assert max(found.probability, key=lambda n: found.probability[n]) == found.best
    try:
        found.require("the SAE")
    except SiteMismatchError as error:
        better = int(re.findall(r"reconstructs layer (\d) better", str(error))[0])
        figures = {int(n): float(x) for x, n in re.findall(r"([\d.]+) at layer (\d)", str(error))}
        assert min(figures, key=lambda n: figures[n]) == better != layer
        assert figures[better] < figures[layer]
    else:
        assert shares[layer] < 1.03 * min(shares.values()), "clearly elsewhere"
