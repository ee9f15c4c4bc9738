"""Stages' work, workers, cores and a shared store -> how long each stage takes: a discrete-event simulation.

Workers take parts in order. One that computes has a core of its own or an equal share of those there are; what moves
shares the store's bandwidth equally. A stage begins when the one before it has ended. Parts are given out one after
the other by the driver, which takes a moment for each. Nothing here is random.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from drawbar.errors import BadInputError


@dataclass(frozen=True)
class Load:
    """One stage."""

    name: str
    part_s: tuple[float, ...]
    """What each part takes on a core (or GPU) of its own."""
    in_bytes: float = 0.0
    """Read by each part from the store."""
    out_bytes: float = 0.0
    """Written by each."""
    alone: bool = False
    """The driver's own work: no worker helps."""
    fresh: bool = False
    """Each part has a process of its own that has to start (SAEs)."""
    driver_s: float = 0.0
    """Of the driver alone, beside the parts: what it gathers, checks and writes."""


@dataclass(frozen=True)
class Cluster:
    """Who works, and what they share."""

    workers: int
    cores: float = math.inf
    """Of all machines; fewer than workers: they share them."""
    start_s: float = 0.0
    """Core seconds until a new process can work: imports and the model."""
    give_s: float = 0.0
    """Of the driver, for each part."""
    stage_s: float = 0.0
    """Of the driver, for each stage that workers do."""
    bytes_per_s: float = math.inf
    """Of the store, for all together."""

    def __post_init__(self) -> None:
        if self.workers < 1 or min(self.cores, self.bytes_per_s) <= 0:
            raise BadInputError(f"{self}: at least one worker, and cores and bandwidth above 0")


@dataclass
class _Job:
    """One worker's part: seconds or bytes still to go, in turn."""

    phases: list[tuple[str, float]]


def simulate(loads: Sequence[Load], cluster: Cluster) -> dict[str, float]:
    """Stage -> seconds of wall clock. Raises BadInputError for two stages of one name."""
    if len({load.name for load in loads}) != len(loads):
        raise BadInputError("two stages have the same name: their times would be one")
    started, times = 0, {}
    for load in loads:
        if load.alone:
            moved = sum([load.in_bytes + load.out_bytes] * len(load.part_s))
            times[load.name] = sum(load.part_s) + moved / cluster.bytes_per_s
            continue
        times[load.name] = _stage(load, cluster, started) + load.driver_s
        if not load.fresh:
            started = max(started, min(cluster.workers, len(load.part_s)))
    return times


def _stage(load: Load, cluster: Cluster, started: int) -> float:
    """``started``: workers whose processes are there from the stage before."""
    waiting = list(load.part_s)
    idle = [not load.fresh and n < started for n in range(min(cluster.workers, len(waiting)))]
    running: list[_Job] = []
    now, given = cluster.stage_s, cluster.stage_s
    while waiting or running:
        while waiting and idle and given <= now:
            ready = idle.pop(idle.index(True) if True in idle else 0)
            start = 0.0 if ready else cluster.start_s
            phases = [
                ("cpu", start),
                ("net", load.in_bytes),
                ("cpu", waiting.pop(0)),
                ("net", load.out_bytes),
            ]
            if math.isinf(cluster.bytes_per_s):
                phases = [phase for phase in phases if phase[0] == "cpu"]
            running.append(_Job([phase for phase in phases if phase[1] > 0]))
            given = now + cluster.give_s
        rates = _rates(running, cluster)
        ends = [job.phases[0][1] / rates[job.phases[0][0]] for job in running if job.phases]
        if waiting and idle:
            ends.append(max(given - now, 0.0))
        step = min(ends, default=0.0)
        now += step
        for job in running:
            if job.phases:
                kind, left = job.phases[0]
                left -= step * rates[kind]
                job.phases = job.phases[1:] if left <= 1e-9 else [(kind, left), *job.phases[1:]]
        idle += [not load.fresh for job in running if not job.phases]
        running = [job for job in running if job.phases]
    return now


def _rates(running: Sequence[_Job], cluster: Cluster) -> dict[str, float]:
    """Core seconds, and bytes, of one job in a second."""
    cpu = sum(job.phases[0][0] == "cpu" for job in running if job.phases)
    net = sum(job.phases[0][0] == "net" for job in running if job.phases)
    return {"cpu": min(1.0, cluster.cores / max(cpu, 1)), "net": cluster.bytes_per_s / max(net, 1)}
