"""A model's sizes and this machine -> what each precision would take and how fast it would play, before it is loaded.

Memory is computed (``memory_needed``); time is measured on one layer of random weights of the same sizes, for five
seconds at most. Reads no weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from drawbar.errors import BadInputError
from drawbar.musicgen.checkpoint.memory_needed import device_of, free_bytes, needed
from drawbar.musicgen.quantised.precision import precisions, step_seconds
from drawbar.musicgen.spec import ModelSpec

MOST_S = 5.0
"""Seconds that are measured in all."""
LENGTHS_S = (10.0, 30.0, None)
"""Takes of 10 s and 30 s, and endless ones."""
ROWS = {False: 2, True: 4}
"""Rows of the network with guidance: without the bypass twin and with it."""


@dataclass(frozen=True)
class Choice:
    """One precision on one device."""

    device: str
    precision: str
    bytes: dict[str, int]
    """"10 s", "10 s + twin" ... "endless + twin" -> all that is needed."""
    frame_ms: float | None
    """Expected for the decoder's step with guidance; None where there was no time left to measure."""
    real_time: bool | None
    """Whether that is less than a frame lasts."""
    free: int | None

    def fits(self, take: str) -> bool | None:
        """None where a device does not say how much is free."""
        return None if self.free is None else self.bytes[take] <= self.free


@dataclass(frozen=True)
class Plan:
    """What a model would take here."""

    model: str
    choices: tuple[Choice, ...]

    @property
    def instead(self) -> tuple[str, ...]:
        """Choices that fit an endless take with a twin, the fastest first."""
        fitting = [choice for choice in self.choices if choice.fits("endless + twin") is not False]
        fitting.sort(key=lambda choice: choice.frame_ms if choice.frame_ms is not None else float("inf"))
        return tuple(f"{choice.precision} on {choice.device}" for choice in fitting)


def devices() -> list[str]:
    """The processor, and every accelerator that torch finds."""
    cuda = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def plan(
    spec: ModelSpec,
    *,
    text: int = 0,
    codec: int = 0,
    clock: Callable[[], float] = time.perf_counter,
    most_s: float = MOST_S,
) -> Plan:
    """``text`` and ``codec`` count parameters. Raises BadInputError for a negative time."""
    if most_s < 0:
        raise BadInputError(f"most_s {most_s}: the seconds that may be measured cannot be negative")
    until = clock() + most_s
    choices = []
    for device in devices():
        for precision in precisions(spec, device_of(device)):
            sizes = {
                _take(seconds, twin): needed(
                    spec, precision, seconds=seconds, rows=ROWS[twin], text=text, codec=codec
                ).total
                for seconds in LENGTHS_S
                for twin in ROWS
            }
            ms = 1000 * step_seconds(spec, precision, 1, device) if clock() < until else None
            fast = None if ms is None else ms < 1000 / spec.frame_rate_hz
            choices.append(Choice(device, precision, sizes, ms, fast, free_bytes(device)))
    return Plan(spec.name, tuple(choices))


def _take(seconds: float | None, twin: bool) -> str:
    length = "endless" if seconds is None else f"{seconds:g} s"
    return f"{length} + twin" if twin else length
