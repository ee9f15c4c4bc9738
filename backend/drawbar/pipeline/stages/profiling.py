"""Residuals and SAEs -> every frame's strongest features, and from them each feature's profile."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import ClassVar

import torch

from drawbar.features.pairs import ShardPairs, encode_pairs, write_pairs
from drawbar.features.picks import Part
from drawbar.features.profile import join_profiles, make_profile
from drawbar.features.storage import load_profile, save_profile
from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import Stage
from drawbar.pipeline.parts import Bench, Told, crew_size, make_parts
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings
from drawbar.pipeline.stages.residuals import Kept, row_source
from drawbar.sae import load_sae

_LEAST = 8  # features that are worth a pass of their own over the activations


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
    kept, bench = Kept.of(residuals), Bench(settings, model)
    maker = EncodePairs(
        layer,
        tuple(path.name for path in store.paths),
        tuple(path.name for path in kept.shards),
        tuple(sum(store.frames[clip] for clip in group) for group in store.groups()),
        tuple(kept.limits.items()),
        sae.folder.name,
    )
    report = Reporter(progress, maker.name, sum(store.frames), "frames")
    numbers = range(len(maker.frames))
    make_parts(maker, bench, numbers, report)
    paths = [path for number in numbers for path in bench.paths(maker.files(number))]
    stage.finish(paths, d_sae=sae.facts()["d_sae"])
    return stage


@dataclass(frozen=True)
class EncodePairs:
    """Makes shards of activations: one shard of clips each."""

    layer: int
    tokens: tuple[str, ...]
    """Names of the shards of tokens."""
    residuals: tuple[str, ...]
    """Of those of residuals; none where they are streamed."""
    frames: tuple[int, ...]
    """In each shard."""
    limits: tuple[tuple[int, float], ...]
    sae: str
    """Name of the SAE's folder."""
    trains: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return f"activations layer {self.layer}"

    @property
    def folder(self) -> str:
        return f"pairs-{self.layer}"

    def files(self, number: int) -> tuple[str]:
        return (f"{self.folder}/pairs-{number:05d}.safetensors",)

    def needs(self, number: int) -> tuple[str, ...]:
        shard = f"tokens/{self.tokens[number]}"
        shards = (shard, shard.replace(".safetensors", ".json"))
        rows = (f"residuals/{self.residuals[number]}",) if self.residuals else ()
        return (*shards, *rows, f"{self.sae}/cfg.json", f"{self.sae}/sae_weights.safetensors")

    def size(self, number: int) -> int:
        return self.frames[number]

    def units(self, bench: Bench, number: int) -> list[str]:
        return [clip.name for clip in bench.store(self.needs(number)[:1]).clips]

    def make(self, bench: Bench, number: int, skip: Collection[str], told: Told) -> None:
        settings, store = bench.settings, bench.store(self.needs(number)[:1])
        shards = tuple(bench.paths([f"residuals/{self.residuals[number]}"])) if self.residuals else ()
        source = row_source(settings, self.layer, store, Kept(shards, dict(self.limits)), bench.model)
        sae = load_sae(bench.folder / self.sae, fingerprint=bench.model.fingerprint).to(settings.device)
        values, indices, done = [torch.zeros(0, sae.kept)], [torch.zeros(0, sae.kept).long()], 0
        for clip, about in enumerate(store.clips):
            if about.name in skip:
                found = torch.zeros(about.frames, sae.kept), torch.zeros(about.frames, sae.kept).long()
            else:
                found = encode_pairs(sae, source.rows([clip]))
            values.append(found[0])
            indices.append(found[1])
            done += about.frames
            told(done, "")
        path = bench.paths(self.files(number))[0]
        write_pairs(path, torch.cat(values), torch.cat(indices), store.frames, sae.d_sae)


def profile_stage(
    settings: BuildSettings, layer: int, store: ClipStore, pairs: Stage, progress: ProgressCallback | None
) -> Stage:
    """Activations of all clips -> the features' profile."""
    key = {"pairs": pairs.digest, "profile": asdict(settings.profile)}
    stage = Stage(settings.out / f"profile-{layer}", "profile", 2, key)
    if not stage.begin():
        return stage
    stage.keep_settings(asdict(settings.profile))
    d_sae: int = pairs.facts()["d_sae"]
    count = min(crew_size(), -(-d_sae // _LEAST))
    cuts = [d_sae * n // count for n in range(count + 1)]
    shards = tuple(path.name for path in pairs.outputs(".safetensors"))
    blocks = tuple(pairwise(cuts))
    maker = ProfileFeatures(layer, shards, blocks, len(store))
    report = Reporter(progress, maker.name, len(store) * count, "clips")
    bench = Bench(settings)
    make_parts(maker, bench, range(count), report)
    files = [bench.paths(maker.files(number))[0] for number in range(count)]
    out = stage.folder / "profile.safetensors"
    save_profile(out, join_profiles([load_profile(path) for path in files]))
    stage.finish([out])
    for path in stage.folder.glob("features-*.safetensors"):  # of this crew's size or an earlier one's
        path.unlink()
    return stage


@dataclass(frozen=True)
class ProfileFeatures:
    """Makes the profile of some features over all clips: no order of clips or workers changes a sum."""

    layer: int
    shards: tuple[str, ...]
    """Names of the shards of activations."""
    blocks: tuple[tuple[int, int], ...]
    """First feature of each part, and the one behind its last."""
    clips: int
    trains: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return f"profile layer {self.layer}"

    @property
    def folder(self) -> str:
        return f"profile-{self.layer}"

    def files(self, number: int) -> tuple[str]:
        first, end = self.blocks[number]
        return (f"{self.folder}/features-{first:07d}-{end:07d}.safetensors",)

    def needs(self, number: int) -> tuple[str, ...]:
        return tuple(f"pairs-{self.layer}/{name}" for name in self.shards)

    def size(self, number: int) -> int:
        return self.clips

    def units(self, bench: Bench, number: int) -> list[str]:
        return []  # a clip less is another profile

    def make(self, bench: Bench, number: int, skip: Collection[str], told: Told) -> None:
        part = Part(*self.blocks[number], self.blocks[-1][1])
        with torch.no_grad():
            profile = make_profile(
                ShardPairs(bench.paths(self.needs(number))),
                part.of,
                bench.settings.profile,
                part=part,
                progress=lambda done, _: told(done, ""),
            )
        save_profile(bench.paths(self.files(number))[0], profile)
