"""Tracks -> codec tokens -> residuals: the first three stages, each from the folder of the one before.

Each returns its :class:`Stage`; one that is done already is left alone, and one that was cut short goes on.
"""

import csv
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drawbar.errors import AudioFileError, BadInputError
from drawbar.pipeline.inputs.clips import ClipStore, write_tokens
from drawbar.pipeline.inputs.tracks import Excerpt, Source, Track
from drawbar.pipeline.manifest import Stage, write_json
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings
from drawbar.residuals import (
    Clip,
    NormReport,
    RowSource,
    ShardRows,
    StreamedRows,
    harvest,
    norm_report,
    to_half,
    usable_rows,
    write_shard,
)

BuildModel = Any
"""A loaded model: ``spec``, ``fingerprint``, ``codec``, ``residuals`` and, for cross-entropies, ``logits``."""

_GROUP_TRACKS = 64  # tracks a shard
_GROUP_SECONDS = 600.0  # and audio a shard, so that what is lost by a kill stays small
_NORM_CLIPS = 64  # training clips that the norms are measured on


def corpus_stage(settings: BuildSettings, source: Source, progress: ProgressCallback | None) -> Stage:
    """The corpus -> ``tracks.csv`` (id, split, licence, seconds, tags, text) and the files whose header fails."""
    key = {"corpus": source.key(), "held_out": settings.held_out, "splits": [t.split for t in source.tracks]}
    stage = Stage(settings.out / "corpus", "corpus", 1, key)
    if not stage.begin():
        return stage
    stage.keep_settings(asdict(settings.corpus_settings()))
    report = Reporter(progress, "corpus", len(source.tracks), "tracks")
    rows: list[list[Any]] = []
    failed: list[list[str]] = []
    for number, track in enumerate(source.tracks):
        try:
            seconds = round(source.seconds(number), 3)
            rows.append([track.id, track.split, track.licence, seconds, "; ".join(track.tags), track.text])
        except AudioFileError as error:
            failed.append([track.id, str(error)])
        report(number + 1, note=f"{len(failed)} unreadable" if failed else "")
    with (stage.folder / "tracks.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "licence", "seconds", "tags", "text"])
        writer.writerows(rows)
    write_json(stage.folder / "unreadable.json", failed)
    stage.finish(
        [stage.folder / "tracks.csv", stage.folder / "unreadable.json"],
        tracks=len(rows),
        unreadable=len(failed),
        seconds=round(sum(float(row[3]) for row in rows), 1),
    )
    return stage


def tokens_stage(
    settings: BuildSettings,
    source: Source,
    corpus: Stage,
    model: BuildModel,
    progress: ProgressCallback | None,
) -> Stage:
    """Audio -> codec tokens, in shards of whole tracks; what is unreadable or silent is in ``report.json``."""
    key = {
        "corpus": corpus.digest,
        "codec": model.codec.fingerprint,
        "settings": asdict(settings.token_settings()),
        "context": model.spec.context_frames,
    }
    stage = Stage(settings.out / "tokens", "tokens", 3, key)
    if not stage.begin():
        return stage
    stage.keep_settings(asdict(settings.token_settings()))
    report = Reporter(progress, "tokens", len(source.tracks), "tracks")
    paths, clips = [], 0
    unreadable: list[list[str]] = []
    used: set[str] = set()
    seen = 0
    for number, group in enumerate(_groups(source)):
        if clips >= settings.max_clips:
            break
        path = stage.folder / f"tokens-{number:05d}.safetensors"
        if not path.with_suffix(".json").is_file():
            _encode_group(path, group, source, model, settings, report)
        else:
            report.start_at(group.stop)
        listing = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        clips, seen = clips + len(listing["clips"]), group.stop
        unreadable += listing["failed"]
        used |= {row["track"] for row in listing["clips"]}
        paths += [path, path.with_suffix(".json")]
    if clips == 0:
        raise BadInputError(
            f"corpus {settings.corpus!r}: not one of {len(source.tracks)} files could be used"
        )
    silent = {track.id for track in source.tracks[:seen]} - used - {name for name, _ in unreadable}
    report_file = stage.folder / "report.json"
    write_json(report_file, {"unreadable": unreadable, "silent": sorted(silent)})
    stage.finish(
        [*paths, report_file],
        clips=clips,
        failed=len(unreadable),
        silent=len(silent),
        concepts=list(source.concepts),
    )
    return stage


def _groups(source: Source) -> list[range]:
    """Tracks, a shard's worth at a time."""
    groups, first, seconds = [], 0, 0.0
    for track in range(len(source.tracks)):
        with suppress(AudioFileError):  # listed when it is read
            seconds += source.seconds(track)
        if track + 1 - first >= _GROUP_TRACKS or seconds >= _GROUP_SECONDS:
            groups.append(range(first, track + 1))
            first, seconds = track + 1, 0.0
    return groups + ([range(first, len(source.tracks))] if first < len(source.tracks) else [])


def _encode_group(
    path: Path, group: range, source: Source, model: BuildModel, settings: BuildSettings, report: Reporter
) -> None:
    clips: list[tuple[Track, Excerpt, Tensor]] = []
    failed: list[tuple[str, str]] = []
    for track in group:
        try:
            mine: list[tuple[Track, Excerpt, Tensor]] = []
            for excerpt in source.excerpts(track, model.codec.sample_rate_hz):
                audio = torch.from_numpy(excerpt.audio)[None, None].to(settings.device)
                with torch.no_grad():
                    tokens = model.codec.encode(audio)[0, :, : model.spec.context_frames].cpu()
                mine.append((source.tracks[track], excerpt.without_audio(), tokens))
            clips += mine
        except AudioFileError as error:
            failed.append((source.tracks[track].id, str(error)))
        report(track + 1, note=f"{len(failed)} unreadable" if failed else "")
    write_tokens(path, clips, failed, model.spec.n_q, model.codec.samples_per_frame)


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
    from drawbar.residuals import ShardSet

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
