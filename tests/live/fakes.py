"""A tiny real model, a tiny bank, and a clock that waits without time passing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from drawbar.musicgen import Model
from drawbar.musicgen.codec.spectral import SpectralCodec, SpectralConfig
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.spec import ModelSpec

D_MODEL, LAYERS, FEATURES = 32, 3, 6


class SteppedClock:
    """Waiting moves the time on at once; work takes no time unless a test says so."""

    def __init__(self) -> None:
        self.time_s = 0.0
        self._later: list[tuple[float, Callable[[], object]]] = []

    def later(self, after_s: float, call: Callable[[], object]) -> None:
        """Do something when so much time has been waited."""
        self._later.append((self.time_s + after_s, call))

    def now(self) -> float:
        return self.time_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if not event.is_set():
            self.time_s += timeout_s
        due = [call for at, call in self._later if at <= self.time_s]
        self._later = [(at, call) for at, call in self._later if at > self.time_s]
        for call in due:
            call()
        return event.is_set()


class TinyBank:
    """Six random features on layer 1."""

    def __init__(self, fingerprint: str) -> None:
        self.info = SimpleNamespace(
            name="tiny", model_name="tiny", fingerprint=fingerprint, layers=(1,), d_model=D_MODEL
        )
        self.rows = np.random.default_rng(3).standard_normal((FEATURES, D_MODEL)).astype(np.float32)
        self.rows /= np.linalg.norm(self.rows, axis=1, keepdims=True)

    def vectors(self, ids: list[str]) -> dict[str, Any]:
        from drawbar.errors import BadInputError

        if any(id not in {f"1/{i}" for i in range(FEATURES)} for id in ids):
            raise BadInputError(f"features {ids} are not in the bank")
        chosen = self.rows[[int(id.split("/")[1]) for id in ids]]
        many = np.ones(len(ids), np.float32)
        return {
            "W_dec": chosen,
            "W_enc": chosen,
            "b_enc": 0 * many,
            "b_dec": {1: np.zeros(D_MODEL, np.float32)},
            "scale": 20 * many,
            "threshold": 0.1 * many,
        }


def tiny_model() -> Model:
    torch.manual_seed(5)
    spec = ModelSpec("tiny", D_MODEL, LAYERS, n_heads=2, d_ff=64, card=16, context_frames=400, text_dim=16)
    codec = SpectralCodec(
        SpectralConfig(
            card=16, latent=8, encoder_width=16, decoder_width=16, encoder_blocks=1, decoder_blocks=1
        )
    )
    with torch.no_grad():
        codec.head.weight.mul_(3.0)
    return Model(spec, Decoder(spec).eval(), None, codec.eval().requires_grad_(False))


@dataclass
class PacedModel:
    """The tiny model, whose frames take time on a stepped clock; a test may act when a frame comes."""

    inner: Any
    clock: SteppedClock
    cost_s: Callable[[int], float] = lambda _frame: 0.004
    at_frame: dict[int, Callable[[], None]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def stream(self, *args: Any, **kwargs: Any) -> Any:
        stream = self.inner.stream(*args, **kwargs)
        original = type(stream).__next__
        paced = self

        class Paced(type(stream)):  # type: ignore[misc]
            def __next__(self) -> Any:
                frame = original(self)
                paced.clock.time_s += paced.cost_s(frame.index)
                action = paced.at_frame.pop(frame.index, None)
                if action is not None:
                    action()
                return frame

        stream.__class__ = Paced
        return stream
