"""An SAE and residuals of its layer and its neighbours -> at which of them it is at home.

An SAE reconstructs the residuals that it was trained on better than those one block earlier or later. Where
that is not so, somebody has counted layers from 1 in one place and from 0 in another.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.sae.metrics import measure
from drawbar.sae.topk import SAE

_TIE = 1.03
"""Neighbouring layers of a residual stream are much alike: errors less than 3 % apart do not tell them from each other.

The embedded model's SAE of layer 2 misses 34.3 % of the variance there, 34.4 % at layer 3 and 34.7 % at layer 4.
Among layers that tie, the residuals' mean norm decides (52, 53.5 and 55.5 there), where the SAE knows its own.
"""


@dataclass(frozen=True)
class SiteTest:
    """Where an SAE says that it belongs, and how well it reconstructs there and nearby."""

    layer: int
    fvu: Mapping[int, float]
    """layer -> share of the variance there that the reconstruction misses."""
    norms: Mapping[int, float]
    """layer -> mean norm of the residuals there."""
    norm: float | None = None
    """Mean norm of the residuals that it was trained on; None where that is not known."""

    @property
    def best(self) -> int:
        """The layer that it reconstructs best; among those that tie, its own or the one of its norm."""
        least = min(self.fvu.values())
        tied = [layer for layer, fvu in self.fvu.items() if fvu <= _TIE * least]
        if self.norm is not None:
            norm = self.norm
            return min(tied, key=lambda layer: abs(math.log(max(self.norms[layer], 1e-12) / norm)))
        return self.layer if self.layer in tied else min(tied, key=lambda layer: self.fvu[layer])

    @property
    def passed(self) -> bool:
        return self.best == self.layer

    def require(self, what: str) -> None:
        """Raises SiteMismatchError, with the figures, unless the test is passed."""
        if self.passed:
            return
        figures = ", ".join(f"layer {layer}: {fvu:.3f}" for layer, fvu in sorted(self.fvu.items()))
        raise SiteMismatchError(
            f"{what} says layer {self.layer}, but it reconstructs layer {self.best} better (share of the "
            f"variance missed at {figures}); layers are counted from 0 here and from 1 in some papers: "
            f"correct its layer to {self.best}, or train one on residuals of layer {self.layer}"
        )


def site_test(sae: SAE, residuals: Mapping[int, Iterable[Tensor]], *, norm: float | None = None) -> SiteTest:
    """Measure the SAE at every layer given.

    Args:
        sae: in residual units.
        residuals: layer -> batches [N, D] of the same positions; the SAE's own layer must be among them.
        norm: mean norm of the residuals that it was trained on.

    Raises:
        BadInputError: no residuals of its own layer.
    """
    if sae.layer not in residuals:
        raise BadInputError(
            f"a site test of layer {sae.layer} needs its residuals; given: {sorted(residuals)}"
        )
    fvu, norms = {}, {}
    for layer, rows in residuals.items():
        sums = [0.0, 0.0]
        fvu[layer] = measure(sae, _weighed(rows, sums)).fvu
        norms[layer] = sums[0] / max(sums[1], 1.0)
    return SiteTest(sae.layer, fvu, norms, norm)


def _weighed(rows: Iterable[Tensor], sums: list[float]) -> Iterator[Tensor]:
    """The same batches; adds up their rows' norms and count."""
    for batch in rows:
        sums[0] += float(batch.float().norm(dim=1).sum())
        sums[1] += len(batch)
        yield batch
