"""A model -> a verdict: do the same weights give the same numbers in audiocraft and in transformers?

References are filled from the checkpoint's own tensors where it has their layout, one after the other, so that memory
holds one beside the model. Knows nothing of speed.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from drawbar.errors import BadInputError
from drawbar.musicgen.checkpoint.raw_tensors import Origin, read_origin
from drawbar.musicgen.checkpoint.resolve import resolve
from drawbar.musicgen.model import Model
from drawbar.musicgen.parity.audiocraft_model import Reference, has_audiocraft
from drawbar.musicgen.parity.compare import BOUND, SHORT, Case, compare, our_cases
from drawbar.musicgen.parity.compare_codec import ABSENT, codec_rows
from drawbar.musicgen.parity.compare_precision import precision_rows
from drawbar.musicgen.parity.interface import Oracle
from drawbar.musicgen.parity.report import Row, Verdict
from drawbar.musicgen.parity.transformers_model import TransformersReference

PROMPTS = ("80s pop track with bassy drums and synth", "slow piano")


@dataclass(frozen=True)
class VerifySettings:
    """What is compared. Raises BadInputError."""

    frames: int = 500
    """Frames of the greedy take."""
    guidance: float = 3.0
    prompts: tuple[str, str] = PROMPTS
    """Two of different length; words that a closed vocabulary lacks are replaced by some that it has."""
    seed: int = 0
    precision_seconds: float = 8.0
    """Length of each take by which int8 and int4 are judged."""

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise BadInputError(f"frames {self.frames}: compare at least one")


def origin_of(name: str | Path) -> Origin:
    """The tensors of a model's folder as its file has them. Raises CheckpointError."""
    return read_origin(resolve(name)[0])


def verify(
    model: Model,
    settings: VerifySettings | None = None,
    *,
    origin: Origin | None = None,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> Verdict:
    """Compare a float32 model with both references; ``progress`` is told what is being done and the share of it done.

    Without ``origin`` the references are filled from the model's own weights, mapped back: what was lost on loading
    is then lost in both. Without audiocraft its rows say so. The verdict takes more rows with ``plus``.
    Raises BadInputError for a model that was loaded in another precision: it is judged from its float32 weights.
    """
    if model.precision != "float32":
        raise BadInputError(
            f"{model.spec.name} was loaded in {model.precision}: load it with precision='float32'; "
            "the verdict has rows for the others"
        )
    settings = settings or VerifySettings()
    with _exact_convolutions(model.device):
        return _verdict(model, settings, origin, progress)


def _verdict(
    model: Model, settings: VerifySettings, origin: Origin | None, progress: Callable[[str, float], None]
) -> Verdict:
    frames = min(settings.frames, model.spec.context_frames)
    prompts = _prompts(model, settings.prompts)
    cases = our_cases(model, prompts, frames, settings.guidance, settings.seed, progress)
    rows = list(_our_rows(model, prompts, cases))
    progress("comparing with transformers", 0.0)
    rows += _against(model, lambda: TransformersReference(model.decoder, origin, model.device), cases)
    if has_audiocraft():
        progress("comparing with audiocraft", 0.4)
        rows += _against(model, lambda: Reference(model.decoder, origin, model.device), cases)
    else:
        rows.append(Row.not_compared("logits, residuals, greedy tokens", "audiocraft", ABSENT))
    progress("comparing precisions", 0.7)
    rows += precision_rows(model, prompts, seconds=settings.precision_seconds)
    progress("comparing the codec", 0.8)
    rows += codec_rows(model.codec, cases[0].tokens[..., : min(SHORT, frames)], settings.seed)
    progress("done", 1.0)
    return Verdict(model.spec.name, model.fingerprint, frames, tuple(rows))


@contextmanager
def _exact_convolutions(device: torch.device) -> Iterator[None]:
    """A GPU's convolutions in float32; by default cuDNN rounds them to 10 bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = before and device.type != "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _against(model: Model, make: Callable[[], Oracle], cases: Sequence[Case]) -> list[Row]:
    """Fills a reference, compares, and lets go of it before the next one is filled."""
    oracle = make()
    rows = list(compare(model, oracle, cases))
    alive = weakref.ref(oracle.model)
    del oracle
    if alive() is not None:
        gc.collect()
    return rows


def _our_rows(model: Model, prompts: Sequence[str | None], cases: Sequence[Case]) -> Iterator[Row]:
    """What the references cannot say: an empty string is null text, and prompts do not touch each other."""
    tokens = cases[1].tokens
    null = model.logits(tokens, None)
    empty = max(float((model.logits(tokens, text) - null).nan_to_num().abs().max()) for text in ("", "  "))
    yield Row.compared("empty string", "null text", empty, 0)
    if None in prompts:
        note = "the model came without a text encoder: only null text was compared"
        yield Row.not_compared("prompts", "-", note)
        return
    together = model.logits(tokens.repeat(3, 1, 1), [*prompts, None])
    alone = torch.cat([*(model.logits(tokens, prompt) for prompt in prompts), null])
    worst = float((together - alone).nan_to_num().abs().max())
    yield Row.compared("two prompts at once", "each alone", worst, BOUND)


def _prompts(model: Model, wished: tuple[str, str]) -> tuple[str | None, str | None]:
    """The prompts, or as many words that a closed vocabulary knows; None without a text encoder."""
    if model.text is None:
        return None, None
    result = []
    for prompt in wished:
        if model.text.unknown_words(prompt):
            words = sorted(word for word in model.text.tokenizer.get_vocab() if word.isalpha())
            count = len(prompt.split())
            prompt = " ".join(words[:: max(1, len(words) // count)][:count])
        result.append(prompt)
    return result[0], result[1]
