"""The parts between a slider and the ear, each by itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from drawbar.errors import BadInputError
from drawbar.live.audio_out.limiter import Gain, Limiter, Monitor
from drawbar.live.audio_out.output import NullOutput
from drawbar.live.audio_out.ring import Floats, Ring
from drawbar.live.bypass import Bypass
from drawbar.live.controls import Controls
from drawbar.live.lead import MOST_SPARE_S, LeadPolicy
from drawbar.live.rollback import Block, Pending
from drawbar.live.takes.trace import Trace
from tests.live.fakes import SteppedClock

RATE = 32_000


def noise(count: int, seed: int = 0, level: float = 1.0) -> Floats:
    return np.asarray(level * np.random.default_rng(seed).standard_normal(count), np.float32)


def test_the_ring_gives_back_what_was_put_in_across_its_end() -> None:
    ring, source, out = Ring(100), noise(1000), []
    done = 0
    while done < len(source):
        done += ring.write(source[done : done + 37])
        out.append(ring.read(29))
    out.append(ring.read(100))
    np.testing.assert_array_equal(np.concatenate(out), source)


def test_the_ring_takes_no_more_than_fits_and_gives_no_more_than_it_has() -> None:
    ring = Ring(8)
    assert ring.write(np.ones(10, np.float32)) == 8
    assert ring.writable == 0
    assert ring.clear() == 8
    assert len(ring.read(5)) == 0


def test_of_many_moves_only_the_last_is_handed_over_and_not_too_often() -> None:
    controls = Controls(interval_s=0.02)
    for value in (0.1, 0.2, 0.3):
        controls.set("1/2", value)
    assert controls.moved.is_set()
    assert controls.take(5.0) == {"1/2": 0.3}
    assert not controls.moved.is_set()
    controls.set("1/2", 0.4)
    assert controls.take(5.01) == {}
    assert controls.wait_s(5.01) == pytest.approx(0.01)
    assert controls.take(5.021) == {"1/2": 0.4}
    controls.set("1/2", 0.4)
    assert controls.wait_s(6.0) is None


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), 1e6])
def test_absurd_amounts_are_refused_with_the_feature_and_the_value(amount: float) -> None:
    with pytest.raises(BadInputError, match="1/2"):
        Controls().set("1/2", amount)


def test_gain_moves_without_a_jump_and_ends_where_it_should() -> None:
    gain = Gain(RATE)
    gain.set_db(-20)
    out = np.concatenate([gain.process(np.ones(100, np.float32)) for _ in range(10)])
    assert np.abs(np.diff(out)).max() < 0.01
    assert out[319] == pytest.approx(0.1)
    assert out[-1] == pytest.approx(0.1)


def test_the_limiter_leaves_quiet_sound_alone() -> None:
    limiter, quiet = Limiter(RATE), noise(5000, level=0.1)
    out = limiter.process(quiet)
    np.testing.assert_array_equal(out[limiter.delay :], quiet[: -limiter.delay])


def test_the_limiter_keeps_loud_sound_under_the_ceiling_between_samples_too() -> None:
    limiter = Limiter(RATE, ceiling_db=-1.0)
    time = np.arange(RATE) / RATE
    loud = (3 * np.sin(2 * np.pi * 8000 * time + np.pi / 4) * np.minimum(time * 50, 1)).astype(np.float32)
    out = limiter.process(loud)
    assert np.abs(out).max() <= 10 ** (-1 / 20) + 1e-6
    spectrum = np.fft.rfft(out)
    finer = np.fft.irfft(np.concatenate([spectrum, np.zeros(3 * RATE // 2)]), 4 * RATE) * 4
    assert np.abs(finer).max() <= 1.03


def test_the_limiter_gives_the_same_in_any_blocks() -> None:
    loud = noise(8000, level=0.8)
    whole = Limiter(RATE).process(loud)
    limiter, parts, at = Limiter(RATE), [], 0
    for size in [1, 640, 3, 0, 47, 2000, 640, 4669]:
        parts.append(limiter.process(loud[at : at + size]))
        at += size
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)


def test_the_monitor_gives_every_sample_back() -> None:
    monitor, quiet = Monitor(RATE), noise(640, level=0.1)
    out = np.concatenate([monitor.process(quiet), monitor.flush()])
    np.testing.assert_array_equal(out[monitor.delay :], quiet)


def test_bypass_fades_and_remembers_when() -> None:
    bypass = Bypass(fade=10)
    steered, twin = np.zeros(20, np.float32), np.ones(20, np.float32)
    assert bypass.mix(steered, twin).max() == 0
    bypass.switch(True, 20)
    heard = bypass.mix(steered, twin)
    np.testing.assert_allclose(heard[:10], np.arange(1, 11) / 10, rtol=1e-6)
    assert heard[10:].min() == 1
    bypass.switch(True, 40)
    assert bypass.edges == [(20, True)]


def block(frame: int, size: int = 640) -> Block:
    return Block(frame, np.zeros(size, np.float32), None, f"before {frame}")


def test_only_what_plays_long_enough_from_now_is_taken_back() -> None:
    pending = Pending()
    for frame in range(10, 15):
        pending.add(block(frame))
    assert pending.recallable(queued=640, low_water=1920) == 12
    assert pending.recallable(queued=3200, low_water=1920) == 10
    assert pending.recallable(queued=0, low_water=9999) is None
    assert pending.take_back(12) == "before 12"
    assert pending.samples == 1280
    assert pending.hand_over().frame == 10


def test_the_lead_follows_slow_frames_and_underruns() -> None:
    lead = LeadPolicy()
    for _ in range(300):
        lead.note(0.005)
    short = lead.target_s
    lead.note(0.060)
    assert lead.target_s > short
    assert lead.real_time_factor == pytest.approx(4, rel=0.05)
    for _ in range(600):
        lead.note(0.005)
    assert lead.target_s == pytest.approx(short)
    assert lead.spare_s == 0
    lead.note_underrun()
    assert lead.target_s > short + 0.05
    once = lead.spare_s
    for _ in range(9):
        lead.note_underrun()
    assert once < lead.spare_s <= MOST_SPARE_S


def test_the_null_output_plays_by_the_clock_and_counts_each_gap_once() -> None:
    clock = SteppedClock()
    output = NullOutput(RATE, clock=clock, record=True)
    output.start()
    clock.time_s += 5
    assert output.underruns == 0
    output.write(np.ones(640, np.float32))
    clock.time_s += 0.01
    assert (output.queued(), output.played()) == (320, 320)
    clock.time_s += 0.02
    assert output.queued() == 0
    clock.time_s += 0.02
    output.write(np.ones(640, np.float32))
    assert output.underruns == 1
    assert output.missed_samples == 960
    output.finish()
    clock.time_s += 1
    assert output.queued() == 0
    assert output.underruns == 1
    np.testing.assert_array_equal(output.recorded(), np.repeat([1, 0, 1], [640, 960, 640]))


def test_the_trace_draws_the_peaks_of_what_was_heard() -> None:
    trace, sound = Trace(), noise(64 * 300)
    for at in range(0, len(sound), 640):
        trace.put_audio(sound[at : at + 640], sound[at : at + 640], None)
    np.testing.assert_array_equal(trace.audio(1000), sound[1000:])
    fine = trace.peaks(1000)
    np.testing.assert_array_equal(fine[:, 1], sound.reshape(-1, 64).max(1))
    coarse = trace.peaks(100)
    assert coarse.shape == (100, 2)
    np.testing.assert_array_equal(coarse[:, 0], sound.reshape(100, -1).min(1))


def test_frames_that_are_taken_back_are_overwritten() -> None:
    trace = Trace(n_q=1, slots=2)
    trace.set_ids({"a": 1})
    for frame in range(5):
        trace.put_frame(frame, np.array([frame], np.uint16), None, np.array([0, frame], np.float32))
    trace.take_back(3)
    assert trace.frames == 3
    trace.put_frame(3, np.array([30], np.uint16), None, np.array([0, 30], np.float32))
    np.testing.assert_array_equal(trace.tokens(), [[0, 1, 2, 30]])
    ids, shown = trace.activations()
    assert tuple(ids) == ("a",)
    np.testing.assert_array_equal(shown, [[0, 1, 2, 30]])


def test_importing_the_live_package_loads_neither_torch_nor_a_sound_library() -> None:
    code = "import sys, drawbar.live; sys.exit(bool({'sounddevice', 'rtmixer', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
