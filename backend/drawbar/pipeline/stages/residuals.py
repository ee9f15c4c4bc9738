"""Codec tokens -> residuals: how long they are at each layer, and all of them on disk if the settings say so."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from drawbar.files.destination import check_folder
from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import Stage
from drawbar.pipeline.parts import Bench, Told, make_parts
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
    paths: list[Path] = []
    if settings.residuals == "disk":
        there = sum(path.stat().st_size for path in stage.folder.glob("*.safetensors"))
        check_folder(stage.folder, 2 * sum(store.frames) * model.spec.d_model * len(layers) - there)
        bench = Bench(settings, model)
        maker = Harvest(
            tuple(path.name for path in tokens.outputs(".safetensors")),
            tuple(sum(store.frames[clip] for clip in group) for group in store.groups()),
            tuple(layers),
            tuple(norms[layer].limit for layer in layers),
        )
        report = Reporter(progress, "residuals", sum(store.frames), "frames")
        make_parts(maker, bench, range(len(maker.shards)), report)
        paths = [path for number in range(len(maker.shards)) for path in bench.paths(maker.files(number))]
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


@dataclass(frozen=True)
class Harvest:
    """Makes shards of residuals: one shard of tokens each."""

    shards: tuple[str, ...]
    """Names of the shards of tokens."""
    frames: tuple[int, ...]
    """In each of them."""
    layers: tuple[int, ...]
    limits: tuple[float, ...]
    """The largest norm at each layer that is no outlier."""
    name: ClassVar[str] = "residuals"
    folder: ClassVar[str] = "residuals"
    trains: ClassVar[bool] = False

    def files(self, number: int) -> tuple[str]:
        return (f"residuals/residuals-{number:05d}.safetensors",)

    def needs(self, number: int) -> tuple[str, str]:
        shard = f"tokens/{self.shards[number]}"
        return shard, shard.replace(".safetensors", ".json")

    def size(self, number: int) -> int:
        return self.frames[number]

    def units(self, bench: Bench, number: int) -> list[str]:
        return [clip.name for clip in bench.store(self.needs(number)).clips]

    def make(self, bench: Bench, number: int, skip: Collection[str], told: Told) -> None:
        store, width = bench.store(self.needs(number)), bench.model.spec.d_model
        text, bounds = bench.settings.text == "track", dict(zip(self.layers, self.limits, strict=True))
        heard = [clip for clip in range(len(store)) if store.clips[clip].name not in skip]
        wanted: list[Clip] = [store.clip(clip, text=text) for clip in heard]
        found: dict[int, dict[int, Tensor]] = {n: {} for n in self.layers}
        usable: dict[int, Tensor] = {}
        at = done = 0
        for part in harvest(bench.model, wanted, self.layers, batch=bench.settings.batch_clips):
            mine = heard[at : at + len(part.frames)]
            valid = torch.cat([clip.mask() for clip in wanted[at : at + len(mine)]])
            at, done = at + len(mine), done + sum(part.frames)
            keep = usable_rows(part.rows, valid, bounds).cpu()
            usable |= dict(zip(mine, keep.split(list(part.frames)), strict=True))
            for n in self.layers:
                rows = to_half(part.rows[n]).cpu().split(list(part.frames))
                found[n] |= dict(zip(mine, rows, strict=True))
            told(done, "")
        for clip in set(range(len(store))) - set(heard):  # silent: never trained on
            usable[clip] = torch.zeros(store.frames[clip], dtype=torch.bool)
            for n in self.layers:
                found[n][clip] = torch.zeros(store.frames[clip], width).half()
        out = {f"layer.{n}": _in_order(parts, torch.zeros(0, width).half()) for n, parts in found.items()}
        out["usable"] = _in_order(usable, torch.zeros(0, dtype=torch.bool)).to(torch.uint8)
        write_shard(bench.paths(self.files(number))[0], out, store.frames)


def _in_order(parts: Mapping[int, Tensor], none: Tensor) -> Tensor:
    return torch.cat([none, *(parts[clip] for clip in sorted(parts))])


@dataclass(frozen=True)
class Kept:
    """What the stage left: its shards (none where residuals are streamed), and layer -> the largest norm."""

    shards: tuple[Path, ...]
    limits: Mapping[int, float]

    @classmethod
    def of(cls, residuals: Stage) -> "Kept":
        norms = residuals.facts().get("norms", {})
        limits = {int(layer): float(found["limit"]) for layer, found in norms.items()}
        return cls(tuple(residuals.outputs(".safetensors")), limits)


def row_source(
    settings: BuildSettings,
    layers: int | Sequence[int],
    store: ClipStore,
    kept: Kept,
    model: BuildModel,
    *,
    slow_frames: int = 0,
) -> RowSource:
    """One layer's residuals from disk, or one or several layers' side by side from the model."""
    if settings.residuals == "disk" and isinstance(layers, int):
        return ShardRows(kept.shards, layers, slow_frames=slow_frames)
    clips = [store.clip(clip, text=settings.text == "track") for clip in range(len(store))]
    return StreamedRows(
        model,
        clips,
        layers,
        batch=settings.batch_clips,
        limits=kept.limits,
        slow_frames=slow_frames,
    )
