"""The real window under load -> frame times while it plays, keystroke-to-list times, memory over time.

    drawbar bench window [--seconds 20] [--features 100000] [--minutes 0] [--json]

Everything moves: 64 meters, heat-map, spectrogram, waveform, a slider being dragged, the list being searched.
The sound is made up (a trace that grows in real time), so that the window alone is measured; `--model` plays
the embedded model instead.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GOAL_FRAME_MS, GOAL_SEARCH_MS = 33.0, 50.0
QUERIES = ("drums", "slow piano", "bass", "string ensemble", "key of a", "lead flute", "busy", "tempo")
METERS = 64


class _Trace:
    """A take that grows in real time: noise bursts and pulsing activations, all prepared beforehand."""

    def __init__(self, seconds: float, rows: int, rate: int = 32_000) -> None:
        rng = np.random.default_rng(0)
        n = int(seconds * rate)
        beat = np.exp(-((np.arange(n) / rate * 2) % 1.0) * 5).astype(np.float32)
        self._audio = (beat * rng.normal(0, 0.3, n)).astype(np.float32)
        frames = int(seconds * 50)
        self._heat = np.clip(rng.normal(0, 1, (rows, frames)), 0, 3).astype(np.float32)
        self._rate, self._began = rate, time.monotonic()
        self.ids: tuple[str, ...] = ()

    def start(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return min(time.monotonic() - self._began, len(self._audio) / self._rate)

    @property
    def samples(self) -> int:
        return int(self.seconds * self._rate)

    def audio(self, since_sample: int = 0) -> NDArray[np.float32]:
        return np.array(self._audio[since_sample : self.samples], np.float32)

    steered = audio

    def twin(self, since_sample: int = 0) -> NDArray[np.float32]:
        """None."""
        return np.zeros(0, np.float32)

    def tokens(self) -> NDArray[np.uint16]:
        """None of interest."""
        return np.zeros((4, int(self.seconds * 50)), np.uint16)

    def activations(self, since_frame: int = 0) -> tuple[Sequence[str], NDArray[np.float32]]:
        """From a frame on, a second ahead of the audio."""
        end = min(self._heat.shape[1], int((self.seconds + 1.0) * 50))
        return self.ids, self._heat[: len(self.ids), since_frame:end].copy()


class StandIn:
    """Stands for the engine: says that it plays, and takes every call."""

    def __init__(self, seconds: float, rows: int) -> None:
        from drawbar.live import NullOutput, Player

        self.trace = _Trace(seconds, rows)
        self.player = Player(lambda: NullOutput(32_000))
        self.take = None
        self._playing = False

    def play(self, *_: Any) -> None:
        self._playing = True
        self.trace.start()

    def stop(self) -> None:
        self._playing = False

    def snapshot(self) -> Any:
        from drawbar.live import Snapshot

        s = self.trace.seconds if self._playing else 0.0
        state = "playing" if self._playing else "idle"
        return Snapshot(state, int((s + 1) * 50), s, 2.0, 150.0, output_name="made up")

    def watch(self, ids: Sequence[str]) -> None:
        self.trace.ids = tuple(ids)

    def __getattr__(self, name: str) -> Any:
        if name in ("set_amount", "set_bypass", "set_gain_db", "add_feature", "remove_feature", "set_mode"):
            return lambda *_: None
        if name in (
            "preview",
            "set_output",
            "set_buffer",
            "measure_buffer",
            "nudge",
            "close",
            "pause",
            "make_first",
        ):
            return lambda *_: None
        raise AttributeError(name)


def _app(features: int, seconds: float, home: Path, model: bool) -> Any:
    from drawbar.bank import Bank
    from drawbar_desktop.app import App, make_application
    from drawbar_desktop.services.interfaces import Loaded
    from drawbar_desktop.services.model_loading import load_embedded
    from drawbar_desktop.state.desk import Desk

    desk = Desk(home)
    desk.settings.set("welcomed", True)
    make_application(settings=desk.settings)
    if model:
        return App(load_embedded, desk)
    from drawbar.bench.synthetic import synthetic_bank

    synthetic_bank(home / "bank", features=features, examples=0).close()
    bank: Any = Bank.open(home / "bank")
    engine: Any = StandIn(seconds + 5, METERS)
    return App(lambda say: Loaded(engine, bank), desk)


Times = tuple[list[float], list[float]]
"""Milliseconds by the clock, and of this thread's own computing: the two differ on a busy machine."""


