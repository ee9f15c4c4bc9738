"""A track's audio and positions -> residuals at those positions, from what had been heard by then and nothing later.

A codec's tokens may depend on later samples: the released EnCodec's do, over several frames. Position t therefore
reads the last frame whose tokens are settled by the samples before t, and :func:`check_causal` proves it: audio that is
cut at t must give the same tokens and the same residual. Knows nothing of events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from drawbar.bank import Bank
from drawbar.errors import BadInputError, LeakError
from drawbar.files.json_object import JsonMapping
from drawbar.musicgen import Model
from drawbar.musicgen.codec.interface import ClipCodec
from drawbar.research.horizon.folds import Ints
from drawbar.research.horizon.horizons import Floats, Reals

TOLERANCE = 2e-4
"""Largest difference, in units of the residual's own norm, that rounding explains (measured: 1e-6)."""

_MOST_LOOK_AHEAD = 64  # frames
_LOUD = (0.0, 1.0, 1000.0)  # so loud that even the edge of a window turns tokens over


@dataclass(frozen=True, eq=False)
class Heard:
    """What the model holds at positions of one track."""

    frames: Ints
    """[n]: the newest frame that is read."""
    residuals: dict[int, Floats]
    """layer -> [n, D]."""


@dataclass(frozen=True, eq=False)
class Units:
    """Features of one layer: where every column of a table of activations comes from."""

    layer: int
    index: Ints
    """[F]: numbers in the SAE."""
    encoder: Floats
    """[F, D]."""
    bias: Floats
    """[F]: the centre that the SAE takes off is folded in."""
    threshold: Floats
    """[F]: activations up to this count as silence."""

    @property
    def ids(self) -> tuple[str, ...]:
        """``layer/index`` of each column."""
        return tuple(f"{self.layer}/{int(index)}" for index in self.index)

    def activations(self, residual: Floats) -> Floats:
        """Residuals [N, D] -> [N, F], each row from its own residual alone."""
        pre = residual @ self.encoder.T + self.bias
        found: Floats = np.where((pre > 0) & (pre > self.threshold), pre, 0).astype(np.float32)
        return found

    @classmethod
    def of(cls, bank: Bank, layer: int) -> "Units":
        """Every published feature of a bank's layer. Raises BadInputError for a layer that it does not have."""
        ids = [row.id for row in bank.search(limit=bank.count() + 1) if row.layer == layer]
        if not ids:
            raise BadInputError(
                f"bank {bank.info.name!r} has no features at layer {layer}; it has {bank.info.layers}"
            )
        ids.sort(key=lambda id: int(id.partition("/")[2]))
        rows: JsonMapping = bank.vectors(ids)
        encoder = np.asarray(rows["W_enc"], np.float32)
        centre = np.asarray(rows["b_dec"][layer], np.float32)
        index = np.array([int(id.partition("/")[2]) for id in ids], np.int64)
        bias = np.asarray(rows["b_enc"], np.float32) - encoder @ centre
        return cls(layer, index, encoder, bias, np.asarray(rows["threshold"], np.float32))


def frames_at(times_s: Reals, frame_rate_hz: float, look_ahead: int) -> Ints:
    """Positions [n] -> the newest frame whose tokens are settled by then. Raises BadInputError where there is none."""
    frames: Ints = (
        np.floor(np.asarray(times_s, np.float64) * frame_rate_hz + 1e-6).astype(np.int64) - 1 - look_ahead
    )
    if len(frames) and int(frames.min()) < 0:
        raise BadInputError(
            f"position {float(np.min(times_s)):g} s: no frame is settled by then (look-ahead {look_ahead} frames)"
        )
    return frames


def encoder_look_ahead(codec: ClipCodec, *, seconds: float = 1.6, trials: int = 6, seed: int = 0) -> int:
    """How many frames later a sample may stand and still change a frame's tokens: measured on noise.

    Everything from a frame's end on is replaced, at several frames; the farthest earlier frame whose tokens change
    is the answer, found with sounds far louder than music. :func:`check_causal` guards it on the study's own audio.
    """
    generator = torch.Generator().manual_seed(seed)
    size = codec.samples_per_frame
    frames = round(seconds * codec.frame_rate_hz)
    reach = 0
    for trial in range(trials):
        audio = torch.randn(1, 1, frames * size, generator=generator) * 0.1
        tokens = codec.encode(audio)
        start = frames // 2 + trial
        for loud in _LOUD:
            changed = audio.clone()
            changed[..., start * size :] = (
                torch.randn(1, 1, (frames - start) * size, generator=generator) * loud
            )
            apart = (codec.encode(changed) != tokens).any(dim=1)[0, :start]
            if bool(apart.any()):
                reach = max(reach, start - int(apart.nonzero()[0]))
    if reach > min(_MOST_LOOK_AHEAD, frames // 3):
        raise LeakError(
            f"the codec's tokens depend on {reach} later frames: no position could be read without the future; "
            "use a codec whose encoder looks at most a second ahead"
        )
    return reach


@torch.inference_mode()
def read_track(model: Model, audio: Floats, times_s: Reals, layers: Sequence[int], look_ahead: int) -> Heard:
    """Mono audio [N] at the model's rate -> the residuals that stand at the positions, teacher-forced on null text.

    Nothing after the last position is encoded. Row t of a pass is position t + 1, whose inputs are frames up to t.
    """
    codec = model.codec
    frames = frames_at(times_s, codec.frame_rate_hz, look_ahead)
    last = int(frames.max()) + 1 if len(frames) else 0
    end = (last + look_ahead) * codec.samples_per_frame
    if end > len(audio) + codec.samples_per_frame:
        raise BadInputError(
            f"a position at {float(np.max(times_s)):g} s of {len(audio) / codec.sample_rate_hz:g} s"
        )
    tokens = codec.encode(torch.from_numpy(audio[:end].copy())[None, None])[:, :, :last]
    found = model.residuals(tokens, layers=list(layers))
    return Heard(
        frames, {n: x[0, 1 + torch.from_numpy(frames)].float().cpu().numpy() for n, x in found.items()}
    )


def check_causal(
    model: Model, audio: Floats, time_s: float, heard: Mapping[int, Floats], look_ahead: int
) -> float:
    """Audio cut at ``time_s`` gives the residuals [D] that the study uses -> the largest relative difference.

    Raises LeakError where it does not: the study would have seen its own future.
    """
    cut = audio[: round(time_s * model.codec.sample_rate_hz)]
    alone = read_track(model, cut, np.array([time_s]), list(heard), look_ahead)
    worst = 0.0
    for layer, row in heard.items():
        apart = float(np.abs(alone.residuals[layer][0] - row).max() / max(1e-9, float(np.abs(row).max())))
        worst = max(worst, apart)
        if not apart <= TOLERANCE:
            raise LeakError(
                f"layer {layer} at {time_s:g} s: the residual differs by {apart:.2g} when the audio ends there, so it "
                f"depends on what comes later; the codec's look-ahead is more than {look_ahead} frames"
            )
    return worst
