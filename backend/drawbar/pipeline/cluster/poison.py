"""A part that ends its worker -> the clips that do it, named and left out within a budget; the part without them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from drawbar.errors import WorkerError
from drawbar.pipeline.cluster.trainers import at_node
from drawbar.pipeline.cluster.worker import Made, Order, bench_of, make
from drawbar.pipeline.parts import Bench, left_out, skip, skipped

_WHY = "its worker ended while it was at work on it"


def leave_out(order: Order, bench: Bench, number: int) -> Made:
    """Make a part alone in a process of its own; where that ends it, without the clips that do.

    Raises:
        WorkerError: more such clips than the budget, or none of them does it alone.
    """
    folder = bench.folder / order.maker.folder
    made = _alone(order, number, sorted(skipped(folder, number)))
    if made is not None:
        return made
    units = [name for name in order.maker.units(bench, number) if name not in skipped(folder, number)]
    what = f"part {number} of {order.maker.name}"
    if not units:
        raise WorkerError(f"{what}: {_WHY}, three times; its log is in Ray's session folder (/tmp/ray)")
    culprits = _among_halves(order, number, units, units)
    if not culprits:
        raise WorkerError(
            f"{what}: {_WHY}, three times, and no single one of its {len(units)} clips does that: give its "
            f"workers more memory ([cluster] workers), or look into {', '.join(units[:5])} ..."
        )
    skip(folder, number, dict.fromkeys(culprits, _WHY))
    check_budget(order, left_out(folder))
    made = _alone(order, number, sorted(skipped(folder, number)))
    if made is None:
        raise WorkerError(f"{what}: {_WHY}, also without {', '.join(culprits)}")
    return made


def check_budget(order: Order, units: Sequence[str]) -> None:
    """Raises WorkerError where more is left out than may be; a run that goes on is held to it, too."""
    budget = order.settings.cluster.poison
    if len(units) > budget:
        raise WorkerError(
            f"{len(units)} clips ended their workers ({', '.join(units)}), and [cluster] poison allows {budget}: "
            "take them out of the corpus, or allow more"
        )


def _culprits(order: Order, number: int, among: Sequence[str], units: Sequence[str]) -> list[str]:
    """Those of ``among`` that end a process which makes nothing but them."""
    others = [name for name in units if name not in set(among)]
    if _alone(order, number, others, keep=False) is not None:
        return []
    return _among_halves(order, number, among, units)


def _among_halves(order: Order, number: int, among: Sequence[str], units: Sequence[str]) -> list[str]:
    """The same where all of them together do it."""
    if len(among) == 1:
        return list(among)
    half = len(among) // 2
    return [name for part in (among[:half], among[half:]) for name in _culprits(order, number, part, units)]


def _alone(order: Order, number: int, without: Sequence[str], *, keep: bool = True) -> Made | None:
    """What a process of its own makes of the part; None where it ended. ``keep`` False: its files are not kept."""
    import ray

    gpus = order.settings.cluster.gpus
    task = ray.remote(_kept if keep else _tried).options(max_retries=0, num_cpus=1, num_gpus=gpus)
    try:
        made: Made = ray.get(task.remote(order, number, list(without)))
    except (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.OutOfMemoryError,
        ray.exceptions.NodeDiedError,
    ):
        return None
    return made


def _kept(order: Order, number: int, without: list[str]) -> Made:
    return at_node(make(order, number, without, lambda _done, _note: None))


def _tried(order: Order, number: int, without: list[str]) -> Made:
    """In a folder that is thrown away, with the inputs of the run."""
    real = bench_of(order)
    with TemporaryDirectory(prefix="drawbar-part-") as folder:
        for name in order.maker.needs(number):
            place = Path(folder, name.removesuffix("?"))
            place.parent.mkdir(parents=True, exist_ok=True)
            if (real.folder / place.relative_to(folder)).exists():
                place.symlink_to((real.folder / place.relative_to(folder)).resolve())
        bench = Bench(replace(real.settings, out=Path(folder)), real.model, real.source)
        (bench.folder / order.maker.folder).mkdir(exist_ok=True)
        order.maker.make(bench, number, without, lambda _done, _note: None)
    return Made(number, "", 0.0)
