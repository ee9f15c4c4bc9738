"""A recipe, a direction and an amount -> steering that spreads the push over layers, over time, or stops by itself.

Each recipe differs from the plain push (one layer, both guidance branches, the same at every frame) in one thing; the
sliders themselves act on the conditional branch (``steering.DEFAULT_BRANCH``), which this comparison found.
Knows no judge and no statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.musicgen.interfaces import Hold, Lanes, Steering
from drawbar.musicgen.spec import ModelSpec
from drawbar.steering import Automation, Direction, Mixer, in_mode

_DRAWN = 256


@dataclass(frozen=True)
class Recipe:
    """What is done otherwise than by the plain slider. Raises BadInputError for shares or times outside their range."""

    name: str
    what: str
    """For people."""
    layer_fall: float | None = None
    """Weight of a layer: exp(-distance to the slider's layer / this), the norms summing to the plain one."""
    conditional: bool = False
    """Only the conditional guidance branch."""
    share: float = 1.0
    """Of the frames that are pushed, drawn from the clip's seed."""
    half_life_s: float | None = None
    """The push halves in this time."""
    monitored_s: float | None = None
    """The feature itself is watched over this long and the push stops while it fires."""
    matched: bool = True
    """Scaled so that the norm added in a clip is the plain one's (in expectation)."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise BadInputError(f"{self.name}: share {self.share} must be above 0 and at most 1")
        for time in (self.layer_fall, self.half_life_s, self.monitored_s):
            if time is not None and not time > 0:
                raise BadInputError(f"{self.name}: {time} must be above 0")

    @property
    def plain(self) -> bool:
        """Whether it is what the others are compared with."""
        return not (
            self.layer_fall or self.half_life_s or self.monitored_s or self.share < 1 or self.conditional
        )


RECIPES = (
    Recipe("plain", "one layer, both guidance branches, every frame"),
    Recipe("several layers", "every layer, weights falling by e per layer away from its own", layer_fall=1.0),
    Recipe("conditional only", "the conditional branch alone", conditional=True),
    Recipe("intermittent", "a random 30 % of the frames, 1/0.3 times as strong", share=0.3),
    Recipe("intermittent, weaker", "a random 30 % of the frames, as strong", share=0.3, matched=False),
    Recipe("decay", "halves every second, same total", half_life_s=1.0),
    Recipe("monitor and stop", "stops while the feature fires by itself", monitored_s=0.5, matched=False),
)


@dataclass(frozen=True)
class Monitor:
    """A readout of one layer's residual before anything is added there, and the level at which it fires."""

    encoder: Tensor
    """``[D]``"""
    bias: float
    threshold: float
    level: float
    """Up: the push rests while the mean activation is at least this; down: while it is below."""
    frames: int
    """How far back the mean goes."""

    def activation(self, x: Tensor) -> Tensor:
        """Residuals ``[n, D]`` -> activations ``[n]``."""
        found = torch.relu(x @ self.encoder + self.bias)
        return torch.where(found > self.threshold, found, 0.0)


class Push:
    """Vectors per layer, times a gain that is a function of the position alone, or of what a monitor sees."""

    def __init__(
        self,
        vectors: Mapping[int, Tensor],
        *,
        gain: Callable[[int], float] = lambda position: 1.0,
        monitor: Monitor | None = None,
        up: bool = True,
        null: float = 1.0,
    ) -> None:
        """``vectors``: layer -> ``[D]``, of the norm that is added; one layer if there is a monitor.

        ``null`` is the share of it that the null branch takes (without a monitor).
        """
        if monitor is not None and len(vectors) != 1:
            raise BadInputError(f"a monitor watches one layer, not {len(vectors)}")
        self.vectors, self.gain, self.monitor, self.up = dict(vectors), gain, monitor, up
        self.null = null
        self.run: PushRun | None = None
        """The last one that began."""

    def start(self, lanes: Lanes | None = None, guidance: float | None = None) -> PushRun:
        self.run = PushRun(self)
        return self.run

    def settled(self, lanes: Lanes | None = None) -> PushRun:
        return self.start(lanes)


class PushRun:
    """See SteeringRun."""

    def __init__(self, push: Push) -> None:
        self._push = push
        self._last: float | None = None
        self.seen: dict[int, float] = {}
        """Position -> activation that the monitor read."""
        self.pushed: dict[int, bool] = {}
        """Position -> whether the monitor let the push through."""

    def advance(self, position: int) -> bool:
        """See SteeringRun. A monitor looks again at every position."""
        gain = self._push.gain(position)
        changed = self._push.monitor is not None or gain != self._last
        self._last = gain
        return changed

    def added(self, first: int, count: int) -> dict[int, Tensor]:
        gains = torch.tensor([self._push.gain(p) for p in range(first, first + count)])
        if self._push.monitor is not None or not bool(gains.any()):
            return {}
        both = torch.stack([gains, gains * self._push.null])[:, :, None]
        return {layer: both * vector for layer, vector in self._push.vectors.items()}

    def holds(self, first: int, count: int) -> dict[int, Hold]:
        if self._push.monitor is None:
            return {}
        (layer,) = self._push.vectors
        return {layer: _Gate(self, first, count)}

    def rewind(self, position: int) -> None:
        for kept in (self.seen, self.pushed):
            for later in [p for p in kept if p >= position]:
                del kept[later]
        self._last = None

    def amounts(self) -> dict[str, float]:
        return {}

    @property
    def recorded(self) -> Lanes:
        """See SteeringRun: nothing that lanes could say."""
        return Automation([])

    def decide(self, position: int, activation: float) -> bool:
        """Whether the push acts at a position, from the activations up to there."""
        monitor = self._push.monitor
        assert monitor is not None  # only a monitored run has gates
        self.seen[position] = activation
        window = range(max(0, position - monitor.frames + 1), position + 1)
        mean = sum(self.seen.get(p, 0.0) for p in window) / monitor.frames
        self.pushed[position] = mean < monitor.level if self._push.up else mean >= monitor.level
        return self.pushed[position]


class _Gate(Hold):
    def __init__(self, run: PushRun, first: int, count: int) -> None:
        self._run, self._positions = run, range(first, first + count)

    def apply(self, x: Tensor, branch: int) -> Tensor:
        """The conditional branch of the one clip is read; the null branch does as it did."""
        push = self._run._push
        assert push.monitor is not None  # only a monitored run has gates
        if branch == 0:
            read = push.monitor.activation(x[0].float())
            for position, activation in zip(self._positions, read.tolist(), strict=True):
                self._run.decide(position, activation)
        let = torch.tensor([float(self._run.pushed[p]) for p in self._positions])
        (vector,) = push.vectors.values()
        return x + (let[:, None] * vector).to(x.dtype)


def steering_for(
    recipe: Recipe,
    direction: Direction,
    amount: float,
    *,
    spec: ModelSpec,
    seed: int,
    seconds: float,
    level: float = 0.0,
) -> Steering:
    """A recipe as steering of one clip; the plain one is a slider on both branches.

    ``seed`` decides which frames an intermittent push takes, ``level`` is where a monitor says that the feature
    fires. Raises BadInputError for a monitor on a direction without an encoder.
    """
    if recipe.plain:
        mixer = Mixer([in_mode(direction, "add", "both")], spec=spec)
        mixer.set(direction.id, amount)
        return mixer
    norm = amount * direction.scale
    vector = norm * direction.vector.float()
    if recipe.monitored_s is not None:
        if direction.encoder is None:
            raise BadInputError(f"{direction.id} has no encoder row, so nothing can be watched")
        monitor = Monitor(
            direction.encoder.float(),
            direction.bias,
            direction.threshold,
            level if amount > 0 else 0.1 * level,
            max(1, round(recipe.monitored_s * spec.frame_rate_hz)),
        )
        return Push({direction.layer: vector}, monitor=monitor, up=amount > 0)
    if recipe.conditional:
        return Push({direction.layer: vector}, null=0.0)
    frames = spec.frames(seconds) + spec.max_delay
    if recipe.layer_fall is not None:
        weights = [
            math.exp(-abs(layer - direction.layer) / recipe.layer_fall) for layer in range(spec.n_layers)
        ]
        total = sum(weights) if recipe.matched else 1.0
        return Push({layer: weight / total * vector for layer, weight in enumerate(weights)})
    if recipe.half_life_s is not None:
        per_frame = 0.5 ** (1 / (recipe.half_life_s * spec.frame_rate_hz))
        mean = sum(per_frame**p for p in range(frames)) / frames if recipe.matched else 1.0
        return Push({direction.layer: vector}, gain=lambda position: per_frame**position / mean)
    strength = 1 / recipe.share if recipe.matched else 1.0
    return Push({direction.layer: vector}, gain=_drawn(recipe.share, strength, seed))


def _drawn(share: float, strength: float, seed: int) -> Callable[[int], float]:
    """A gain that is ``strength`` at a random share of the positions and 0 elsewhere, the same for a seed."""
    blocks: dict[int, list[float]] = {}

    def gain(position: int) -> float:
        block = position // _DRAWN
        if block not in blocks:
            drawn = np.random.default_rng([seed, block]).random(_DRAWN)
            blocks[block] = np.where(drawn < share, strength, 0.0).tolist()
        return blocks[block][position % _DRAWN]

    return gain


def added_norm(steering: Steering | None, frames: int) -> float:
    """Mean over the first positions of the norm added to the conditional branch, summed over layers."""
    if steering is None:
        return 0.0
    if isinstance(steering, Push) and steering.monitor is not None:
        (vector,) = steering.vectors.values()
        pushed = list(steering.run.pushed.values()) if steering.run is not None else []
        return float(vector.norm()) * sum(pushed) / max(len(pushed), 1)
    added = steering.settled().added(0, frames)
    return sum(float(vectors[0].norm(dim=1).mean()) for vectors in added.values())