def measure_frames(app: Any, seconds: float) -> Times:
    """Run the window's own timers and drag a slider all the while -> ms of every pass of the event loop."""
    from PySide6.QtWidgets import QApplication

    application = QApplication.instance()
    assert isinstance(application, QApplication)
    ids = list(app.rack.ids())
    app.window.rack.strips[ids[0]].slider.setFocus()
    app.transport.seconds.set(max(8.0, seconds))
    app.new_take()
    app.start_timers()
    frames: list[float] = []
    computing: list[float] = []
    began = time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        used = time.thread_time()
        app.rack.set_amount(ids[0], 1.5 * float(np.sin(3 * (now - began))))
        application.processEvents()
        frames.append(1000 * (time.perf_counter() - now))
        computing.append(1000 * (time.thread_time() - used))
        time.sleep(max(0.0, 1 / 60 - (time.perf_counter() - now)))
    app.stop_timers()
    if app.playing.busy:
        app.listening.end_take()
    return frames, computing


def measure_search(app: Any, rounds: int = 3) -> Times:
    """Type every query letter by letter -> ms from each keystroke until the list is painted."""
    from PySide6.QtWidgets import QApplication

    application = QApplication.instance()
    assert isinstance(application, QApplication)
    field = app.window.browser.search
    found: list[float] = []
    computing: list[float] = []
    for _ in range(rounds):
        for query in QUERIES:
            field.clear()
            application.processEvents()
            for end in range(1, len(query) + 1):
                began, used = time.perf_counter(), time.thread_time()
                field.setText(query[:end])
                app.window.browser.list.viewport().repaint()
                found.append(1000 * (time.perf_counter() - began))
                computing.append(1000 * (time.thread_time() - used))
    field.clear()
    return found, computing


def _memory_mb() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _measure(arguments: argparse.Namespace, home: Path) -> dict[str, Any]:
    minutes = arguments.minutes
    app = _app(arguments.features, max(arguments.seconds, 60 * minutes), home, arguments.model)
    app.window.resize(1440, 900)
    app.window.show()
    app.load_now()
    rows = app.library.best(METERS) if arguments.model else [app.library.row(i) for i in range(METERS)]
    for row in rows[:METERS]:
        app.rack.add(row)
    if app.failed is not None or not len(app.rack):
        raise SystemExit(f"nothing to measure: {app.failed or 'the bank has no features'}")
    measure_frames(app, 2.0)  # warm
    before_mb = _memory_mb()
    frames, frames_cpu = measure_frames(app, arguments.seconds)
    after_mb = _memory_mb()
    search, search_cpu = measure_search(app)
    grown_mb: list[float] = []
    for _ in range(round(minutes * 2)):
        measure_frames(app, 30.0)
        grown_mb.append(round(_memory_mb(), 1))
    result = {
        "frame_ms_p50": float(np.percentile(frames, 50)), "frame_ms_p99": float(np.percentile(frames, 99)),
        "frame_ms_max": float(np.max(frames)), "frames": len(frames),
        "frame_cpu_ms_p50": float(np.percentile(frames_cpu, 50)),
        "frame_cpu_ms_p99": float(np.percentile(frames_cpu, 99)),
        "search_cpu_ms_p95": float(np.percentile(search_cpu, 95)),
        "search_ms_p50": float(np.percentile(search, 50)), "search_ms_p95": float(np.percentile(search, 95)),
        "keystrokes": len(search), "features": app.library.total, "meters": len(app.rack),
        "memory_mb": round(after_mb, 1), "memory_grown_mb": round(after_mb - before_mb, 1),
        "memory_every_30_s_mb": grown_mb, "cpus": os.cpu_count(),
        "platform": os.environ.get("QT_QPA_PLATFORM", "native"),
        "threads": threading.active_count(), "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }  # fmt: skip
    app.window.close()
    return result


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="drawbar bench window", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="how long frames are measured")
    parser.add_argument("--features", type=int, default=100_000, help="how many the synthetic bank has")
    parser.add_argument("--minutes", type=float, default=0.0, help="how long memory is watched")
    parser.add_argument("--model", action="store_true", help="play the embedded model meanwhile")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(list(arguments))
    from drawbar_desktop.services.display import why_no_window

    if why_no_window() is not None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    with tempfile.TemporaryDirectory() as folder:
        result = _measure(given, Path(folder))
    if given.json:
        sys.stdout.write(json.dumps(result, indent=1) + "\n")
        return 0
    for name, goal in (("frame_ms_p99", GOAL_FRAME_MS), ("search_ms_p95", GOAL_SEARCH_MS)):
        verdict = "reached" if result[name] <= goal else "missed"
        sys.stdout.write(f"{name:>18}  {result[name]:8.1f}   goal {goal:g}: {verdict}\n")
    for name, value in result.items():
        if name not in ("frame_ms_p99", "search_ms_p95"):
            sys.stdout.write(f"{name:>18}  {value if not isinstance(value, float) else round(value, 2)}\n")
    return 0
