"""Everything that the stages found out -> the bank's folder, complete or not there at all."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from drawbar.bank import (
    LIKE,
    Bank,
    BankInfo,
    Example,
    FeatureRecord,
    Histogram,
    Label,
    LabelRecord,
    LayerDirections,
    Quantiles,
)
from drawbar.bank.listing import UNSTABLE_TAG
from drawbar.features.coactive import nearest_in_time
from drawbar.features.consistency import groups
from drawbar.features.excerpts import cut_examples
from drawbar.features.labellers.interface import separate
from drawbar.features.neighbours import nearest_by_cosine
from drawbar.features.pairs import ShardPairs
from drawbar.features.picks import Pick
from drawbar.features.profile import Profile
from drawbar.features.storage import load_profile
from drawbar.features.survivors import rates_of, survivors
from drawbar.features.temporal import described, kinds_of
from drawbar.files.json_object import JsonObject
from drawbar.files.reading import json_value
from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import Stage
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings
from drawbar.pipeline.stages.training import STABILITY
from drawbar.sae import SAE, load_sae
from drawbar.sae.stability import UNSTABLE

_DUPLICATE = 0.6  # correlation in time from which a feature of another layer counts as the same
_FRAMES_PER_S = 50
_EXCERPT = re.compile(r".*@(\d+(?:\.\d+)?)s", re.DOTALL)
_SHOWN_R = 0.05  # weaker correlations are noise, and cost room


@dataclass(frozen=True)
class LayerStages:
    """One layer's finished stages."""

    layer: int
    sae: Stage
    pairs: Stage
    profile: Stage
    labels: Stage


