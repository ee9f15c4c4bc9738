"""A layer's activations, truth and decoded audio -> labels, correlations, consistency, concepts.

Each labeller is a part of its own: a killed stage repeats at most the part that it was in.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from drawbar.bank.records import LabelRecord
from drawbar.features.labellers.compound import AUTHOR as COMPOUND
from drawbar.features.labellers.interface import Labeller, SoundWindows
from drawbar.features.labellers.registry import make_labellers
from drawbar.features.labellers.sound_windows import Describer
from drawbar.features.pairs import PairSource, ShardPairs, window_means
from drawbar.features.storage import load_profile
from drawbar.files.atomic_write import write_json
from drawbar.files.reading import json_value
from drawbar.musicgen.codec.interface import mono
from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import Stage
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings
from drawbar.pipeline.stages.sounds import describers_of, read_sounds, sounds_stage

_BYTES = 512 << 20  # window activations of one split, at most
_FILES = ("labels.json", "concepts.json", "separation.json", "figures.safetensors")


def labels_stage(
    settings: BuildSettings,
    layer: int,
    store: ClipStore,
    pairs: Stage,
    profile: Stage,
    concepts: Sequence[str],
    model: BuildModel,
    progress: ProgressCallback | None,
) -> Stage:
    """Run every labeller that this corpus and these settings allow."""
    describers = describers_of(settings.labels, settings.descriptors, bool(concepts))
    labellers = make_labellers(
        settings.labels,
        settings.truth,
        settings.descriptors,
        describers,
        known=bool(concepts),
        texts=_texts(settings, store),
        cache=settings.out / "listener-cache",
    )
    key = {
        "pairs": pairs.digest,
        "profile": profile.digest,
        "min_firings": settings.min_firings,
        "concepts": list(concepts),
    }
    parts_key = {labeller.author: labeller.key() for labeller in labellers}
    sounds_key = {describer.name: describer.key() for describer in describers}
    whole = {**key, "labellers": parts_key, "describers": sounds_key}
    stage = Stage(settings.out / f"labels-{layer}", "labels", 2, whole)
    if not stage.begin():
        return stage
    view = _View(settings, layer, store, pairs, profile, concepts, describers, model, progress)
    parts = [
        # Of what is heard, a part depends on its own describer only: a new one leaves the others as they are.
        _part(settings.out, layer, labeller, key | {"heard": _heard(labeller, sounds_key)}, view, progress)
        for labeller in labellers
    ]
    _combine(stage, parts)
    return stage


def _texts(settings: BuildSettings, store: ClipStore) -> dict[str, str]:
    """What is said of the tracks, if anything: the labeller's name and what its words are out of."""
    found = {}
    if any(clip.text for clip in store.clips):
        found["prompt"] = "prompt" if settings.corpus.startswith(("self:", "composed:")) else "caption"
    if any(clip.tags or "/" in clip.track.replace("\\", "/") for clip in store.clips):
        found["tags"] = "tags and folders"
    return found


def _heard(labeller: Labeller, sounds: Mapping[str, object]) -> object:
    """What a labeller's describers depend on; a compound name is out of several."""
    return dict(sounds) if labeller.author == COMPOUND else sounds.get(labeller.author)


def _part(
    out: Path,
    layer: int,
    labeller: Labeller,
    key: dict[str, object],
    view: "_View",
    progress: ProgressCallback | None,
) -> Stage:
    """One labeller's rows, figures and report, in its own folder."""
    stage = Stage(
        out / f"labels-{layer}-{labeller.author}",
        f"labels {labeller.author}",
        1,
        key | {"labeller": labeller.key()},
    )
    if not stage.begin():
        return stage
    report = Reporter(progress, f"{labeller.author} layer {layer}", 1, "steps")
    found = labeller.label(view, lambda done, total: report(done, total))
    write_json(stage.folder / "labels.json", [_plain(record) for record in found.labels])
    write_json(stage.folder / "tables.json", found.tables)
    save_file(
        {name: value.contiguous() for name, value in found.arrays.items()},
        stage.folder / "figures.safetensors",
    )
    separation = None if found.separation is None else found.separation.to_dict()
    outputs = [stage.folder / name for name in ("labels.json", "tables.json", "figures.safetensors")]
    stage.finish(outputs, author=labeller.author, labels=len(found.labels), separation=separation)
    return stage


