"""A model whose residuals are known: what tests of directions plant and find again."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

WIDTH = 24


class FakeModel:
    """Layer 0 knows nothing; layer 1 holds bit 0 of the tokens on axis 3 and bit 1 on axis 5. Positions drift."""

    spec = SimpleNamespace(d_model=WIDTH, n_layers=2, context_frames=1500)
    fingerprint = "f" * 64
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.codec = SimpleNamespace(
            encode=lambda audio: audio[0, 0, ::640].long()[None, None].expand(1, 4, -1)
        )
        self.calls = 0

    def residuals(self, tokens: Tensor, prompts: Any = None, layers: Sequence[int] = ()) -> dict[int, Tensor]:
        self.calls += 1
        b, _, t = tokens.shape
        noise = torch.randn(2, b, t + 1, WIDTH, generator=torch.Generator().manual_seed(int(tokens.sum())))
        noise[..., 7] += torch.arange(t + 1) * 0.2
        held = noise[1].clone()
        held[:, 1:, 3] += 4.0 * (tokens[:, 0] & 1)
        held[:, 1:, 5] += 2.0 * ((tokens[:, 0] >> 1) & 1)
        out = {0: noise[0], 1: held}
        return {layer: out[layer] for layer in layers}


def fake_model() -> Any:
    """Stands in for a `Model`, of which it has what is asked for."""
    return FakeModel()


def clips(bit: int, count: int, frames: int = 60, first: int = 0) -> list[Tensor]:
    """Tokens with bit 0 set or not, otherwise different ones."""
    rows = []
    for seed in range(first, first + count):
        drawn = torch.randint(0, 500, (4, frames), generator=torch.Generator().manual_seed(seed))
        drawn[0] = drawn[0] * 2 + bit
        rows.append(drawn)
    return rows
