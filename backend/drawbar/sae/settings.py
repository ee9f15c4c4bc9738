"""How one SAE is trained -> a frozen, validated record that is saved beside its weights."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

from drawbar.errors import BadInputError

Activation = Literal["topk", "batchtopk", "jumprelu"]
"""How the features that fire are chosen: k per position, k per position on average, or a threshold each."""


@dataclass(frozen=True)
class SaeSettings:
    """Everything that decides what :func:`drawbar.sae.train_sae` makes of a stream of residuals."""

    d_sae: int = 2048
    """Features F."""
    expansion: int = 0
    """F in multiples of the model's width, in place of ``d_sae``; 0 leaves that in force."""
    k: int = 32
    """Features that may fire at one position; the wanted mean for batchtopk and jumprelu."""
    activation: Activation = "topk"
    """See :data:`Activation`."""
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
    resample_every: int = 0
    """Steps between two turns in which dead features start anew at badly explained residuals; 0 is never."""
    prefixes: tuple[int, ...] = ()
    """Matryoshka (Bussmann et al. 2025): the first 32, 96, ... features must explain the residual by themselves,
    so that broad features come first and do not split; empty is off. Not with topk."""
    slow: int = 0
    """The prefixes up to this many features explain the residual's running mean instead: what lasts."""
    slow_frames: int = 100
    """Frames before and after over which that mean runs."""
    sparsity: float = 1.0
    """Weight of jumprelu's pull towards k."""
    seed: int = 0
    """Of the initial weights."""
    log_every: int = 25
    """Steps between two rows of the history."""
    save_every: int = 200
    """Steps between two checkpoints."""

    def __post_init__(self) -> None:
        if self.k < 1 or self.expansion < 0 or (not self.expansion and self.k > self.d_sae):
            raise BadInputError(
                f"k={self.k} with d_sae={self.d_sae}, expansion={self.expansion}: k must be 1 to d_sae"
            )
        if self.activation not in get_args(Activation):
            raise BadInputError(f"activation {self.activation!r}: one of {', '.join(get_args(Activation))}")
        for name in ("batch", "steps", "dead_after", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise BadInputError(f"{name}={getattr(self, name)}: must be 1 or more")
        for name in ("k_aux", "aux_coefficient", "resample_every", "sparsity", "seed"):
            if getattr(self, name) < 0:
                raise BadInputError(f"{name}={getattr(self, name)}: must not be negative")
        object.__setattr__(self, "prefixes", tuple(int(n) for n in self.prefixes))
        rising = list(self.prefixes) == sorted(set(self.prefixes)) and all(n > 0 for n in self.prefixes)
        if not rising or (self.prefixes and not self.expansion and self.prefixes[-1] > self.d_sae):
            raise BadInputError(f"prefixes {list(self.prefixes)}: rising numbers of features, at most d_sae")
        if self.prefixes and self.activation == "topk":
            raise BadInputError("prefixes with topk: use batchtopk or jumprelu")
        if self.slow and self.slow not in self.prefixes:
            raise BadInputError(f"slow={self.slow}: must be one of the prefixes {list(self.prefixes)}, or 0")
        if self.slow < 0 or self.slow_frames < 1:
            raise BadInputError(f"slow={self.slow}, slow_frames={self.slow_frames}: 0 or more, and 1 or more")
        if self.warmup < 0 or self.decay < 0 or self.warmup + self.decay > 1:
            raise BadInputError(
                f"warmup={self.warmup}, decay={self.decay}: shares of the steps, together at most 1"
            )

    @property
    def ends(self) -> tuple[int, ...]:
        """Where each group that must explain by itself ends; the last is all features."""
        return (*(n for n in self.prefixes if n < self.d_sae), self.d_sae)

    @property
    def peak_lr(self) -> float:
        return self.lr if self.lr is not None else 2e-4 / math.sqrt(self.d_sae / 2**14)

    def lr_at(self, step: int) -> float:
        """The rate of step 0, 1, ...: a trapezium."""
        rise = max(1, round(self.warmup * self.steps))
        fall = max(1, round(self.decay * self.steps))
        return self.peak_lr * min(1.0, (step + 1) / rise, (self.steps - step) / fall)

    def at_width(self, d_model: int) -> "SaeSettings":
        """The same with ``expansion`` turned into ``d_sae``."""
        return replace(self, d_sae=self.expansion * d_model, expansion=0) if self.expansion else self

    def to_dict(self) -> dict[str, object]:
        return asdict(self)
