"""Activations of many clips -> each feature's density, quantiles, histogram, examples, movement.

One pass; memory grows with the number of features, not with the audio. Quantiles are over the positions
where the feature fires and come from a fine logarithmic histogram (error below 1 %).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.errors import BadInputError
from drawbar.features.coactive import SketchSums
from drawbar.features.firings import Firings, firings_of
from drawbar.features.pairs import PairSource, window_means
from drawbar.features.picks import Choice, Part, Pick
from drawbar.features.temporal import Temporal, TemporalSums
from drawbar.files.json_object import JsonObject

QUANTILES = (0.05, 0.5, 0.9, 0.99, 0.999)
_PER_OCTAVE = 32
_OCTAVES = (-14, 14)  # activations from 6e-5 to 16384
_BINS = (_OCTAVES[1] - _OCTAVES[0]) * _PER_OCTAVE
_SHOWN_BINS = 24  # of the histogram that is kept
_SCALE_FIRINGS = 200  # below this many the 99th percentile is not trusted
_MEAN_OCTAVES = (-22, 14)
_MEANS_PER_OCTAVE = 2
CLIP_MEAN_EDGES = np.exp2(np.arange(_MEAN_OCTAVES[0], _MEAN_OCTAVES[1] + 0.1, 1 / _MEANS_PER_OCTAVE))
"""Edges of the histogram of time-means; a mean below the first counts as 0."""
_MEAN_BINS = len(CLIP_MEAN_EDGES) - 1


@dataclass(frozen=True)
class ProfileSettings:
    """What is kept of each feature."""

    window_frames: int = 250
    """Length of an example, and the grid on which examples are cut."""
    top: int = 3
    """Windows with the highest mean activation, each of another clip."""
    silent: int = 1
    """Control windows in which the feature never fires."""
    pool_clips: int = 160
    """Clips that examples are taken from; a shared pool keeps the bank small."""
    seed: int = 0
    """Of the random choices."""
    clip_frames: int = 500
    """What counts as one clip for the share of clips: 10 s, as in the paper; longer audio is cut."""
    rhythm_clips: int = 200
    """Clips in which periods and co-activation are looked for."""

    def __post_init__(self) -> None:
        if self.window_frames < 1 or self.pool_clips < 1 or min(self.top, self.silent) < 0:
            raise BadInputError(f"{self}: windows and pool must be 1 or more, top and silent not negative")
        if self.clip_frames < 1 or self.rhythm_clips < 0:
            raise BadInputError(f"{self}: a clip has at least one frame, rhythm_clips is not negative")


@dataclass(frozen=True)
class Profile:
    """Arrays over the F features of one layer."""

    tokens: int
    clips: int
    """Of ``clip_frames`` each, or shorter."""
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
    clip_means: NDArray[np.int32]
    """[F, 72] histogram of the time-means of the clips, over CLIP_MEAN_EDGES."""
    sketch: NDArray[np.float16]
    """[F, 512] unit rows whose cosines are correlations in time (``coactive``)."""
    temporal: Temporal
    picks: tuple[Pick, ...]

    @property
    def persistence(self) -> NDArray[np.float32]:
        """Chance that a feature that fires also fires 20 ms later."""
        return self.temporal.persistence

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


class Profiler:
    """One layer's profile while it grows clip by clip."""

    def __init__(
        self, d_sae: int, settings: ProfileSettings | None = None, *, part: Part | None = None
    ) -> None:
        """``part``: only these features, numbered from 0; what is found of them does not depend on it."""
        self.settings = cfg = settings or ProfileSettings()
        self._part = part = part or Part(0, d_sae, d_sae)
        self.d_sae = d_sae = part.end - part.first
        self.tokens = self.clips = 0
        self._histogram = torch.zeros(d_sae * _BINS, dtype=torch.int32)
        self._total = torch.zeros(d_sae, dtype=torch.float64)
        self._fired_clips = torch.zeros(d_sae, dtype=torch.int64)
        self._clip_means = torch.zeros(d_sae * _MEAN_BINS, dtype=torch.int32)
        self._temporal = TemporalSums(d_sae)
        self._sketch = SketchSums(d_sae, cfg.seed)
        self._choice = Choice(
            d_sae,
            window_frames=cfg.window_frames,
            top=cfg.top,
            silent=cfg.silent,
            seed=cfg.seed + 1,
            part=part,
        )

    @property
    def nbytes(self) -> int:
        """Memory held: the same for one clip as for a million."""
        own = (self._histogram, self._total, self._fired_clips, self._clip_means)
        parts = (self._temporal, self._sketch, self._choice)
        return sum(x.nbytes for x in own) + sum(part.nbytes for part in parts)

    def add(
        self, clip: int, values: torch.Tensor, indices: torch.Tensor, *, pool: bool, rhythm: bool
    ) -> None:
        """Pairs [T, k] of one clip; ``pool``: examples may come from it; ``rhythm``: look for periods."""
        if self.d_sae < self._part.of:
            mine = (indices >= self._part.first) & (indices < self._part.end)
            values, indices = values * mine, (indices - self._part.first) * mine
        firings = firings_of(values, indices)
        self._count(firings)
        self._temporal.add(firings, rhythm=rhythm)
        if rhythm:
            self._sketch.add(clip, firings)
        if pool:
            window = min(self.settings.window_frames, len(values))
            self._choice.add(clip, window_means(values, indices, self.d_sae, window), window)

    def _count(self, firings: Firings) -> None:
        strength, features = firings.strength, firings.features
        place = ((strength.log2() - _OCTAVES[0]) * _PER_OCTAVE).long().clamp_(0, _BINS - 1)
        ones = torch.ones(len(features), dtype=torch.int32)
        self._histogram.index_add_(0, features * _BINS + place, ones)
        self._total.index_add_(0, features, strength.double())
        self.tokens += firings.length
        means = _clip_means(firings, self.settings.clip_frames)
        self.clips += means.shape[1]
        on = means > 0
        self._fired_clips.index_add_(0, firings.active, on.sum(1))
        at = ((means[on].log2() - _MEAN_OCTAVES[0]) * _MEANS_PER_OCTAVE).long().clamp_(0, _MEAN_BINS - 1)
        rows = firings.active[:, None].expand_as(means)[on]
        self._clip_means.index_add_(0, rows * _MEAN_BINS + at, torch.ones(len(at), dtype=torch.int32))

    def finish(self) -> Profile:
        """The profile of all that was added."""
        fine = self._histogram.view(self.d_sae, _BINS).numpy()
        edges, counts, quantiles = _summaries(fine)
        return Profile(
            tokens=self.tokens,
            clips=self.clips,
            fired=fine.sum(1, dtype=np.int64),
            fired_clips=self._fired_clips.numpy(),
            mean=(self._total / max(self.tokens, 1)).float().numpy(),
            quantiles=quantiles,
            counts=counts,
            edges=edges,
            clip_means=self._clip_means.view(self.d_sae, _MEAN_BINS).numpy(),
            sketch=self._sketch.finish(),
            temporal=self._temporal.finish(),
            picks=self._choice.picks(),
        )


