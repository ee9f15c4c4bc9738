"""A model whose logits are a line of one residual -> cross-entropy recovered by splicing."""

from typing import Any

import pytest
import torch
from torch import Tensor

from drawbar.sae import SAE, cross_entropy_recovered


class LinearModel:
    """One layer: residual of frame t = the token's one-hot row; logits read it off."""

    def logits(self, tokens: Tensor, prompts: None = None, *, steering: Any = None) -> Tensor:
        one_hot = torch.nn.functional.one_hot(tokens[:, 0], 8).float() * 6
        x = torch.nn.functional.pad(one_hot, (0, 0, 1, 0))  # [B, S, D]
        if steering is not None:
            x = steering.settled(None).holds(0, x.shape[1])[2].apply(x, 0)
        out = x[:, None, 1:].repeat(1, tokens.shape[1], 1, 1)
        out[:, 1:, -1] = torch.nan  # what is past the valid steps
        return out


def test_a_perfect_sae_recovers_all_and_a_dead_one_nothing() -> None:
    sae = SAE(8, 8, 1, layer=2)
    with torch.no_grad():
        sae.W_enc.copy_(torch.eye(8))
        sae.W_dec.copy_(torch.eye(8))
    tokens = torch.arange(8).repeat(2, 2, 3)
    found = cross_entropy_recovered(sae, LinearModel(), tokens)
    assert found.share == pytest.approx((1.0, 1.0))
    with torch.no_grad():
        sae.W_dec.zero_()
    assert cross_entropy_recovered(sae, LinearModel(), tokens).share == pytest.approx((0.0, 0.0), abs=1e-6)
