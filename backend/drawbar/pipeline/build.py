"""Settings -> a bank: every stage in order, each resumed, skipped or run as its manifest says."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from drawbar.errors import AudioFileError, BadInputError
from drawbar.files.atomic_write import write_json
from drawbar.files.destination import check_folder
from drawbar.files.json_object import JsonObject
from drawbar.files.lock import folder_lock
from drawbar.files.reading import json_value
from drawbar.paths import FIRST_LAYER_BANK
from drawbar.pipeline.cluster.session import session
from drawbar.pipeline.grid import Cell, cells
from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.pipeline.inputs.ready_saes import ready_saes
from drawbar.pipeline.inputs.sources import open_source
from drawbar.pipeline.inputs.tracks import Source
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import MANIFEST, Gate, Stage, gated
from drawbar.pipeline.parts import load
from drawbar.pipeline.progress import ProgressCallback
from drawbar.pipeline.settings import BuildSettings
from drawbar.pipeline.stages.bank import LayerStages, bank_stage
from drawbar.pipeline.stages.corpus import corpus_stage
from drawbar.pipeline.stages.labels import labels_stage
from drawbar.pipeline.stages.profiling import pairs_stage, profile_stage
from drawbar.pipeline.stages.residuals import residuals_stage
from drawbar.pipeline.stages.tokens import tokens_stage
from drawbar.pipeline.stages.training import sae_stages, sweep_stage

STAGES = ("corpus", "tokens", "residuals", "sae", "sweep", "features", "labels", "bank")
"""In order; ``features`` are a layer's activations and their profile."""


@dataclass(frozen=True)
class BuildResult:
    """What a build made."""

    bank: Path
    clips: int
    frames: int
    features: int
    labels: int
    metrics: dict[int, dict[str, float]]
    """layer -> fvu, l0, dead_share, cross-entropy recovered and more, on held-out clips."""
    concepts: list[JsonObject]
    """For each concept and layer: the best feature, its AUROC on training and on held-out clips."""
    failed: list[tuple[str, str]]
    """Files that could not be read, and why."""


def build(
    settings: BuildSettings,
    progress: ProgressCallback | None = None,
    *,
    model: BuildModel | None = None,
    first: Callable[[Path], object] | None = None,
) -> BuildResult:
    """Build the bank in ``settings.out / "bank"``; continue there if an earlier build was cut short.

    Args:
        settings: what to build.
        progress: told how far each stage is; may raise CancelledError.
        model: a loaded model, in place of loading ``settings.model``.
        first: of several layers, told the bank of the first one as soon as there is one. Nobody needs it once the
            whole bank is there, and it is removed then.

    Raises:
        BadInputError: no usable audio, or layers that the model does not have.
        MissingDependencyError: ``composed:N`` without a soundfont.
        SiteMismatchError: a ready SAE that clearly belongs to a neighbouring layer.
        InUseError: another process builds there.
    """
    check_folder(settings.out)
    with folder_lock(settings.out, "building a bank"):
        run = Run(settings, progress, model)
        with session(settings) as publish:
            for stage in STAGES:
                run.stage(stage)
                publish()
                if stage == "residuals" and first is not None and run.first_layer():
                    first(settings.out / FIRST_LAYER_BANK)
            result = run.result()
            publish()
        for name in (FIRST_LAYER_BANK, f"{FIRST_LAYER_BANK}-work"):
            shutil.rmtree(settings.out / name, ignore_errors=True)
        return result


def run_stages(
    settings: BuildSettings,
    progress: ProgressCallback | None = None,
    *,
    model: BuildModel | None = None,
    only: str = "",
    until: str = "",
) -> Path:
    """Run one stage, whose inputs must be there, or all stages up to one; returns the run's folder.

    Raises:
        BadInputError: a stage that there is not, or ``only`` where an earlier stage is not finished.
    """
    last = only or until
    if last not in STAGES:
        raise BadInputError(f"stage {last!r}: there are {', '.join(STAGES)}")
    check_folder(settings.out)
    with folder_lock(settings.out, "building a bank"):
        run = Run(settings, progress, model)
        with session(settings) as publish:
            for stage in STAGES[: STAGES.index(last) + 1]:
                if only and stage != last:
                    with gated(Gate("need")):
                        run.stage(stage, write=False)
                else:
                    run.stage(stage)
                    publish()
    return settings.out


