"""An order and a part's number -> its files, made in this process and published.

What runs on a worker, under Ray or not: it knows nothing of Ray.
"""

import time
import traceback
from collections.abc import Collection
from dataclasses import dataclass, replace

import torch

from drawbar import errors
from drawbar.errors import DrawbarError, WorkerError
from drawbar.files.lock import Lock
from drawbar.pipeline.cluster.storage import Storage, open_storage, scratch
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.parts import Bench, Maker, Told
from drawbar.pipeline.settings import BuildSettings


@dataclass(frozen=True)
class Order:
    """All that a worker needs to make any part of one stage."""

    maker: Maker
    settings: BuildSettings
    storage: str
    """URL of the run where it lies in an object store; empty: ``settings.out`` is on a file system that all share."""
    model: BuildModel | None
    """One that the driver holds; None: each worker loads it by its name."""


@dataclass(frozen=True)
class Made:
    """What became of a part."""

    part: int
    node: str
    """Where, once whoever gave it out has said so."""
    seconds: float
    error: str = ""
    """Name of an exception of ours, and what it says; the part cannot be made."""

    def check(self) -> None:
        """Raises what the worker raised."""
        if self.error:
            kind, _, text = self.error.partition(": ")
            raise getattr(errors, kind, WorkerError)(text)


_bench: tuple[str, Bench] | None = None  # a process serves many parts of many stages of one run


def bench_of(order: Order) -> Bench:
    """The settings, model and corpus of an order's run, loaded once for a process."""
    global _bench
    settings = order.settings
    if order.storage:
        settings = replace(settings, out=scratch(order.storage, settings.cluster.scratch))
    key = f"{order.storage}\n{settings.to_dict()}"
    if _bench is None or _bench[0] != key:
        torch.set_num_threads(settings.cluster.threads)
        _bench = key, Bench(settings, order.model)
    return _bench[1]


def make(order: Order, number: int, skip: Collection[str], told: Told) -> Made:
    """Make a part unless it is there already. What cannot be made says why; only a crash says nothing."""
    started = time.perf_counter()
    error = ""
    try:
        bench = bench_of(order)
        storage = open_storage(order.storage) if order.storage else None
        _make(order.maker, bench, storage, number, skip, told)
    except DrawbarError as found:
        error = f"{type(found).__name__}: {found}"
    except Exception:  # the edge of a worker: its traceback is for the driver
        error = f"{WorkerError.__name__}: part {number} of {order.maker.name}: {traceback.format_exc()}"
    return Made(number, "", time.perf_counter() - started, error)


def _make(
    maker: Maker, bench: Bench, storage: Storage | None, number: int, skip: Collection[str], told: Told
) -> None:
    files = maker.files(number)
    if storage is not None:
        if all(storage.has(name) for name in files):
            return
        storage.fetch(bench.folder, maker.needs(number))
    lock = bench.folder / maker.folder / f".part-{number}"
    lock.parent.mkdir(parents=True, exist_ok=True)
    # A part that was given out twice, because its worker seemed lost, is made once.
    with Lock(lock, "making a part", wait_s=3600.0):
        if not all((bench.folder / name).is_file() for name in files):
            maker.make(bench, number, skip, told)
    lock.unlink(missing_ok=True)
    if storage is not None:
        storage.publish(bench.folder, files)
