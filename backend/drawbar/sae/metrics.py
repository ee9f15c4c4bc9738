"""An SAE and residuals, or an SAE in its model -> how much it keeps and how much it costs.

fvu, l0 and dead share need residuals only; the cross-entropy recovered needs a model that lets a residual
be replaced while it runs.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from drawbar.errors import BadInputError
from drawbar.musicgen.interfaces import Hold, Lanes, SettledSteering
from drawbar.sae.topk import SAE


@dataclass(frozen=True)
class SaeMetrics:
    """What every SAE reports."""

    fvu: float
    """Share of the variance that the reconstruction misses."""
    l0: float
    """Features that fire at a position, on average."""
    dead_share: float
    """Share of the features that never fired."""
    tokens: int
    """Positions that this was measured on."""

    def to_dict(self) -> dict[str, float | int]:
        return asdict(self)


@torch.no_grad()
def measure(sae: SAE, batches: Iterable[Tensor], alive: Tensor | None = None) -> SaeMetrics:
    """fvu, l0 and dead share over batches [N, D], in one pass with float64 sums.

    ``alive`` bool [F], if given, is where features that fired are marked, those of earlier passes included.
    """
    error = squares = fired = torch.zeros((), dtype=torch.float64)
    total = torch.zeros(sae.d_model, dtype=torch.float64)
    alive = torch.zeros(sae.d_sae, dtype=torch.bool) if alive is None else alive
    n = 0
    for batch in batches:
        x = batch.to(sae.W_dec.device, torch.float32)
        values, indices = sae.top(x)
        guess = sae.decode_top(values, indices) if sae.threshold is None else sae(x)
        error = error + (x - guess).square().sum().double().cpu()
        centred = (x - sae.b_dec).double()
        squares = squares + centred.square().sum().cpu()
        total += centred.sum(0).cpu()
        fired = fired + (values > 0).sum().double().cpu()
        alive[indices[values > 0].cpu()] = True
        n += len(x)
    if n == 0:
        raise BadInputError("an SAE cannot be measured on no residuals at all")
    spread = squares - total.square().sum() / n
    return SaeMetrics(float(error / spread), float(fired / n), 1 - float(alive.float().mean()), n)


@torch.no_grad()
def seed_stability(a: SAE, b: SAE) -> float:
    """Mean over a's features of the best cosine with one of b's."""
    left, right = functional.normalize(a.W_dec, dim=1), functional.normalize(b.W_dec, dim=1)
    return float(torch.cat([(rows @ right.T).amax(1) for rows in torch.split(left, 1024)]).mean())


@dataclass(frozen=True)
class Recovered:
    """Cross-entropy per codebook (nats) and the share of it that the SAE's reconstruction gives back."""

    clean: tuple[float, ...]
    spliced: tuple[float, ...]
    zeroed: tuple[float, ...]

    @property
    def share(self) -> tuple[float, ...]:
        """1 = as good as the untouched model, 0 = as bad as a residual of zeros."""
        return tuple(
            (zero - spliced) / (zero - clean) if zero > clean else float("nan")
            for clean, spliced, zero in zip(self.clean, self.spliced, self.zeroed, strict=True)
        )


@runtime_checkable
class TeacherForced(Protocol):
    """The part of a model that this needs."""

    def logits(
        self, tokens: Tensor, prompts: None = None, *, steering: SettledSteering | None = None
    ) -> Tensor:
        """Tokens [B, K, T] -> logits [B, K, T, card]; NaN where nothing is predicted."""
        ...


def cross_entropy_recovered(sae: SAE, model: TeacherForced, tokens: Tensor) -> Recovered:
    """Splice the reconstruction in at the SAE's layer and see how well tokens [B, K, T] are still predicted.

    Null text; the start position keeps its own residual. The zero is a residual of zeros.
    """

    def entropy(replace: Callable[[Tensor], Tensor] | None) -> tuple[float, ...]:
        splice = None if replace is None else _Splice(sae.layer, replace)
        out = model.logits(tokens, None, steering=splice).float()
        return tuple(_entropy(out[:, k], tokens[:, k].to(out.device)) for k in range(tokens.shape[1]))

    return Recovered(entropy(None), entropy(sae), entropy(torch.zeros_like))


def _entropy(logits: Tensor, targets: Tensor) -> float:
    """Mean over the positions [B, T] that are predicted at all, in nats."""
    known = ~logits[..., 0].isnan()
    return float(functional.cross_entropy(logits[known], targets[known].long()))


class _Splice:
    """Replaces a layer's residuals; to the model it is steering: an edit that is always on."""

    def __init__(self, layer: int, replace: Callable[[Tensor], Tensor]) -> None:
        self._layer, self._replace = layer, replace

    def settled(self, lanes: Lanes | None = None) -> "_Splice":
        return self

    def added(self, first: int, count: int) -> dict[int, Tensor]:
        return {}

    def holds(self, first: int, count: int) -> dict[int, Hold]:
        return {self._layer: self}

    @torch.no_grad()
    def apply(self, x: Tensor, branch: int) -> Tensor:
        """[N, n, D] with the start position first."""
        found = self._replace(x[:, 1:].reshape(-1, x.shape[-1]))
        return torch.cat([x[:, :1], found.view(len(x), -1, x.shape[-1])], 1)
