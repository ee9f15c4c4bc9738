"""Codes of the first codebook -> how much of them is repeated; a temperature -> the one that leads out of a loop.

Knows no network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

GRAM = 8
"""Frames of a stretch that is looked for again: 160 ms."""
NUDGE_FRAMES = 50
"""How long a nudge lasts: a second."""


def repeated(codes: NDArray[Any]) -> float:
    """Codes ``[T]`` -> the share of 160 ms stretches that came before among them; 0 for fewer frames."""
    if len(codes) <= GRAM:
        return 0.0
    grams = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(codes, GRAM))
    return 1 - len({row.tobytes() for row in grams}) / len(grams)


def nudged(temperature: float) -> float:
    """A little more than it is, and no less than what the model was trained at."""
    return max(1.0, 1.3 * temperature)
