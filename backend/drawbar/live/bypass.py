"""When bypass was switched -> how much of the twin is heard at every sample, with fades.

The fade is linear, because the steered stream and its twin share a seed and are alike. Knows nothing of
threads.
"""

from __future__ import annotations

import numpy as np

from drawbar.live.audio_out.channels import scaled
from drawbar.live.audio_out.ring import Floats


class Bypass:
    """The history of one take's bypass switch."""

    def __init__(self, fade: int = 320, on: bool = False) -> None:
        self._fade = max(1, fade)
        self._on = on
        self._level = float(on)
        self.edges: list[tuple[int, bool]] = [(0, True)] if on else []
        """Sample and new position of every switch, for the take."""

    @property
    def on(self) -> bool:
        return self._on

    def switch(self, on: bool, sample: int) -> None:
        """Heard from ``sample`` on, the next one to be mixed."""
        if on != self._on:
            self._on = on
            self.edges.append((sample, on))

    def mix(self, steered: Floats, twin: Floats | None) -> Floats:
        """The next samples of both streams ``[n]`` or ``[n, 2]`` -> what is heard."""
        target = float(self._on)
        if twin is None or (self._level == target == 0.0):
            return steered
        if self._level == target:
            return twin
        step = 1.0 / self._fade if target > self._level else -1.0 / self._fade
        share = np.clip(self._level + step * np.arange(1, len(steered) + 1), 0.0, 1.0)
        self._level = float(share[-1]) if len(share) else self._level
        return np.asarray(steered + scaled(twin - steered, share), np.float32)