def make_profile(
    source: PairSource,
    d_sae: int,
    settings: ProfileSettings | None = None,
    *,
    clips: Sequence[int] | None = None,
    part: Part | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Profile:
    """Profile all features, or a part of them, over the clips (None = all).

    Raises:
        BadInputError: no clips.
    """
    cfg = settings or ProfileSettings()
    chosen = list(range(len(source.frames))) if clips is None else list(clips)
    if not chosen:
        raise BadInputError("no clips to profile features on: give more audio")
    order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(cfg.seed)).tolist()
    pool = {chosen[i] for i in order[: cfg.pool_clips]}
    rhythm = {chosen[i] for i in order[: cfg.rhythm_clips]}
    profiler = Profiler(d_sae, cfg, part=part)
    for done, clip in enumerate(chosen):
        profiler.add(clip, *source.pairs(clip), pool=clip in pool, rhythm=clip in rhythm)
        if progress is not None:
            progress(done + 1, len(chosen))
    return profiler.finish()


def join_profiles(parts: Sequence[Profile]) -> Profile:
    """Profiles of the parts of one layer, in order -> that of the whole: what one pass over all features gives."""

    def joined(of: Sequence[object], names: Sequence[str]) -> JsonObject:
        return {name: np.concatenate([getattr(one, name) for one in of]) for name in names}

    arrays = [f.name for f in fields(Profile) if f.name not in ("tokens", "clips", "temporal", "picks")]
    moving = joined([one.temporal for one in parts], [f.name for f in fields(Temporal)])
    first, picks = 0, list[Pick]()
    for one in parts:
        picks += [replace(pick, feature=pick.feature + first) for pick in one.picks]
        first += len(one.fired)
    return Profile(
        tokens=parts[0].tokens,
        clips=parts[0].clips,
        temporal=Temporal(**moving),
        picks=tuple(picks),
        **joined(parts, arrays),
    )


def _clip_means(firings: Firings, clip_frames: int) -> torch.Tensor:
    """Time-means [M, clips]; a remainder below half a clip is added to the clip before it."""
    count = max(1, (firings.length + clip_frames // 2) // clip_frames)
    place = (firings.frame // clip_frames).clamp_(max=count - 1)
    sums = torch.zeros(len(firings.active) * count).index_add_(
        0, firings.local * count + place, firings.strength
    )
    widths = torch.full((count,), float(clip_frames))
    widths[-1] = firings.length - (count - 1) * clip_frames
    return sums.view(-1, count) / widths


_Summaries = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]


def _summaries(fine: NDArray[np.int32]) -> _Summaries:
    """Edges [F, 25], counts [F, 24] and quantiles [F, 5], a block of features at a time."""
    edges, counts, quantiles = [], [], []
    for start in range(0, max(len(fine), 1), 2048):
        part = fine[start : start + 2048].astype(np.int64)
        fired = part.sum(1)
        shown = _shown(part)
        edges.append(shown[0])
        counts.append(shown[1])
        quantiles.append(np.stack([_quantile(part, fired, q) for q in QUANTILES], axis=1))
    return np.concatenate(edges), np.concatenate(counts), np.concatenate(quantiles)


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
