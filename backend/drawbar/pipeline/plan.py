"""Settings -> which stages would run, how long, with how much disk and memory; nothing is written.

Times come from a short trial of each kind of work on this machine; they are guesses, good to a factor of two.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from drawbar.audio_analysis.descriptors import descriptors
from drawbar.errors import AudioFileError
from drawbar.pipeline.build import STAGES, Run
from drawbar.pipeline.grid import Cell
from drawbar.pipeline.inputs.own_takes import BATCH, OwnTakes, Player
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import Gate, Stage, State, gated
from drawbar.pipeline.settings import BuildSettings
from drawbar.sae import SaeSettings
from drawbar.sae.recipe import in_words
from drawbar.sae.step import Training

_TRIAL_S = 4.0  # audio and frames that a trial runs on
_TRIAL_STEPS = 2
_PAIR_S = 6e-7  # one activation through the profile
_HEADER_S = 0.002  # one file's header and digest
_FEATURE_BYTES = 6_000  # of a bank, examples included


@dataclass(frozen=True)
class PlannedStage:
    """One stage's folder, and what running it would take."""

    stage: str
    folder: str
    state: State
    seconds: float
    """0 where it is done."""
    disk_bytes: int
    memory_bytes: int


@dataclass(frozen=True)
class Plan:
    """The whole build."""

    stages: tuple[PlannedStage, ...]
    tracks: int
    unreadable: int
    audio_s: float
    sae: str = ""
    """How SAEs are trained, in words."""

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)

    @property
    def disk_bytes(self) -> int:
        return sum(stage.disk_bytes for stage in self.stages if stage.state != "done")

    @property
    def memory_bytes(self) -> int:
        """Of the hungriest stage that would run."""
        return max((stage.memory_bytes for stage in self.stages if stage.state != "done"), default=0)


def plan_build(settings: BuildSettings, *, model: BuildModel | None = None) -> Plan:
    """What ``build`` would do. Raises what it raises for a corpus or layers that cannot be used."""
    run = Run(settings, None, model)
    with gated(Gate("plan")) as gate:
        for stage in STAGES:
            run.stage(stage, write=False)
    seconds, unreadable = 0.0, 0
    for track in range(len(run.source.tracks)):
        try:
            seconds += run.source.seconds(track)
        except AudioFileError:
            unreadable += 1
    costs = _Costs(run, seconds)
    stages = [costs.of(stage, state) for stage, state in gate.seen]
    words = in_words(run.settings.sae, seconds / 3600)
    return Plan(tuple(stages), len(run.source.tracks), unreadable, round(seconds, 1), words)


