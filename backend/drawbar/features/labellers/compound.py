"""Sound figures and activations of the same windows -> names of up to three words: "dark, steady pulse, low pitch".

For features that no single word fits. The figures are chosen one after the other on training windows (orthogonal
matching pursuit, Pati et al. 1993), each for what the ones before leave unexplained; the score is how well their sum
tells where the feature is high on held-out clips.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from drawbar.bank.records import Label, LabelRecord
from drawbar.corpus.naming import descriptor_label
from drawbar.errors import BadInputError
from drawbar.features.consistency import high_windows
from drawbar.features.labellers.interface import Labelled, LayerView, SoundWindows, Tell, separate
from drawbar.features.scoring import paired_auroc

AUTHOR = "compound"
METHOD = "figures that together tell where it is high"


@dataclass(frozen=True)
class CompoundSettings:
    """When figures become a name. Raises BadInputError for impossible numbers."""

    min_auroc: float = 0.7
    """On held-out clips; 0 names nothing."""
    most: int = 3
    """Words of a name."""
    least_weight: float = 0.35
    """Figures with less than this share of the strongest one's weight are no part of the name."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_auroc <= 1 or not 1 <= self.most <= 5:
            raise BadInputError(f"{self}: min_auroc lies in 0 to 1, a name has 1 to 5 words")


class CompoundLabeller:
    """Names of several words, out of everything that describers hear."""

    author = AUTHOR

    def __init__(self, settings: CompoundSettings, heard: Sequence[str]) -> None:
        """``heard``: the describers whose figures have words."""
        self._settings, self._heard = settings, tuple(heard)

    def key(self) -> object:
        return [1, asdict(self._settings), list(self._heard)]

    def label(self, view: LayerView, tell: Tell) -> Labelled:
        """At most one name for each feature that is alive."""
        sounds = [found for name in self._heard if (found := view.sounds(name)) is not None]
        if not sounds or not len(sounds[0].train) or not len(sounds[0].held_out):
            return Labelled()
        names, x, y = _figures(sounds)
        window = sounds[0].window_frames
        train = view.activation(sounds[0].train_clips, window)
        held_out = view.activation(sounds[0].held_out_clips, window)
        tell(1, 3)
        chosen, weights = pursue(x, train, self._settings.most)
        predicted = torch.stack([(y[:, chosen[:, k]] * weights[:, k]) for k in range(chosen.shape[1])]).sum(0)
        high = high_windows(held_out)
        areas = paired_auroc(predicted, high)
        tell(2, 3)
        alive = torch.tensor(view.alive, dtype=torch.int64)
        other = predicted.clone()
        if len(alive) > 1:
            order = alive[torch.randperm(len(alive), generator=torch.Generator().manual_seed(0))]
            other[:, order] = predicted[:, order.roll(1)]
        shuffled = paired_auroc(other, high)
        labels = [
            record
            for feature in view.alive
            if (record := self._record(view, names, feature, chosen, weights, areas)) is not None
        ]
        tell(3, 3)
        return Labelled(labels, separate(areas[alive].tolist(), shuffled[alive].tolist()))

    def _record(
        self,
        view: LayerView,
        names: Sequence[str],
        feature: int,
        chosen: Tensor,
        weights: Tensor,
        areas: Tensor,
    ) -> LabelRecord | None:
        area = float(areas[feature])
        if not (self._settings.min_auroc and area >= self._settings.min_auroc):
            return None
        mine = weights[feature]
        order = mine.abs().argsort(descending=True).tolist()
        least = self._settings.least_weight * float(mine.abs().max())
        words = [
            (descriptor_label(names[int(chosen[feature, k])], float(mine[k]) > 0), float(mine[k]))
            for k in order
            if abs(float(mine[k])) >= least > 0
        ]
        if not words:
            return None
        text = ", ".join(dict.fromkeys(word for word, _ in words))
        evidence = {
            "auroc_held_out": round(area, 4),
            "phrase": ", ".join(f"{word} ({weight:+.2f})" for word, weight in words),
        }
        return LabelRecord(f"{view.layer}/{feature}", Label(text, AUTHOR, METHOD, round(area, 4), evidence))


def pursue(figures: Tensor, activation: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Figures ``[W, n]`` and activations ``[W, F]`` -> for each feature columns and their weights, ``[F, most]`` each.

    Figures have mean 0 and deviation 1 (where they vary). Of one that adds nothing the weight is 0.
    """
    x = figures.double()
    y = activation.double()
    y = (y - y.mean(0)) / y.std(0).clamp_min(1e-9)
    gram = x.T @ x / len(x) + 1e-3 * torch.eye(x.shape[1], dtype=torch.float64)
    towards = (x.T @ y / len(x)).T  # [F, n]
    most = min(most, x.shape[1])
    rows = torch.arange(len(towards))
    chosen = torch.zeros(len(towards), 0, dtype=torch.int64)
    weights = torch.zeros(len(towards), 0, dtype=torch.float64)
    left = towards.clone()
    for _ in range(most):
        free = left.abs()
        for k in range(chosen.shape[1]):
            free[rows, chosen[:, k]] = -1.0
        chosen = torch.cat([chosen, free.argmax(1, keepdim=True)], 1)
        inner = gram[chosen[:, :, None], chosen[:, None, :]]
        weights = torch.linalg.solve(inner, towards.gather(1, chosen)[..., None])[..., 0]
        left = towards - (gram[chosen] * weights[..., None]).sum(1)
    return chosen, weights.float()


def _figures(sounds: Sequence[SoundWindows]) -> tuple[list[str], Tensor, Tensor]:
    """Names of the columns, and both splits in units of the training windows; what is unknown stands at the mean."""
    names = [name for found in sounds for name in found.columns]
    train = torch.cat([found.train for found in sounds], 1)
    held_out = torch.cat([found.held_out for found in sounds], 1)
    middle = train.nanmean(0).nan_to_num(0.0)
    spread = (train - middle).nan_to_num(0.0).pow(2).mean(0).sqrt().clamp_min(1e-6)

    def units(values: Tensor) -> Tensor:
        found: Tensor = ((values - middle) / spread).nan_to_num(0.0).clamp(-4, 4)
        return found

    return names, units(train), units(held_out)
