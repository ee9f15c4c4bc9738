"""Blocks of an evidence stage -> played by workers on Ray, and back to the driver, which keeps them.

A task for each block: processes keep the model from one to the next, and the block of a lost worker or machine goes to
whoever is free (an actor would first need room to start again). Workers get directions and anchors from the driver and
give back tokens and values, so that they share no folder with it; a model that is a folder, and CLAP, must be there.
"""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from drawbar.errors import DrawbarError, WorkerError
from drawbar.evidence.experiment.generate_clips import Played, Player, Stage, Supplies, played
from drawbar.evidence.experiment.trials import Block
from drawbar.pipeline.cluster.address import parse
from drawbar.pipeline.cluster.connection import connected
from drawbar.pipeline.cluster.crew import on_nodes, room
from drawbar.pipeline.cluster.trainers import node_name

if TYPE_CHECKING:
    from ray import ObjectRef

_RETRIES = 2
"""How often a block is given out again whose worker was lost."""


@dataclass(frozen=True)
class RayPlayers:
    """Workers of a cluster that this process is connected to."""

    workers: int = 0
    """Blocks in work at once, at most; 0: as many as the cluster has room for."""

    @property
    def size(self) -> int:
        return self.workers or room(1)

    def play(self, stage: Stage, blocks: Sequence[Block]) -> Generator[Played, None, None]:
        import ray

        supplies = ray.put((stage, Supplies.of(stage)))
        task = ray.remote(_work).options(num_cpus=1, max_retries=_RETRIES)
        queue, waiting = iter(blocks), dict[ray.ObjectRef[tuple[str, Played]], Block]()
        nodes: Counter[str] = Counter()
        try:
            while True:
                # One more than there is room for shows Ray's autoscaler that another machine would help.
                most = self.workers or room(1) + 1
                while len(waiting) < most and (block := next(queue, None)) is not None:
                    waiting[task.remote(supplies.hex(), [supplies], block)] = block
                if not waiting:
                    return
                (ready,), _ = ray.wait(list(waiting), num_returns=1)
                block = waiting.pop(ready)
                node, found = _fetched(ready, f"block {block.number} of {stage.plan.stage}")
                nodes[node] += 1
                yield replace(found, note=on_nodes(nodes))
        finally:
            for left in waiting:
                ray.cancel(left)


def _fetched(reference: "ObjectRef[tuple[str, Played]]", what: str) -> tuple[str, Played]:
    """Raises what the worker raised, and WorkerError for one that was lost too often or a fault of ours."""
    import ray

    try:
        found: tuple[str, Played] = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, DrawbarError):
            raise error.cause from None
        raise WorkerError(f"{what}: {error}") from error
    except (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.OutOfMemoryError,
        ray.exceptions.NodeDiedError,
    ) as error:
        raise WorkerError(
            f"{what}: its worker was lost {_RETRIES + 1} times: give workers more memory (fewer of them), or a smaller "
            "batch"
        ) from error
    return found


_player: tuple[str, Player] | None = None  # a process plays many blocks of a stage


def _work(key: str, supplies: "list[ObjectRef[tuple[Stage, Supplies]]]", block: Block) -> tuple[str, Played]:
    """A task: ``supplies`` is fetched only by a process that has no player for ``key`` yet."""
    global _player
    if _player is None or _player[0] != key:
        import ray

        torch.set_num_threads(1)
        _player = key, Player(*ray.get(supplies[0]))
    return node_name(), played(_player[1], block)


@contextmanager
def players_on(address: str, *, workers: int = 0, allow_public: bool = False) -> Iterator[RayPlayers]:
    """Workers at an address, for as long as the block runs.

    Raises BadInputError, MissingDependencyError, DrawbarError where no cluster answers.
    """
    place = parse(address, allow_public=allow_public)
    with connected(place):
        yield RayPlayers(workers or place.workers)
