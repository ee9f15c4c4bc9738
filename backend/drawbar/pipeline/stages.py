"""One function a stage: what the stage before left in its folder -> what the next one needs.

Each returns its :class:`Stage`; one that is done already is left alone, and one that was cut short goes
on.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drawbar.errors import AudioFileError, BadInputError
from drawbar.features.pairs import encode_pairs, write_pairs
from drawbar.pipeline.clips import ClipStore, write_tokens
from drawbar.pipeline.manifest import Stage, write_json
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings
from drawbar.pipeline.sources import Excerpt, Source, Track
from drawbar.residuals import (
    Clip,
    MixedBatches,
    RowSource,
    ShardRows,
    StreamedRows,
    harvest,
    to_half,
    write_shard,
)
from drawbar.sae import load_sae, measure, save_sae, train_sae

__all__ = ["BuildModel", "pairs_stage", "residuals_stage", "row_source", "sae_stage", "tokens_stage"]

BuildModel = Any
"""A loaded model: ``spec``, ``fingerprint``, ``codec``, ``residuals``."""

_GROUP_TRACKS = 16  # tracks a shard
_MEASURED_ROWS = 200_000  # held-out residuals that the SAE's metrics are taken on


def tokens_stage(
    settings: BuildSettings, source: Source, model: BuildModel, progress: ProgressCallback | None
) -> Stage:
    """Audio -> codec tokens, in shards of whole tracks; unreadable files are listed, not fatal."""
    key = {
        "corpus": source.key(),
        "codec": model.codec.fingerprint,
        "held_out": settings.held_out,
        "max_clips": settings.max_clips,
        "context": model.spec.context_frames,
    }
    stage = Stage(settings.out / "tokens", "tokens", 1, key)
    if not stage.begin():
        return stage
    report = Reporter(progress, "tokens", len(source.tracks), "tracks")
    paths, clips, failed = [], 0, 0
    for number, first in enumerate(range(0, len(source.tracks), _GROUP_TRACKS)):
        if clips >= settings.max_clips:
            break
        path = stage.folder / f"tokens-{number:05d}.safetensors"
        if not path.with_suffix(".json").is_file():
            group = range(first, min(first + _GROUP_TRACKS, len(source.tracks)))
            _encode_group(path, group, source, model, settings, report)
        else:
            report.start_at(min(first + _GROUP_TRACKS, len(source.tracks)))
        listing = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        clips, failed = clips + len(listing["clips"]), failed + len(listing["failed"])
        paths += [path, path.with_suffix(".json")]
    if clips == 0:
        raise BadInputError(
            f"corpus {settings.corpus!r}: not one of {len(source.tracks)} files could be used"
        )
    stage.finish(paths, clips=clips, failed=failed, concepts=list(source.concepts))
    return stage


def _encode_group(
    path: Path, group: range, source: Source, model: BuildModel, settings: BuildSettings, report: Reporter
) -> None:
    clips: list[tuple[Track, Excerpt, Tensor]] = []
    failed: list[tuple[str, str]] = []
    for track in group:
        try:
            for excerpt in source.excerpts(track, model.codec.sample_rate_hz):
                audio = torch.from_numpy(excerpt.audio)[None, None].to(settings.device)
                with torch.no_grad():
                    tokens = model.codec.encode(audio)[0, :, : model.spec.context_frames].cpu()
                clips.append((source.tracks[track], excerpt, tokens))
        except AudioFileError as error:
            failed.append((source.tracks[track].id, str(error)))
        report(track + 1, note=f"{len(failed)} unreadable" if failed else "")
    write_tokens(path, clips, failed, model.spec.n_q)


def residuals_stage(
    settings: BuildSettings,
    layers: Sequence[int],
    tokens: Stage,
    model: BuildModel,
    progress: ProgressCallback | None,
) -> Stage:
    """Tokens -> residuals of all layers on disk (nothing where the settings say ``stream``)."""
    key = {
        "tokens": tokens.digest,
        "model": model.fingerprint,
        "layers": list(layers),
        "how": settings.residuals,
    }
    stage = Stage(settings.out / "residuals", "residuals", 1, key)
    if not stage.begin():
        return stage
    store = ClipStore(tokens.outputs(".safetensors"))
    paths: list[Path] = []
    if settings.residuals == "disk":
        report = Reporter(progress, "residuals", sum(store.frames), "frames")
        done = 0
        for number, mine in enumerate(store.groups()):
            path = stage.folder / f"residuals-{number:05d}.safetensors"
            fresh = not path.is_file()
            if fresh:
                _harvest_shard(path, mine, store, model, layers, settings.batch_clips)
            done += sum(store.frames[clip] for clip in mine)
            report(done) if fresh else report.start_at(done)
            paths.append(path)
    stage.finish(paths)
    return stage


def _harvest_shard(
    path: Path, clips: Sequence[int], store: ClipStore, model: BuildModel, layers: Sequence[int], batch: int
) -> None:
    wanted = (Clip(store.tokens(clip)) for clip in clips)
    found = list(harvest(model, wanted, layers, batch=batch))
    empty = torch.zeros(0, model.spec.d_model)
    rows = {
        f"layer.{n}": to_half(torch.cat([empty, *(part.rows[n].cpu() for part in found)])) for n in layers
    }
    write_shard(path, rows, [store.frames[clip] for clip in clips])


def row_source(
    settings: BuildSettings, layer: int, store: ClipStore, residuals: Stage, model: BuildModel
) -> RowSource:
    """One layer's residuals, from disk or from the model."""
    if settings.residuals == "disk":
        return ShardRows(residuals.outputs(".safetensors"), layer)
    clips = [Clip(store.tokens(clip)) for clip in range(len(store))]
    return StreamedRows(model, clips, layer, batch=settings.batch_clips)


