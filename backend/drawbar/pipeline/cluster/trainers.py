"""SAEs of a grid -> trained by a task each, that says how far it is; one that is lost goes on from its checkpoint.

A task and not an actor: it finds a process that has imported what it needs and loaded the model for an earlier stage.
"""

import queue
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drawbar.errors import WorkerError
from drawbar.pipeline.cluster.worker import Made, Order, make
from drawbar.pipeline.parts import Tally

if TYPE_CHECKING:
    from ray import ObjectRef

_TRIES = 4
"""How often a part's worker may be lost."""

Moment = tuple[int, str]
"""Units done, and a note."""


def train(order: Order, number: int) -> Iterator[Moment | Made]:
    """A task: makes one part, and yields how far it is."""
    told: queue.Queue[Moment | Made | BaseException] = queue.Queue()

    def work() -> None:
        try:
            told.put(at_node(make(order, number, [], lambda done, note: told.put((done, note)))))
        except BaseException as error:
            told.put(error)

    threading.Thread(target=work, daemon=True).start()
    while True:
        moment = told.get()
        if isinstance(moment, BaseException):
            raise moment
        yield moment
        if isinstance(moment, Made):
            return


def at_node(made: Made) -> Made:
    """The same, told by the node that this process is on."""
    return replace(made, node=node_name())


def node_name() -> str:
    """The machine's name and Ray's for its node: several may be on one machine."""
    import ray

    return f"{socket.gethostname()}-{ray.get_runtime_context().get_node_id()[:4]}"


@dataclass
class _Running:
    number: int
    stream: "Iterator[ObjectRef[Moment | Made]]"
    tries: int = 1
    done: int = 0


def trained(order: Order, numbers: Sequence[int], told: Tally) -> Iterator[Made]:
    """Every part, as it is finished; as many at once as the cluster has room for (the others wait in Ray's queue)."""
    import ray

    running = {number: _start(order, number) for number in numbers}
    by_stream = {run.stream: run for run in running.values()}
    while by_stream:
        ready, _ = ray.wait(list(by_stream), num_returns=1, timeout=None)
        for stream in ready:
            run = by_stream[stream]
            try:
                moment = ray.get(next(stream))
            except StopIteration:
                continue
            except (
                ray.exceptions.WorkerCrashedError,
                ray.exceptions.OutOfMemoryError,
                ray.exceptions.NodeDiedError,
            ) as error:
                del by_stream[stream]
                if run.tries >= _TRIES:
                    raise WorkerError(
                        f"{order.maker.name}, part {run.number}: {run.tries} workers were lost ({error})"
                    ) from error
                again = _start(order, run.number, run.tries + 1)
                by_stream[again.stream] = again
                continue
            if isinstance(moment, Made):
                del by_stream[stream]
                yield moment
            else:
                run.done = moment[0]
                told.within(sum(one.done for one in by_stream.values()), moment[1])


def _start(order: Order, number: int, tries: int = 1) -> _Running:
    import ray

    cluster = order.settings.cluster
    task = ray.remote(train).options(
        num_cpus=cluster.threads, num_gpus=cluster.gpus, num_returns="streaming", max_retries=0
    )
    return _Running(number, task.remote(order, number), tries)
