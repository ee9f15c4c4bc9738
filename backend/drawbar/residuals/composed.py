"""Composer seeds never trained on and a model -> residuals, truth and pieces of sampled frames, in two splits.

Real codec tokens, teacher-forced with null text. Pieces of the two splits are different ones; clips are stretches
of a few seconds. It knows nothing of SAEs or probes.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from drawbar.corpus import CONCEPTS, DEFAULT_SOUNDFONT, HELD_OUT_SEED, annotate, compose, render_audio
from drawbar.errors import BadInputError
from drawbar.musicgen import Model

FIRST_SEED = HELD_OUT_SEED + 200_000
"""Seeds that neither a training nor another benchmark has used."""
SCOPES = ("frame", "clip")
_EVENT = "hit:"
_BYTES = 1 << 30  # of residuals held, all layers together


@dataclass(frozen=True)
class Tokens:
    """One piece: codec tokens [K, T] and truth bool [T, C]."""

    codes: Tensor
    truth: Tensor


@dataclass(frozen=True)
class Sampling:
    """Which frames are looked at."""

    train_share: float = 0.6
    """Share of the pieces on which features, signs, layers and probes are chosen."""
    every: int = 5
    """One frame in so many is kept (50 a second)."""
    clip_frames: int = 200
    """Length of a clip: 4 s."""
    min_pieces: int = 6
    """A concept counts if in either split so many pieces have it and so many lack it somewhere."""

    def __post_init__(self) -> None:
        if not 0.1 <= self.train_share <= 0.9 or min(self.every, self.min_pieces) < 1:
            raise BadInputError(f"{self}: train_share must be 0.1 to 0.9, the rest at least 1")
        if self.clip_frames < self.every:
            raise BadInputError(
                f"clips of {self.clip_frames} frames hold none when one in {self.every} is kept"
            )


@dataclass(frozen=True)
class Side:
    """One split in one scope: which rows it has and what is true of them."""

    truth: Tensor
    """Bool [N, C]."""
    piece: Tensor
    """[N]."""


@dataclass(frozen=True)
class Rows:
    """The sampled frames of one split."""

    residuals: dict[int, Tensor]
    """Layer -> half precision [N, D]."""
    clip: Tensor
    """Which clip each frame belongs to [N], counted from 0."""
    frame: Side
    clips: Side

    def side(self, scope: str) -> Side:
        """``frame`` or ``clip``."""
        return self.frame if scope == "frame" else self.clips

    def in_scope(self, x: Tensor, scope: str) -> Tensor:
        """Values of the frames [N, n] -> themselves, or their means over clips."""
        return x if scope == "frame" else self.mean(x)

    def mean(self, x: Tensor) -> Tensor:
        """Values of the frames [N, n] -> means over clips [M, n]."""
        total = torch.zeros(len(self.clips.piece), x.shape[1]).index_add_(0, self.clip, x.float())
        return total / torch.bincount(self.clip)[:, None]


def composed_tokens(
    model: Model,
    count: int,
    seconds: float,
    *,
    first: int = FIRST_SEED,
    soundfont: str | Path | None = None,
    told: Callable[[int], None] | None = None,
) -> Iterator[Tokens]:
    """Compose, render and encode ``count`` pieces; raises BadInputError without a soundfont."""
    font = Path(soundfont or DEFAULT_SOUNDFONT)
    for number in range(count):
        piece = compose(seed=first + number, seconds=seconds)
        audio = torch.from_numpy(render_audio(piece, font))[None, None].to(model.device)
        with torch.inference_mode():
            codes: Tensor = model.codec.encode(audio)[0].cpu()
        truth = torch.from_numpy(annotate(piece).concepts)
        frames = min(codes.shape[1], len(truth), int(model.spec.context_frames))
        if told is not None:
            told(number + 1)
        yield Tokens(codes[:, :frames].clone(), truth[:frames])


@torch.inference_mode()
def sample_rows(
    pieces: Sequence[Tokens], model: Model, layers: Sequence[int], sampling: Sampling
) -> tuple[Rows, Rows, list[int]]:
    """Both splits, and the columns of CONCEPTS that occur often enough in both.

    The truth of the rows has only these columns. Frames are thinned out further where the residuals would take
    more than 1 GiB.
    """
    frames = sum(piece.codes.shape[1] for piece in pieces)
    size = 2 * len(layers) * int(model.spec.d_model)
    every = max(sampling.every, math.ceil(frames * size / _BYTES))
    cut = round(sampling.train_share * len(pieces))
    parts = [pieces[:cut], pieces[cut:]]
    columns = common_concepts(parts, sampling.min_pieces)
    train, test = (rows_of(part, model, layers, every, sampling.clip_frames, columns) for part in parts)
    return train, test, columns


def common_concepts(parts: Sequence[Sequence[Tokens]], least: int) -> list[int]:
    """Columns of CONCEPTS with ``least`` pieces that have them and ``least`` that lack them somewhere, in every part.

    Raises BadInputError where there are none.
    """
    enough = torch.ones(len(CONCEPTS), dtype=torch.bool)
    for part in parts:
        some = sum(
            (piece.truth.any(0).long() for piece in part), torch.zeros(len(CONCEPTS), dtype=torch.int64)
        )
        lacking = sum(
            ((~piece.truth).any(0).long() for piece in part), torch.zeros(len(CONCEPTS), dtype=torch.int64)
        )
        enough &= (some >= least) & (lacking >= least)
    if not bool(enough.any()):
        raise BadInputError(
            f"{sum(map(len, parts))} pieces: no concept occurs in {least} of each split; compose more of them"
        )
    return enough.nonzero().flatten().tolist()


@torch.inference_mode()
def rows_of(
    pieces: Sequence[Tokens],
    model: Model,
    layers: Sequence[int],
    every: int,
    span: int,
    columns: Sequence[int],
) -> Rows:
    """One frame in ``every`` of the pieces, in clips of ``span`` frames; the truth has ``columns`` of CONCEPTS."""
    columns = list(columns)
    found: dict[int, list[Tensor]] = {layer: [] for layer in layers}
    truth, clip, owner, clip_truth, clip_owner = [], [], [], [], []
    clips = 0
    event = torch.tensor([CONCEPTS[c].startswith(_EVENT) for c in columns])
    for number, piece in enumerate(pieces):
        seen = model.residuals(piece.codes[None], None, layers=list(layers))
        length = piece.codes.shape[1]
        at = torch.arange(every // 2, length, every)
        for layer in layers:
            found[layer].append(seen[layer][0, at + 1].cpu().clamp(-65504, 65504).half())
        mine = piece.truth[:, columns]
        truth.append(mine[at])
        place = (at // span).unique(return_inverse=True)
        clip.append(place[1] + clips)
        for stretch in place[0].tolist():
            share = mine[stretch * span : (stretch + 1) * span].float().mean(0)
            clip_truth.append(torch.where(event, share > 0, share >= 0.5))
        owner.append(torch.full((len(at),), number))
        clip_owner.append(torch.full((len(place[0]),), number))
        clips += len(place[0])
    return Rows(
        {layer: torch.cat(rows) for layer, rows in found.items()},
        torch.cat(clip),
        Side(torch.cat(truth), torch.cat(owner)),
        Side(torch.stack(clip_truth), torch.cat(clip_owner)),
    )