def sae_stage(
    settings: BuildSettings,
    layer: int,
    store: ClipStore,
    residuals: Stage,
    model: BuildModel,
    progress: ProgressCallback | None,
) -> Stage:
    """Residuals of the training tracks -> one SAE in SAELens' layout, with its log and held-out metrics."""
    key = {"residuals": residuals.digest, "layer": layer, "sae": settings.sae.to_dict()}
    stage = Stage(settings.out / f"sae-{layer}", "sae", 1, key)
    if not stage.begin():
        return stage
    source = row_source(settings, layer, store, residuals, model)
    train = store.of_split("train")
    if not train:
        raise BadInputError("every track is held out: give more audio or a smaller held_out")
    report = Reporter(progress, f"sae layer {layer}", settings.sae.steps * settings.sae.batch, "activations")
    trained = train_sae(
        MixedBatches(source, settings.sae.batch, seed=settings.sae.seed, clips=train),
        settings.sae,
        layer=layer,
        fingerprint=model.fingerprint,
        checkpoint=stage.folder / "checkpoint.pt",
        device=settings.device,
        progress=lambda step, _, row: report(
            step * settings.sae.batch, note=f"fvu {row.fvu:.3f}, dead {row.dead_share:.1%}"
        ),
    )
    metrics = measure(trained.sae.cpu(), _held_out_rows(source, store))
    save_sae(
        stage.folder,
        trained.sae,
        model_name=model.spec.name,
        extra={"settings": settings.sae.to_dict(), "metrics": metrics.to_dict(), "scale": trained.scale},
    )
    write_json(stage.folder / "history.json", [asdict(row) for row in trained.history])
    outputs = [stage.folder / name for name in ("cfg.json", "sae_weights.safetensors", "history.json")]
    stage.finish(outputs, metrics=metrics.to_dict())
    (stage.folder / "checkpoint.pt").unlink(missing_ok=True)
    return stage


def _held_out_rows(source: RowSource, store: ClipStore) -> Iterator[Tensor]:
    """Residuals of held-out clips; of training clips where a corpus is too small to hold anything out."""
    rows = 0
    for clip in store.of_split("held-out") or store.of_split("train"):
        part = source.rows([clip])
        yield part
        rows += len(part)
        if rows >= _MEASURED_ROWS:
            return


def pairs_stage(
    settings: BuildSettings,
    layer: int,
    store: ClipStore,
    residuals: Stage,
    sae: Stage,
    model: BuildModel,
    progress: ProgressCallback | None,
) -> Stage:
    """Residuals of all clips -> the k strongest features of every frame."""
    stage = Stage(
        settings.out / f"pairs-{layer}", "pairs", 1, {"sae": sae.digest, "residuals": residuals.digest}
    )
    if not stage.begin():
        return stage
    source = row_source(settings, layer, store, residuals, model)
    network = load_sae(sae.folder, fingerprint=model.fingerprint).to(settings.device)
    report = Reporter(progress, f"activations layer {layer}", sum(store.frames), "frames")
    paths, done = [], 0
    for number, mine in enumerate(store.groups()):
        path = stage.folder / f"pairs-{number:05d}.safetensors"
        if not path.is_file():
            parts = [encode_pairs(network, source.rows([clip])) for clip in mine]
            none = torch.zeros(0, network.k)
            values = torch.cat([none, *(values for values, _ in parts)])
            indices = torch.cat([none.long(), *(indices for _, indices in parts)])
            write_pairs(path, values, indices, [store.frames[clip] for clip in mine], network.d_sae)
        done += sum(store.frames[clip] for clip in mine)
        report(done)
        paths.append(path)
    stage.finish(paths)
    return stage