class Run:
    """One build's stages; each begins only those of its own, and takes the others as they lie there."""

    def __init__(
        self,
        settings: BuildSettings,
        progress: ProgressCallback | None = None,
        model: BuildModel | None = None,
    ) -> None:
        check_folder(settings.out)
        self.source = open_source(settings)  # before the model: it is quicker to refuse
        self.model = load(settings) if model is None else model
        spec = self.model.spec
        self.settings = settings.resolved(
            spec.d_model, min(_seconds(self.source), settings.max_clips * settings.clip_s), spec.frame_rate_hz
        )
        self.progress = progress
        self.layers = _layers(self.settings, self.model)
        self.grid = cells(self.settings.sweep, self.settings.sae, tuple(self.layers), self.model.spec.d_model)
        self._check_layers([cell.layer for cell in self.grid])
        self.done: dict[str, list[Stage]] = {}

    def stage(self, name: str, *, write: bool = True) -> list[Stage]:
        """Run one stage of :data:`STAGES`; the ones before it must have been called."""
        if write and name == STAGES[0]:
            self.settings.out.mkdir(parents=True, exist_ok=True)
            write_json(self.settings.out / "settings.json", self.settings.to_dict())
        work: Callable[[], list[Stage]] = getattr(self, f"_{name}")
        self.done[name] = work()
        return self.done[name]

    @cached_property
    def store(self) -> ClipStore:
        """The clips, once there are tokens."""
        return ClipStore(self.done["tokens"][0].outputs(".safetensors"))

    def result(self) -> BuildResult:
        """What came out, once every stage has run; also written to ``result.json``."""
        bank, labels = self.done["bank"][0], self.done["labels"]
        result = BuildResult(
            bank=self.settings.out / "bank",
            clips=len(self.store),
            frames=sum(self.store.frames),
            features=bank.facts()["features"],
            labels=bank.facts()["labels"],
            metrics={
                layer: sae.facts()["metrics"]
                for layer, sae in zip(self.layers, self.done["sae"], strict=True)
            },
            concepts=[
                row
                for stage in labels
                for row in json_value((stage.folder / "concepts.json").read_text("utf-8"))
            ],
            failed=self.store.failed,
        )
        write_json(self.settings.out / "result.json", asdict(result) | {"bank": str(result.bank)})
        return result

    def first_layer(self) -> bool:
        """All stages of the first layer alone, and a bank of it; False where that would save nobody time."""
        settings, layers = self.settings, self.layers
        known = all((settings.out / f"labels-{layer}" / MANIFEST).exists() for layer in layers)
        if len(layers) < 2 or known or settings.residuals == "stream" or settings.cluster.address:
            return False
        done = dict(self.done)
        self.layers = layers[:1]
        try:
            for name in ("sae", "features", "labels"):
                self.stage(name)
            bank_stage(self.settings, self._parts(), self.store, self.model, self.progress, FIRST_LAYER_BANK)
        finally:
            self.layers, self.done = layers, done
        return True

    def _corpus(self) -> list[Stage]:
        return [corpus_stage(self.settings, self.source, self.progress)]

    def _tokens(self) -> list[Stage]:
        return [tokens_stage(self.settings, self.source, self.done["corpus"][0], self.model, self.progress)]

    def _residuals(self) -> list[Stage]:
        layers = sorted({*self.layers, *(cell.layer for cell in self.grid)})
        return [residuals_stage(self.settings, layers, self.done["tokens"][0], self.model, self.progress)]

    def _sae(self) -> list[Stage]:
        wanted = [Cell(layer, self.settings.sae_at(layer)) for layer in self.layers]
        residuals = self.done["residuals"][0]
        return sae_stages(self.settings, wanted, self.store, residuals, self.model, self.progress)

    def _sweep(self) -> list[Stage]:
        if not self.grid:
            return []
        residuals = self.done["residuals"][0]
        return [sweep_stage(self.settings, self.grid, self.store, residuals, self.model, self.progress)]

    def _features(self) -> list[Stage]:
        residuals, found = self.done["residuals"][0], []
        for layer, sae in zip(self.layers, self.done["sae"], strict=True):
            pairs = pairs_stage(self.settings, layer, self.store, residuals, sae, self.model, self.progress)
            found += [pairs, profile_stage(self.settings, layer, self.store, pairs, self.progress)]
        return found

    def _labels(self) -> list[Stage]:
        features = self.done["features"]
        return [
            labels_stage(
                self.settings,
                layer,
                self.store,
                pairs,
                profile,
                self.source.concepts,
                self.model,
                self.progress,
            )
            for layer, pairs, profile in zip(self.layers, features[::2], features[1::2], strict=True)
        ]

    def _bank(self) -> list[Stage]:
        return [bank_stage(self.settings, self._parts(), self.store, self.model, self.progress)]

    def _parts(self) -> list[LayerStages]:
        features = self.done["features"]
        stages = (self.done["sae"], features[::2], features[1::2], self.done["labels"])
        return [LayerStages(*part) for part in zip(self.layers, *stages, strict=True)]

    def _check_layers(self, layers: list[int]) -> None:
        if layers and not 0 <= min(layers) <= max(layers) < self.model.spec.n_layers:
            raise BadInputError(
                f"layer {max(layers)} of {self.model.spec.name}: it has {self.model.spec.n_layers} layers, "
                "counted from 0"
            )


def _seconds(source: Source) -> float:
    """Of all tracks that can be read."""
    total = 0.0
    for track in range(len(source.tracks)):
        with suppress(AudioFileError):  # listed when it is read
            total += source.seconds(track)
    return total


def _layers(settings: BuildSettings, model: BuildModel) -> list[int]:
    """The wanted layers, those of the ready SAEs, or the middle one. Raises BadInputError for one too many."""
    ready = ready_saes(settings.sae_files, model.fingerprint)
    wanted = sorted({*settings.layers, *ready}) or [model.spec.n_layers // 2]
    if wanted[-1] >= model.spec.n_layers:
        raise BadInputError(
            f"layer {wanted[-1]} of {model.spec.name}: it has {model.spec.n_layers} layers, counted from 0"
        )
    return wanted
