"""Words, a model's sizes and a device -> how many clips making their sliders takes, and how long; nothing is played.

The time of a step is measured on a few layers of random weights of the same sizes, so that it can be told before the
model is downloaded.
"""

import dataclasses
import time
from dataclasses import dataclass

import torch

from drawbar.contrast.words import fitting_batch_of
from drawbar.evidence.words.make import MakeSettings
from drawbar.evidence.words.trial import AMOUNTS
from drawbar.evidence.words.yard import ALONE
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.quantised.precision import make_stepper
from drawbar.musicgen.spec import ModelSpec

_LAYERS = 2
_STEPS = 4


@dataclass(frozen=True)
class WordPlan:
    """What making sliders of some words takes."""

    words: int
    takes: int
    """Clips with and without the words."""
    trials: int
    """Clips that try the sliders."""
    pool: int
    """Clips of random directions, once for each layer that is steered at; 0 where a bank has them."""
    seconds: float
    """Of each clip."""
    batch: int
    seconds_per_clip: float
    """Wall clock, measured on random weights of the model's sizes."""

    @property
    def clips(self) -> int:
        return self.takes + self.trials + self.pool

    @property
    def duration_s(self) -> float:
        return self.clips * self.seconds_per_clip


def plan_words(
    spec: ModelSpec, words: int, settings: MakeSettings, device: str = "cpu", *, pooled: bool = False
) -> WordPlan:
    """``pooled``: a bank has random directions for this model already."""
    how = settings.words
    batch = fitting_batch_of(spec, how.seconds, device)
    takes = 2 * how.pairs * words
    pairs = 8 if pooled else settings.pool.pairs
    trials = (len(AMOUNTS) + 1) * pairs * words if settings.check else 0
    own = settings.pool.directions * len(settings.pool.norms) * pairs + (1 + ALONE) * pairs
    pool = own if settings.check and not pooled else 0
    frames = spec.frames(how.seconds) + spec.max_delay
    per_clip = frames * _step_seconds(spec, device, 2 * batch) / batch
    return WordPlan(words, takes, trials, pool, how.seconds, batch, per_clip)


@torch.inference_mode()
def _step_seconds(spec: ModelSpec, device: str, rows: int) -> float:
    """One step of so many rows; the shortest of a few, for what else the machine does is no part of it."""
    layers = min(_LAYERS, spec.n_layers)
    decoder = Decoder(dataclasses.replace(spec, n_layers=layers)).eval().to(device)
    stepper = make_stepper(decoder, "float32")
    cache = stepper.cache(rows, _STEPS + 1)
    steps = torch.zeros(rows, spec.n_q, 1, dtype=torch.long, device=device)
    times = []
    for _ in range(_STEPS):
        began = time.perf_counter()
        stepper.forward(steps, cache, None)
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return min(times[1:]) * spec.n_layers / layers
