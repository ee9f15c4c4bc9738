"""Fixtures of the live tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from drawbar.live import Engine, NullOutput
from tests.live.fakes import PacedModel, SteppedClock, TinyBank, tiny_model


@pytest.fixture(scope="session")
def model() -> Any:
    torch.set_num_threads(1)
    return tiny_model()


@pytest.fixture(scope="session")
def bank(model: Any) -> Any:
    return TinyBank(model.fingerprint)


class Studio:
    """An engine with a stepped clock and a recording null output."""

    def __init__(self, model: Any, bank: Any, **options: Any) -> None:
        self.clock = SteppedClock()
        self.model = PacedModel(model, self.clock)
        self.output = NullOutput(32_000, clock=self.clock, record=True)
        self.engine = Engine(self.model, bank, self.output, clock=self.clock, **options)

    def play(self, settings: Any) -> Any:
        """Play to the end -> the take."""
        self.engine.play(settings)
        assert self.engine.wait(60)
        return self.engine.take


@pytest.fixture
def studio(model: Any, bank: Any) -> Iterator[Callable[..., Studio]]:
    opened: list[Studio] = []

    def build(**options: Any) -> Studio:
        opened.append(Studio(model, bank, **options))
        return opened[-1]

    yield build
    for one in opened:
        one.engine.close()
