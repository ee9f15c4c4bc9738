"""Composed pieces, a model and directions -> how much each direction makes the next tokens those of a concept.

Features chosen by what they do to the output rather than by what they react to (Arad et al. 2025), from
teacher-forced passes: nothing is generated. Knows no judge.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from drawbar.corpus import CONCEPTS
from drawbar.musicgen import Model
from drawbar.residuals.composed import Tokens
from drawbar.steering import Direction, Mixer

_PRIOR = 1000.0
"""Frames that a token's frequency within a concept is drawn to that in all music with: rare tokens tell little."""


def typical_tokens(pieces: Sequence[Tokens], concepts: Sequence[str], card: int) -> Tensor:
    """How much more often each token stands where a concept is true, ``[C, K, card]`` in nats (0: no difference)."""
    books = pieces[0].codes.shape[0]
    columns = [CONCEPTS.index(name) for name in concepts]
    inside, outside = (torch.zeros(len(concepts), books, card) for _ in range(2))
    for piece in pieces:
        for place, column in enumerate(columns):
            true = piece.truth[:, column].bool()
            for counts, kept in ((inside, true), (outside, ~true)):
                for book in range(books):
                    counts[place, book] += torch.bincount(piece.codes[book, kept], minlength=card)[:card]
    overall = inside[0] + outside[0]
    prior = _PRIOR * (overall + 0.5) / (overall + 0.5).sum(1, keepdim=True)
    logs = [((c + prior) / (c + prior).sum(2, keepdim=True)).log() for c in (inside, outside)]
    return logs[0] - logs[1]


@torch.inference_mode()
def output_effects(
    model: Model,
    directions: Sequence[Direction],
    codes: Tensor,
    typical: Tensor,
    lacks: Tensor,
    *,
    amount: float = 1.0,
    told: Callable[[int], None] | None = None,
) -> Tensor:
    """Change of the expected typicality of the next tokens at ``amount``, ``[directions, C]`` in nats per frame.

    Args:
        model: plays ``codes``, teacher-forced and without a prompt.
        directions: each is added alone, as its slider would.
        codes: tokens ``[B, K, T]`` of a few clips.
        typical: from `typical_tokens`.
        lacks: bool ``[B, C]``: clips without the concept, where it could be brought in; all where none lacks it.
        amount: of every slider.
        told: hears how many directions are done.
    """
    usable = codes.shape[2] - model.spec.max_delay
    weights = typical.permute(1, 2, 0).contiguous()  # [K, card, C]
    share = torch.where(lacks.any(0), lacks, True).float()
    share = share / share.sum(0)

    def expected(steering: Mixer | None) -> Tensor:
        logits = model.logits(codes, None, steering=steering)[:, :, :usable].float()
        mean = logits.softmax(3).mean(2)  # [B, K, card]
        return torch.einsum("bkv,kvc,bc->c", mean, weights, share)

    before = expected(None)
    rows = []
    for done, direction in enumerate(directions):
        mixer = Mixer([direction], spec=model.spec)
        mixer.set(direction.id, amount)
        rows.append(expected(mixer) - before)
        if told is not None:
            told(done + 1)
    return torch.stack(rows)


def most_specific(effects: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Concept -> feature -> effect; for each concept the feature that does much to it and little to the others.

    The effect in units of the concept's root mean square over features, times the share of the concept in the
    feature's whole effect (root of the sum of squares over concepts).
    """
    size = {
        concept: math.sqrt(sum(v * v for v in row.values()) / len(row)) or 1.0
        for concept, row in effects.items()
    }
    scaled = {concept: {id: v / size[concept] for id, v in row.items()} for concept, row in effects.items()}
    ids = next(iter(scaled.values()))
    whole = {id: math.sqrt(sum(row[id] ** 2 for row in scaled.values())) or 1.0 for id in ids}
    return {
        concept: best_by({id: v * abs(v) / whole[id] for id, v in row.items()})
        for concept, row in scaled.items()
    }


def best_by(scores: Mapping[str, float]) -> str:
    """The name with the highest score; of equals the first."""
    return max(scores, key=lambda name: scores[name])
