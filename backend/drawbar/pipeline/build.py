"""Settings -> a bank: every stage in order, each resumed, skipped or run as its manifest says."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from drawbar.errors import BadInputError
from drawbar.features.pairs import ShardPairs
from drawbar.features.profile import make_profile
from drawbar.features.storage import save_profile
from drawbar.pipeline.banking import LayerStages, bank_stage
from drawbar.pipeline.clips import ClipStore
from drawbar.pipeline.labels import labels_stage
from drawbar.pipeline.manifest import Stage, write_json
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings
from drawbar.pipeline.sources import open_source
from drawbar.pipeline.stages import pairs_stage, residuals_stage, sae_stage, tokens_stage

__all__ = ["BuildResult", "build"]


@dataclass(frozen=True)
class BuildResult:
    """What a build made."""

    bank: Path
    clips: int
    frames: int
    features: int
    labels: int
    metrics: dict[int, dict[str, float]]
    """layer -> fvu, l0, dead_share, tokens, on held-out clips."""
    concepts: list[dict[str, Any]]
    """For each concept and layer: the best feature, its AUROC on training and on held-out clips."""
    failed: list[tuple[str, str]]
    """Files that could not be read, and why."""


def build(
    settings: BuildSettings, progress: ProgressCallback | None = None, *, model: Any | None = None
) -> BuildResult:
    """Build the bank in ``settings.out / "bank"``; continue there if an earlier build was cut short.

    Args:
        settings: what to build.
        progress: told how far each stage is; may raise CancelledError.
        model: a loaded model, in place of loading ``settings.model``.

    Raises:
        BadInputError: no usable audio, or layers that the model does not have.
        MissingDependencyError: ``composed:N`` without a soundfont.
    """
    source = open_source(settings)
    model = _load(settings) if model is None else model
    layers = _layers(settings, model)
    settings.out.mkdir(parents=True, exist_ok=True)
    write_json(settings.out / "settings.json", settings.to_dict())
    tokens = tokens_stage(settings, source, model, progress)
    store = ClipStore(tokens.outputs(".safetensors"))
    residuals = residuals_stage(settings, layers, tokens, model, progress)
    parts = []
    for layer in layers:
        sae = sae_stage(settings, layer, store, residuals, model, progress)
        pairs = pairs_stage(settings, layer, store, residuals, sae, model, progress)
        profile = _profile_stage(settings, layer, store, pairs, progress)
        labels = labels_stage(settings, layer, store, pairs, profile, source.concepts, model, progress)
        parts.append(LayerStages(layer, sae, pairs, profile, labels))
    bank = bank_stage(settings, parts, store, model, progress)
    result = BuildResult(
        bank=settings.out / "bank",
        clips=len(store),
        frames=sum(store.frames),
        features=bank.facts()["features"],
        labels=bank.facts()["labels"],
        metrics={part.layer: part.sae.facts()["metrics"] for part in parts},
        concepts=[
            row
            for part in parts
            for row in json.loads((part.labels.folder / "concepts.json").read_text("utf-8"))
        ],
        failed=store.failed,
    )
    write_json(settings.out / "result.json", asdict(result) | {"bank": str(result.bank)})
    return result


def _load(settings: BuildSettings) -> Any:
    from drawbar.musicgen import load_model

    return load_model(settings.model, device=settings.device)


def _layers(settings: BuildSettings, model: Any) -> list[int]:
    """The wanted layers, or the middle one. Raises BadInputError for one that is not there."""
    wanted = sorted(settings.layers) or [model.spec.n_layers // 2]
    if wanted[-1] >= model.spec.n_layers:
        raise BadInputError(
            f"layer {wanted[-1]} of {model.spec.name}: it has {model.spec.n_layers} layers, counted from 0"
        )
    return wanted


def _profile_stage(
    settings: BuildSettings, layer: int, store: ClipStore, pairs: Stage, progress: ProgressCallback | None
) -> Stage:
    """Activations of all clips -> the features' profile."""
    key = {"pairs": pairs.digest, "profile": asdict(settings.profile), "d_sae": settings.sae.d_sae}
    stage = Stage(settings.out / f"profile-{layer}", "profile", 1, key)
    if not stage.begin():
        return stage
    report = Reporter(progress, f"profile layer {layer}", len(store), "clips")
    with torch.no_grad():
        profile = make_profile(
            ShardPairs(pairs.outputs(".safetensors")),
            settings.sae.d_sae,
            settings.profile,
            progress=lambda done, total: report(done, total),
        )
    save_profile(stage.folder / "profile.safetensors", profile)
    stage.finish([stage.folder / "profile.safetensors"])
    return stage
