"""The output's buffer: measured with silence, remembered, chosen; a clock that jumps."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from drawbar.errors import BadInputError
from drawbar.live import NullOutput, TakeSettings
from drawbar.live.audio_out import buffer
from drawbar.live.audio_out.chosen import ChosenOutput
from drawbar.live.audio_out.ring import Floats
from drawbar.live.lead import LeadPolicy
from tests.live.fakes import SteppedClock


class HeldUp(SteppedClock):
    """Every 50th time the one who waits is woken late."""

    def __init__(self, late_s: float) -> None:
        super().__init__()
        self.late_s, self.count = late_s, 0

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.count += 1
        return super().wait(event, timeout_s if self.count % 50 else self.late_s)


class Card(NullOutput):
    """Silence, but no null output: a device with a name."""

    def __init__(self, clock: SteppedClock) -> None:
        super().__init__(clock=clock)
        self.name = "a card"


@pytest.mark.parametrize(("late_s", "found"), [(0.004, 20), (0.035, 40), (0.1, 120), (3.0, 200)])
def test_the_smallest_buffer_without_a_drop_out_is_found(late_s: float, found: int) -> None:
    clock = HeldUp(late_s)
    assert buffer.measure(NullOutput(clock=clock), clock, threading.Event()) == found


class Resampling(NullOutput):
    """Holds 29 ms that it cannot play yet, as from 32 to 44.1 kHz."""

    held_s = 0.029
    _written = 0

    def queued(self) -> int:
        held = 0 if self._finished else min(round(self.held_s * self.sample_rate_hz), self._written)
        return super().queued() + held

    def write(self, samples: Floats) -> int:
        self._written += len(samples)
        return super().write(samples)


def test_what_a_resampler_holds_does_not_count_as_filled() -> None:
    clock = SteppedClock()
    output = Resampling(clock=clock)
    assert buffer.measure(output, clock, threading.Event()) == 20
    assert output.played() > 9 * 32_000


def test_a_take_is_played_through_a_resampler_with_the_smallest_buffer(studio: Any) -> None:
    room = studio()
    room.output = room.engine._sound.output = Resampling(clock=room.clock)
    room.output.min_fill_s = 0.02
    assert room.play(TakeSettings("", seed=4, seconds=1.0)).complete


def test_a_device_that_plays_nothing_does_not_count_as_one_without_drop_outs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SteppedClock()
    output = NullOutput(clock=clock)
    monkeypatch.setattr(output, "queued", lambda: 32_000)
    assert buffer.measure(output, clock, threading.Event(), 1.0) == buffer.BUFFERS_MS[-1]


def test_a_take_that_begins_ends_the_measurement() -> None:
    clock, interrupt = SteppedClock(), threading.Event()
    clock.later(1.0, interrupt.set)
    assert buffer.measure(NullOutput(clock=clock), clock, interrupt) is None
    assert clock.now() < 1.1


def test_it_is_measured_once_per_device_and_a_chosen_one_counts_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path))
    monkeypatch.setattr("drawbar.live.audio_out.chosen.NullOutput", str)
    clock = HeldUp(0.035)
    sound = ChosenOutput(clock, Card(clock))
    sound.measure(32_000, threading.Event())
    assert sound.open(32_000).min_fill_s == 0.04
    began = clock.now()
    sound.measure(32_000, threading.Event())
    assert clock.now() == began
    sound.buffer_ms = 120
    assert sound.open(32_000).min_fill_s == 0.12
    (tmp_path / "buffers.json").write_text('{"a card": "quick"}')
    assert buffer.remembered("a card") is None


@pytest.mark.parametrize("size_ms", [0, 19, 201, -5])
def test_a_buffer_of_no_use_is_refused(size_ms: int) -> None:
    with pytest.raises(BadInputError, match=f"{size_ms} ms"):
        buffer.checked(size_ms)


def test_a_machine_that_slept_is_not_slow() -> None:
    lead = LeadPolicy()
    for _ in range(10):
        lead.note(0.004)
    lead.note(3600.0)
    assert lead.real_time_factor == pytest.approx(5.0)
    assert lead.worst_s < 0.02
