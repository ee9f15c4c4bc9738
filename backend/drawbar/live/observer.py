"""Residuals of one position -> activations of the few features that are on screen, ``[slots]``.

Exact top-k membership would need every row of the dictionary; a meter shows a row's activation where it is
above the feature's own stored threshold, and nothing below. Knows nothing of banks or of the window.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from drawbar.errors import BadInputError


class WatchedRow(Protocol):
    """What a meter needs of a feature (`drawbar.steering.Direction` has it)."""

    @property
    def id(self) -> str: ...

    @property
    def layer(self) -> int: ...

    @property
    def encoder(self) -> Tensor | None:
        """``[D]``, or None where it is not known."""
        ...

    @property
    def bias(self) -> float: ...

    @property
    def threshold(self) -> float:
        """Activations up to this count as silence."""
        ...


@dataclass(frozen=True)
class _Rows:
    """The watched rows of one layer, stacked."""

    layer: int
    slots: Tensor
    encoder: Tensor
    bias: Tensor
    threshold: Tensor


class RowObserver:
    """Watches up to ``slots`` features; rows come and go between two frames, a feature keeps its slot."""

    def __init__(self, slots: int = 64, layers: Iterable[int] = (), name: str = "features") -> None:
        self.name = name
        self.slots = slots
        self._layers = tuple(sorted(set(layers)))
        self._rows: dict[str, WatchedRow] = {}
        self._slot_of: dict[str, int] = {}
        self._stacks: tuple[_Rows, ...] = ()

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers whose residual it needs: those given, and those of the watched rows."""
        return tuple(sorted({*self._layers, *(stack.layer for stack in self._stacks)}))

    @property
    def slot_of(self) -> dict[str, int]:
        """Feature id -> its place in what `observe` returns."""
        return dict(self._slot_of)

    def watch(self, rows: Iterable[WatchedRow]) -> None:
        """These rows and no others. Raises BadInputError when there are more than slots."""
        wanted = {row.id: row for row in rows if row.encoder is not None}
        if len(wanted) > self.slots:
            raise BadInputError(f"{len(wanted)} features to watch, {self.slots} slots: watch fewer at a time")
        kept = {id: slot for id, slot in self._slot_of.items() if id in wanted}
        free = (slot for slot in range(self.slots) if slot not in set(kept.values()))
        for id in wanted:
            if id not in kept:
                kept[id] = next(free)
        self._rows, self._slot_of = wanted, kept
        layers = sorted({row.layer for row in wanted.values()})
        self._stacks = tuple(self._stack(layer) for layer in layers)

    def _stack(self, layer: int) -> _Rows:
        rows = [row for row in self._rows.values() if row.layer == layer]
        encoders = [row.encoder for row in rows if row.encoder is not None]
        return _Rows(
            layer,
            torch.tensor([self._slot_of[row.id] for row in rows]),
            torch.stack([encoder.detach().to("cpu", torch.float32) for encoder in encoders]),
            torch.tensor([row.bias for row in rows], dtype=torch.float32),
            torch.tensor([row.threshold for row in rows], dtype=torch.float32),
        )

    @torch.inference_mode()
    def observe(self, residuals: dict[int, Tensor]) -> Tensor:
        """Residuals ``{layer: [D]}`` of one position -> activations ``[slots]``, 0 where nothing fires."""
        out = torch.zeros(self.slots)
        for rows in self._stacks:
            residual = residuals.get(rows.layer)
            if residual is None:
                continue
            fires = torch.addmv(rows.bias, rows.encoder, residual.to("cpu", torch.float32))
            out[rows.slots] = torch.where(fires > rows.threshold, fires, 0.0).clamp_min_(0.0)
        return out
