"""An SAE and residuals of its layer and its neighbours -> at which of them it is at home.

An SAE reconstructs the residuals that it was trained on better than those one block earlier or later. Where
that is not so, somebody has counted layers from 1 in one place and from 0 in another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.sae.metrics import measure
from drawbar.sae.topk import SAE

__all__ = ["SiteTest", "site_test"]


@dataclass(frozen=True)
class SiteTest:
    """Where an SAE says that it belongs, and how well it reconstructs there and nearby."""

    layer: int
    fvu: Mapping[int, float]
    """layer -> share of the variance there that the reconstruction misses."""

    @property
    def best(self) -> int:
        """The layer that it reconstructs best."""
        return min(self.fvu, key=lambda layer: self.fvu[layer])

    @property
    def passed(self) -> bool:
        """Whether that is its own."""
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
    return SiteTest(sae.layer, {layer: measure(sae, rows).fvu for layer, rows in residuals.items()})
