"""Tap, MIDI clock both ways, moves on the beat."""

import random

import pytest

from drawbar_desktop.services.midi_clock import MidiClock
from drawbar_desktop.state.beat_grid import Grid
from drawbar_desktop.state.quantise import Quantiser, next_line
from drawbar_desktop.state.tempo import ClockIn, ClockOut, Tap


def test_taps_give_the_tempo_and_a_pause_begins_anew() -> None:
    tap, rng = Tap(), random.Random(1)
    found = [tap.tap(i * 0.5 + rng.uniform(-0.01, 0.01)) for i in range(9)]
    assert found[0] is None
    assert found[-1] == pytest.approx(120, abs=2)
    assert tap.tap(20.0) is None
    assert tap.tap(20.4) == pytest.approx(150)


@pytest.mark.parametrize("tempo", [60.0, 93.7, 120.0, 174.0])
def test_the_clock_that_goes_out_is_heard_as_the_same_tempo_and_transport(tempo: float) -> None:
    """In process: every millisecond what is due, with the jitter of a busy machine."""
    out, heard, rng = ClockOut(), ClockIn(), random.Random(3)
    said = []
    out.set_tempo(tempo, 0.0)

    def run(first_s: float, last_s: float) -> None:
        time_s = first_s
        while time_s < last_s:
            for message in out.due(time_s):
                said.append(heard.feed(message, time_s + rng.uniform(0, 0.002)))
            time_s += 0.001

    out.start(0.0)
    run(0.0, 8.0)
    assert heard.tempo_bpm == pytest.approx(tempo, abs=0.5)
    assert heard.beat == pytest.approx(8 * tempo / 60, abs=1)
    running = [heard.running]
    out.stop()
    run(8.0, 8.1)
    running.append(heard.running)
    assert running == [True, False]
    out.start(9.0, beat=16.0)
    run(9.0, 9.0 + 60 / tempo)
    assert [word for word in said if word] == ["start", "stop", "position", "continue"]
    assert heard.beat == pytest.approx(17, abs=0.1)


def test_a_tempo_that_changes_while_it_runs_drops_no_beat() -> None:
    out = ClockOut()
    out.start(0.0)
    before = len(out.due(10.0))
    out.set_tempo(60.0, 10.0)
    assert before == 1 + 10 * 48 + 1
    assert len(out.due(20.0)) == pytest.approx(240, abs=1)


def test_the_sender_starts_stops_and_says_where_it_is() -> None:
    sent: list[list[int]] = []
    clock = MidiClock()
    assert clock.outputs() == ()
    clock.send_to(sent.append)
    clock.follow(300.0, sounding=True, beat=0.0)
    while len(sent) < 30:
        pass
    clock.follow(300.0, sounding=False, beat=0.0)
    clock.follow(300.0, sounding=True, beat=4.0)
    clock.close()
    assert sent[0] == [0xFA]
    said = [message for message in sent if message != [0xF8]]
    assert said == [[0xFA], [0xFC], [0xF2, 16, 0], [0xFB], [0xFC]]


def test_moves_wait_for_the_next_line_that_they_can_reach() -> None:
    grid, quantiser = Grid(120.0, 0.25), Quantiser()
    assert next_line(grid, "beat", 0.3) == pytest.approx(0.75)
    assert next_line(grid, "bar", 0.3) == pytest.approx(2.25)
    assert not quantiser.hold("1/1", 1.0, grid, 0.3, 0.2)
    quantiser.step.set("beat")
    assert quantiser.hold("1/1", 1.0, grid, 0.6, 0.2)
    assert quantiser.hold("1/1", 2.0, grid, 0.65, 0.2)
    assert quantiser.due(0.8, 0.2, 0.033) == {}
    assert quantiser.due(1.05, 0.2, 0.033) == {"1/1": 2.0}
    assert quantiser.due(1.05, 0.2, 0.033) == {}