class _Layer:
    """One layer's results, read back."""

    def __init__(self, stages: LayerStages, min_firings: int, least: float) -> None:
        self.layer = stages.layer
        self.stages = stages
        self.sae: SAE = load_sae(stages.sae.folder)
        self.profile: Profile = load_profile(stages.profile.folder / "profile.safetensors")
        self.alive = np.flatnonzero(self.profile.fired >= min_firings)
        self.labels: list[JsonObject] = json_value((stages.labels.folder / "labels.json").read_text("utf-8"))
        figures = load_file(stages.labels.folder / "figures.safetensors")
        none = torch.full((len(self.profile.fired),), torch.nan)
        self.correlations = figures.get("r", none[:, None][:, :0]).numpy()
        self.consistency = figures.get("consistency", none).numpy()
        self.shuffled = figures.get("consistency_shuffled", none).numpy()
        self.descriptors: list[str] = stages.labels.facts()["descriptors"]
        self.kinds = kinds_of(self.profile.temporal)
        stable = stages.sae.folder / STABILITY
        self.seeds = load_file(stable) if stable.is_file() else {}
        if least > 0:
            named = {int(row["feature"].partition("/")[2]) for row in self.labels}
            self.alive = np.array(
                [f for f in self.alive.tolist() if f in named or self.consistency[f] >= least], np.int64
            )

    def records(
        self, layers: Sequence["_Layer"], min_consistency: float, store: ClipStore
    ) -> Iterator[FeatureRecord]:
        """Every published feature, its company in this layer and in the others."""
        profile = self.profile
        likeness = self._likeness(store)
        others, cosines = nearest_by_cosine(self.sae.W_dec, self.alive.tolist())
        sketch = profile.sketch[self.alive]
        coactive = nearest_in_time(sketch, sketch, same=True)
        duplicates = self._duplicates(sketch, [other for other in layers if other is not self])
        group = self._groups(min_consistency)
        for row, feature in enumerate(self.alive.tolist()):
            quantiles = [_short(v) for v in profile.quantiles[feature].tolist()]
            yield FeatureRecord(
                layer=self.layer,
                index=feature,
                density=int(profile.fired[feature]) / profile.tokens,
                clip_density=int(profile.fired_clips[feature]) / profile.clips,
                quantiles=Quantiles(
                    quantiles[1], quantiles[2], _short(float(profile.scale[feature])), quantiles[4]
                ),
                histogram=Histogram(
                    tuple(_short(v) for v in profile.edges[feature].tolist()),
                    tuple(profile.counts[feature].tolist()),
                ),
                correlations=self._correlations(feature),
                neighbours=tuple(
                    (f"{self.layer}/{other}", round(float(cosine), 4))
                    for other, cosine in zip(others[row].tolist(), cosines[row], strict=True)
                ),
                coactive=tuple(
                    (f"{self.layer}/{int(self.alive[other])}", round(r, 3)) for other, r in coactive[row]
                ),
                duplicates=tuple((other, round(r, 3)) for other, r in duplicates[row]),
                consistency=_known(float(self.consistency[feature])),
                temporal=described(profile.temporal, self.kinds[feature], feature)
                | {"mean": _short(float(profile.mean[feature]))}
                | self._stability(feature),
                tags=(*self._tags(feature, group), *likeness.get(feature, ())),
            )

    def _duplicates(
        self, sketch: NDArray[np.float16], layers: Sequence["_Layer"]
    ) -> list[list[tuple[str, float]]]:
        """Features of other layers that fire at the same moments, strongest first."""
        found: list[list[tuple[str, float]]] = [[] for _ in sketch]
        for other in layers:
            near = nearest_in_time(sketch, other.profile.sketch[other.alive], 2, least=_DUPLICATE)
            for row, pairs in enumerate(near):
                found[row] += [(f"{other.layer}/{int(other.alive[at])}", r) for at, r in pairs]
        return [sorted(pairs, key=lambda pair: -pair[1])[:4] for pairs in found]

    def _groups(self, least: float) -> dict[int, int]:
        """Unnamed but consistent features -> the feature that leads their group."""
        named = {int(row["feature"].partition("/")[2]) for row in self.labels}
        loose = [f for f in self.alive.tolist() if f not in named and self.consistency[f] >= least]
        loose.sort(key=lambda f: -float(self.consistency[f]))
        return groups(self.profile.sketch, loose)

    def _likeness(self, store: ClipStore) -> dict[int, tuple[str]]:
        """Features of recordings that nobody named -> where they fire most: "like TRACK at 1:24"."""
        named = {int(row["feature"].partition("/")[2]) for row in self.labels}
        found: dict[int, tuple[str]] = {}
        for pick in self.profile.picks:
            clip = store.clips[pick.clip]
            cut = _EXCERPT.fullmatch(clip.name)
            if pick.bin == "top" and cut and pick.feature not in named and pick.feature not in found:
                at = round(float(cut[1]) + pick.start_frame / _FRAMES_PER_S)
                found[pick.feature] = (f"{LIKE}{clip.track} at {at // 60}:{at % 60:02d}",)
        return found

    def _tags(self, feature: int, group: dict[int, int]) -> tuple[str, ...]:
        tags = ("position-locked",) if self.kinds[feature] == "position-locked" else ()
        if self.seeds and float(self.seeds["cosine"][feature]) < UNSTABLE:
            tags = (*tags, UNSTABLE_TAG)
        return (*tags, f"group {self.layer}-{group[feature]}") if feature in group else tags

    def _stability(self, feature: int) -> JsonObject:
        """What other seeds find again of it; nothing where only one was trained."""
        if not self.seeds:
            return {}
        cosine, correlation = (float(self.seeds[name][feature]) for name in ("cosine", "correlation"))
        told = {
            "seeds": int(self.seeds["seeds"]),
            "cosine": _short(cosine),
            "correlation": _short(correlation),
        }
        return {"stability": told}

    def quality(self) -> JsonObject:
        """What the build measured of this layer."""
        clip_rate, token_rate = rates_of(self.profile)
        table = survivors(self.layer, clip_rate, token_rate, profile=self.profile)
        steady = separate(self.consistency[self.alive].tolist(), self.shuffled[self.alive].tolist())
        return {
            "labels": self.stages.labels.facts()["separation"],
            "consistency": None if steady is None else steady.to_dict(),
            "survivors": asdict(table),
        }

    def _correlations(self, feature: int) -> dict[str, float]:
        pairs = zip(self.descriptors, self.correlations[feature].tolist(), strict=True)
        return {name: round(r, 3) for name, r in pairs if abs(r) >= _SHOWN_R}

    def label_records(self) -> Iterator[LabelRecord]:
        for row in self.labels:
            label = Label(row["text"], row["author"], row["method"], row["score"], row["evidence"])
            yield LabelRecord(row["feature"], label)

    def directions(self) -> LayerDirections:
        alive = torch.from_numpy(self.alive)
        return LayerDirections(
            index=self.alive.astype(np.int64),
            W_dec=self.sae.W_dec[alive].numpy(),
            W_enc=self.sae.W_enc[:, alive].T.contiguous().numpy(),
            b_enc=self.sae.b_enc[alive].numpy(),
            b_dec=self.sae.b_dec.numpy()
            if self.sae.apply_b_dec_to_input
            else np.zeros(self.sae.d_model, np.float32),
            scale=self.profile.scale[self.alive],
            threshold=self.profile.threshold[self.alive],
        )

    def examples(self, store: ClipStore, window_frames: int) -> Iterator[tuple[str, Example]]:
        published = set(self.alive.tolist())
        picks: list[Pick] = [pick for pick in self.profile.picks if pick.feature in published]
        names = [clip.name for clip in store.clips]
        licences = [clip.licence for clip in store.clips]
        pairs = ShardPairs(self.stages.pairs.outputs(".safetensors"))
        for feature, found in cut_examples(picks, pairs, store.tokens, names, licences, window_frames):
            for example in found:
                yield f"{self.layer}/{feature}", example


