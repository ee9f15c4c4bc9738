"""What an endless take keeps is whole, however much of it lies in a file."""

from __future__ import annotations

import numpy as np
import pytest

from drawbar.live.takes.spool import Spool
from drawbar.live.takes.trace import Trace


@pytest.mark.parametrize("start", [0, 3, 17, 40, 99, 100, 500])
def test_what_was_put_is_read_from_anywhere(start: int) -> None:
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((2, 100)).astype(np.float32)
    spool = Spool(2, np.float32, newest=8)
    for part in np.array_split(whole, [5, 6, 30, 31, 60], axis=1):
        spool.put(part)
    assert spool.count == 100
    np.testing.assert_array_equal(spool.read(start), whole[:, start:])


def test_the_newest_are_taken_back_and_put_again() -> None:
    whole = np.arange(200, dtype=np.uint16)[None]
    spool = Spool(1, np.uint16, newest=10)
    for n in range(0, 200, 4):
        if n >= 8:
            spool.cut(n - 6)
            spool.put(whole[:, n - 6 : n])
        spool.put(whole[:, n : n + 4])
    np.testing.assert_array_equal(spool.read(), whole)
    spool.clear()
    assert spool.read().shape == (1, 0)


def test_a_long_trace_reads_as_a_short_one_does() -> None:
    trace = Trace(n_q=2, slots=2)
    rng = np.random.default_rng(1)
    audio = rng.standard_normal(640 * 1600).astype(np.float32)
    for frame in range(1600):
        if frame == 800:
            trace.set_ids({"1/0": 1})
        tokens = np.full(2, frame % 7, np.uint16)
        trace.put_frame(frame, tokens, None, np.full(2, frame, np.float32))
        block = audio[frame * 640 : (frame + 1) * 640]
        trace.put_audio(block, -block, None)
    np.testing.assert_array_equal(trace.audio(), audio)
    np.testing.assert_array_equal(trace.steered(1_000_000), -audio[1_000_000:])
    assert trace.tokens()[1].tolist() == [frame % 7 for frame in range(1600)]
    _, shown = trace.activations(790)
    assert shown[0].tolist() == [0] * 10 + list(range(800, 1600))
    peaks = trace.peaks(1_000_000)
    np.testing.assert_array_equal(peaks[:, 1], audio.reshape(-1, 64).max(1))
    assert len(trace.peaks(100)) == 100
