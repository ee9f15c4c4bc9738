"""Residuals -> SAEs with their metrics, one a layer or a whole grid of them, and the grid's table.

Residuals on disk train one SAE after the other; streamed ones train all SAEs of a seed in one pass, so that
the model runs once for all of them.
"""

import csv
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import save_file

from drawbar.errors import BadInputError
from drawbar.files.atomic_write import write_json
from drawbar.files.json_object import JsonObject
from drawbar.pipeline.grid import Cell
from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.pipeline.inputs.ready_saes import ready_saes
from drawbar.pipeline.inputs.tracks import file_key
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import MANIFEST, Stage, digest
from drawbar.pipeline.parts import Bench, Told, make_parts
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings
from drawbar.pipeline.stages.judging import judged
from drawbar.pipeline.stages.residuals import Kept, row_source
from drawbar.residuals import MixedBatches, RowSource
from drawbar.sae import SAE, SaeJob, TrainedSae, load_sae, save_sae, seed_stability, train_saes
from drawbar.sae.stability import stability

STABILITY = "stability.safetensors"
_STABILITY_BATCHES = 4


@dataclass(frozen=True)
class _Task:
    """One SAE's stage, and how it comes about."""

    cell: Cell
    folder: str
    """Inside the run's."""
    key: JsonObject

    @property
    def seeds(self) -> int:
        """Further seeds that are trained beside it."""
        return int(self.key.get("stability_seeds", 0))

    def stage(self, run: Path) -> Stage:
        """In a run's folder, here or on another machine."""
        return Stage(run / self.folder, "sae", 2, self.key)


def sae_stages(
    settings: BuildSettings,
    wanted: Sequence[Cell],
    store: ClipStore,
    residuals: Stage,
    model: BuildModel,
    progress: ProgressCallback | None,
    *,
    swept: bool = False,
) -> list[Stage]:
    """Residuals of the training tracks -> SAEs in SAELens' layout, with log and held-out metrics, in order.

    Raises:
        SiteMismatchError: a ready SAE that clearly belongs to a neighbouring layer.
    """
    ready = {} if swept else _ready(settings, model)
    tasks = [_task(settings, cell, residuals, ready.get(cell.layer), swept) for cell in wanted]
    stages = [task.stage(settings.out) for task in tasks]
    open_tasks = [task for task, stage in zip(tasks, stages, strict=True) if stage.begin()]
    if open_tasks and not store.of_split("train"):
        raise BadInputError("every track is held out: give more audio or a smaller held_out")
    kept = Kept.of(residuals)
    for task in open_tasks:
        task.stage(settings.out).keep_settings(task.cell.sae.to_dict())
        if task.cell.layer in ready:
            _adopt(settings, task, ready[task.cell.layer], store, kept, model)
    to_train = [task for task in open_tasks if task.cell.layer not in ready]
    if settings.residuals == "stream":
        trained = sorted((task for task in tasks if task.cell.layer not in ready), key=_seed_of)
        together = [tuple(group) for _, group in groupby(trained, key=_seed_of)]
    else:
        together = [(task,) for task in to_train]
    groups = [group for group in together if any(task in to_train for task in group)]
    maker = Train(
        tuple(groups),
        tuple(task.folder for task in to_train),
        tuple(path.name for path in store.paths),
        tuple(path.name for path in kept.shards),
        tuple(kept.limits.items()),
    )
    numbers = range(len(groups))
    title = maker.title(0) if len(groups) == 1 else f"{len(to_train)} saes"
    report = Reporter(progress, title, sum(map(maker.size, numbers)), "activations")
    make_parts(maker, Bench(settings, model), numbers, report)
    return stages


def _seed_of(task: _Task) -> tuple[int, int, int]:
    s = task.cell.sae
    return (s.seed, s.steps, s.batch)


def _task(settings: BuildSettings, cell: Cell, residuals: Stage, file: Path | None, swept: bool) -> _Task:
    key: JsonObject = {"residuals": residuals.digest, "layer": cell.layer, "block_rows": settings.block_rows}
    seeds = 0 if swept or file else settings.stability_seeds
    key |= {"stability_seeds": seeds} if seeds else {}
    key |= {"file": [file_key(p) for p in sorted(file.iterdir())]} if file else {"sae": cell.sae.to_dict()}
    folder = f"sweep/{cell.name}" if swept else f"sae-{cell.layer}"
    return _Task(cell, folder, key)


def _ready(settings: BuildSettings, model: BuildModel) -> dict[int, Path]:
    """layer -> folder of a ready SAE. Raises SiteMismatchError for one of another model."""
    return ready_saes(settings.sae_files, model.fingerprint)


