"""Window means of many clips -> for each feature the windows that show it: strongest, typical, silent.

The strongest come from different clips; the silent ones are controls.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_RESERVOIR = 16  # windows drawn at random for the quantile bins


@dataclass(frozen=True)
class Pick:
    """One example window of one feature."""

    feature: int
    bin: str
    clip: int
    start_frame: int


@dataclass(frozen=True)
class Part:
    """Features ``first`` to ``end - 1`` of ``of``."""

    first: int
    end: int
    of: int


class Choice:
    """Running choices of windows: the strongest, a random few that fire, a random few that are silent."""

    def __init__(
        self, d_sae: int, *, window_frames: int, top: int, silent: int, seed: int, part: "Part | None" = None
    ) -> None:
        """``part``: the features are those of more, and what is drawn for them is the same as beside the others."""
        self.window_frames = window_frames
        self._d_sae, self._part = d_sae, part or Part(0, d_sae, d_sae)
        self._generator = torch.Generator().manual_seed(seed)
        self._windows: list[tuple[int, int]] = []  # (clip, first frame)
        self._top = _Best(d_sae, top)
        self._some = _Best(d_sae, _RESERVOIR)
        self._silent = _Best(d_sae, silent)

    @property
    def nbytes(self) -> int:
        return self._top.nbytes + self._some.nbytes + self._silent.nbytes

    def add(self, clip: int, means: Tensor, window_frames: int) -> None:
        """The mean activations [W, F] of the clip's windows of so many frames."""
        if not len(means):
            return
        first = len(self._windows)
        self._windows += [(clip, i * window_frames) for i in range(len(means))]
        best, place = means.max(dim=0)
        self._top.add(best[None], best[None], (place + first)[:, None])
        numbers = (torch.arange(len(means)) + first).expand(self._d_sae, -1)
        every = torch.rand(len(means), self._part.of, generator=self._generator)
        draw = every[:, self._part.first : self._part.end] + 0.1
        self._some.add(draw * (means > 0), means, numbers)
        self._silent.add(draw * (means == 0), means, numbers)

    def picks(self) -> tuple[Pick, ...]:
        """Every feature's windows; none for a feature that never fires in the pool."""
        out: list[Pick] = []
        top, some, silent = self._top.lists(), self._some.lists(), self._silent.lists()
        for feature in range(self._d_sae):
            if not top[feature]:
                continue
            numbers = {number for number, _ in top[feature]}
            chosen = [("top", number) for number, _ in top[feature]]
            chosen += _spread(some[feature], numbers)
            chosen += [("silent", number) for number, _ in silent[feature]]
            out += [Pick(feature, name, *self._windows[number]) for name, number in chosen]
        return tuple(out)


def _spread(drawn: Sequence[tuple[int, float]], taken: set[int]) -> list[tuple[str, int]]:
    """Windows at the quartiles of the mean activation, apart from those taken."""
    some = sorted(((mean, number) for number, mean in drawn), reverse=True)
    found: list[tuple[str, int]] = []
    for name, share in (("q75", 0.25), ("q50", 0.5), ("q25", 0.75)):
        if not some:
            break
        number = some[min(len(some) - 1, round(share * (len(some) - 1)))][1]
        if number not in taken:
            taken.add(number)
            found.append((name, number))
    return found


class _Best:
    """For each feature the n windows with the highest key, updated block by block."""

    def __init__(self, d_sae: int, n: int) -> None:
        self._keys = torch.zeros(d_sae, n)
        self._means = torch.zeros(d_sae, n)
        self._numbers = torch.full((d_sae, n), -1, dtype=torch.int32)

    @property
    def nbytes(self) -> int:
        return self._keys.nbytes + self._means.nbytes + self._numbers.nbytes

    def add(self, keys: Tensor, means: Tensor, numbers: Tensor) -> None:
        """Keys and means [W, F] of windows with these numbers [F, W]; a key of 0 is never kept."""
        n = self._keys.shape[1]
        if n == 0:
            return
        self._keys, order = torch.cat([self._keys, keys.T], 1).topk(n, dim=1)
        self._means = torch.cat([self._means, means.T], 1).gather(1, order)
        self._numbers = torch.cat([self._numbers, numbers.int()], 1).gather(1, order)

    def lists(self) -> list[list[tuple[int, float]]]:
        """(window number, mean) of every feature, highest key first."""
        columns = (x.tolist() for x in (self._keys, self._numbers, self._means))
        rows = (zip(*row, strict=True) for row in zip(*columns, strict=True))
        return [[(number, mean) for key, number, mean in row if key > 0] for row in rows]
