"""A float32 model -> what 8 and 4 bits do to it, as rows of its verdict; a precision that harms is forbidden here.

Judged on takes that the model itself writes, with their prompts: quantising random weights says nothing of a model's.
Knows no other implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from drawbar.musicgen.model import Model
from drawbar.musicgen.network.step import Stepper
from drawbar.musicgen.parity.report import Row
from drawbar.musicgen.quantised.precision import BOUND, compare, forbid, precisions
from drawbar.musicgen.quantised.stepper import QUANTISED, QuantisedStepper


def precision_rows(
    model: Model,
    prompts: Sequence[str | None],
    *,
    seconds: float = 8.0,
    seeds: Sequence[int] = (0, 1),
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> Iterator[Row]:
    """A row per quantised precision: cross-entropy of the first codebook over float32's, at most 1.01.

    What fails is remembered, so that ``precision="auto"`` does not take it; what holds is allowed again. A failure
    does not make the verdict fail: the model is right, the short cut is not taken.
    """
    names = [name for name in precisions(model.spec, model.device) if name in QUANTISED]
    if not names:
        yield Row.not_compared("quantised", "float32", "this model or machine has no quantised path")
        return
    progress("writing takes to judge precisions by", 0.0)
    clips = [(prompt, seed) for prompt in prompts for seed in seeds]
    tokens = model.generate([prompt for prompt, _ in clips], [seed for _, seed in clips], seconds)
    exact = Stepper(model.decoder)
    with torch.inference_mode():
        text = None
        if model.text is not None:
            states, mask = model.text.encode([prompt for prompt, _ in clips])
            text = exact.text(states, mask) if bool(mask.any()) else None
    for number, name in enumerate(names):
        progress(f"comparing {name} with float32", (1 + number) / (1 + len(names)))
        other = QuantisedStepper(model.decoder, *QUANTISED[name], keep_weights=True)
        found = compare(name, exact, other, tokens, text)
        nats = "/".join(f"{value:.3f}" for value in found.nats)
        exact_nats = "/".join(f"{value:.3f}" for value in found.float_nats)
        note = f"cross-entropy {nats} instead of {exact_nats} nats; mean KL {found.divergence:.2g}"
        why = (
            None if found.good else f"the first codebook's cross-entropy is {found.ratio:.3f} times float32's"
        )
        forbid(model.fingerprint, name, why)
        row = Row.compared(f"{name}: first codebook's cross-entropy", "float32", found.ratio, BOUND, note)
        yield row if found.good else Row.not_compared(row.what, "float32", f"switched off: {why}; {note}")