def _combine(stage: Stage, parts: Sequence[Stage]) -> None:
    """All parts as one: the rows, the concept table, the figures."""
    rows: list[object] = []
    figures: dict[str, Tensor] = {}
    concepts: list[object] = []
    columns: list[str] = []
    related: list[Tensor] = []
    for part in parts:
        rows += json_value((part.folder / "labels.json").read_text("utf-8"))
        tables = json_value((part.folder / "tables.json").read_text("utf-8"))
        concepts += tables.get("concepts", [])
        found = load_file(part.folder / "figures.safetensors")
        if "r" in found:
            columns += tables["columns"]
            related.append(found.pop("r"))
        figures |= {name: value for name, value in found.items() if name not in figures}
    if related:
        figures["r"] = torch.cat(related, 1).contiguous()
    separation = {part.facts()["author"]: part.facts()["separation"] for part in parts}
    write_json(stage.folder / "labels.json", rows)
    write_json(stage.folder / "concepts.json", concepts)
    write_json(stage.folder / "separation.json", separation)
    save_file(figures, stage.folder / "figures.safetensors")
    stage.finish(
        [stage.folder / name for name in _FILES],
        labels=len(rows),
        descriptors=columns,
        separation=separation,
    )


def _plain(record: LabelRecord) -> dict[str, object]:
    label = record.label
    return {"feature": record.feature, "text": label.text, "author": label.author, "method": label.method,
            "score": label.score, "evidence": dict(label.evidence)}  # fmt: skip


class _View:
    """What labellers may look at; sounds are listened to when first asked for."""

    def __init__(
        self,
        settings: BuildSettings,
        layer: int,
        store: ClipStore,
        pairs: Stage,
        profile: Stage,
        concepts: Sequence[str],
        describers: Sequence[Describer],
        model: BuildModel,
        progress: ProgressCallback | None,
    ) -> None:
        self._settings, self._store, self._model, self._progress = settings, store, model, progress
        self._pairs: PairSource = ShardPairs(pairs.outputs(".safetensors"))
        summary = load_profile(profile.folder / "profile.safetensors")
        self._d_sae = len(summary.fired)
        self._describers = {describer.name: describer for describer in describers}
        self._sounds: dict[str, SoundWindows] = {}
        self.layer = layer
        self.alive: list[int] = np.flatnonzero(summary.fired >= settings.min_firings).tolist()
        self.concepts = tuple(concepts)

    def choose(self, split: str, count: int, window_frames: int) -> list[int]:
        """Seeded clips of a split, as many as asked for and as memory allows."""
        mean_frames = sum(self._store.frames) / max(len(self._store), 1)
        fit = max(2, int(_BYTES / (4 * self._d_sae * max(mean_frames / window_frames, 1))))
        return sorted(self._drawn(split)[: min(count, fit)])

    def _drawn(self, split: str) -> list[int]:
        clips = self._store.of_split(split)
        random.Random(self._settings.profile.seed).shuffle(clips)
        return clips

    def activation(self, clips: Sequence[int], window_frames: int) -> Tensor:
        """[W, F]."""
        none = torch.zeros(0, self._d_sae)
        means = (window_means(*self._pairs.pairs(c), self._d_sae, window_frames) for c in clips)
        return torch.cat([none, *means])

    def truth(self, clip: int) -> Tensor | None:
        """Bool [T, C]."""
        return self._store.truth(clip)

    def sounds(self, name: str) -> SoundWindows | None:
        """What a describer says, from the run's folder or listened to now."""
        if name not in self._describers:
            return None
        if name not in self._sounds:
            describer, cfg = self._describers[name], self._settings.descriptors
            train = self.choose("train", cfg.train_clips, describer.window_frames)
            held_out = self.choose("held-out", cfg.held_out_clips, describer.window_frames)
            # The same clips for every layer, also where memory lets a layer use only some of them.
            listened = self._drawn("train")[: cfg.train_clips] + self._drawn("held-out")[: cfg.held_out_clips]
            stage = sounds_stage(
                self._settings,
                describer,
                sorted(listened),
                self._store,
                self._model,
                self._progress,
                known=bool(self.concepts),
            )
            self._sounds[name] = read_sounds(stage, describer, train, held_out)
        return self._sounds[name]

    def frames(self, clip: int) -> int:
        return self._store.frames[clip]

    def clip_name(self, clip: int) -> tuple[str, str]:
        return self._store.clips[clip].name, self._store.clips[clip].licence

    def words(self, clip: int, kind: str) -> tuple[str, str]:
        """The track and its prompt or caption, or its tags and the folders that it lies in."""
        one = self._store.clips[clip]
        folders = PurePosixPath(one.track.replace("\\", "/")).parent.parts
        return one.track, one.text if kind == "prompt" else " / ".join((*one.tags, *folders))

    def audio(self, clip: int, start_frame: int, frames: int) -> tuple[NDArray[np.float32], int]:
        """What the codec makes of a stretch."""
        tokens = self._store.tokens(clip)[None, :, start_frame : start_frame + frames]
        with torch.no_grad():
            audio = mono(self._model.codec.decode(tokens.to(self._settings.device)))[0, 0]
        return audio.float().cpu().numpy(), int(self._model.codec.sample_rate_hz)
