"""A plan and its workers -> what the build takes there: wall clock of each stage, bytes moved, dollars.

The plan's trials of this machine are the calibration; the workers are taken to be as fast as it is.
"""

import math
from dataclasses import dataclass

from drawbar.pipeline.cluster.simulation import Cluster, Load, simulate
from drawbar.pipeline.plan import Plan, PlannedStage
from drawbar.pipeline.settings import BuildSettings

START_S = 8.0
"""Until a worker's process can work: Python, torch and the embedded model on one core (drawbar bench scale)."""
GIVE_S = 0.02
"""Of the driver, for each part."""
STAGE_S = 1.0
"""Of the driver, until Ray Data has a stage running."""
_SHARD_S = 600.0  # audio in a shard, as the tokens stage cuts it
_SAES = "SAEs"
_ALONE = ("corpus", "labels", "sweep", "bank")


@dataclass(frozen=True)
class PricedStage:
    """One stage on workers; the SAEs of all layers are one."""

    stage: str
    parts: int
    """Into which its work is cut: more workers than that do not help. 0: the driver does it alone."""
    wall_s: float
    moved_bytes: int
    """Read and written by workers, through the shared file system or the object store."""


@dataclass(frozen=True)
class Price:
    """The whole build on workers."""

    workers: int
    cores: int
    """That they share; 0: each has one of its own."""
    stages: tuple[PricedStage, ...]
    dollars: float | None
    """Of all workers over the whole time; None without a price per hour."""

    @property
    def wall_s(self) -> float:
        return sum(stage.wall_s for stage in self.stages)

    @property
    def moved_bytes(self) -> int:
        return sum(stage.moved_bytes for stage in self.stages)


def price(plan: Plan, settings: BuildSettings, workers: int, cores: int = 0) -> Price:
    """What is still to do of a plan, on so many workers that this machine's trials speak for.

    ``cores``: that they share, where they are on this machine.
    """
    todo = [stage for stage in plan.stages if stage.state != "done"]
    shards = max(1, math.ceil(plan.audio_s / _SHARD_S))
    disk = {stage.stage: stage.disk_bytes for stage in plan.stages}
    loads: list[Load] = []
    saes = [stage for stage in todo if stage.stage == "sae"]
    for stage in todo:
        if stage.stage == "sae":
            if stage is saes[0]:
                parts = tuple(one.seconds for one in saes)
                read = disk.get("residuals", 0) + disk.get("tokens", 0)
                written = sum(one.disk_bytes for one in saes) / len(saes)
                fresh = settings.cluster.gpus > 0  # Ray ends a process after a task on a GPU
                loads.append(Load(_SAES, parts, read, written, fresh=fresh))
            continue
        loads.append(_load(stage, shards, workers, disk))
    cluster = Cluster(workers, cores=cores or math.inf, start_s=START_S, give_s=GIVE_S, stage_s=STAGE_S)
    walls = simulate(loads, cluster)
    priced = [
        PricedStage(
            load.name,
            0 if load.alone else len(load.part_s),
            round(walls[load.name], 1),
            0 if load.alone else round(len(load.part_s) * (load.in_bytes + load.out_bytes)),
        )
        for load in loads
    ]
    hourly = settings.cluster.price_per_hour
    hours = sum(walls.values()) / 3600
    dollars = round(hours * hourly * workers, 2) if hourly else None
    return Price(workers, cores, tuple(priced), dollars)


def _load(stage: PlannedStage, shards: int, workers: int, disk: dict[str, int]) -> Load:
    name, folder = stage.stage.split()[0], stage.folder
    if name in _ALONE:
        return Load(folder, (stage.seconds,), alone=True)
    read = {"residuals": disk.get("tokens", 0), "pairs": disk.get("residuals", 0) + disk.get("tokens", 0)}
    count = workers if name == "profile" else shards  # cut by features, not by clips
    parts = (stage.seconds / count,) * count
    if name == "profile":  # every part reads all activations
        return Load(folder, parts, disk.get("pairs", 0), stage.disk_bytes / count)
    return Load(folder, parts, read.get(name, 0) / shards, stage.disk_bytes / shards)
