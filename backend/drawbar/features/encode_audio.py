"""Sound of any length -> the bank's features that fire in each frame, in bounded memory.

Each chunk is run with the seconds before it as a lead-in, so that the model knows what came before.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.bank import Bank
from drawbar.errors import BankError
from drawbar.musicgen.codec.interface import ClipCodec
from drawbar.musicgen.spec import ModelSpec
from drawbar.residuals import ResidualModel

_CHUNK_FRAMES = 1000  # 20 s
_LEAD_FRAMES = 250  # 5 s

Audio = NDArray[np.float32]


class ListeningModel(ResidualModel, Protocol):
    """The part of a model that listening needs."""

    @property
    def spec(self) -> ModelSpec:
        """Its sizes; ``context_frames`` bounds a chunk."""
        ...

    @property
    def codec(self) -> ClipCodec:
        """Turns audio [B, 1, N] into tokens [B, K, T]."""
        ...

    @property
    def fingerprint(self) -> str: ...


def chunk_frames(model: ListeningModel) -> tuple[int, int]:
    """Frames of a chunk and of its lead-in: 1000 and 250, or what the model's context holds."""
    context = int(model.spec.context_frames)
    lead = min(_LEAD_FRAMES, context // 4)
    return min(_CHUNK_FRAMES, context - lead), lead


@dataclass(frozen=True)
class Fired:
    """The features that fire in a stretch of frames, as pairs."""

    values: NDArray[np.float16]
    """[T, n] activations, 0 where nothing more fires."""
    columns: NDArray[np.int32]
    """[T, n] places in ``BankEncoder.ids``."""


class BankEncoder:
    """All published features of a bank, layer by layer, as one encoder."""

    def __init__(self, bank: Bank, device: str | torch.device = "cpu") -> None:
        self.rows = bank.search(limit=bank.count() + 1)
        if not self.rows:
            raise BankError(f"the bank {bank.info.name} has no features to listen with; build it first")
        self.rows.sort(key=lambda row: (row.layer, row.index))
        self.ids = [row.id for row in self.rows]
        vectors = bank.vectors(self.ids)
        layers = np.array([row.layer for row in self.rows])
        self._k = int(bank.info.sae_settings.get("k", 32))
        self._parts: list[tuple[int, int, Tensor, Tensor, Tensor]] = []
        for layer in sorted(set(layers.tolist())):
            chosen = np.flatnonzero(layers == layer)
            weight, bias, centre = (
                torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device)
                for values in (vectors["W_enc"][chosen].T, vectors["b_enc"][chosen], vectors["b_dec"][layer])
            )
            self._parts.append((int(layer), int(chosen[0]), weight, bias, centre))
        self._device = device

    @property
    def layers(self) -> list[int]:
        return [part[0] for part in self._parts]

    @torch.no_grad()
    def encode(self, residuals: dict[int, Tensor]) -> Fired:
        """{layer: [T, D]} -> what fires."""
        values, columns = [], []
        for layer, first, weight, bias, centre in self._parts:
            x = residuals[layer].to(self._device, torch.float32)
            pre = torch.addmm(bias, x - centre, weight)
            top = pre.topk(min(self._k, pre.shape[1]), dim=1)
            values.append(top.values.relu().cpu())
            columns.append((top.indices + first).cpu())
        half = torch.cat(values, 1).clamp(max=65504.0).half().numpy()
        return Fired(half, torch.cat(columns, 1).to(torch.int32).numpy())


def fired_frames(
    blocks: Iterable[Audio],
    model: ListeningModel,
    encoder: BankEncoder,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Fired]:
    """Blocks of mono audio at the model's rate -> what fires, one result a block.

    Blocks must be whole frames long, except for the last.
    """
    codec = model.codec
    lead = np.zeros(0, dtype=np.float32)
    keep = chunk_frames(model)[1] * codec.samples_per_frame
    seconds = 0.0
    for block in blocks:
        audio = torch.from_numpy(np.concatenate([lead, block]))[None, None]
        with torch.no_grad():
            tokens = codec.encode(audio)
            found = model.residuals(tokens, None, layers=encoder.layers)
        skip = len(lead) // codec.samples_per_frame + 1  # the lead-in and the start position
        yield encoder.encode({layer: x[0, skip:] for layer, x in found.items()})
        lead = np.concatenate([lead, block])[-keep:] if keep else lead
        seconds += len(block) / codec.sample_rate_hz
        if progress is not None:
            progress(seconds)
