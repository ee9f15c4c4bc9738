"""A decoder and a precision's name -> the stepper that computes with it; "auto" -> what this machine needs.

float32 is exact. On a CPU with dot products of bytes a small model keeps its weights and remembers in 4 bits, so that a
frame costs the same at any depth; large ones are packed into 8 or 4 bits, by measurement; on a GPU they run in half
precision. A measured choice is remembered per model and machine, so that a take can be made again; `drawbar verify`
forbids what changes a model too much. Knows no other file.
"""

from __future__ import annotations

import math
import platform
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.files.remembered import keep, recall
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.delay import targets_for, to_steps
from drawbar.musicgen.network.step import Stepper, TextMemory
from drawbar.musicgen.quantised.packing import Packed
from drawbar.musicgen.quantised.stepper import (
    QUANTISED,
    QuantisedStepper,
    WhileLoading,
    can_quantise,
    check_quantisable,
)
from drawbar.musicgen.spec import ModelSpec
from drawbar.paths import user_dir

BOUND = 1.01
"""A precision may raise the first codebook's cross-entropy by this factor at most."""
_SMALL = 60_000_000
"""Models of fewer weights are fast enough in float32 everywhere: nothing is measured, no weight is rounded."""
_SAME_AT_ANY_DEPTH = ("kv4", "kv8")
"""What a small model remembers in, the fastest first."""
_ROOM = 0.6
"""Share of a frame's time that the decoder may take; the rest is the codec's, the output's and the window's."""


@dataclass(frozen=True)
class Known:
    """What is remembered of one model on this machine."""

    chosen: str = ""
    step_ms: dict[str, float] = field(default_factory=dict)
    forbidden: dict[str, str] = field(default_factory=dict)
    """Precisions that must not be chosen, and why."""


def precisions(spec: ModelSpec, device: torch.device) -> list[str]:
    """The precisions that a model of these sizes can run in on a device, the most exact first."""
    if device.type == "cuda":
        return ["float32", "bfloat16", "float16"]
    return ["float32"] if can_quantise(spec) else ["float32", *QUANTISED]


def while_loading(precision: str) -> WhileLoading | None:
    """What packs weights of this precision as they are read; None for those that are not packed."""
    bits, _ = QUANTISED.get(precision, (0, 0))
    return WhileLoading(bits) if bits in (4, 8) else None


def check_precision(spec: ModelSpec, precision: str) -> None:
    """Raises NotSupportedError for a precision that a model of these sizes cannot run in here."""
    if precision in QUANTISED:
        check_quantisable(spec, precision)


def make_stepper(decoder: Decoder, precision: str, packed: Mapping[str, Packed] | None = None) -> Stepper:
    """A stepper of a precision; the decoder's large weights are converted in place.

    ``packed`` are those that ``while_loading`` has packed before.

    Raises BadInputError for a precision that does not exist, NotSupportedError for one that cannot run here.
    """
    if precision in QUANTISED:
        return QuantisedStepper(decoder, *QUANTISED[precision], packed=packed)
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if precision not in kinds:
        raise BadInputError(f"precision {precision!r}: use auto, {', '.join(kinds)}, kv8, kv4, int8 or int4")
    if precision != "float32":
        decoder.to(kinds[precision])
    return Stepper(decoder)


def choose(decoder: Decoder, digest: str) -> Stepper:
    """The most exact stepper that leaves room in a frame, measured once per model and machine."""
    spec, device = decoder.spec, decoder.positions.device
    if device.type == "cuda":
        # Half precision has shown logits that are not finite; bfloat16 has float32's range.
        name = "float32" if _weights(spec) < _SMALL else "bfloat16"
        return make_stepper(decoder, name)
    allowed = [name for name in precisions(spec, device) if name not in _known(digest).forbidden]
    if device.type != "cpu" or _weights(spec) < _SMALL:
        return make_stepper(
            decoder, next((name for name in _SAME_AT_ANY_DEPTH if name in allowed), "float32")
        )
    # What slows a large model down is its weights, not its memory.
    allowed = [name for name in allowed if name not in _SAME_AT_ANY_DEPTH]
    if len(allowed) == 1:
        return make_stepper(decoder, "float32")
    known = _known(digest)
    if known.chosen not in allowed:
        budget_s = _ROOM / spec.frame_rate_hz
        times = {name: step_seconds(spec, name) for name in allowed}
        fitting = [name for name in allowed if times[name] <= budget_s]
        chosen = fitting[0] if fitting else min(times, key=lambda name: times[name])
        known = replace(known, chosen=chosen, step_ms={n: round(1e3 * t, 2) for n, t in times.items()})
        _remember(digest, known)
    return make_stepper(decoder, known.chosen)