def _adopt(
    settings: BuildSettings,
    task: _Task,
    file: Path,
    store: ClipStore,
    kept: Kept,
    model: BuildModel,
) -> None:
    sae = load_sae(file, fingerprint=model.fingerprint)
    _finish(settings, task, TrainedSae(sae, (), 0.0, 0.0), store, kept, model, ready=True)


@dataclass(frozen=True)
class Train:
    """Makes SAEs: those of one seed and one stream together; only those that are not done yet are written."""

    groups: tuple[tuple[_Task, ...], ...]
    to_train: tuple[str, ...]
    """Folders of the SAEs that are not done."""
    tokens: tuple[str, ...]
    """Names of the shards of tokens."""
    residuals: tuple[str, ...]
    """Of those of residuals; none where they are streamed."""
    limits: tuple[tuple[int, float], ...]
    name: ClassVar[str] = "saes"
    folder: ClassVar[str] = "sae-together"
    trains: ClassVar[bool] = True

    def title(self, number: int) -> str:
        group = self.groups[number]
        layers = sorted({task.cell.layer for task in group})
        return f"sae layer {layers[0]}" if len(group) == 1 else f"{len(group)} saes at layers {layers}"

    def files(self, number: int) -> tuple[str, ...]:
        names = ("cfg.json", "sae_weights.safetensors", "history.json", MANIFEST)
        wanted = [task for task in self.groups[number] if task.folder in self.to_train]
        return tuple(
            f"{task.folder}/{name}"
            for task in wanted
            for name in ((STABILITY,) if task.seeds else ()) + names
        )

    def needs(self, number: int) -> tuple[str, ...]:
        shards = [f"tokens/{name}" for name in self.tokens]
        listings = [name.replace(".safetensors", ".json") for name in shards]
        rows = [f"residuals/{name}" for name in self.residuals]
        return (*shards, *listings, *rows, f"{self.checkpoint(number)}?")

    def checkpoint(self, number: int) -> str:
        """Beside the one SAE, or, for several, in a file of their own that is named after all of them."""
        group = self.groups[number]
        if len(group) == 1:
            return f"{group[0].folder}/checkpoint.pt"
        return f"{self.folder}/{digest([task.stage(Path()).digest for task in group])[:16]}.pt"

    def size(self, number: int) -> int:
        first = self.groups[number][0].cell.sae
        return first.steps * first.batch

    def units(self, bench: Bench, number: int) -> list[str]:
        return []  # one clip less is another SAE

    def make(self, bench: Bench, number: int, skip: Collection[str], told: Told) -> None:
        settings, model, tasks = bench.settings, bench.model, self.groups[number]
        store = bench.store([f"tokens/{name}" for name in self.tokens])
        kept = Kept(tuple(bench.paths([f"residuals/{n}" for n in self.residuals])), dict(self.limits))
        layers = sorted({task.cell.layer for task in tasks})
        first = tasks[0].cell.sae
        slow = {task.cell.sae.slow_frames for task in tasks if task.cell.sae.slow}
        if len(slow) > 1:
            raise BadInputError(f"slow_frames {sorted(slow)}: SAEs trained together need the same")
        source = row_source(
            settings,
            layers[0] if len(tasks) == 1 else layers,
            store,
            kept,
            model,
            slow_frames=slow.pop() if slow else 0,
        )
        checkpoint = bench.folder / self.checkpoint(number)
        jobs = [self._job(task, layers, model, alone=len(tasks) == 1) for task in tasks]
        # Other seeds of a published SAE train on the same stream, beside it; they change nothing of it.
        beside = [
            replace(job, settings=replace(job.settings, seed=job.settings.seed + 1 + n))
            for job, task in zip(jobs, tasks, strict=True)
            for n in range(task.seeds if len(tasks) == 1 else 0)
        ]
        trained = train_saes(
            MixedBatches(
                source,
                first.batch,
                seed=first.seed,
                block_rows=settings.block_rows,
                clips=store.of_split("train"),
            ),
            [*jobs, *beside],
            checkpoint=checkpoint,
            device=settings.device,
            progress=lambda step, _, row: told(
                step * first.batch, f"fvu {row.fvu:.3f}, dead {row.dead_share:.1%}"
            ),
        )
        for task, found in zip(tasks, trained, strict=False):
            if task.folder in self.to_train:
                if beside:
                    others = [one.sae for one in trained[1:]]
                    _keep_stability(task, found.sae, others, source, settings, store)
                _finish(settings, task, found, store, kept, model)
        checkpoint.unlink(missing_ok=True)

    def _job(self, task: _Task, layers: list[int], model: BuildModel, *, alone: bool) -> SaeJob:
        sae, width = task.cell.sae, model.spec.d_model
        place = _columns(layers.index(task.cell.layer), width)
        behind = (place[0] + len(layers) * width, place[1] + len(layers) * width)
        plain = alone and not sae.slow
        return SaeJob(
            sae,
            task.cell.layer,
            model.fingerprint,
            None if plain else place,
            behind if sae.slow else None,
        )


