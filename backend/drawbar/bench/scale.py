"""A build on 1, 2 and 4 workers of this machine -> its stages' times, and whether the simulation foretells them.

Plain runs and runs on workers alternate, every process has one thread, and the median of the rounds counts. The
simulation is given what one worker measured, and must say what two and four need.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import torch

from drawbar.files.json_object import JsonObject
from drawbar.files.lock import folder_lock
from drawbar.files.reading import json_value
from drawbar.pipeline.build import Run
from drawbar.pipeline.cluster.crew import WORKERS
from drawbar.pipeline.cluster.session import session
from drawbar.pipeline.cluster.settings import ClusterSettings
from drawbar.pipeline.cluster.simulation import Cluster, Load, simulate
from drawbar.pipeline.progress import ProgressCallback
from drawbar.pipeline.settings import BuildSettings
from drawbar.sae import SaeSettings

STAGES = ("corpus", "tokens", "residuals", "sae", "features")
SHARED = {
    "tokens": ("tokens",),
    "residuals": ("residuals",),
    "sae": ("saes",),
    "features": ("activations layer", "profile layer"),
}
"""Stage -> how the names of its parts in workers.jsonl begin."""
TOLERANCE = 0.15
"""How far the simulation may be off, of the sum of the stages."""


@dataclass(frozen=True)
class Timed:
    """One run."""

    workers: int
    """0: a plain run."""
    connect_s: float
    stages: dict[str, float]
    parts: dict[str, list[float]]
    """Stage -> what each part took on its worker."""

    @property
    def work_s(self) -> float:
        return sum(self.stages.values())


@dataclass(frozen=True)
class Point:
    """Measured and foretold."""

    workers: int
    measured_s: float
    simulated_s: float
    stages: dict[str, tuple[float, float]]

    @property
    def off(self) -> float:
        return self.simulated_s / self.measured_s - 1


def stage_of(part: str) -> str:
    """The stage of a part that is named in workers.jsonl."""
    return next(stage for stage, names in SHARED.items() if part.startswith(names))


def timed(settings: BuildSettings, workers: int, progress: ProgressCallback | None = None) -> Timed:
    """Run the shared stages in a fresh folder and remove it."""
    address = f"local-ray:{workers}" if workers else ""
    settings = replace(settings, cluster=ClusterSettings(address=address, workers=workers))
    shutil.rmtree(settings.out, ignore_errors=True)
    torch.set_num_threads(1)
    run, walls = Run(settings, progress), dict[str, float]()
    started = time.perf_counter()
    with folder_lock(settings.out, "measuring"), session(settings):
        connected = time.perf_counter() - started
        for stage in STAGES:
            began = time.perf_counter()
            run.stage(stage)
            walls[stage] = time.perf_counter() - began
    parts: dict[str, list[float]] = {}
    log = settings.out / WORKERS
    for line in log.read_text("utf-8").splitlines() if log.is_file() else ():
        row: JsonObject = json_value(line)
        stage = stage_of(row["stage"])
        parts.setdefault(stage, []).append(float(row["seconds"]))
    shutil.rmtree(settings.out)
    return Timed(workers, connected, walls, parts)


def measure(
    settings: BuildSettings,
    workers: tuple[int, ...] = (1, 2, 4),
    rounds: int = 3,
    progress: ProgressCallback | None = None,
) -> JsonObject:
    """Rounds of a plain run and one on each number of workers -> all runs, and the points."""
    runs = [timed(settings, n, progress) for _ in range(rounds) for n in (0, *workers)]
    return {
        "pieces": settings.corpus,
        "sae_steps": settings.sae.steps,
        "cores": os.cpu_count(),
        "runs": [asdict(run) for run in runs],
        "points": [asdict(point) | {"off": round(point.off, 4)} for point in points(runs)],
        "ratios": ratios(runs),
    }


def ratios(runs: list[Timed]) -> dict[str, float]:
    """Of medians: one worker to the plain run, and two workers to one, for tokens and residuals together."""

    def shared(run: Timed) -> float:
        return run.stages["tokens"] + run.stages["residuals"]

    def of(workers: int, seconds: Callable[[Timed], float]) -> float:
        return median(seconds(run) for run in runs if run.workers == workers)

    def work(run: Timed) -> float:
        return run.work_s

    found = {
        "one worker / plain, all stages": of(1, work) / of(0, work),
        "one worker / plain, all stages and Ray's own start": of(1, lambda run: run.work_s + run.connect_s)
        / of(0, work),
        "one worker / plain, tokens + residuals": of(1, shared) / of(0, shared),
    }
    if any(run.workers == 2 for run in runs):
        found["two workers / one, tokens + residuals"] = of(2, shared) / of(1, shared)
    return {name: round(value, 3) for name, value in found.items()}


def points(runs: list[Timed], cores: float | None = None) -> list[Point]:
    """What one worker measured -> what the simulation says of more, beside what they measured."""
    ones = [run for run in runs if run.workers == 1]
    one = sorted(ones, key=lambda run: run.work_s)[len(ones) // 2]
    own = {stage: max(0.0, one.stages[stage] - sum(one.parts.get(stage, ()))) for stage in SHARED}
    # The first stage's spare time is also that of the workers' start; its driver does as little as any.
    least = min(own["residuals"], own["features"])
    start_s, own["tokens"] = max(0.0, own["tokens"] - least), min(own["tokens"], least)
    found = []
    for workers in sorted({run.workers for run in runs} - {0, 1}):
        loads = [
            Load("corpus", (one.stages["corpus"],), alone=True),
            *(
                Load(stage, tuple(one.parts[stage]), driver_s=own[stage])
                for stage in SHARED
                if stage in one.parts
            ),
        ]
        site = Cluster(workers, cores=cores or os.cpu_count() or 1, start_s=start_s)
        said = simulate(loads, site)
        mine = [run for run in runs if run.workers == workers]
        seen = {stage: median(run.stages[stage] for run in mine) for stage in said}
        pairs = {stage: (round(seen[stage], 2), round(said[stage], 2)) for stage in said}
        found.append(Point(workers, sum(seen.values()), sum(said.values()), pairs))
    return found


def scale_settings(pieces: int, out: Path, steps: int) -> BuildSettings:
    """Composed music and the embedded model, one SAE of so many steps."""
    return BuildSettings(
        corpus=f"composed:{pieces}", out=out, recipe="measured", sae=SaeSettings(steps=steps)
    )
