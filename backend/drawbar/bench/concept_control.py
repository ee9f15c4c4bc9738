"""A model and SAE settings -> the same SAE trained on a model of shuffled weights, and directions nobody trained.

What a method must beat before anyone believes that a feature says something about the *trained* model.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from drawbar.musicgen import Model
from drawbar.residuals import Clip, MemoryRows, MixedBatches, harvest, to_half
from drawbar.residuals.composed import Rows, Tokens
from drawbar.residuals.smooth import with_running_mean
from drawbar.sae import SAE, SaeJob, SaeSettings, train_saes

_BYTES = 1 << 30


def principal(x: Tensor) -> Tensor:
    """Principal directions of rows [N, D], as columns [D, D]."""
    x = x.float()
    centred = x - x.mean(0)
    vectors: Tensor = torch.linalg.eigh((centred.T @ centred / len(x)).double())[1]
    return vectors.float().flip(1)


def random_directions(width: int, count: int, seed: int = 0) -> Tensor:
    """Random unit columns [D, count]."""
    drawn = torch.randn(width, count, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=0)


def shuffled_model(model: Model, seed: int = 0) -> Model:
    """The same model with the entries of every weight matrix in random order: its scale without its sense."""
    decoder = copy.deepcopy(model.decoder)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in decoder.parameters():
            if value.ndim > 1:
                order = torch.randperm(value.numel(), generator=generator).to(value.device)
                value.copy_(value.flatten()[order].view_as(value))
    return type(model)(model.spec, decoder, None, model.codec)


def trained_on(model: Model, pieces: Sequence[Tokens], layer: int, settings: SaeSettings) -> SAE:
    """An SAE on all frames of the pieces (thinned out beyond 1 GiB), null text."""
    frames = sum(piece.codes.shape[1] for piece in pieces)
    every = -(-2 * frames * int(model.spec.d_model) * (2 if settings.slow else 1) // _BYTES)
    found: list[Tensor] = []
    for part in harvest(model, (Clip(piece.codes) for piece in pieces), [layer], batch=4):
        rows = part.rows[layer]
        if settings.slow:
            rows = with_running_mean(rows, part.frames, settings.slow_frames)
        found += [to_half(clip[::every]) for clip in rows.split(list(part.frames))]
    width = int(model.spec.d_model)
    columns = ((0, width), (width, 2 * width)) if settings.slow else (None, None)
    job = SaeJob(settings, layer, model.fingerprint, *columns)
    batches = MixedBatches(MemoryRows(found), settings.batch, seed=settings.seed)
    return train_saes(batches, [job])[0].sae


def baselines(rows: Rows, layer: int, count: int) -> dict[str, Tensor]:
    """Directions that come with the layer: its dimensions, its principal axes, ``count`` random ones."""
    x = rows.residuals[layer]
    width = x.shape[1]
    return {
        "raw dimensions": torch.eye(width),
        "PCA": principal(x),
        "random directions": random_directions(width, count),
    }
