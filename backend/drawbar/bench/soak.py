"""A model and a bank -> minutes of endless play beside a busy window: under-runs, rewinds, memory.

The window's thread asks for everything that a window shows, 60 times a second, and then holds the interpreter for as
long as painting does. Knows nothing of latency.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from drawbar.bench.ear import clicks, ended
from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.live import Engine, NullOutput, TakeSettings
from drawbar.musicgen import Model
from drawbar.steering import DirectionSource

WINDOW_HZ = 60.0
PAINT_S = 0.004
"""How long the window holds the interpreter each time."""
MOVE_S = 0.5
"""Between two slider moves."""
MEMORY_RATIO = 1.01
"""What memory may grow to in a soak, relative to what it was when everything was in use."""
SETTLE_S = 60.0
"""Before memory is first read (a fifth of a shorter run): caches, files and buffers are in use by then."""


def play(
    model: Model,
    bank: DirectionSource,
    ids: Sequence[str],
    prompt: str,
    *,
    seconds: float,
    twin: bool = False,
    tell: Callable[[str, float], object] = lambda _what, _share: None,
    minute: Callable[[str], object] = lambda _line: None,
) -> JsonObject:
    """Play without an end for ``seconds`` on the null output; ``minute`` hears a line every minute.

    Raises BadInputError for less than 2 s.
    """
    if seconds < 2:
        raise BadInputError(f"a soak of {seconds} s: use at least 2")
    output = NullOutput(int(model.spec.sample_rate_hz))
    over = threading.Event()
    polls: list[int] = [0]
    memory: list[tuple[float, float]] = []
    with Engine(model, bank, output) as engine:
        for id in ids:
            engine.add_feature(id)
        window = threading.Thread(target=_window, args=(engine, over, polls), daemon=True)
        window.start()
        settings = TakeSettings(prompt, 11, None, amounts=dict.fromkeys(ids, 0.0), twin=twin)
        engine.play(settings)
        while not engine.snapshot().played_s and not engine.wait(0):
            over.wait(MOVE_S)  # loading and compiling are no part of the soak
        began, rng, told, worst_s = time.perf_counter(), random.Random(5), 0, 0.0
        while (passed := time.perf_counter() - began) < seconds and not engine.wait(0):
            engine.set_amount(rng.choice(ids), round(rng.uniform(-1, 1), 3))
            if passed >= min(SETTLE_S, seconds / 5):
                memory.append((round(passed, 1), memory_mb()))
            worst_s = max(worst_s, engine.context.lead.worst_s)
            if passed >= 60 * (told + 1):
                told += 1
                speed = engine.snapshot().real_time_factor
                minute(
                    f"minute {told}: {speed:.1f} x real time, {output.underruns} drop-outs, "
                    f"{memory_mb():.0f} MB, slowest frame {1000 * worst_s:.1f} ms"
                )
            tell(f"playing {seconds:g} s, {output.underruns} under-runs", passed / seconds)
            over.wait(MOVE_S)
        snapshot = engine.snapshot()
        underruns, missed = output.underruns, output.missed_samples
        engine.stop()
        engine.wait(60)
        over.set()
        window.join()
        take, performance = ended(engine)
    if not memory:
        raise BadInputError(f"the take ended before {seconds / 5:g} s: soak for longer")
    start, end = memory[0][1], memory[-1][1]
    return {
        "seconds": round(snapshot.played_s, 1),
        "twin": twin,
        "threads": os.cpu_count(),
        "underruns": underruns,
        "missed_ms": round(1000 * missed / output.sample_rate_hz, 1),
        "real_time_factor": round(snapshot.real_time_factor, 2),
        "worst_frame_ms": round(1000 * worst_s, 1),
        "rewinds": len(take.rewinds),
        "window_polls": polls[0],
        "memory_start_mb": round(start, 1),
        "memory_end_mb": round(end, 1),
        "memory_most_mb": round(max(mb for _, mb in memory), 1),
        "memory_ratio": round(end / start, 4),
        "splices": clicks(take.audio, performance.splices),
        "message": snapshot.message,
    }


def _window(engine: Engine, over: threading.Event, polls: list[int]) -> None:
    samples = frames = 0
    while not over.wait(1 / WINDOW_HZ):
        engine.snapshot()
        trace = engine.trace
        samples += len(trace.audio(samples))
        frames += trace.activations(frames)[1].shape[1]
        trace.peaks(800)
        until = time.perf_counter() + PAINT_S
        while time.perf_counter() < until:
            pass
        polls[0] += 1


def memory_mb() -> float:
    """What this process has in memory now (where the system does not say: the most it ever had)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def rows(result: JsonMapping) -> list[tuple[str, object, str]]:
    joints = result["splices"]
    return [
        ("played beside a busy window", f"{result['seconds']:g} s", ""),
        ("under-runs", f"{result['underruns']} ({result['missed_ms']:g} ms missed)", "0"),
        ("real-time factor", result["real_time_factor"], ""),
        ("slowest frame", f"{result['worst_frame_ms']:g} ms", ""),
        ("rewinds", result["rewinds"], ""),
        ("what the window asked", result["window_polls"], ""),
        (
            "memory, start / end / most",
            f"{result['memory_start_mb']} / {result['memory_end_mb']} / {result['memory_most_mb']} MB",
            "",
        ),
        ("... end / start", result["memory_ratio"], f"<= {MEMORY_RATIO}"),
        ("largest step at a joint / usual 99.9 %", joints["worst_of_usual"], "<= 1"),
        ("... joints above it", f"{joints['above']} of {joints['joints']}", "0"),
        ("verdict", _verdict(result), ""),
    ]


def _verdict(result: JsonMapping) -> str:
    """Held, or what was not."""
    wrong = []
    if result["underruns"]:
        wrong.append(f"{result['underruns']} drop-outs")
    if result["memory_ratio"] > MEMORY_RATIO:
        wrong.append(f"memory grew to {result['memory_ratio']:g} times")
    return "held" if not wrong else "missed: " + ", ".join(wrong)
