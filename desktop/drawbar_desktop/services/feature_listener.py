"""Tokens or a sound file -> which features of the whole bank fire in it, and where."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from drawbar.bank import Bank
    from drawbar.features.encode_audio import BankEncoder
    from drawbar.musicgen import Model

Floats = NDArray[np.float32]
LIMIT_S = 600.0
ROWS = 24


@dataclass(frozen=True)
class HeardFile:
    """A sound file as the model hears it."""

    audio: Floats
    tokens: NDArray[np.uint16]
    """`[K, T]`."""
    ids: tuple[str, ...]
    heat: Floats
    """`[R, T]`, 1.0 = each feature's 99th percentile."""


class EarPort(Protocol):
    """What the window asks."""

    def hear(self, tokens: NDArray[np.uint16]) -> tuple[Sequence[str], Floats]:
        """Tokens `[K, T]` -> every feature's id and mean activation `[n]`."""
        ...

    def listen(self, path: Path, tell: Callable[[float], object], cancel: threading.Event) -> HeardFile:
        """A sound file -> what fires in it. Raises AudioFileError, CancelledError."""
        ...


class Ear:
    """The loaded model and its bank, listening."""

    def __init__(self, model: Model, bank: Bank) -> None:
        self._model, self._bank = model, bank
        self._encoder: BankEncoder | None = None
        self._lock = threading.Lock()

    def _opened(self) -> BankEncoder:
        from drawbar.features.encode_audio import BankEncoder

        with self._lock:
            if self._encoder is None:
                self._encoder = BankEncoder(self._bank)
            return self._encoder

    def hear(self, tokens: NDArray[np.uint16]) -> tuple[Sequence[str], Floats]:
        """Tokens `[K, T]` -> every feature's id and mean activation `[n]`."""
        values, columns, encoder = self._fired(tokens)
        means = np.zeros(len(encoder.ids), np.float64)
        np.add.at(means, columns.ravel(), values.ravel().astype(np.float64))
        return encoder.ids, (means / max(1, len(values))).astype(np.float32)

    def rows(self, tokens: NDArray[np.uint16]) -> tuple[tuple[str, ...], Floats]:
        """Tokens `[K, T]` -> the rows that fire most and their activations `[R, T]`, for a heat-map."""
        values, columns, encoder = self._fired(tokens)
        return _strongest(values, columns, encoder)

    def listen(self, path: Path, tell: Callable[[float], object], cancel: threading.Event) -> HeardFile:
        """A sound file -> what fires in it: the strongest rows."""
        import torch

        from drawbar.corpus.audio import read_audio
        from drawbar.errors import CancelledError

        model = self._model
        audio = np.asarray(read_audio(path, int(model.spec.sample_rate_hz), limit_s=LIMIT_S), np.float32)
        per_frame = int(model.spec.samples_per_frame)
        audio = audio[: len(audio) // per_frame * per_frame]
        step = 10 * int(model.spec.frame_rate_hz)
        parts, values, columns = [], [], []
        encoder = self._opened()
        total = max(1, len(audio) // per_frame)
        for first in range(0, total, step):
            if cancel.is_set():
                raise CancelledError(f"listening to {path.name} was cancelled")
            block = audio[first * per_frame : (first + step) * per_frame]
            if not len(block):
                break
            with torch.inference_mode():
                tokens = model.codec.encode(torch.from_numpy(block)[None, None])
            parts.append(tokens[0].to(torch.int32).cpu().numpy().astype(np.uint16))
            fired, where, _ = self._fired(parts[-1])
            values.append(fired)
            columns.append(where)
            tell(min(1.0, (first + step) / total))
        tokens_all = np.concatenate(parts, axis=1)
        ids, heat = _strongest(np.concatenate(values), np.concatenate(columns), encoder)
        return HeardFile(audio, tokens_all, ids, heat)

    def _fired(
        self, tokens: NDArray[np.uint16]
    ) -> tuple[NDArray[np.float16], NDArray[np.int32], BankEncoder]:
        import torch

        encoder = self._opened()
        frames = torch.from_numpy(np.asarray(tokens, np.int64))[None]
        with torch.inference_mode():
            residuals = self._model.residuals(frames, None, layers=encoder.layers)
            fired = encoder.encode({layer: x[0, 1:] for layer, x in residuals.items()})
        return fired.values, fired.columns, encoder


def _strongest(
    values: NDArray[np.float16], columns: NDArray[np.int32], encoder: BankEncoder
) -> tuple[tuple[str, ...], Floats]:
    """What fires `[T, n]` as pairs -> the rows that fire most, once a name, in units of each row's p99."""
    scale = np.array([row.p99 or 1.0 for row in encoder.rows], np.float32)
    weight = np.zeros(len(scale))
    np.add.at(weight, columns.ravel(), (values.astype(np.float32) / scale[columns]).ravel() ** 2)
    chosen: dict[str, int] = {}
    for place in np.argsort(-weight):
        row = encoder.rows[place]
        if weight[place] <= 0 or len(chosen) >= ROWS:
            break
        if row.label or len(chosen) < ROWS // 2:
            chosen.setdefault(row.label or row.id, int(place))
    places = list(chosen.values())
    heat = np.zeros((len(places), len(values)), np.float32)
    for row_at, place in enumerate(places):
        hit = columns == place
        heat[row_at] = np.where(hit, values, 0).max(axis=1).astype(np.float32) / scale[place]
    return tuple(encoder.ids[place] for place in places), heat
