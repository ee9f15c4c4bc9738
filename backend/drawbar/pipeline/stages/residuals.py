"""Codec tokens -> residuals: how long they are at each layer, and all of them on disk if the settings say so."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from drawbar.files.destination import check_folder
from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import Stage
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings
from drawbar.residuals import (
    Clip,
    NormReport,
    RowSource,
    ShardRows,
    ShardSet,
    StreamedRows,
    harvest,
    norm_report,
    to_half,
    usable_rows,
    write_shard,
)

_NORM_CLIPS = 64  # training clips that the norms are measured on


def residuals_stage(
    settings: BuildSettings,
    layers: Sequence[int],
    tokens: Stage,
    model: BuildModel,
    progress: ProgressCallback | None,
) -> Stage:
    """Tokens -> how long residuals are at each layer; and all of them on disk, if the settings say so.

    One pass through the model serves all layers. Start steps are not kept; positions whose norm is above ten
    times the median are counted and marked.
    """
    how = settings.residual_settings(tuple(layers))
    key = {"tokens": tokens.digest, "model": model.fingerprint, "settings": asdict(how)}
    stage = Stage(settings.out / "residuals", "residuals", 2, key)
    if not stage.begin():
        return stage
    stage.keep_settings(asdict(how))
    store = ClipStore(tokens.outputs(".safetensors"))
    norms = _norms(settings, layers, store, model)
    bounds = {layer: report.limit for layer, report in norms.items()}
    paths: list[Path] = []
    if settings.residuals == "disk":
        there = sum(path.stat().st_size for path in stage.folder.glob("*.safetensors"))
        check_folder(stage.folder, 2 * sum(store.frames) * model.spec.d_model * len(layers) - there)
        report = Reporter(progress, "residuals", sum(store.frames), "frames")
        done = 0
        for number, mine in enumerate(store.groups()):
            path = stage.folder / f"residuals-{number:05d}.safetensors"
            fresh = not path.is_file()
            if fresh:
                _harvest_shard(path, mine, store, model, layers, bounds, settings)
            done += sum(store.frames[clip] for clip in mine)
            report(done) if fresh else report.start_at(done)
            paths.append(path)
    counts = _counts(paths, store) if paths else {}
    facts = {str(layer): asdict(found) | {"limit": found.limit} for layer, found in norms.items()}
    stage.finish(paths, norms=facts, start_steps_left_out=len(store), **counts)
    return stage


def _norms(
    settings: BuildSettings, layers: Sequence[int], store: ClipStore, model: BuildModel
) -> dict[int, NormReport]:
    """Each layer's norms over a sample of training clips."""
    clips = store.of_split("train") or list(range(len(store)))
    chosen = [store.clip(c, text=settings.text == "track") for c in clips[:: -(-len(clips) // _NORM_CLIPS)]]
    parts = list(harvest(model, chosen, layers, batch=settings.batch_clips))
    return {layer: norm_report(torch.cat([part.rows[layer] for part in parts])) for layer in layers}


def _counts(paths: Sequence[Path], store: ClipStore) -> dict[str, int]:
    shards = ShardSet(paths)
    usable = padding = 0
    for clip in range(len(store)):
        usable += int(shards.rows(clip, "usable").sum())
        padding += int((~store.mask(clip)).sum())
    frames = sum(store.frames)
    return {"frames": frames, "padding_left_out": padding, "outliers_left_out": frames - padding - usable}


def _harvest_shard(
    path: Path,
    clips: Sequence[int],
    store: ClipStore,
    model: BuildModel,
    layers: Sequence[int],
    bounds: dict[int, float],
    settings: BuildSettings,
) -> None:
    text = settings.text == "track"
    wanted: list[Clip] = [store.clip(clip, text=text) for clip in clips]
    parts: dict[int, list[Tensor]] = {n: [torch.zeros(0, model.spec.d_model).half()] for n in layers}
    usable = [torch.zeros(0, dtype=torch.bool)]
    at = 0
    for part in harvest(model, wanted, layers, batch=settings.batch_clips):
        valid = torch.cat([clip.mask() for clip in wanted[at : at + len(part.frames)]])
        at += len(part.frames)
        usable.append(usable_rows(part.rows, valid, bounds))
        for n in layers:
            parts[n].append(to_half(part.rows[n]).cpu())
    rows = {f"layer.{n}": torch.cat(found) for n, found in parts.items()}
    rows["usable"] = torch.cat(usable).to(torch.uint8)
    write_shard(path, rows, [store.frames[clip] for clip in clips])


def limits(residuals: Stage) -> dict[int, float]:
    """layer -> the largest norm of a residual that is trained on."""
    return {int(layer): float(found["limit"]) for layer, found in residuals.facts().get("norms", {}).items()}


def row_source(
    settings: BuildSettings,
    layers: int | Sequence[int],
    store: ClipStore,
    residuals: Stage,
    model: BuildModel,
    *,
    slow_frames: int = 0,
) -> RowSource:
    """One layer's residuals from disk, or one or several layers' side by side from the model."""
    if settings.residuals == "disk" and isinstance(layers, int):
        return ShardRows(residuals.outputs(".safetensors"), layers, slow_frames=slow_frames)
    clips = [store.clip(clip, text=settings.text == "track") for clip in range(len(store))]
    return StreamedRows(
        model,
        clips,
        layers,
        batch=settings.batch_clips,
        limits=limits(residuals),
        slow_frames=slow_frames,
    )
