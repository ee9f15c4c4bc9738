"""An engine and its sliders -> slider-to-ear latency, and whether the joints click.

A move is heard with the first 20 ms at the output whose difference from the take without it is above -20 dB of the
signal. While a slider is dragged there is no take without the last move, so two times are told: from a move to the
first frame that was decided with it, and the age of the setting that is heard, ramp included. Knows nothing of frames'
costs.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drawbar.errors import DeviceError
from drawbar.files.json_object import JsonObject
from drawbar.live import Engine, NullOutput, TakeSettings, render
from drawbar.live.audio_out.buffer import BUFFERS_MS, measure
from drawbar.live.audio_out.limiter import Monitor
from drawbar.live.clock import RealClock
from drawbar.live.playback import Playback
from drawbar.live.takes.take import Take
from drawbar.musicgen import Model
from drawbar.steering import DirectionSource

THRESHOLD_DB = -20.0
DRAG_HZ = 30.0
LISTEN_S = 0.7
"""How long a move is listened for, beyond the safety buffer where that cannot be taken back."""
MEASURED_S = 3.0
SEEDS = 10
"""Takes in turn; each is rendered once without a move."""

Audio = NDArray[np.float32]


def slider_to_ear(
    model: Model,
    bank: DirectionSource,
    ids: Sequence[str],
    prompt: str,
    *,
    moves: int,
    amount: float,
    rollback: bool,
    safety_s: float,
) -> dict[str, object]:
    """Move sliders one at a time, each in a take that has played for about a second."""
    rng = random.Random(9)
    output = NullOutput(int(model.spec.sample_rate_hz), record=True)
    buffer_ms = _with_least_buffer(output)
    found: list[float] = []
    underruns = 0
    with Engine(model, bank, output, rollback=rollback, safety_s=safety_s) as engine:
        engine.play(TakeSettings(prompt, 1, 0.3))
        engine.wait(60)
        unmoved: dict[int, Audio] = {}
        for number in range(moves):
            seed = 20 + number % SEEDS
            id = ids[number % len(ids)]
            settings = TakeSettings(prompt, seed, 4.0, amounts={id: 0.0})
            if seed not in unmoved:
                plain = render(model, bank, settings).audio
                unmoved[seed] = Monitor(int(model.spec.sample_rate_hz)).process(plain)
            listen_s = LISTEN_S + (0.0 if rollback else safety_s)
            delay_s = _one_move(
                engine, output, settings, id, amount, 0.8 + 0.4 * rng.random(), listen_s, unmoved[seed]
            )
            underruns += output.underruns
            if delay_s is not None:
                found.append(1000 * delay_s)
    return {
        "rollback": rollback,
        "buffer_ms": buffer_ms,
        "safety_ms": 1000 * safety_s,
        "moves": moves,
        "heard": len(found),
        "amount": amount,
        "underruns": underruns,
        **quantiles(found),
    }


def quantiles(values_ms: Sequence[float]) -> dict[str, float | None]:
    """Median, 99th percentile, least and most; all None without values."""
    if not len(values_ms):
        return {"p50_ms": None, "p99_ms": None, "least_ms": None, "most_ms": None}
    values = np.asarray(values_ms)
    names = ("p50_ms", "p99_ms", "least_ms", "most_ms")
    return {
        name: round(float(np.quantile(values, q)), 1)
        for name, q in zip(names, (0.5, 0.99, 0, 1), strict=True)
    }


def _with_least_buffer(output: NullOutput) -> int:
    """As "auto" has it on a device: the least that a moment of silence went through -> milliseconds."""
    found = measure(output, RealClock(), threading.Event(), MEASURED_S) or BUFFERS_MS[-1]
    output.min_fill_s = found / 1000
    return found


def _one_move(
    engine: Engine,
    output: NullOutput,
    settings: TakeSettings,
    id: str,
    amount: float,
    after_s: float,
    listen_s: float,
    unmoved: Audio,
) -> float | None:
    """Seconds from the move to the ear; None when it was not heard or the output ran dry."""
    before = output.started_at_s
    engine.play(settings)
    never = threading.Event()
    while output.started_at_s in (None, before) and not engine.wait(
        0
    ):  # what is told until then is the last take's
        never.wait(0.002)
    _until(engine, after_s)
    moved_at = time.perf_counter()
    engine.set_amount(id, amount)
    _until(engine, after_s + listen_s)
    judged = output.played() - round(0.02 * output.sample_rate_hz)
    begun, underruns = output.started_at_s, output.underruns
    engine.stop()
    engine.wait(60)
    engine.set_amount(id, 0.0)  # a slider stays where it was left, in the next take too
    if underruns or begun is None:
        return None
    frame = engine.context.model.spec.samples_per_frame
    first = first_difference(output.recorded()[:judged], unmoved, frame)
    return None if first is None else float(begun + first / output.sample_rate_hz - moved_at)


def _until(engine: Engine, played_s: float) -> None:
    never = threading.Event()
    while engine.snapshot().played_s < played_s and not engine.wait(0):
        never.wait(0.002)


def first_difference(heard: Audio, unmoved: Audio, frame: int) -> int | None:
    """The first sample of the first whole frame whose difference is above the threshold, relative to its
    signal.
    """
    count = min(len(heard), len(unmoved)) // frame
    signal = unmoved[: count * frame].reshape(count, frame).astype(np.float64)
    change = heard[: count * frame].reshape(count, frame) - signal
    loud = np.maximum((signal**2).mean(1), 1e-8)
    over = (change**2).mean(1) > loud * 10 ** (THRESHOLD_DB / 10)
    return int(np.argmax(over)) * frame if over.any() else None


def drag(
    model: Model,
    bank: DirectionSource,
    id: str,
    prompt: str,
    *,
    seconds: float,
    amount: float,
    rollback: bool,
    safety_s: float,
) -> dict[str, object]:
    """Pull one slider evenly from 0 to ``amount``, 30 moves a second: how old is the setting that is heard?"""
    output = NullOutput(int(model.spec.sample_rate_hz))
    buffer_ms = _with_least_buffer(output)
    settings = TakeSettings(prompt, 31, seconds + 3.0, amounts={id: 0.0})
    with Engine(model, bank, output, rollback=rollback, safety_s=safety_s) as engine:
        engine.play(TakeSettings(prompt, 1, 0.3))
        engine.wait(60)
        engine.play(settings)
        _until(engine, 1.0)
        begun = time.perf_counter()
        never = threading.Event()
        set_at: list[float] = []
        while (passed := time.perf_counter() - begun) < seconds:
            set_at.append(begun + passed)
            engine.set_amount(id, amount * passed / seconds)
            never.wait(1 / DRAG_HZ)
        engine.wait(4 * seconds + 60)
        take, playback = ended(engine)
        delay_s = engine.context.monitor.delay / output.sample_rate_hz
    per_frame = int(model.spec.samples_per_frame)
    ages = []
    for frame, value in take.automation["lanes"].get(id, []):
        if 0.02 * amount < value < 0.98 * amount:
            heard_at = output.heard_at_s(frame * per_frame) + delay_s
            ages.append(1000 * (heard_at - begun - seconds * value / amount))
    onsets = []
    for taken_at, frame in playback.moves:
        waiting = [moved for moved in set_at if moved <= taken_at]
        if waiting:
            onsets.append(1000 * (output.heard_at_s(frame * per_frame) + delay_s - waiting[0]))
        set_at = set_at[len(waiting) :]
    return {
        "rollback": rollback,
        "buffer_ms": buffer_ms,
        "safety_ms": 1000 * safety_s,
        "seconds": seconds,
        "settings_heard": len(ages),
        "rewinds": len(take.rewinds),
        "underruns": output.underruns,
        "onset": quantiles(onsets),
        "age": quantiles(ages),
        "splices": clicks(take.audio, playback.splices),
    }


def ended(engine: Engine) -> tuple[Take, Playback]:
    """The take that has just ended and its inside. Raises what ended it instead."""
    if engine.error is not None:
        raise engine.error
    if engine.take is None or engine.playback is None:
        raise DeviceError("nothing was played, so there is nothing to measure: is the machine far too slow?")
    return engine.take, engine.playback


def clicks(audio: Audio, splices: Sequence[int]) -> JsonObject:
    """The steps from sample to sample at the joints, against the 99.9th percentile of all the steps."""
    steps = np.abs(np.diff(audio))
    at = [n - 1 for n in splices if 1 <= n < len(audio)]
    usual = float(np.quantile(steps, 0.999)) if len(steps) else 0.0
    joints = steps[at] if at else np.zeros(0, np.float32)
    worst = float(joints.max()) if len(joints) else 0.0
    return {
        "joints": len(joints),
        "worst_step": round(worst, 5),
        "usual_step": round(usual, 5),
        "worst_of_usual": round(worst / usual, 3) if usual else None,
        "above": int((joints > usual).sum()),
    }
