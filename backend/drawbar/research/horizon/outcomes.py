"""Generated tokens behind a given beginning -> did anything of the beginning return, and is it still good music?

Recurrence is what the detector hears between the beginning and what was generated; quality is the first codebook's
cross-entropy under the unsteered model, loudness and onsets of what was generated. Knows nothing of directions.
"""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.audio_analysis.descriptors import descriptors
from drawbar.musicgen import Model
from drawbar.musicgen.codec.interface import mono
from drawbar.research.horizon.horizons import Floats
from drawbar.research.horizon.recurrence import RecurrenceSettings, find_recurrences

RECURRENCE = ("likeness", "returns")
QUALITY = ("ce_0", "loudness_db", "onset_rate_hz")
OUTCOMES = (*RECURRENCE, *QUALITY)
"""Columns: the best likeness of a generated window to one of the beginning; proposals between the two; nats a token of
the first codebook; mean level; onsets a second."""

_ONSET = 0.05


class ReturnDetector(Protocol):
    """What hears returns."""

    def __call__(self, audio: Floats, rate_hz: int, begins_s: float) -> tuple[float, float]:
        """Audio [N] whose part after ``begins_s`` was generated -> (likeness of the best return, number of returns)."""
        ...


class HeardReturns:
    """The study's recurrence detector."""

    def __init__(self, settings: RecurrenceSettings | None = None) -> None:
        self.settings = settings or RecurrenceSettings()

    def __call__(self, audio: Floats, rate_hz: int, begins_s: float) -> tuple[float, float]:
        """See :class:`ReturnDetector`; a window counts when it begins in the generated part and its motif before it."""
        import soxr

        from drawbar.research.horizon.foreground import FRAME_HZ, RATE_HZ

        sound = (
            np.asarray(soxr.resample(audio, rate_hz, RATE_HZ), np.float32) if rate_hz != RATE_HZ else audio
        )
        found = find_recurrences(sound, self.settings)
        likeness = found.likeness
        lags = likeness.first_lag + np.arange(len(likeness.score))[:, None]
        starts = np.arange(likeness.score.shape[1])[None, :]
        border = round(begins_s * FRAME_HZ)
        across = (starts + likeness.window <= border) & (starts + lags >= border)
        best = float(np.max(likeness.score, initial=-1.0, where=across))
        count = sum(
            proposal.motif.end_s <= begins_s <= proposal.recurrence.start_s for proposal in found.proposals
        )
        return max(best, 0.0), float(count)


@torch.inference_mode()
def outcomes(model: Model, detector: ReturnDetector, tokens: Tensor, begins: int) -> NDArray[np.float64]:
    """Tokens [B, K, T] of which the first ``begins`` frames were given -> [B, len(OUTCOMES)]."""
    rate = model.codec.sample_rate_hz
    start = begins * model.codec.samples_per_frame
    entropy = _cross_entropy(model, tokens, begins)
    rows = []
    for clip, nats in zip(tokens, entropy, strict=True):
        audio = mono(model.codec.decode(clip[None]))[0, 0].float().cpu().numpy()
        made = descriptors(audio[start:], rate)
        onsets = float((_peaks(made["onset_strength"])).sum()) / (len(audio[start:]) / rate)
        rows.append([*detector(audio, rate, start / rate), nats, float(made["loudness_db"].mean()), onsets])
    return np.array(rows, np.float64)


def _cross_entropy(model: Model, tokens: Tensor, begins: int) -> list[float]:
    """Of the generated frames of each clip; one at a time, because logits are large."""
    found = []
    for clip in tokens:
        logits = model.logits(clip[None].long())[0, 0, begins:].float()
        target = clip[0, begins:].long().to(logits.device)
        found.append(float(torch.nn.functional.cross_entropy(logits, target)))
    return found


def _peaks(strength: Floats) -> NDArray[np.bool_]:
    padded = np.pad(strength, 1)
    found: NDArray[np.bool_] = (strength > padded[:-2]) & (strength >= padded[2:]) & (strength > _ONSET)
    return found
