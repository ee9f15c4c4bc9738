"""Held-out composer seeds and model prompts -> composed and generated clips for judging."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.audio_analysis import Detectors
from drawbar.corpus import DEFAULT_SOUNDFONT, HELD_OUT_SEED, Piece, compose, prompt_for, render_audio
from drawbar.errors import BadInputError
from drawbar.musicgen import Model
from drawbar.musicgen.codec.interface import mono
from drawbar.musicgen.interfaces import Steering
from drawbar.paths import assets_dir

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Composed:
    """A held-out piece, its prompt and its sound."""

    piece: Piece
    prompt: str
    audio: NDArray[np.float32]


def composed_clips(
    count: int, seconds: float, soundfont: str | Path | None = None, first: int = HELD_OUT_SEED
) -> Iterator[Composed]:
    """Compose and render ``count`` pieces; raises BadInputError without a soundfont."""
    for seed in range(first, first + count):
        piece = compose(seed=seed, seconds=seconds)
        yield Composed(piece, prompt_for(piece), render_audio(piece, Path(soundfont or DEFAULT_SOUNDFONT)))


def factors_of(piece: Piece, names: Sequence[str]) -> NDArray[np.bool_]:
    """Which factors a piece asks for, [C]: the roles it has and what plays them."""
    asked = {part.role for part in piece.parts} | {f"{part.role}:{part.instrument}" for part in piece.parts}
    return np.array([name in asked for name in names])


@torch.inference_mode()
def generated_clips(
    model: Model,
    prompts: Sequence[str],
    seeds: Sequence[int],
    seconds: float,
    *,
    batch: int = 16,
    told: Callable[[float], None] | None = None,
    guidance: float | None = 3.0,
    steering: Steering | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Generate and decode one clip [N] per (prompt, seed), ``batch`` of them at a time."""
    if len(prompts) != len(seeds):
        raise BadInputError(f"{len(prompts)} prompts for {len(seeds)} seeds: give one prompt per seed")
    for start in range(0, len(prompts), batch):
        stop = min(start + batch, len(prompts))
        tokens: Tensor = model.generate(
            list(prompts[start:stop]),
            seeds=list(seeds[start:stop]),
            seconds=seconds,
            guidance=guidance,
            steering=steering,
        )
        for row in tokens:  # one by one: a long codec batch takes memory, not less time
            yield mono(model.codec.decode(row[None]))[0, 0].float().cpu().numpy()
        if told:
            told(stop / len(prompts))


def load_detectors(folder: str | Path | None = None) -> Detectors:
    """The detectors in ``folder``, or those shipped in assets/detectors."""
    return Detectors.load(folder or assets_dir() / "detectors")
