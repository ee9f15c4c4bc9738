"""Whatever ends the worker's work reaches the caller as one typed message, and the next take plays."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from drawbar.errors import BadInputError, DeviceError, DrawbarError, NotFiniteError, WorkerError
from drawbar.live import Engine, NullOutput, TakeSettings
from drawbar.live.failures import typed
from tests.live.fakes import SteppedClock

SETTINGS = TakeSettings("", seed=4, seconds=1.0)


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (NotFiniteError("logits at layer 2, amounts 1/2=9"), NotFiniteError, "layer 2"),
        (MemoryError(), DeviceError, "smaller model"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB"), DeviceError, "memory ran out"),
        (RuntimeError("DefaultCPUAllocator: out of memory"), DeviceError, "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 EB"), DeviceError, "memory"),
        (RuntimeError("MPS backend out of memory"), DeviceError, "memory"),
        (RuntimeError("CUDA error: unspecified launch failure\nmore"), DeviceError, "play on the CPU"),
        (OSError(28, "No space left on device"), DeviceError, "No space left"),
        (KeyError("residual"), WorkerError, "KeyError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_in_the_worker_is_one_typed_message_and_the_engine_plays_again(
    studio: Any, error: Exception, kind: type[DrawbarError], told: str
) -> None:
    room = studio()

    def fail() -> None:
        raise error

    room.model.at_frame = {25: fail}
    room.play(SETTINGS)
    snapshot = room.engine.snapshot()
    assert (snapshot.state, snapshot.error) == ("error", kind.__name__)
    assert told in snapshot.message
    assert "\n" not in snapshot.message
    assert isinstance(room.engine.error, kind)
    assert room.play(SETTINGS).complete
    assert (room.engine.snapshot().error, room.engine.snapshot().message) == ("", "")


def test_the_cause_of_a_translated_error_is_kept() -> None:
    cause = MemoryError("codec")
    assert typed(cause).__cause__ is cause
    ours = BadInputError("seed -1: use 0 or more")
    assert typed(ours) is ours


def test_an_output_that_breaks_in_the_second_thread_ends_the_take_with_its_message(studio: Any) -> None:
    room = studio()

    def broken() -> None:
        room.engine.playback.fail(DeviceError("the card stopped answering: choose another"))

    room.model.at_frame = {25: broken}
    room.play(SETTINGS)
    assert room.engine.snapshot().error == "DeviceError"
    assert "stopped answering" in room.engine.snapshot().message
    assert room.play(SETTINGS).complete


def test_a_model_that_cannot_be_loaded_is_told_and_every_take_says_so(bank: Any) -> None:
    def load() -> Any:
        raise MemoryError

    with Engine(load, bank, NullOutput(clock=SteppedClock()), clock=SteppedClock()) as engine:
        assert engine.wait(60)
        assert engine.snapshot().error == "DeviceError"
        engine.play(SETTINGS)
        assert engine.wait(60)
        assert engine.snapshot().error == "BadInputError"


def test_stop_ends_a_take_within_one_frame(studio: Any) -> None:
    room = studio()
    given: list[int] = []

    def cost_s(frame: int) -> float:
        given.append(frame)
        return 0.004

    room.model.cost_s = cost_s
    room.model.at_frame = {40: room.engine.stop}
    take = room.play(TakeSettings("", seed=4, seconds=None))
    assert given[-1] == 40
    assert not take.complete
