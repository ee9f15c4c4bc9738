"""Protocols between the generator and what is plugged into it: steering, automation, observers.

``drawbar.steering`` steers; live meters and feature searches observe. The generator only calls these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from drawbar.musicgen.spec import ModelSpec


class SitedModel(Protocol):
    """A loaded model, as far as it says what it is."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 over its weights: with a layer, the site."""
        ...


@runtime_checkable
class Observer(Protocol):
    """Watches residuals while a stream plays."""

    @property
    def name(self) -> str:
        """The key of its result in ``Frame.observed``."""
        ...

    @property
    def layers(self) -> tuple[int, ...]: ...

    def observe(self, residuals: dict[int, Tensor]) -> Tensor:
        """Layer -> residual ``[D]`` (conditional branch, after steering) of one frame -> anything worth keeping."""
        ...


class Lanes(Protocol):
    """Amounts over time."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    def amount(self, id: str, frame: int) -> float:
        """The amount at a frame; NaN means off."""
        ...

    @property
    def kept(self) -> Mapping[tuple[int, int], int]:
        """``(codebook, frame)`` -> tokens that a rewind kept, taken over by a replay."""
        ...

    def keeping(self, kept: Mapping[tuple[int, int], int]) -> Lanes:
        """The same amounts with these kept tokens."""
        ...

    def to_json(self) -> Mapping[str, object]:
        """As a take stores it: JSON values."""
        ...


class Hold(Protocol):
    """An edit that depends on the residual itself (clamp, mute)."""

    def apply(self, x: Tensor, branch: int) -> Tensor:
        """Residuals ``[N, n, D]`` of the conditional (0) or the null branch (1), n positions -> the edited ones."""
        ...


class Edits(Protocol):
    """What steering does to residuals at given positions."""

    def added(self, first: int, count: int) -> dict[int, Tensor]:
        """Layer -> ``[2, count, D]`` to add at positions from ``first`` (conditional, null); nothing where all is 0."""
        ...

    def holds(self, first: int, count: int) -> dict[int, Hold]:
        """Layer -> the edit at those positions; nothing where all is off."""
        ...


class SteeringRun(Edits, Protocol):
    """Steering of one stream: amounts by position, remembered so that any position can be computed again."""

    def advance(self, position: int) -> bool:
        """Moves to a position (one further, or back after ``rewind``); True if anything differs from before."""
        ...

    def rewind(self, position: int) -> None:
        """Forgets what was decided for this position and later ones."""
        ...

    def amounts(self) -> Mapping[str, float]: ...

    @property
    def recorded(self) -> Lanes:
        """What was applied, as automation that replays it exactly."""
        ...


class SettledSteering(Protocol):
    """Something that steers a teacher-forced pass."""

    def settled(self, lanes: Lanes | None = None) -> Edits:
        """Today's amounts (a lane overrides its slider) at every position."""
        ...


class Steering(SettledSteering, Protocol):
    """Something that steers, such as a mixer of sliders."""

    def start(self, lanes: Lanes | None = None, guidance: float | None = None) -> SteeringRun:
        """The steering of one stream; a lane overrides its slider. ``guidance`` None: there is no null branch."""
        ...
