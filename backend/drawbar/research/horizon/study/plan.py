"""Settings of a long-horizon study -> which stages would run and how long; nothing is written.

Times come from short trials on this machine: good to a factor of two.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from drawbar.audio_analysis.descriptors import descriptors
from drawbar.bank import Bank
from drawbar.files.json_object import JsonObject
from drawbar.musicgen import Model
from drawbar.pipeline.manifest import Gate, State, gated
from drawbar.research.horizon.folds import fixed, read
from drawbar.research.horizon.outcomes import ReturnDetector, outcomes
from drawbar.research.horizon.study.run import STAGES, HorizonRun
from drawbar.research.horizon.study.settings import HorizonSettings

_TRIAL_S = 4.0
_COMPOSE_S = 0.25  # a minute of composed music
_TRACK_S = 0.01
_WIDE = 12  # a readout of the whole residual takes as long as so many of a few features


@dataclass(frozen=True)
class PlannedStudy:
    """One stage."""

    stage: str
    folder: str
    state: State
    seconds: float
    """0 where it is done."""


def plan_study(
    settings: HorizonSettings,
    *,
    model: Model | None = None,
    bank: Bank | None = None,
    detector: ReturnDetector | None = None,
) -> list[PlannedStudy]:
    """What ``study`` would do. Raises what it raises for settings that cannot be used."""
    run = HorizonRun(settings, None, model, bank, detector)
    with gated(Gate("plan")) as gate:
        for name in STAGES:
            run.stage(name)
    costs = _Costs(run)
    return [
        PlannedStudy(
            name,
            str(stage.folder.relative_to(settings.out)),
            state,
            0.0 if state == "done" else round(getattr(costs, name)(), 1),
        )
        for name, (stage, state) in zip(STAGES, gate.seen, strict=True)
    ]


class _Costs:
    """Seconds of each stage."""

    def __init__(self, run: HorizonRun) -> None:
        self._run, self._settings = run, run.settings
        s = run.settings
        self._tracks = s.composed or 100  # a manifest's rows are not read for a guess
        grid = s.grid
        self._positions = s.excerpts * round((grid.last_s - grid.first_s) / grid.step_s + 1)
        self._horizons = len(s.horizons)

    def tracks(self) -> float:
        """Composing, or reading every file once."""
        return self._tracks * _TRACK_S

    def positions(self) -> float:
        """Sound, tokens (and half as many again for the leak test), residuals, acoustics."""
        model = self._run.model
        rng = np.random.default_rng(0)
        audio = (rng.standard_normal(round(_TRIAL_S * model.codec.sample_rate_hz)) / 10).astype(np.float32)

        def work() -> None:
            with torch.inference_mode():
                tokens = model.codec.encode(torch.from_numpy(audio)[None, None])
                model.residuals(tokens, layers=list(self._run.layers))
            descriptors(audio, model.codec.sample_rate_hz)

        heard = self._settings.excerpts * self._settings.grid.last_s / _TRIAL_S
        return self._tracks * (1.5 * heard * _timed(work) + _COMPOSE_S)

    def probes(self) -> float:
        """Readouts, each over folds of tracks and strengths."""
        layers, s = len(self._run.layers), self._settings.probes
        fits = 4 * _WIDE / 2 * self._horizons + layers * self._horizons * (5 + _WIDE)
        return (fits + s.shortlist * (self._horizons + 1) + 3 * layers) * self._reading()

    def instrument(self) -> float:
        """Trials look at held-out tracks alone, which saves the folds."""
        how, folds = self._settings.instrument, self._settings.probes.folds
        once = (4 * _WIDE / 2 + 8 + 4 * self._settings.probes.shortlist) * self._reading() / folds
        return once * (how.nulls / 2 + how.repeats * len(how.strengths))

    def interventions(self) -> float:
        how, run = self._settings.interventions, self._run
        rate = run.model.codec.frame_rate_hz
        prefix = torch.zeros(how.prefixes, run.model.spec.n_q, round(how.prefix_s * rate), dtype=torch.int64)
        seeds = list(range(how.prefixes))

        def work(seconds: float) -> Callable[[], object]:
            return lambda: run.model.generate(
                None, seeds=seeds, seconds=how.prefix_s + seconds, guidance=how.guidance, steering=None,
                automation=None, prefix=prefix, batch=how.prefixes,
            )  # fmt: skip

        long = torch.zeros(
            1, run.model.spec.n_q, round((how.prefix_s + how.seconds) * rate), dtype=torch.int64
        )
        judged = _timed(lambda: outcomes(run.model, run.detector, long, prefix.shape[2]), warm=False)
        played = _timed(work(0.5), warm=False) / 0.5 * how.seconds
        return (1 + how.features * 2 * (2 + how.twins)) * (played + how.prefixes * judged)

    def gate(self) -> float:
        return 0.1

    def _reading(self) -> float:
        """Of a few columns, once through."""
        n = self._tracks * self._positions
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((n, self._settings.probes.few)), rng.random(n) < 0.3
        track = np.repeat(np.arange(self._tracks), self._positions)
        how: JsonObject = {"folds": self._settings.probes.folds, "inner": self._settings.probes.inner}
        return _timed(lambda: read(fixed(x), y, track, track >= 0.7 * self._tracks, **how), warm=False)


def _timed(work: Callable[[], object], *, warm: bool = True) -> float:
    if warm:
        work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
