"""Sliders -> what is added to which layer at every position; set from any thread, read by one.

A mixer holds directions and amounts; each stream ``start``s a run of it, which ramps the moves, remembers them and
turns them into one vector per layer and guidance branch. Knows nothing of the network.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.musicgen.interfaces import Hold, Lanes
from drawbar.musicgen.spec import ModelSpec
from drawbar.prompts import weight_id
from drawbar.steering.automation import Automation, Lane
from drawbar.steering.directions import Direction, Part
from drawbar.steering.ramps import Ramps
from drawbar.steering.stacking import Stacking, check_stacking, shares

DEFAULT_STACKING: Stacking = "none"
"""How sliders that push together are added up (see ``stacking``; measured in docs/variants.md)."""


def _resting(direction: Direction) -> float:
    """The amount at which a direction does nothing: 0, or off for one that clamps."""
    return math.nan if direction.mode == "clamp" else 0.0


class Mixer:
    """Sliders of one model. Every method may be called from any thread.

    Raises BadInputError for a direction of another width or layer, a second one of the same id, more than
    ``slots`` of them, or a stacking rule that is not known.
    """

    def __init__(
        self,
        directions: Iterable[Direction] = (),
        *,
        spec: ModelSpec,
        slots: int = 64,
        site: str | None = None,
        stacking: str = DEFAULT_STACKING,
    ) -> None:
        self.spec = spec
        self._stacking = check_stacking(stacking)
        self.slots = slots
        self.site = site
        """Fingerprint of the model that the directions belong to, if known."""
        self.version = 0
        """Goes up with every change."""
        self._lock = threading.Lock()
        self._directions: dict[str, Direction] = {}
        self._amounts: dict[str, float] = {}
        for direction in directions:
            self.add(direction)

    @property
    def stacking(self) -> Stacking:
        """How adding sliders share (clamps and mutes stand apart). A stream keeps the rule that it began with."""
        return self._stacking

    @stacking.setter
    def stacking(self, rule: str) -> None:
        self._stacking = check_stacking(rule)

    def add(self, direction: Direction, amount: float | None = None) -> None:
        """Puts a direction on a free slot, at rest or at ``amount``."""
        spec = self.spec
        if direction.vector.shape[0] != spec.d_model or not 0 <= direction.layer < spec.n_layers:
            raise BadInputError(
                f"direction {direction.id} (layer {direction.layer}, width {direction.vector.shape[0]}) does not fit "
                f"model {spec.name!r} with {spec.n_layers} layers of width {spec.d_model}: use a bank of this model"
            )
        deep = [part.layer for part in direction.further if not 0 <= part.layer < spec.n_layers]
        if deep:
            raise BadInputError(
                f"direction {direction.id} also pushes at layer {deep[0]}, model {spec.name!r} has {spec.n_layers} "
                "layers: use a bank of this model"
            )
        with self._lock:
            if direction.id in self._directions:
                raise BadInputError(f"direction {direction.id} is on the mixer already: remove it first")
            if len(self._directions) >= self.slots:
                raise BadInputError(
                    f"all {self.slots} slots are taken: remove a direction before adding {direction.id}"
                )
            self._directions[direction.id] = direction
            self._amounts[direction.id] = self._checked(direction, amount)
            self.version += 1

    def remove(self, id: str) -> None:
        """Takes a direction off; streams ramp it down to rest. Raises BadInputError for an unknown id."""
        with self._lock:
            self._known(id)
            del self._directions[id], self._amounts[id]
            self.version += 1

    def clear(self) -> None:
        with self._lock:
            self._directions.clear()
            self._amounts.clear()
            self.version += 1

    def set(self, id: str, amount: float | None) -> None:
        """Moves a slider; None puts it at rest. Raises BadInputError for an unknown id or a not finite amount."""
        with self._lock:
            value = self._checked(self._known(id), amount)
            if not _same(value, self._amounts[id]):
                self._amounts[id] = value
                self.version += 1

    def amount(self, id: str) -> float:
        """A slider's setting (NaN for a clamp that is off)."""
        with self._lock:
            self._known(id)
            return self._amounts[id]

    def amounts(self) -> dict[str, float]:
        with self._lock:
            return dict(self._amounts)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """What is on the mixer, in the order it was added."""
        with self._lock:
            return tuple(self._directions.values())

    def start(self, lanes: Lanes | None = None, guidance: float | None = None) -> MixerRun:
        """The steering of one stream: amounts as set now from position 0 on, later moves ramped.

        Guidance multiplies what the conditional branch alone is given, so such a slider adds its amount divided by
        ``guidance`` (where that is above 1): the amount means the same at every guidance.
        """
        return MixerRun(self, lanes, live=True, guidance=guidance)

    def settled(self, lanes: Lanes | None = None) -> MixerRun:
        """Today's amounts (or the lanes') at every position."""
        return MixerRun(self, lanes, live=False)

    def state(self) -> tuple[int, dict[str, Direction], dict[str, float]]:
        with self._lock:
            return self.version, dict(self._directions), dict(self._amounts)

    def _known(self, id: str) -> Direction:
        if id not in self._directions:
            raise BadInputError(
                f"direction {id!r} is not on the mixer; it has {', '.join(self._directions) or 'none'}"
            )
        return self._directions[id]

    @staticmethod
    def _checked(direction: Direction, amount: float | None) -> float:
        if amount is None:
            return _resting(direction)
        if not math.isfinite(amount):
            raise BadInputError(f"amount {amount} for {direction.id}: it must be a finite number")
        return float(amount)


