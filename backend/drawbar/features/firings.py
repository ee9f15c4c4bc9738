"""One clip's (activation, feature) pairs -> the positions where features fire, feature by feature.

Everything that a profile adds up is added from these: work grows with what fires, not with all features.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Firings:
    """The firing positions of one clip, sorted by feature and then by frame."""

    length: int
    """Frames of the clip, T."""
    active: Tensor
    """int64 [M] the features that fire at all, rising."""
    local: Tensor
    """int64 [n] place in ``active`` of each firing."""
    frame: Tensor
    """int64 [n]."""
    strength: Tensor
    """float32 [n], above 0."""

    @property
    def features(self) -> Tensor:
        """int64 [n] which feature each firing belongs to."""
        return self.active[self.local]

    def bins(self, frames: int) -> Tensor:
        """Mean activation of the active features in bins of ``frames``, the last one shorter: [M, bins]."""
        count = -(-self.length // frames)
        place = self.local * count + self.frame // frames
        sums = torch.zeros(len(self.active) * count).index_add_(0, place, self.strength)
        widths = torch.full((count,), float(frames))
        widths[-1] = self.length - (count - 1) * frames
        return sums.view(-1, count) / widths

    def stayed(self) -> Tensor:
        """Bool [n]: the feature fires in the next frame too."""
        follows = torch.zeros(len(self.frame), dtype=torch.bool)
        same = self.local[1:] == self.local[:-1]
        follows[:-1] = same & (self.frame[1:] == self.frame[:-1] + 1)
        return follows


def firings_of(values: Tensor, indices: Tensor) -> Firings:
    """Activations [T, k] and feature indices [T, k] of one clip -> its firings."""
    length = len(values)
    fires = values > 0
    frame = torch.arange(length)[:, None].expand_as(indices)[fires]
    order = torch.argsort(indices[fires] * (length + 1) + frame)
    active, local = indices[fires][order].unique_consecutive(return_inverse=True)
    return Firings(length, active, local, frame[order], values[fires][order].float())
