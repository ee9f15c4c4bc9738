"""How one SAE is trained -> a frozen, validated record that is saved beside its weights."""

import math
from dataclasses import asdict, dataclass

from drawbar.errors import BadInputError

__all__ = ["SaeSettings"]


@dataclass(frozen=True)
class SaeSettings:
    """Everything that decides what :func:`drawbar.sae.train_sae` makes of a stream of residuals."""

    d_sae: int = 2048
    """Features F."""
    k: int = 32
    """Features that may fire at one position."""
    batch: int = 4096
    """Residuals a step."""
    steps: int = 1500
    """Optimiser steps."""
    lr: float | None = None
    """Adam's peak rate; None takes 2e-4 / sqrt(F / 2**14) (Gao et al. 2024, scaling of section 2.2)."""
    warmup: float = 0.05
    """Share of the steps over which the rate rises from zero."""
    decay: float = 0.2
    """Share of the steps, at the end, over which it falls to zero."""
    k_aux: int = 256
    """Dead features that try to explain what the live ones leave over; 0 turns it off."""
    aux_coefficient: float = 1 / 32
    """Weight of that loss."""
    dead_after: int = 250_000
    """A feature that has not fired over this many residuals is dead."""
    seed: int = 0
    """Of the initial weights."""
    log_every: int = 25
    """Steps between two rows of the history."""
    save_every: int = 200
    """Steps between two checkpoints."""

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.d_sae:
            raise BadInputError(f"k={self.k} with d_sae={self.d_sae}: k must be 1 to d_sae")
        for name in ("batch", "steps", "dead_after", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise BadInputError(f"{name}={getattr(self, name)}: must be 1 or more")
        if self.k_aux < 0 or self.aux_coefficient < 0:
            raise BadInputError(
                f"k_aux={self.k_aux}, aux_coefficient={self.aux_coefficient}: must not be negative"
            )
        if self.warmup < 0 or self.decay < 0 or self.warmup + self.decay > 1:
            raise BadInputError(
                f"warmup={self.warmup}, decay={self.decay}: shares of the steps, together at most 1"
            )

    @property
    def peak_lr(self) -> float:
        """The rate in force."""
        return self.lr if self.lr is not None else 2e-4 / math.sqrt(self.d_sae / 2**14)

    def lr_at(self, step: int) -> float:
        """The rate of step 0, 1, ...: a trapezium."""
        rise = max(1, round(self.warmup * self.steps))
        fall = max(1, round(self.decay * self.steps))
        return self.peak_lr * min(1.0, (step + 1) / rise, (self.steps - step) / fall)

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self)
