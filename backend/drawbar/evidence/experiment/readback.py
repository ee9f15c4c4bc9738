"""Trials of a slider -> how strongly its own feature fires in what came out, read from the unsteered model.

The SAE that found a direction says whether the music now has more of it. It is reported beside the judges' words and
is never proof: it would also be satisfied by sounds that only an SAE hears.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from drawbar.bank import Bank
from drawbar.evidence.experiment.trials import Condition, Trials
from drawbar.files.json_object import JsonMapping
from drawbar.musicgen import Model


@torch.inference_mode()
def readback(
    model: Model,
    bank: Bank,
    trials: Trials,
    ids: Sequence[str],
    amounts: Sequence[float],
    *,
    batch: int = 32,
    told: Callable[[str, float], None] | None = None,
) -> dict[str, dict[str, float]]:
    """Feature -> amount (as text) -> mean activation less that of the twins, in units of the slider's scale.

    Every clip of ``trials`` at ``amounts`` is read teacher-forced, with null text. Raises BadInputError for a feature
    that was not played.
    """
    if not ids:
        return {}
    rows = bank.vectors(ids)
    twin = Condition("unsteered", "", 0, 0.0)
    wanted = [Condition("feature", id, int(id.partition("/")[0]), a) for id in ids for a in amounts]
    layers = sorted({condition.layer for condition in wanted})
    pairs = range(len(trials.plan.pairs))
    activation: dict[tuple[str, float], list[float]] = {}
    for layer in layers:
        places = [n for n, id in enumerate(ids) if id.startswith(f"{layer}/")]
        reader = _Reader(rows, places, layer)
        own = reader.of(model, _tokens(trials, [(twin, pair) for pair in pairs])).mean(0)
        cells = [(c, pair) for c in wanted if c.layer == layer for pair in pairs]
        column = {ids[place]: n for n, place in enumerate(places)}
        for first in range(0, len(cells), batch):
            part = cells[first : first + batch]
            found = reader.of(model, _tokens(trials, part))
            for (condition, _), row in zip(part, found, strict=True):
                n = column[condition.id]
                moved = float(row[n] - own[n]) / float(rows["scale"][places[n]])
                activation.setdefault((condition.id, condition.amount), []).append(moved)
            if told is not None:
                told(f"reading back layer {layer}", (first + len(part)) / len(cells))
    result: dict[str, dict[str, float]] = {id: {} for id in ids}
    for (id, amount), values in activation.items():
        result[id][f"{amount:g}"] = round(float(np.mean(values)), 4)
    return result


def _tokens(trials: Trials, cells: Sequence[tuple[Condition, int]]) -> torch.Tensor:
    return torch.from_numpy(np.stack([trials.tokens(*cell) for cell in cells]).astype(np.int64))


class _Reader:
    """Some features of one layer."""

    def __init__(self, rows: JsonMapping, places: Sequence[int], layer: int) -> None:
        self._layer = layer
        self._encoder = torch.as_tensor(rows["W_enc"])[list(places)].float()
        self._bias = torch.as_tensor(rows["b_enc"])[list(places)].float()
        self._threshold = torch.as_tensor(rows["threshold"])[list(places)].float()
        self._centre = torch.as_tensor(rows["b_dec"][layer]).float()

    def of(self, model: Model, tokens: torch.Tensor) -> torch.Tensor:
        """Clips ``[B, K, T]`` -> mean activation ``[B, n]``."""
        x = model.residuals(tokens, None, [self._layer])[self._layer][:, 1:].float()
        found = torch.relu((x - self._centre) @ self._encoder.T + self._bias)
        return torch.where(found > self._threshold, found, 0.0).mean(1)
