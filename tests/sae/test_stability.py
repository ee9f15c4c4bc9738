"""What of an SAE another seed finds again."""

import pytest
import torch

from drawbar.errors import BadInputError
from drawbar.sae import SAE
from drawbar.sae.stability import UNSTABLE, stability


def sae_of(rows: torch.Tensor) -> SAE:
    sae = SAE(rows.shape[1], len(rows), 2)
    with torch.no_grad():
        sae.W_dec.copy_(rows)
        sae.W_enc.copy_(rows.T)
    return sae


def test_what_is_there_again_is_stable_in_any_order_and_what_is_not_is_told() -> None:
    axes = torch.eye(8)
    mine, theirs = sae_of(axes[:4]), sae_of(torch.stack([axes[2], axes[0], axes[1], axes[6]]))
    rows = torch.rand(500, 8, generator=torch.Generator().manual_seed(0))
    found = stability(mine, [theirs, theirs], rows)
    assert found.seeds == 3
    torch.testing.assert_close(found.cosine, torch.tensor([1.0, 1.0, 1.0, 0.0]))
    assert bool((found.correlation[:3] > 0.5).all())
    assert float(found.cosine[3]) < UNSTABLE


def test_nothing_to_compare_with_is_refused() -> None:
    with pytest.raises(BadInputError):
        stability(sae_of(torch.eye(4)), [], torch.ones(3, 4))
