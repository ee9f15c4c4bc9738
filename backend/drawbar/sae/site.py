"""An SAE and residuals of its layer and its neighbours -> at which of them it is at home.

An SAE reconstructs the residuals that it was trained on better than those one block earlier or later. Where
that is clearly not so, somebody has counted layers from 1 in one place and from 0 in another.

``drawbar bench site`` trains SAEs on unlike corpora, tests them on one another's, and prints how often this is right.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.sae.topk import SAE

_SHARPNESS = 200.0
"""How much an error that is 1 % larger counts against a layer: 200 x 1 % = 2 nats.

Fitted by logistic regression to 90 pairs of neighbouring layers of the embedded model (SAEs from three unlike
corpora, each tested on all three): left-out pairs had a log loss of 0.11; 4 of 90 pointed to the wrong layer,
none of them with a probability above 0.86.
"""
_SURE = 0.99
"""Of a mismatch, before an SAE is refused: layers of one stream are much alike, and a wrong refusal costs a build."""


@dataclass(frozen=True)
class SiteTest:
    """Where an SAE says that it belongs, and how well it reconstructs there and nearby."""

    layer: int
    fvu: Mapping[int, float]
    """layer -> share of the variance there that the reconstruction misses."""
    standardised: Mapping[int, float]
    """The same with each of the D numbers measured in its own standard deviations at that layer."""

    @cached_property
    def error(self) -> dict[int, float]:
        """layer -> the geometric mean of the two shares; together they err less often than either alone."""
        return {n: math.sqrt(self.fvu[n] * self.standardised[n]) for n in self.fvu}

    @cached_property
    def probability(self) -> dict[int, float]:
        """layer -> how probable it is that the SAE was trained there, if it was at one of these."""
        best = min(self.error.values())
        if best <= 0:
            return {n: float(n == self.best) for n in self.error}
        weights = {n: math.exp(-_SHARPNESS * math.log(error / best)) for n, error in self.error.items()}
        return {n: weight / sum(weights.values()) for n, weight in weights.items()}

    @property
    def best(self) -> int:
        """The layer that it reconstructs best; its own, if others only do as well."""
        return min(self.error, key=lambda n: (self.error[n], n != self.layer))

    @property
    def passed(self) -> bool:
        """False only where it clearly belongs to a neighbour."""
        return self.probability[self.layer] >= 1 - _SURE

    def require(self, what: str) -> None:
        """Raises SiteMismatchError, with the figures, unless the test is passed."""
        if self.passed:
            return
        figures = ", ".join(f"{self.error[n]:.4f} at layer {n}" for n in sorted(self.error))
        raise SiteMismatchError(
            f"{what} says layer {self.layer}, but it reconstructs layer {self.best} better (share of the "
            f"variance missed: {figures}; probability that it belongs to layer {self.layer}: "
            f"{self.probability[self.layer]:.1g}). Layers are counted from 0 here and from 1 in some papers: "
            f"correct its layer, or train one on residuals of layer {self.layer}"
        )


def site_test(sae: SAE, residuals: Mapping[int, Iterable[Tensor]]) -> SiteTest:
    """Measure the SAE at every layer given.

    Args:
        sae: in residual units.
        residuals: layer -> batches [N, D] of the same positions; the SAE's own layer must be among them.

    Raises:
        BadInputError: no residuals of its own layer.
    """
    if sae.layer not in residuals:
        raise BadInputError(
            f"a site test of layer {sae.layer} needs its residuals; given: {sorted(residuals)}"
        )
    found = {layer: _missed(sae, batches) for layer, batches in residuals.items()}
    return SiteTest(sae.layer, {n: f[0] for n, f in found.items()}, {n: f[1] for n, f in found.items()})


@torch.no_grad()
def _missed(sae: SAE, batches: Iterable[Tensor]) -> tuple[float, float]:
    """Share of the variance missed, and the mean of that share over single dimensions.

    Variance is about this layer's own mean; the reconstruction is not centred, so that a decoder bias that is another
    layer's mean counts as the error that it is.
    """
    error, total, squares = (torch.zeros(sae.d_model, dtype=torch.float64) for _ in range(3))
    n = 0
    for batch in batches:
        x = batch.to(sae.W_dec.device, torch.float32)
        error += (x - sae(x)).double().square().sum(0).cpu()
        centred = (x - sae.b_dec).double()  # near zero, so that the difference of squares keeps its digits
        total += centred.sum(0).cpu()
        squares += centred.square().sum(0).cpu()
        n += len(x)
    if n == 0:
        raise BadInputError("an SAE cannot be tested on no residuals at all")
    variance = squares - total.square() / n
    moving = variance > 1e-9 * variance.mean()
    return float(error.sum() / variance.sum()), float((error[moving] / variance[moving]).mean())
