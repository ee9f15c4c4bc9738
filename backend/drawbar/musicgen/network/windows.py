"""A position -> the window it is computed in, and how much of the next one is ready by then.

A take longer than the context slides: window j starts at frame ``j * stride`` and is a sequence of its own (start
step, delays). The next window's cache is filled a few positions per step beforehand, so that switching costs
nothing. All of it depends on the position alone, so live and offline agree. Knows no tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

from drawbar.musicgen.spec import ModelSpec


@dataclass(frozen=True)
class Windows:
    """The schedule of one model."""

    span: int
    """Positions per window."""
    stride: int
    """Frames between the starts of neighbouring windows."""
    per_step: int = 4
    """Positions of the next window computed beside each step while it is being prepared."""

    @classmethod
    def of(cls, spec: ModelSpec, per_step: int = 4) -> Windows:
        """Strides of three fifths of the context, as audiocraft's extended generation (18 s of 30 s).

        With a clock they are whole rounds of it, so that the beat goes on where it is.
        """
        stride = spec.context_frames * 3 // 5 // spec.clock * spec.clock
        return cls(spec.context_frames + spec.max_delay, max(1, spec.clock, stride), per_step)

    @property
    def kept(self) -> int:
        """Positions that a window holds when it takes over."""
        return self.span - self.stride

    @property
    def _lead(self) -> int:
        """Steps before the switch at which the next window's preparation starts."""
        return -(-self.kept // self.per_step)

    def window(self, position: int) -> int:
        """The window in which ``position`` is computed."""
        return 0 if position < self.span else (position - self.span) // self.stride + 1

    def start(self, window: int) -> int:
        """The first frame of a window, at whose start its position 0 stands."""
        return window * self.stride

    def prepared(self, position: int) -> int:
        """Positions of the *next* window that are computed once ``position`` is."""
        window = self.window(position)
        switch = self.start(window) + self.span
        done = position - (switch - self._lead) + 1
        if done <= 0:
            return 0
        return max(0, min(done * self.per_step, self.kept - (self._lead - done)))
