"""Settings -> where a build runs: a crew in force while it does; stages published where the run lies elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from drawbar.files.reading import json_value
from drawbar.pipeline.cluster.address import parse
from drawbar.pipeline.cluster.connection import connected
from drawbar.pipeline.cluster.crew import RayCrew, room
from drawbar.pipeline.cluster.storage import Storage, open_storage
from drawbar.pipeline.manifest import MANIFEST
from drawbar.pipeline.parts import working
from drawbar.pipeline.settings import BuildSettings


@contextmanager
def session(settings: BuildSettings) -> Iterator[Callable[[], None]]:
    """What is to be called after each stage; before the first, the run is fetched as far as it was published.

    Raises BadInputError, MissingDependencyError, DrawbarError where no cluster answers.
    """
    cluster = settings.cluster
    with ExitStack() as stack:
        storage = open_storage(cluster.storage) if cluster.storage else None
        if storage is not None:
            storage.restore(settings.out)
        if cluster.address:
            stack.enter_context(_threads(cluster.threads))
            stack.enter_context(connected(parse(cluster.address, allow_public=cluster.allow_public)))
            workers = cluster.workers or room(cluster.threads)
            stack.enter_context(working(RayCrew(cluster.storage, workers)))
        yield lambda: _publish(storage, settings.out) if storage is not None else None


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """The driver's own stages with as many as its workers: rounding depends on it, and the bank must not."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _publish(storage: Storage, run: Path) -> None:
    """Every stage that is finished here, and what it is for; then what the driver notes."""
    for manifest in sorted(run.glob("**/" + MANIFEST)):
        stage = str(manifest.parent.relative_to(run))
        outputs = json_value(manifest.read_text("utf-8")).get("outputs", {})
        storage.finish(run, stage, sorted(outputs), product="bank" if stage == "bank-work" else "")
    storage.publish(run, [name for name in ("settings.json", "result.json") if (run / name).is_file()])
