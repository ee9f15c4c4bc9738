"""Activations of many clips -> each feature's density, quantiles, histogram, example windows.

One pass; memory grows with the number of features, not with the audio. Quantiles are over the positions
where the feature fires and come from a fine logarithmic histogram (error below 1 %).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.features.pairs import PairSource, window_means

__all__ = ["QUANTILES", "Pick", "Profile", "ProfileSettings", "make_profile"]

QUANTILES = (0.05, 0.5, 0.9, 0.99, 0.999)
_PER_OCTAVE = 32
_OCTAVES = (-14, 14)  # activations from 6e-5 to 16384
_BINS = (_OCTAVES[1] - _OCTAVES[0]) * _PER_OCTAVE
_SHOWN_BINS = 24  # of the histogram that is kept
_RESERVOIR = 16  # windows drawn at random for the quantile bins
_SCALE_FIRINGS = 200  # below this many the 99th percentile is not trusted


@dataclass(frozen=True)
class ProfileSettings:
    """What is kept of each feature."""

    window_frames: int = 250
    """Length of an example, and the grid on which examples are cut."""
    top: int = 3
    """Windows with the highest mean activation."""
    silent: int = 1
    """Control windows in which the feature never fires."""
    pool_clips: int = 160
    """Clips that examples are taken from; a shared pool keeps the bank small."""
    seed: int = 0
    """Of the random choices."""

    def __post_init__(self) -> None:
        if self.window_frames < 1 or self.pool_clips < 1 or min(self.top, self.silent) < 0:
            raise BadInputError(f"{self}: windows and pool must be 1 or more, top and silent not negative")


@dataclass(frozen=True)
class Pick:
    """One example window of one feature."""

    feature: int
    bin: str
    clip: int
    start_frame: int


@dataclass(frozen=True)
class Profile:
    """Arrays over the F features of one layer."""

    tokens: int
    clips: int
    fired: NDArray[np.int64]
    """Positions where each fires."""
    fired_clips: NDArray[np.int64]
    """Clips in which it fires at all."""
    mean: NDArray[np.float32]
    """Mean activation over all positions."""
    quantiles: NDArray[np.float32]
    """[F, 5]: p5, p50, p90, p99, p99.9 where it fires."""
    counts: NDArray[np.int64]
    """[F, 24] histogram, logarithmic between ``low`` and ``high`` of the feature."""
    edges: NDArray[np.float32]
    """[F, 25] its edges."""
    persistence: NDArray[np.float32]
    """Chance that a feature that fires also fires 20 ms later."""
    picks: tuple[Pick, ...]

    @property
    def scale(self) -> NDArray[np.float32]:
        """The unit of a slider: p99 where it fires, or the median of the others where that is too rarely."""
        trusted = self.fired >= _SCALE_FIRINGS
        p99 = self.quantiles[:, 3]
        fallback = float(np.median(p99[trusted])) if trusted.any() else 1.0
        return np.where(trusted, p99, fallback).astype(np.float32)

    @property
    def threshold(self) -> NDArray[np.float32]:
        """Activation below which a feature is rarely among the top k (its 5th percentile)."""
        return self.quantiles[:, 0]


class _Sums:
    """What grows with every clip."""

    def __init__(self, d_sae: int) -> None:
        self.d_sae = d_sae
        self.tokens = self.clips = 0
        self.histogram = torch.zeros(d_sae * _BINS, dtype=torch.int64)
        self.total = torch.zeros(d_sae, dtype=torch.float64)
        self.fired_clips = torch.zeros(d_sae, dtype=torch.int64)
        self.stayed = torch.zeros(d_sae, dtype=torch.int64)
        self.could_stay = torch.zeros(d_sae, dtype=torch.int64)

    def add(self, values: Tensor, indices: Tensor) -> None:
        fires = values > 0
        features, strength = indices[fires], values[fires]
        place = ((strength.log2() - _OCTAVES[0]) * _PER_OCTAVE).long().clamp_(0, _BINS - 1)
        self.histogram += torch.bincount(features * _BINS + place, minlength=len(self.histogram))
        self.total.index_add_(0, features, strength.double())
        self.tokens += len(values)
        self.clips += 1
        on = torch.zeros(len(values), self.d_sae, dtype=torch.bool)
        on[torch.arange(len(values))[:, None].expand_as(indices)[fires], features] = True
        self.fired_clips += on.any(0)
        self.stayed += (on[1:] & on[:-1]).sum(0)
        self.could_stay += on[:-1].sum(0)


def make_profile(
    source: PairSource,
    d_sae: int,
    settings: ProfileSettings | None = None,
    *,
    clips: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Profile:
    """Profile all features over the clips (None = all).

    Raises:
        BadInputError: no clips.
    """
    cfg = settings or ProfileSettings()
    chosen = list(range(len(source.frames))) if clips is None else list(clips)
    if not chosen:
        raise BadInputError("no clips to profile features on: give more audio")
    order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(cfg.seed))
    pool = {chosen[i] for i in order[: cfg.pool_clips].tolist()}
    sums, choice = _Sums(d_sae), _Choice(d_sae, cfg)
    for done, clip in enumerate(chosen):
        values, indices = source.pairs(clip)
        sums.add(values, indices)
        if clip in pool:
            choice.add(clip, values, indices)
        if progress is not None:
            progress(done + 1, len(chosen))
    return _finish(sums, choice)


class _Choice:
    """Running choices of windows: the strongest, a random few that fire, a random few that are silent."""

    def __init__(self, d_sae: int, cfg: ProfileSettings) -> None:
        self._cfg, self._d_sae = cfg, d_sae
        self._generator = torch.Generator().manual_seed(cfg.seed + 1)
        self._windows: list[tuple[int, int]] = []  # (clip, first frame)
        self._top = _Best(d_sae, cfg.top)
        self._some = _Best(d_sae, _RESERVOIR)
        self._silent = _Best(d_sae, cfg.silent)

    def add(self, clip: int, values: Tensor, indices: Tensor) -> None:
        window = min(self._cfg.window_frames, len(values))
        means = window_means(values, indices, self._d_sae, window)  # [W, F]
        numbers = torch.arange(len(means)) + len(self._windows)
        self._windows += [(clip, i * window) for i in range(len(means))]
        draw = torch.rand(means.shape, generator=self._generator) + 0.1
        self._top.add(means, means, numbers)
        self._some.add(draw * (means > 0), means, numbers)
        self._silent.add(draw * (means == 0), means, numbers)

    def picks(self) -> tuple[Pick, ...]:
        out: list[Pick] = []
        for feature in range(self._d_sae):
            top = self._top.of(feature)
            if not top:
                continue
            chosen = [("top", number) for number, _ in top] + self._spread(
                feature, {number for number, _ in top}
            )
            chosen += [("silent", number) for number, _ in self._silent.of(feature)]
            out += [Pick(feature, name, *self._windows[number]) for name, number in chosen]
        return tuple(out)

    def _spread(self, feature: int, taken: set[int]) -> list[tuple[str, int]]:
        """Windows at the quartiles of the mean activation, apart from those taken."""
        some = sorted(((mean, number) for number, mean in self._some.of(feature)), reverse=True)
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
        self._numbers = torch.full((d_sae, n), -1)

    def add(self, keys: Tensor, means: Tensor, numbers: Tensor) -> None:
        """Keys and means [W, F] of windows with these numbers [W]; a key of 0 is never kept."""
        n = self._keys.shape[1]
        if n == 0 or not len(numbers):
            return
        block = numbers.expand(len(self._keys), -1)
        all_keys = torch.cat([self._keys, keys.T], 1)
        self._keys, order = all_keys.topk(n, dim=1)
        self._means = torch.cat([self._means, means.T], 1).gather(1, order)
        self._numbers = torch.cat([self._numbers, block], 1).gather(1, order)

    def of(self, feature: int) -> list[tuple[int, float]]:
        """(window number, mean), highest key first."""
        columns = (x[feature].tolist() for x in (self._keys, self._numbers, self._means))
        rows = zip(*columns, strict=True)
        return [(number, mean) for key, number, mean in rows if key > 0]


def _finish(sums: _Sums, choice: _Choice) -> Profile:
    fine = sums.histogram.view(sums.d_sae, _BINS).numpy()
    fired = fine.sum(1)
    edges, counts = _shown(fine)
    return Profile(
        tokens=sums.tokens,
        clips=sums.clips,
        fired=fired,
        fired_clips=sums.fired_clips.numpy(),
        mean=(sums.total / max(sums.tokens, 1)).float().numpy(),
        quantiles=np.stack([_quantile(fine, fired, q) for q in QUANTILES], axis=1),
        counts=counts,
        edges=edges,
        persistence=(sums.stayed / sums.could_stay.clamp_min(1)).float().numpy(),
        picks=choice.picks(),
    )


def _quantile(fine: NDArray[np.int64], fired: NDArray[np.int64], q: float) -> NDArray[np.float32]:
    """[F]: interpolated inside its bin, on the logarithmic axis; 0 for a feature that never fired."""
    above = np.cumsum(fine, axis=1)
    rank = q * fired
    place = np.minimum((above < rank[:, None]).sum(1), _BINS - 1)
    rows = np.arange(len(fine))
    inside = fine[rows, place]
    part = np.clip((rank - (above[rows, place] - inside)) / np.maximum(inside, 1), 0, 1)
    value = np.exp2((place + part) / _PER_OCTAVE + _OCTAVES[0])
    return np.where(fired > 0, value, 0).astype(np.float32)


def _shown(fine: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The coarse histogram of each feature, over the range that it uses: edges [F, 25], counts [F, 24]."""
    first = np.argmax(fine > 0, axis=1)
    last = _BINS - np.argmax(fine[:, ::-1] > 0, axis=1)
    last = np.where(fine.any(1), last, first + 1)
    steps = np.linspace(0, 1, _SHOWN_BINS + 1)
    places = np.round(first[:, None] + steps * (last - first)[:, None]).astype(int)
    above = np.concatenate([np.zeros((len(fine), 1), np.int64), np.cumsum(fine, axis=1)], axis=1)
    counts = np.diff(np.take_along_axis(above, places, axis=1), axis=1)
    return np.exp2(places / _PER_OCTAVE + _OCTAVES[0]).astype(np.float32), counts