class _Costs:
    """Trials of this machine, made when they are needed."""

    def __init__(self, run: Run, seconds: float) -> None:
        self._run, self._seconds = run, seconds
        spec = run.model.spec
        excerpts = max(1.0, seconds / run.settings.clip_s)
        self._frames = round(seconds * run.model.codec.frame_rate_hz)
        self._share = min(1.0, run.settings.max_clips / excerpts)
        self._frames = round(self._frames * self._share)
        self._width, self._books = spec.d_model, spec.n_q
        self._weights = sum(p.numel() * p.element_size() for p in _parameters(run.model))
        self._known: dict[str, float] = {}

    def of(self, stage: Stage, state: State) -> PlannedStage:
        seconds, disk, memory = self._needs(stage)
        todo = 0.0 if state == "done" else seconds
        folder = str(stage.folder.relative_to(self._run.settings.out))
        return PlannedStage(stage.name, folder, state, round(todo, 1), disk, memory + self._weights)

    def _needs(self, stage: Stage) -> tuple[float, int, int]:
        """Seconds, bytes on disk, bytes of memory."""
        settings, frames, width = self._run.settings, self._frames, self._width
        layers = len(self._run.layers)
        name = stage.name.split()[0]
        if name == "corpus":
            return len(self._run.source.tracks) * _HEADER_S, 200 * len(self._run.source.tracks), 0
        if name == "tokens":
            work = self._playing_s() if isinstance(self._run.source, OwnTakes) else self._codec_s()
            return frames * work, frames * (2 * self._books + 1), 100 << 20
        if name == "residuals":
            planes = len(stage.key["settings"]["layers"])
            on_disk = settings.residuals == "disk"
            sample = min(frames, 64 * round(settings.clip_s * 50))
            clip = round(settings.clip_s * 50) * settings.batch_clips
            return (
                (frames if on_disk else sample) * self._forward_s(),
                frames * (2 * width * planes + 1) if on_disk else 0,
                4 * width * planes * 16 * clip,
            )
        if name == "sae":
            return self._sae(stage)
        if name == "pairs":
            k = settings.sae_at(self._layer(stage)).k
            again = self._forward_s() if settings.residuals == "stream" else 0.0
            return frames * (again + k * _PAIR_S), frames * k * 4, 300 << 20
        if name == "profile":
            sae = settings.sae_at(self._layer(stage))
            return frames * sae.k * _PAIR_S * 3, sae.d_sae * 2000, sae.d_sae * 16_000
        if name == "sounds":
            clips = min(
                frames // 500 + 1, settings.descriptors.train_clips + settings.descriptors.held_out_clips
            )
            return clips * 500 * self._listening_s(), clips * 50_000, 300 << 20
        if name == "labels":
            return 10.0 + frames * 2e-5, settings.sae.d_sae * 500, 600 << 20
        if name == "bank":
            features = sum(settings.sae_at(layer).d_sae for layer in self._run.layers)
            return 2.0 + features * 0.005, features * _FEATURE_BYTES, 500 << 20
        return 1.0 * layers, 10_000, 0

    def _sae(self, stage: Stage) -> tuple[float, int, int]:
        sae = self._cell(stage).sae
        settings, width = self._run.settings, self._width
        weights = 4 * (2 * width * sae.d_sae + sae.d_sae + width)
        planes = 1
        seconds = sae.steps * self._step_s(sae)
        if settings.residuals == "stream":
            planes = len({cell.layer for cell in self._run.grid} or set(self._run.layers))
            together = max(1, len(self._run.grid) or len(self._run.layers))
            seconds += sae.steps * sae.batch * self._forward_s() / together
        memory = 5 * weights + 8 * settings.block_rows * width * planes + 8 * sae.batch * sae.d_sae
        return seconds, 4 * weights, memory

    def _cell(self, stage: Stage) -> Cell:
        layer = int(stage.key["layer"])
        given = stage.key.get("sae")
        return Cell(layer, SaeSettings(**given) if given else self._run.settings.sae_at(layer))

    def _layer(self, stage: Stage) -> int:
        return int(stage.folder.name.rpartition("-")[2])

    # --- trials: seconds a frame or a step ---------------------------------------------------------------

    def _codec_s(self) -> float:
        codec = self._run.model.codec
        noise = torch.randn(1, 1, round(_TRIAL_S * codec.sample_rate_hz)) / 10
        noise = noise.to(self._run.settings.device)
        frames: float = _TRIAL_S * codec.frame_rate_hz
        return self._timed("codec", lambda: codec.encode(noise)) / frames

    def _playing_s(self) -> float:
        """Of one frame of a take that is played among others."""
        player = cast("Player", self._run.model)
        frames = 16

        def play() -> None:
            player.generate(
                ["piano"] * BATCH,
                list(range(BATCH)),
                frames / 50,
                guidance=self._run.settings.guidance,
                batch=BATCH,
            )

        return self._timed("playing", play) / (frames * BATCH)

    def _forward_s(self) -> float:
        frames: int = min(round(_TRIAL_S * 50), self._run.model.spec.context_frames)
        tokens = torch.zeros(1, self._books, frames, dtype=torch.int64)
        layers = self._run.layers
        return self._timed("forward", lambda: self._run.model.residuals(tokens, layers=layers)) / frames

    def _listening_s(self) -> float:
        noise = np.random.default_rng(0).standard_normal(round(_TRIAL_S * 32_000)).astype(np.float32) / 10
        return self._timed("listening", lambda: descriptors(noise, 32_000)) / (_TRIAL_S * 50)

    def _step_s(self, sae: SaeSettings) -> float:
        """Of one training step, on random residuals."""

        def steps() -> None:
            x = torch.randn(sae.batch, self._width, device=self._run.settings.device)
            training = Training.start(x, sae, 0, "", self._run.settings.device)
            for _ in range(_TRIAL_STEPS):
                training.step_on(x, log=True)

        return self._timed(f"step {sae.d_sae} {sae.k} {sae.batch} {sae.activation}", steps) / _TRIAL_STEPS

    def _timed(self, what: str, work: Callable[[], object]) -> float:
        if what not in self._known:
            with torch.no_grad() if not what.startswith("step") else torch.enable_grad():
                work()
                started = time.perf_counter()
                work()
            self._known[what] = time.perf_counter() - started
        return self._known[what]


def _parameters(model: BuildModel) -> Sequence[torch.Tensor]:
    decoder = getattr(model, "decoder", None)
    return list(decoder.state_dict().values()) if decoder is not None else []
