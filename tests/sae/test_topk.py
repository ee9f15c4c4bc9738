"""Random residuals -> the SAE's two forms, dense and by pairs, agree; so do their gradients."""

import pytest
import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.sae import SAE
from drawbar.sae.sparse import autoencode, decode_pairs, largest, winners


def some_sae(d_model: int = 12, d_sae: int = 40, k: int = 5) -> SAE:
    generator = torch.Generator().manual_seed(0)
    sae = SAE(d_model, d_sae, k, layer=2, fingerprint="f" * 64)
    sae.initialise(generator, mean=torch.randn(d_model, generator=generator))
    with torch.no_grad():
        sae.b_enc.copy_(torch.randn(d_sae, generator=generator) * 0.1)
    return sae


def some_rows(n: int = 64, d_model: int = 12) -> Tensor:
    return torch.randn(n, d_model, generator=torch.Generator().manual_seed(1)) * 3


def test_at_most_k_features_fire_and_none_below_zero() -> None:
    a = some_sae().encode(some_rows()).detach()
    assert int((a > 0).sum(1).max()) <= 5
    assert float(a.min()) == 0.0


def test_decoding_pairs_equals_decoding_all_features() -> None:
    sae, x = some_sae(), some_rows()
    torch.testing.assert_close(sae(x), sae.decode(sae.encode(x)), atol=1e-5, rtol=1e-5)


def test_sparse_gradients_equal_dense_ones() -> None:
    sae, x = some_sae(), some_rows()
    wanted = torch.autograd.grad((sae.decode(sae.encode(x)) - x).square().sum(), list(sae.parameters()))
    guess, values, indices = autoencode(x, sae.b_dec, (sae.W_enc, sae.b_enc), sae.W_dec, sae.k)
    torch.testing.assert_close(decode_pairs(values, indices, sae.W_dec) + sae.b_dec, guess)
    ours = (guess - x).square().sum()
    for expected, found in zip(wanted, torch.autograd.grad(ours, list(sae.parameters())), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)


def test_folding_the_scale_in_gives_activations_in_residual_units() -> None:
    sae, x = some_sae(), some_rows()
    folded = sae.folded(0.25)
    torch.testing.assert_close(folded.encode(x * 4) * 0.25, sae.encode(x), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(folded(x * 4) * 0.25, sae(x), atol=1e-4, rtol=1e-4)


def test_more_firing_features_than_there_are_is_refused() -> None:
    with pytest.raises(BadInputError, match="k=9"):
        SAE(4, 8, 9)


@pytest.mark.parametrize(("features", "k"), [(40, 5), (64, 2), (512, 16), (512, 1), (520, 32), (8, 8)])
def test_the_winners_of_two_rounds_are_the_k_largest(features: int, k: int) -> None:
    pre = torch.randn(50, features, generator=torch.Generator().manual_seed(features + k))
    found = pre.gather(1, largest(pre, k)).sort(1, descending=True).values
    assert torch.equal(found, pre.topk(k, dim=1).values)


@pytest.mark.parametrize("rows", [1, 300, 700])
def test_lots_of_rows_give_what_one_product_gives(rows: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    x, weight = torch.randn(rows, 12, generator=generator), torch.randn(12, 4096, generator=generator)
    bias = torch.randn(4096, generator=generator)
    values, indices = winners(x, weight, bias, 5)
    wanted = (x @ weight + bias).topk(5, dim=1).indices.sort(1).values
    assert torch.equal(indices, wanted)
    torch.testing.assert_close(values, (x @ weight + bias).gather(1, wanted).relu())
