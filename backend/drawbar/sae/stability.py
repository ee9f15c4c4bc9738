"""An SAE and the same trained from other seeds -> for every feature, how much of it is found again.

Only about 30 % of a language model's features are shared between seeds (arXiv 2501.16615): what another seed does not
find may be an accident of this one. A feature's match is the one of the other SAE that points most the same way; it is
told by that cosine and by how well the two fire together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from drawbar.errors import BadInputError
from drawbar.sae.topk import SAE

UNSTABLE = 0.5
"""Below this mean best cosine a feature counts as an accident of its seed."""
_CHUNK = 1024


@dataclass(frozen=True)
class Stability:
    """Means over the other seeds."""

    cosine: Tensor
    """``[F]`` best cosine of decoder rows."""
    correlation: Tensor
    """``[F]`` of the activations of a feature and its match; 0 where either never fires."""
    seeds: int
    """All of them, this one included."""


@torch.no_grad()
def stability(sae: SAE, others: Sequence[SAE], rows: Tensor) -> Stability:
    """``rows`` are residuals ``[N, D]`` on which activations are compared. Raises BadInputError without others."""
    if not others or not len(rows):
        raise BadInputError(
            f"{len(others)} other seeds, {len(rows)} residuals: at least one of both is needed"
        )
    mine = functional.normalize(sae.W_dec, dim=1)
    fires = _centred(sae.encode(rows))
    cosines, correlations = [], []
    for other in others:
        theirs = functional.normalize(other.W_dec, dim=1)
        best = [(part @ theirs.T).max(1) for part in torch.split(mine, _CHUNK)]
        cosines.append(torch.cat([found.values for found in best]))
        match = torch.cat([found.indices for found in best])
        correlations.append((fires * _centred(other.encode(rows))[:, match]).sum(0))
    return Stability(torch.stack(cosines).mean(0), torch.stack(correlations).mean(0), 1 + len(others))


def _centred(activations: Tensor) -> Tensor:
    """``[N, F]`` with mean 0 and length 1 in every column; zeros where nothing varies."""
    away = activations - activations.mean(0)
    size = away.norm(dim=0)
    return torch.where(size > 1e-6, away / size.clamp_min(1e-6), 0.0)
