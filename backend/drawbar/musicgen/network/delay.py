"""Tokens [B, K, T] <-> steps [B, K, S]: when each codebook of a frame is read and predicted.

Position 0 is the start step. Codebook k of frame t stands at step ``t + delays[k] + 1`` and is predicted from the
position before it (MusicGen, arXiv 2306.05284, section 2.3; audiocraft's DelayedPatternProvider). Knows no network.
"""

from __future__ import annotations

import torch
from torch import Tensor

from drawbar.errors import BadInputError


def valid_steps(frames: int) -> int:
    """Positions at which a clip of ``frames`` frames has residuals: the start step and one per frame."""
    return frames + 1


def to_steps(tokens: Tensor, delays: tuple[int, ...], pad: int, *, valid_only: bool = False) -> Tensor:
    """Tokens ``[B, K, T]`` -> steps ``[B, K, S]``; places that hold no token hold ``pad`` (the card).

    S is ``T + 1 + max(delays)``, or ``T + 1`` with ``valid_only`` (audiocraft's valid steps).
    """
    batch, books, frames = _checked(tokens, delays)
    length = frames + 1 + (0 if valid_only else max(delays))
    steps = tokens.new_full((batch, books, length), pad)
    for k, delay in enumerate(delays):
        count = min(frames, length - 1 - delay)
        if count > 0:
            steps[:, k, 1 + delay : 1 + delay + count] = tokens[:, k, :count]
    return steps


def to_frames(steps: Tensor, delays: tuple[int, ...]) -> Tensor:
    """Steps ``[B, K, S]`` with ``S = T + 1 + max(delays)`` -> tokens ``[B, K, T]``."""
    batch, books, length = _checked(steps, delays)
    frames = length - 1 - max(delays)
    if frames < 0:
        raise BadInputError(f"{length} steps: fewer than the delays {delays} need to complete one frame")
    tokens = steps.new_empty((batch, books, frames))
    for k, delay in enumerate(delays):
        tokens[:, k] = steps[:, k, 1 + delay : 1 + delay + frames]
    return tokens


def logits_to_frames(logits: Tensor, delays: tuple[int, ...], frames: int) -> Tensor:
    """Logits by position ``[B, K, S, card]`` -> by frame ``[B, K, T, card]``; NaN past the valid steps.

    With the ``T + 1`` valid positions, codebook k is predicted for its first ``T - delays[k]`` frames.
    """
    result = logits.new_full((*logits.shape[:2], frames, logits.shape[3]), float("nan"))
    usable = min(logits.shape[2], frames + max(delays))
    if logits.shape[2] == valid_steps(frames):
        usable = frames
    for k, delay in enumerate(delays):
        count = min(frames, usable - delay)
        if count > 0:
            result[:, k, :count] = logits[:, k, delay : delay + count]
    return result


def targets_for(steps: Tensor, pad: int, ignore: int = -100) -> Tensor:
    """Steps ``[B, K, S]`` -> what each position should predict ``[B, K, S]``; ``ignore`` where there is nothing.

    For training: ``cross_entropy(decoder(steps, ...).flatten(0, 2), targets_for(steps, card).flatten())``.
    """
    following = torch.full_like(steps, ignore)
    following[..., :-1] = steps[..., 1:]
    return following.masked_fill(following == pad, ignore)


def _checked(values: Tensor, delays: tuple[int, ...]) -> tuple[int, int, int]:
    if values.ndim != 3 or values.shape[1] != len(delays):
        raise BadInputError(f"shape {list(values.shape)}: expected [B, {len(delays)}, length]")
    return values.shape[0], values.shape[1], values.shape[2]
