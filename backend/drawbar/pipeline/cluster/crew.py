"""Parts -> made by workers on Ray: clips through Ray Data, SAEs by a task each; what is lost is made again.

A part that ends its worker twice, and once more alone, is suspected: its clips are tried in processes of their own,
those that end theirs are left out and named, and too many of them end the run. Scheduling, back-pressure and scaling
are Ray's.
"""

import json
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drawbar.files.reading import json_value
from drawbar.pipeline.cluster.poison import check_budget, leave_out
from drawbar.pipeline.cluster.storage import open_storage
from drawbar.pipeline.cluster.trainers import at_node, trained
from drawbar.pipeline.cluster.worker import Made, Order, make
from drawbar.pipeline.parts import Bench, Maker, Tally, left_out, skipped

WORKERS = "workers.jsonl"
"""In the run's folder: a line for each part that a worker made."""
_RETRIES = 1
"""How often Ray Data gives out a part again whose worker was lost; by its default for ever, and poison never shows."""


@dataclass(frozen=True)
class RayCrew:
    """Workers of a cluster that this process is connected to."""

    storage: str = ""
    """URL of the run where it lies in an object store."""

    workers: int = 1

    @property
    def size(self) -> int:
        return self.workers

    def make(self, maker: Maker, bench: Bench, numbers: Sequence[int], told: Tally) -> None:
        order = Order(maker, bench.settings, self.storage, bench.given)
        (bench.folder / maker.folder).mkdir(parents=True, exist_ok=True)
        check_budget(order, left_out(bench.folder / maker.folder))
        if self.storage:
            for stage in sorted({name.rpartition("/")[0] for n in numbers for name in maker.files(n)}):
                open_storage(self.storage).begin(bench.folder, stage)
        nodes: Counter[str] = Counter()
        left = list(numbers)

        def done(made: Made) -> None:
            made.check()
            nodes[made.node] += 1
            _note(bench.folder, maker.name, made)
            left.remove(made.part)
            if self.storage:
                open_storage(self.storage).fetch(bench.folder, maker.files(made.part))
            told.finished(maker.size(made.part), on_nodes(nodes))

        if maker.trains:
            for made in trained(order, numbers, told):
                done(made)
            return
        for made in _mapped(order, bench, left):
            done(made)
        for number in list(left):
            done(leave_out(order, bench, number))


def _note(run: Path, stage: str, made: Made) -> None:
    """Who made what, and how long it took: what a run's price and the simulation are checked against."""
    row = {"stage": stage, "part": made.part, "node": made.node, "seconds": round(made.seconds, 4)}
    with (run / WORKERS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def on_nodes(nodes: Counter[str]) -> str:
    """How much each node has made, in words."""
    each = ", ".join(f"{name} {count}" for name, count in sorted(nodes.items()))
    return f"on {len(nodes)} node{'s' * (len(nodes) > 1)}: {each}"


def _mapped(order: Order, bench: Bench, numbers: Sequence[int]) -> Iterator[Made]:
    """Through Ray Data: one block a part. A part whose worker is lost again and again does not come back."""
    import ray
    import ray.data

    cluster, folder = order.settings.cluster, bench.folder / order.maker.folder
    rows = [{"part": n, "skip": json.dumps(sorted(skipped(folder, n)))} for n in numbers]
    parts = ray.data.from_items(rows, override_num_blocks=len(rows))
    most = min(len(rows), cluster.workers or room(cluster.threads))
    if cluster.gpus:
        # Ray ends a task's process after it where there is a GPU: the model would load for each part.
        pool = ray.data.ActorPoolStrategy(min_size=1, max_size=most)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the last two are to be renamed
            made = parts.map(
                _Pooled,
                fn_constructor_args=(order,),
                compute=pool,
                num_cpus=cluster.threads,
                num_gpus=cluster.gpus,
                max_restarts=3,
                max_task_retries=_RETRIES,
            )
    else:  # tasks share processes, from stage to stage: the model stays loaded
        tasks = ray.data.TaskPoolStrategy(size=most)
        made = parts.map(
            _one, fn_args=(order,), compute=tasks, num_cpus=cluster.threads, max_retries=_RETRIES
        )
    for row in made.iter_rows():
        yield Made(row["part"], row["node"], row["seconds"], row["error"])


def room(threads: int) -> int:
    """Workers that the cluster has cores for, now."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)


def _one(row: dict[str, object], order: Order) -> dict[str, object]:
    """A row of Ray Data -> what became of its part."""
    skip: list[str] = json_value(str(row["skip"]))
    return dict(vars(at_node(make(order, int(str(row["part"])), skip, _silent))))


class _Pooled:
    """The same in an actor."""

    def __init__(self, order: Order) -> None:
        self._order = order

    def __call__(self, row: dict[str, object]) -> dict[str, object]:
        return _one(row, self._order)


def _silent(_done: int, _note: str) -> None:
    """Parts are small: their number is progress enough."""
