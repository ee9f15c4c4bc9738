"""A feature and the residuals it was seen in -> the directions that ablate it, scale it up, and its random twins.

A twin is a random feature: as dense, and taking away as much on average, but pointing anywhere. Ablating and adding
then differ from the candidate in one thing only: which feature it is.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from drawbar.errors import BadInputError
from drawbar.research.horizon.controls import random_rows
from drawbar.research.horizon.horizons import Floats
from drawbar.steering import Direction

Way = Literal["ablate", "scale up"]
ACTED = "acted"
"""The id that every direction has while it is played, so that one automation moves them all."""


@dataclass(frozen=True, eq=False)
class Acted:
    """One feature, real or random, ready to be taken away or added."""

    id: str
    layer: int
    encoder: Floats
    """[D]."""
    bias: float
    threshold: float
    decoder: Floats
    """[D], unit length."""
    scale: float
    """What amount 1 adds."""

    def activations(self, residual: Floats) -> Floats:
        """[N, D] -> [N]."""
        pre = residual @ self.encoder + self.bias
        found: Floats = np.where((pre > 0) & (pre > self.threshold), pre, 0).astype(np.float32)
        return found


def twin(real: Acted, residual: Floats, seed: int) -> Acted:
    """A random feature whose density and mean activation over ``residual`` [N, D] are the real one's.

    Raises BadInputError for a feature that never fires there.
    """
    active = real.activations(residual)
    density, mean = float((active > 0).mean()), float(active.mean())
    if density == 0:
        raise BadInputError(
            f"feature {real.id} does not fire at any of {len(residual)} positions: nothing to match"
        )
    row = random_rows(residual.shape[1], 1, seed)[0]
    along = residual @ row
    level = float(np.quantile(along, 1 - density))
    above = np.maximum(along - level, 0)
    gain = mean / max(float(above.mean()), 1e-12)
    return Acted(f"random {seed}", real.layer, row * gain, -level * gain, 0.0, row, real.scale)


def direction(acted: Acted, way: Way, amount: float) -> Direction:
    """What the sliders play: at 1 the feature is gone, or ``amount`` times its scale is added."""
    return Direction(
        id=ACTED,
        layer=acted.layer,
        vector=torch.from_numpy(acted.decoder),
        scale=acted.scale * amount,
        encoder=torch.from_numpy(acted.encoder),
        bias=acted.bias,
        threshold=acted.threshold,
        mode="mute" if way == "ablate" else "add",
    )
