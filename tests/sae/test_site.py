"""SAEs of a planted stream of layers -> at home at their own; one that was moved by one layer is refused."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.sae import SAE, SaeSettings, site_test
from drawbar.sae.train import train_sae

SETTINGS = SaeSettings(d_sae=32, k=3, batch=256, steps=250, lr=5e-3, k_aux=8, log_every=50)


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


def test_layers_that_tie_are_told_apart_by_their_norm(trained: tuple[SAE, list[Tensor]]) -> None:
    sae, stream = trained
    rows = stream[1]
    alike = {0: [rows * 0.99], 1: [rows], 2: [rows * 1.01]}
    norm = float(rows.norm(dim=1).mean())
    assert site_test(sae, alike, norm=norm).passed
    moved = sae.empty_like()
    moved.load_state_dict(sae.state_dict())
    moved.layer = 2
    found = site_test(moved, alike, norm=norm)
    assert (found.best, found.passed) == (1, False)
    assert site_test(moved, alike).passed, "without the norm a tie is no mismatch"
