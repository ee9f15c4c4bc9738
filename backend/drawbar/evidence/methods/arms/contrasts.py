"""Concepts' contrasts -> difference in means, the same without the other concepts' directions, a probe's normal."""

import numpy as np

from drawbar.bank import Push
from drawbar.evidence.methods.material import Material, unit
from drawbar.evidence.methods.method import Steer
from drawbar.evidence.statistics.responses import Floats

_RIDGE = 0.3
"""Of the other directions' mean square: a little of what they share with the concept stays with it."""


def difference_in_means(material: Material, concept: str) -> Steer | None:
    """At the layer where it tells the concept best."""
    one = material.contrast(concept)
    return None if one is None else _steer(material, one.layer, one.vector)


def others_projected_out(material: Material, concept: str) -> Steer | None:
    """The same less what the directions of concepts of other groups explain of it (ridge, so that some is left)."""
    one = material.contrast(concept)
    if one is None:
        return None
    group = concept.partition(":")[0]
    rest = [
        other.vector
        for name, rows in material.contrasts.items()
        for other in rows
        if other.layer == one.layer and name.partition(":")[0] != group
    ]
    if not rest:
        return None
    basis = np.stack(rest).astype(np.float64)
    gram = basis @ basis.T
    share = np.linalg.solve(
        gram + _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), basis @ one.vector
    )
    return _steer(material, one.layer, one.vector - share @ basis)


def probe(material: Material, concept: str) -> Steer | None:
    """The normal of the supervised readout, fitted on centred residuals."""
    one = material.contrast(concept)
    if one is None or one.normal is None:
        return None
    return _steer(material, one.layer, one.normal)


def _steer(
    material: Material, layer: int, vector: Floats | np.ndarray[tuple[int], np.dtype[np.float32]]
) -> Steer:
    return Steer((Push(layer, (material.scale(layer) * unit(vector)).astype(np.float32)),))