@dataclass(frozen=True)
class _Held(Hold):
    """Clamps and mutes of one layer at one stretch of positions."""

    encoders: Tensor
    """``[h, D]``"""
    biases: Tensor
    thresholds: Tensor
    vectors: Tensor
    """``[h, D]``"""
    clamp: Tensor
    """``[n, h]``: the activation to hold; NaN where it does not clamp."""
    mute: Tensor
    """``[n, h]``: the share to take away."""
    branches: Tensor
    """``[2, h]``: 1 where it acts."""

    def apply(self, x: Tensor, branch: int) -> Tensor:
        activation = torch.relu(x @ self.encoders.T + self.biases)
        activation = torch.where(activation > self.thresholds, activation, 0.0)
        change = torch.where(self.clamp.isnan(), -self.mute * activation, self.clamp - activation)
        return x + (change * self.branches[branch]) @ self.vectors


class MixerRun:
    """One stream's view of a mixer (see ``musicgen.ports.SteeringRun``)."""

    def __init__(
        self, mixer: Mixer, lanes: Lanes | None, *, live: bool, guidance: float | None = None
    ) -> None:
        self._mixer, self._lanes = mixer, lanes
        self._alone = 1 / max(1.0, guidance or 1.0)
        self._live, self._stacking = live, mixer.stacking
        self._version, directions, amounts = mixer.state()
        self._directions: dict[str, Direction] = {}
        self._ramps: dict[str, Ramps] = {}
        self._laned: frozenset[str] = frozenset(lanes.ids if lanes is not None else ())
        self._position = -1
        self._applied: dict[str, float] = {}
        self._settled = False
        for id, direction in directions.items():
            self._adopt(id, direction, amounts[id])
        unknown = sorted(self._laned - directions.keys())
        if unknown:
            raise BadInputError(
                f"automation moves {', '.join(unknown)}, not on the mixer: add the direction first"
            )

    def advance(self, position: int) -> bool:
        """See SteeringRun. Costs almost nothing while no slider moves."""
        self._position = position
        moved = self._live and self._mixer.version != self._version
        if self._settled and not moved:
            return False
        if moved:
            self._take_moves(position)
        amounts = {id: self._amount(id, position) for id in self._directions}
        self._settled = not self._laned and not any(
            ramp.moving(position + 1) for ramp in self._ramps.values()
        )
        changed = amounts.keys() != self._applied.keys() or any(
            not _same(amount, self._applied[id]) for id, amount in amounts.items()
        )
        self._applied = amounts
        return changed

    def added(self, first: int, count: int) -> dict[int, Tensor]:
        parts = {}
        for layer, pushes in self._pushes().items():
            amounts = [
                [self._amount(id, p) * part.scale for id, part in pushes] for p in range(first, first + count)
            ]
            if not any(any(row) for row in amounts):
                continue
            vectors = torch.stack([part.vector.float() for _, part in pushes])
            both = [self._directions[id].branch == "both" for id, _ in pushes]
            branches = torch.tensor(
                [[1.0 if one else self._alone for one in both], [float(one) for one in both]]
            )
            parts[layer] = torch.tensor(amounts), vectors, branches
        if not parts:
            return {}
        weights = torch.cat([weights for weights, _, _ in parts.values()], 1)
        share = shares(self._stacking, weights, torch.cat([vectors for _, vectors, _ in parts.values()]))
        result = {}
        for layer, (weights, vectors, branches) in parts.items():
            pushed = (weights * branches[:, None]) @ vectors
            result[layer] = pushed if bool((share == 1).all()) else pushed * share[:, None]
        return result

    def holds(self, first: int, count: int) -> dict[int, Hold]:
        result: dict[int, Hold] = {}
        for layer, ids in self._by_layer("clamp", "mute").items():
            rows = [[self._amount(id, p) for id in ids] for p in range(first, first + count)]
            if all(
                math.isnan(a) or (a == 0 and self._directions[id].mode == "mute")
                for row in rows
                for a, id in zip(row, ids, strict=True)
            ):
                continue
            result[layer] = self._held(ids, torch.tensor(rows))
        return result

    def rewind(self, position: int) -> None:
        for ramp in self._ramps.values():
            ramp.forget(position)
        self._position = position - 1
        self._applied = {}
        self._settled = False
        # Sliders that were moved in what is forgotten move again from here.
        self._version = -1

    def amounts(self) -> dict[str, float]:
        return self._applied

    def weight(self, place: int, position: int) -> float | None:
        """See SteeringRun."""
        id = weight_id(place)
        return self._amount(id, position) if id in self._directions else None

    @property
    def recorded(self) -> Automation:
        lanes = []
        for id in self._directions:
            if id in self._laned and self._lanes is not None:
                lanes.append(self._copied(id))
            else:
                lanes.append(self._ramps[id].lane(id))
        return Automation(lanes)

    def _copied(self, id: str) -> Lane:
        if isinstance(self._lanes, Automation):
            return next(lane for lane in self._lanes.lanes if lane.id == id)
        assert self._lanes is not None
        return Lane(id, tuple((p, self._lanes.amount(id, p)) for p in range(max(1, self._position + 1))))

    def _adopt(self, id: str, direction: Direction, amount: float) -> None:
        self._directions[id] = direction
        self._ramps[id] = Ramps(amount)

    def _take_moves(self, position: int) -> None:
        self._version, directions, amounts = self._mixer.state()
        for id, direction in directions.items():
            if id not in self._directions:
                self._adopt(id, direction, _resting(direction))
            self._directions[id] = direction
        for id, ramp in self._ramps.items():
            target = amounts.get(id, _resting(self._directions[id]))
            if not _same(target, ramp.target):
                ramp.move(position, target)

    def _amount(self, id: str, position: int) -> float:
        if id in self._laned and self._lanes is not None:
            return self._lanes.amount(id, position)
        return self._ramps[id].amount(position)

    def _by_layer(self, *modes: str) -> dict[int, Sequence[str]]:
        result: dict[int, list[str]] = {}
        for id, direction in self._directions.items():
            if direction.mode in modes:
                result.setdefault(direction.layer, []).append(id)
        return dict(sorted(result.items()))

    def _pushes(self) -> dict[int, list[tuple[str, Part]]]:
        """Layer -> what adding sliders push there."""
        result: dict[int, list[tuple[str, Part]]] = {}
        for id, direction in self._directions.items():
            for part in direction.parts if direction.mode == "add" else ():
                result.setdefault(part.layer, []).append((id, part))
        return dict(sorted(result.items()))

    def _held(self, ids: Sequence[str], amounts: Tensor) -> _Held:
        chosen = [self._directions[id] for id in ids]
        clamps = torch.tensor([d.mode == "clamp" for d in chosen])
        scales = torch.tensor([d.scale for d in chosen])
        encoders = [d.encoder.float() for d in chosen if d.encoder is not None]
        return _Held(
            encoders=torch.stack(encoders),
            biases=torch.tensor([d.bias for d in chosen]),
            thresholds=torch.tensor([d.threshold for d in chosen]),
            vectors=torch.stack([d.vector.float() for d in chosen]),
            clamp=torch.where(clamps, amounts * scales, math.nan),
            mute=torch.where(clamps, 0.0, amounts.clamp(0, 1)),
            branches=torch.tensor([[1.0] * len(chosen), [float(d.branch == "both") for d in chosen]]),
        )


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