def _short(value: float) -> float:
    """Five digits: more is noise, and costs room."""
    return float(f"{value:.5g}")


def _known(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


def bank_stage(
    settings: BuildSettings,
    layers: Sequence[LayerStages],
    store: ClipStore,
    model: BuildModel,
    progress: ProgressCallback | None,
    place: str = "bank",
) -> Stage:
    """Write ``out/bank`` (or another ``place``): built beside it and renamed when it is complete."""
    name = settings.name or f"{model.spec.name} features"
    key = {
        "layers": [[part.layer, part.sae.digest, part.profile.digest, part.labels.digest] for part in layers],
        "name": name,
        "licence": settings.licence,
        "created": settings.created,
        "min_firings": settings.min_firings,
        "directions": settings.directions,
        "min_consistency": settings.labels.min_consistency,
        "publish_consistency": settings.labels.publish_consistency,
    }
    final = settings.out / place
    stage = Stage(settings.out / f"{place}-work", place, 2, key, product=final)
    if not stage.begin():
        return stage
    report = Reporter(progress, place, 4, "parts")
    fresh = stage.folder / "bank"
    shutil.rmtree(fresh, ignore_errors=True)
    parts = [_Layer(part, settings.min_firings, settings.labels.publish_consistency) for part in layers]
    info = BankInfo(
        name=name,
        model_name=model.spec.name,
        fingerprint=model.fingerprint,
        layers=tuple(part.layer for part in parts),
        d_model=model.spec.d_model,
        created=settings.created,
        licence=settings.licence,
        sae_settings=asdict(settings.sae)
        | {"metrics": {str(p.layer): p.sae.facts().get("metrics", {}) for p in layers}},
        corpus=settings.corpus if settings.corpus.startswith(("composed:", "self:")) else "recordings",
        n_q=model.spec.n_q,
        model_source=str(getattr(model, "source", "")),
    )
    with Bank.create(fresh, info, edits=stage.folder / "edits") as bank:
        least = settings.labels.min_consistency
        bank.write_features(record for part in parts for record in part.records(parts, least, store))
        bank.write_quality({"layers": {str(part.layer): part.quality() for part in parts}})
        report(1)
        bank.write_labels(record for part in parts for record in part.label_records())
        report(2)
        bank.write_directions(((part.layer, part.directions()) for part in parts), dtype=settings.directions)
        report(3)
        window = settings.profile.window_frames
        bank.write_examples(pair for part in parts for pair in part.examples(store, window))
        report(4)
    old = settings.out / f"{place}-old"
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    fresh.rename(final)
    shutil.rmtree(old, ignore_errors=True)
    stage.finish(
        [], features=sum(len(part.alive) for part in parts), labels=sum(len(part.labels) for part in parts)
    )
    return stage
