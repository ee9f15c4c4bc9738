"""Activations of the last seconds -> what is sounding now, strongest first, one row a name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drawbar_desktop.state.interfaces import FeatureLike
from drawbar_desktop.state.observable import Value

Floats = NDArray[np.float32]
LEAST = 0.03


@dataclass(frozen=True)
class Heard:
    """One feature that is active now."""

    feature: FeatureLike
    strength: float
    """Mean activation over the stretch; 1 = its 99th percentile."""


def rank(
    ids: Sequence[str],
    mean_activations: Floats,
    row_of: Callable[[str], FeatureLike | None],
    limit: int = 12,
) -> tuple[Heard, ...]:
    """Ids and mean activations `[n]` -> the strongest in units of each one's 99th percentile.

    Named features come before unnamed ones of the same strength; of several with one label the strongest stays.
    """
    found: dict[str, Heard] = {}
    for place in np.argsort(-mean_activations):
        if mean_activations[place] <= 0:
            break
        row = row_of(ids[place])
        if row is None or row.p99 <= 0:
            continue
        heard = Heard(row, float(mean_activations[place]) / row.p99)
        key = row.label or row.id
        if heard.strength >= LEAST and (key not in found or found[key].strength < heard.strength):
            found[key] = heard
    ordered = sorted(found.values(), key=lambda h: -h.strength * (1.0 if h.feature.label else 0.8))
    return tuple(ordered[:limit])


class Hearing:
    """What the panel shows: the last ranking, and whether it is kept up to date."""

    def __init__(self) -> None:
        self.on = Value(False)
        self.busy = Value(False)
        self.heard: Value[tuple[Heard, ...]] = Value(())
        self.source = Value("")
        """What was listened to, in words."""
        self.trouble = Value("")

    def show(self, heard: Sequence[Heard], source: str) -> None:
        self.trouble.set("")
        self.source.set(source)
        self.heard.set(tuple(heard))

    def as_mapping(self) -> Mapping[str, float]:
        """Feature id -> strength."""
        return {h.feature.id: h.strength for h in self.heard.value}
