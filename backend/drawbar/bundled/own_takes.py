"""A network in training and pieces -> takes of its own to their prompts, as pasts to learn from.

A network that has only ever heard true pasts believes its own mistakes: where a take of its own went quiet, it takes
it for quiet music and freezes. Told its own take of a prompt, and asked for the piece that the prompt describes, it
learns to find back (DAgger, arXiv 1011.0686). Beat and place in the phrase agree, because both stand on one clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from drawbar.musicgen.generation.generation import Generation, GenerationSettings
from drawbar.musicgen.generation.sampling import Sampler
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.step import Stepper


@dataclass(frozen=True)
class OwnTake:
    """A piece and what the network played to its prompt."""

    played: Tensor
    """``[K, T]``; may begin as the piece does."""
    piece: Tensor
    """``[K, T]``"""
    prompt: str


@torch.inference_mode()
def play(
    decoder: Decoder,
    text: tuple[Tensor, Tensor],
    pieces: Tensor,
    prompts: Sequence[str],
    *,
    given: int,
    guidance: float,
    seed: int,
) -> list[OwnTake]:
    """Takes to B prompts, as long as ``pieces [B, K, T]``, whose first ``given`` frames they are given.

    ``text`` are the prompts' states ``[B, L, Dt]`` and mask ``[B, L]``. ``decoder`` itself is not used: a copy is.
    """
    spec = decoder.spec
    copy = Decoder(spec)
    copy.load_state_dict(decoder.state_dict())
    stepper = Stepper(copy.eval().requires_grad_(False))
    clips, _, frames = pieces.shape
    states, mask = torch.cat([text[0], text[0]]), torch.cat([text[1], torch.zeros_like(text[1])])
    sampler = Sampler(spec.card, 1.0, 250, pieces.device, spec.change_temperature)
    settings = GenerationSettings(tuple(range(seed, seed + clips)), guidance, frames)
    prefix = pieces[:, :, :given] if given else None
    generation = Generation(stepper, stepper.text(states, mask), sampler, settings, [None], prefix)
    while generation.position < frames + spec.max_delay:
        generation.step()
    played = generation.tokens(0, frames)
    return [OwnTake(*row) for row in zip(played.clone(), pieces, prompts, strict=True)]
