"""A layer's activations, truth and decoded audio -> labels, correlations, the concept table."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from drawbar.bank.records import LabelRecord
from drawbar.features.descriptors import (
    correlations,
    label_from_descriptors,
    score_descriptors,
    window_curves,
)
from drawbar.features.groundtruth import label_from_truth
from drawbar.features.pairs import PairSource, ShardPairs, window_means
from drawbar.features.scoring import Scores, score
from drawbar.features.storage import load_profile
from drawbar.listening.descriptors import DESCRIPTORS, descriptors
from drawbar.pipeline.clips import ClipStore
from drawbar.pipeline.manifest import Stage, write_json
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings

__all__ = ["labels_stage"]

_BYTES = 512 << 20  # window activations of one split, at most
_EVENT = "hit:"  # concepts that last a few frames
_LABELLED = ("loudness_db", "centroid_hz", "flatness", "onset_strength", "onset_rate_hz", "low_band_share",
             "mid_band_share", "high_band_share", "pitch_hz", "pitch_clarity")  # fmt: skip


@dataclass(frozen=True)
class _Split:
    train: list[int]
    held_out: list[int]


def labels_stage(
    settings: BuildSettings,
    layer: int,
    store: ClipStore,
    pairs: Stage,
    profile: Stage,
    concepts: Sequence[str],
    model: Any,
    progress: ProgressCallback | None,
) -> Stage:
    """Run every labeller that this corpus allows."""
    key = {
        "pairs": pairs.digest,
        "profile": profile.digest,
        "truth": asdict(settings.truth),
        "descriptors": asdict(settings.descriptors),
        "min_firings": settings.min_firings,
        "concepts": list(concepts),
    }
    stage = Stage(settings.out / f"labels-{layer}", "labels", 1, key)
    if not stage.begin():
        return stage
    source = ShardPairs(pairs.outputs(".safetensors"))
    summary = load_profile(profile.folder / "profile.safetensors")
    d_sae = len(summary.fired)
    alive = np.flatnonzero(summary.fired >= settings.min_firings).tolist()
    labels: list[LabelRecord] = []
    table: list[dict[str, object]] = []
    if concepts:
        scores = _truth_scores(settings, store, source, d_sae, concepts, progress, layer)
        if scores is not None:
            labels += label_from_truth(layer, scores, settings.truth, alive)
            table = [
                asdict(best) | {"feature": f"{layer}/{best.feature}"} for best in scores.per_concept(alive)
            ]
    found, related = _descriptor_labels(settings, layer, store, source, d_sae, alive, model, progress)
    labels += found
    write_json(stage.folder / "labels.json", [_plain(record) for record in labels])
    write_json(stage.folder / "concepts.json", table)
    save_file({"r": related.contiguous()}, stage.folder / "correlations.safetensors")
    outputs = [stage.folder / name for name in ("labels.json", "concepts.json", "correlations.safetensors")]
    stage.finish(outputs, labels=len(labels), descriptors=list(DESCRIPTORS))
    return stage


def _plain(record: LabelRecord) -> dict[str, object]:
    label = record.label
    return {"feature": record.feature, "text": label.text, "author": label.author, "method": label.method,
            "score": label.score, "evidence": dict(label.evidence)}  # fmt: skip


def _split(store: ClipStore, train: int, held_out: int, d_sae: int, window: int, seed: int) -> _Split:
    """Seeded clips of both splits, as many as asked for and as memory allows."""
    mean_frames = sum(store.frames) / max(len(store), 1)
    fit = max(2, int(_BYTES / (4 * d_sae * max(mean_frames / window, 1))))
    parts = []
    for name, count in (("train", train), ("held-out", held_out)):
        clips = store.of_split(name)
        random.Random(seed).shuffle(clips)
        parts.append(sorted(clips[: min(count, fit)]))
    return _Split(*parts)


def _activations(clips: Sequence[int], source: PairSource, d_sae: int, window: int) -> Tensor:
    return torch.cat([torch.zeros(0, d_sae), *(window_means(*source.pairs(c), d_sae, window) for c in clips)])


def _truth_windows(
    clips: Sequence[int], store: ClipStore, window: int, columns: list[int], event: bool
) -> Tensor:
    """Bool [W, C]: an event counts if it touches the window, a state if it fills half of it."""
    out = [torch.zeros(0, len(columns), dtype=torch.bool)]
    for clip in clips:
        truth = store.truth(clip)
        if truth is None:
            continue
        count = len(truth) // window
        cells = truth[: count * window, columns].view(count, window, -1).float().mean(1)
        out.append(cells > 0 if event else cells >= 0.5)
    return torch.cat(out)


def _truth_scores(
    settings: BuildSettings,
    store: ClipStore,
    source: PairSource,
    d_sae: int,
    concepts: Sequence[str],
    progress: ProgressCallback | None,
    layer: int,
) -> Scores | None:
    """States over half-second windows, events over tenth-second ones, side by side."""
    cfg = settings.truth
    report = Reporter(progress, f"truth layer {layer}", 2, "passes")
    parts: list[Scores] = []
    for number, event in enumerate((False, True)):
        columns = [i for i, name in enumerate(concepts) if name.startswith(_EVENT) == event]
        window = cfg.event_window_frames if event else cfg.window_frames
        share = window / cfg.window_frames if event else 1.0
        counts = (max(8, round(cfg.train_clips * share)), max(8, round(cfg.held_out_clips * share)))
        split = _split(store, *counts, d_sae, window, settings.profile.seed)
        known = _Split(
            *([c for c in part if store.truth(c) is not None] for part in (split.train, split.held_out))
        )
        if not columns or not known.train or not known.held_out:
            continue
        sides = [
            (_activations(part, source, d_sae, window), _truth_windows(part, store, window, columns, event))
            for part in (known.train, known.held_out)
        ]
        parts.append(score([concepts[i] for i in columns], sides[0], sides[1]))
        report(number + 1)
    if not parts:
        return None
    names = tuple(name for part in parts for name in part.names)
    return Scores(names, torch.cat([p.train for p in parts], 1), torch.cat([p.held_out for p in parts], 1))


def _descriptor_labels(
    settings: BuildSettings,
    layer: int,
    store: ClipStore,
    source: PairSource,
    d_sae: int,
    alive: list[int],
    model: Any,
    progress: ProgressCallback | None,
) -> tuple[list[LabelRecord], Tensor]:
    """Labels, and correlations [F, descriptors] on held-out clips."""
    cfg = settings.descriptors
    split = _split(
        store, cfg.train_clips, cfg.held_out_clips, d_sae, cfg.window_frames, settings.profile.seed + 1
    )
    report = Reporter(progress, f"descriptors layer {layer}", len(split.train) + len(split.held_out), "clips")
    done = 0
    sides: list[tuple[Tensor, Tensor]] = []
    for clips in (split.train, split.held_out):
        curves = [torch.zeros(0, len(DESCRIPTORS))]
        for clip in clips:
            curves.append(_curves(store, clip, model, settings))
            done += 1
            report(done)
        sides.append((_activations(clips, source, d_sae, cfg.window_frames), torch.cat(curves)))
    train, held_out = sides
    if not len(train[0]) or not len(held_out[0]):
        return [], torch.zeros(d_sae, len(DESCRIPTORS))
    columns = [DESCRIPTORS.index(name) for name in _LABELLED]
    related = correlations(*held_out)
    scores = score_descriptors(
        _LABELLED, (train[0], train[1][:, columns]), (held_out[0], held_out[1][:, columns])
    )
    return label_from_descriptors(layer, scores, related[:, columns], cfg, alive), related


def _curves(store: ClipStore, clip: int, model: Any, settings: BuildSettings) -> Tensor:
    """What the codec makes of the clip, described: windows [W, descriptors]."""
    with torch.no_grad():
        audio = model.codec.decode(store.tokens(clip)[None].to(settings.device))[0, 0].float().cpu().numpy()
    found = descriptors(audio, model.codec.sample_rate_hz)
    return window_curves(found, DESCRIPTORS, store.frames[clip], settings.descriptors.window_frames)
