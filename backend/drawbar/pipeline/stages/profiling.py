"""Residuals and SAEs -> every frame's strongest features, and from them each feature's profile."""

from dataclasses import asdict

import torch

from drawbar.features.pairs import ShardPairs, encode_pairs, write_pairs
from drawbar.features.profile import make_profile
from drawbar.features.storage import save_profile
from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import Stage
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings
from drawbar.pipeline.stages.residuals import row_source
from drawbar.sae import load_sae


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
        settings.out / f"pairs-{layer}", "pairs", 2, {"sae": sae.digest, "residuals": residuals.digest}
    )
    if not stage.begin():
        return stage
    source = row_source(settings, layer, store, residuals, model)
    network = load_sae(sae.folder, fingerprint=model.fingerprint).to(settings.device)
    report = Reporter(progress, f"activations layer {layer}", sum(store.frames), "frames")
    paths, done = [], 0
    for number, mine in enumerate(store.groups()):
        path = stage.folder / f"pairs-{number:05d}.safetensors"
        fresh = not path.is_file()
        if fresh:
            parts = [encode_pairs(network, source.rows([clip])) for clip in mine]
            none = torch.zeros(0, network.kept)
            values = torch.cat([none, *(values for values, _ in parts)])
            indices = torch.cat([none.long(), *(indices for _, indices in parts)])
            write_pairs(path, values, indices, [store.frames[clip] for clip in mine], network.d_sae)
        done += sum(store.frames[clip] for clip in mine)
        report(done) if fresh else report.start_at(done)
        paths.append(path)
    stage.finish(paths, d_sae=network.d_sae)
    return stage


def profile_stage(
    settings: BuildSettings, layer: int, store: ClipStore, pairs: Stage, progress: ProgressCallback | None
) -> Stage:
    """Activations of all clips -> the features' profile."""
    key = {"pairs": pairs.digest, "profile": asdict(settings.profile)}
    stage = Stage(settings.out / f"profile-{layer}", "profile", 2, key)
    if not stage.begin():
        return stage
    stage.keep_settings(asdict(settings.profile))
    report = Reporter(progress, f"profile layer {layer}", len(store), "clips")
    with torch.no_grad():
        profile = make_profile(
            ShardPairs(pairs.outputs(".safetensors")),
            pairs.facts()["d_sae"],
            settings.profile,
            progress=lambda done, total: report(done, total),
        )
    save_profile(stage.folder / "profile.safetensors", profile)
    stage.finish([stage.folder / "profile.safetensors"])
    return stage