def step_seconds(spec: ModelSpec, precision: str, layers: int = 6, device: str = "cpu") -> float:
    """The time of a step with guidance, from a few layers of random weights of the same sizes."""
    layers = min(layers, spec.n_layers)
    decoder = Decoder(replace(spec, n_layers=layers)).eval().to(device)
    stepper = make_stepper(decoder, precision)
    cache = stepper.cache(2, 32)
    steps = torch.zeros(2, spec.n_q, 1, dtype=torch.long, device=device)
    times = []
    with torch.inference_mode():
        for _ in range(8):
            began = time.perf_counter()
            stepper.forward(steps, cache, None).sum().item()  # waits for a GPU
            times.append(time.perf_counter() - began)
    return statistics.median(times[2:]) * spec.n_layers / layers


@dataclass(frozen=True)
class Comparison:
    """What a precision does to a model, on tokens that the float32 model wrote itself."""

    precision: str
    float_nats: tuple[float, ...]
    """Cross-entropy of each codebook in float32."""
    nats: tuple[float, ...]
    """The same in this precision."""
    divergence: float
    """Mean Kullback-Leibler divergence of the float32 distribution from this one, nats, over all codebooks."""

    @property
    def ratio(self) -> float:
        """The first codebook's cross-entropy, relative to float32."""
        return self.nats[0] / self.float_nats[0] if self.float_nats[0] > 0 else math.inf

    @property
    def good(self) -> bool:
        return self.ratio <= BOUND and math.isfinite(self.divergence)


@torch.inference_mode()
def compare(
    precision: str, exact: Stepper, other: Stepper, tokens: Tensor, text: TextMemory | None
) -> Comparison:
    """Two steppers of the same weights, tokens ``[B, K, T]`` and the text of B rows -> how far they are apart."""
    spec = exact.spec
    steps = to_steps(tokens, spec.delays, spec.card, valid_only=True)
    targets = targets_for(steps, spec.card)

    def log_p(stepper: Stepper) -> Tensor:
        x = stepper.forward(steps, None, text)
        logits = stepper.logits(x).view(*steps.shape[::2], spec.n_q, spec.card).float()
        return logits.transpose(1, 2).log_softmax(-1)

    first, second = log_p(exact), log_p(other)
    known = targets >= 0

    def nats(values: Tensor) -> tuple[float, ...]:
        told = -values.gather(-1, targets.clamp_min(0)[..., None])[..., 0]
        return tuple(float(told[:, k][known[:, k]].mean()) for k in range(spec.n_q))

    apart = F.kl_div(second, first, log_target=True, reduction="none").sum(-1)
    return Comparison(precision, nats(first), nats(second), float(apart[known].mean()))


def forbid(digest: str, precision: str, why: str | None) -> None:
    """Remembers that a model must not run in a precision on this machine; ``why`` None allows it again."""
    known = _known(digest)
    bans = dict(known.forbidden)
    bans.pop(precision, None)
    if why is not None:
        bans[precision] = why
    _remember(digest, replace(known, forbidden=bans))


def _weights(spec: ModelSpec) -> int:
    return 14 * spec.d_model**2 * spec.n_layers


def _key(digest: str) -> str:
    return f"{digest} {platform.processor() or platform.machine()} {torch.get_num_threads()}"


def _file() -> Path:
    return user_dir() / "precision.json"


def _known(digest: str) -> Known:
    return recall(_file(), dict[str, Known]).get(_key(digest), Known())


def _remember(digest: str, known: Known) -> None:
    values = {**recall(_file(), dict[str, Known]), _key(digest): known}
    keep(_file(), {key: asdict(value) for key, value in values.items()})