def _keep_stability(
    task: _Task, sae: SAE, others: Sequence[SAE], source: RowSource, settings: BuildSettings, store: ClipStore
) -> None:
    """What other seeds find again of each feature, beside the SAE's files."""
    first = task.cell.sae
    batches = MixedBatches(
        source,
        first.batch,
        seed=first.seed + 1,
        block_rows=settings.block_rows,
        clips=store.of_split("train"),
    )
    rows = torch.cat([batch.to(settings.device).float() for batch in islice(batches, _STABILITY_BATCHES)])
    found = stability(sae, others, rows[:, : sae.d_model])
    save_file(
        {
            "cosine": found.cosine.cpu(),
            "correlation": found.correlation.cpu(),
            "seeds": torch.tensor(found.seeds),
        },
        settings.out / task.folder / STABILITY,
    )


def _columns(number: int, width: int) -> tuple[int, int]:
    return number * width, (number + 1) * width


def _finish(
    settings: BuildSettings,
    task: _Task,
    trained: TrainedSae,
    store: ClipStore,
    kept: Kept,
    model: BuildModel,
    *,
    ready: bool = False,
) -> None:
    """Measure, test the site of an SAE from elsewhere, write; the manifest comes last.

    What was trained here is at home by construction: its key names the residuals and their layer.
    """
    sae = trained.sae.to(settings.device)
    source = row_source(settings, task.cell.layer, store, kept, model)
    stage = task.stage(settings.out)
    metrics, site = judged(settings, sae, source, store, model)
    if settings.site_test and ready:
        site.require(f"the SAE of {stage.folder.name}")
    extra = {
        "settings": {} if ready else task.cell.sae.to_dict(),
        "metrics": metrics,
        "scale": trained.scale,
        "resampled": trained.resampled,
    }
    save_sae(stage.folder, sae, model_name=model.spec.name, extra=extra)
    write_json(stage.folder / "history.json", [asdict(row) for row in trained.history])
    names = ("cfg.json", "sae_weights.safetensors", "history.json", STABILITY)
    outputs = [path for name in names if (path := stage.folder / name).is_file()]
    stage.finish(outputs, metrics=metrics, d_sae=sae.d_sae, k=sae.k)


def sweep_stage(
    settings: BuildSettings,
    grid: Sequence[Cell],
    store: ClipStore,
    residuals: Stage,
    model: BuildModel,
    progress: ProgressCallback | None,
) -> Stage:
    """Every cell of the grid trained and measured -> ``sweep/table.csv``, ``.json`` and ``.md``."""
    stages = sae_stages(settings, grid, store, residuals, model, progress, swept=True)
    stage = Stage(settings.out / "sweep-table", "sweep", 1, {"cells": [stage.digest for stage in stages]})
    if not stage.begin():
        return stage
    rows = []
    for cell, found in zip(grid, stages, strict=True):
        shown = {
            name: getattr(cell.sae, name)
            for name in ("d_sae", "k", "activation", "k_aux", "resample_every", "prefixes", "slow", "seed")
        }
        facts = found.facts()
        stable = _stability(cell, found, grid, stages)
        rows.append(
            {"layer": cell.layer, **shown, **facts["metrics"]}
            | ({} if stable is None else {"seed_stability": stable})
        )
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_json(stage.folder / "table.json", rows)
    with (stage.folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    text = [" | ".join(columns), " | ".join("---" for _ in columns)]
    text += [" | ".join(_cell(row.get(name, "")) for name in columns) for row in rows]
    (stage.folder / "table.md").write_text("".join(f"| {line} |\n" for line in text), encoding="utf-8")
    stage.finish([stage.folder / name for name in ("table.csv", "table.json", "table.md")], cells=len(rows))
    return stage


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _stability(cell: Cell, own: Stage, grid: Sequence[Cell], stages: Sequence[Stage]) -> float | None:
    """Mean best cosine with the same cell of other seeds."""
    others = [
        stage
        for other, stage in zip(grid, stages, strict=True)
        if other != cell and other.layer == cell.layer and _but_seed(other) == _but_seed(cell)
    ]
    if not others:
        return None
    mine = load_sae(own.folder)
    return round(sum(seed_stability(mine, load_sae(o.folder)) for o in others) / len(others), 4)


def _but_seed(cell: Cell) -> dict[str, object]:
    return {name: value for name, value in cell.sae.to_dict().items() if name != "seed"}
