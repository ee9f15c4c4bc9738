"""Rows of clips [N, D] -> the same rows beside their running mean over time [N, 2 D].

What a feature is meant to say for seconds (a style, an instrument) is in the mean; what changes from frame to
frame is not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def with_running_mean(rows: Tensor, frames: Sequence[int], half: int) -> Tensor:
    """Rows [N, D] of clips of ``frames`` rows each -> [N, 2 D]: each row, and the mean of those around it.

    The mean is over the ``half`` rows before and after and the row itself; a clip's ends have fewer. It never
    reaches into a neighbouring clip.
    """
    means = torch.empty_like(rows)
    for part, mean in zip(rows.split(list(frames)), means.split(list(frames)), strict=True):
        count = len(part)
        sums = torch.cat([part.new_zeros(1, part.shape[1]).double(), part.double().cumsum(0)])
        places = torch.arange(count, device=rows.device)
        first, last = (places - half).clamp_min(0), (places + half + 1).clamp_max(count)
        mean.copy_((sums[last] - sums[first]) / (last - first)[:, None])
    return torch.cat([rows, means], dim=1)
