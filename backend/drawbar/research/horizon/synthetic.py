"""Sizes and a seed -> a made-up table of positions and features in which nothing foresees anything.

Residuals drift within a track as real ones do, events come at random, and controls know what they would know. What a
test plants in it is then all there is to find.
"""

from dataclasses import dataclass

import numpy as np

from drawbar.errors import BadInputError
from drawbar.research.horizon.events import Event, Window
from drawbar.research.horizon.features_at import Units
from drawbar.research.horizon.horizons import HORIZONS, Floats, Grid, Horizon, label_sets
from drawbar.research.horizon.rows import Rows, past_events, position_columns

_SECONDS = 56.0
_MEMORY = 0.85  # of the drift, from one position to the next
_MOTIF_S = 3.0


@dataclass(frozen=True)
class Synthetic:
    """Sizes."""

    tracks: int = 120
    held_out: float = 0.3
    width: int = 48
    features: int = 96
    layers: tuple[int, ...] = (2,)
    grid: Grid = Grid(step_s=1.0)  # noqa: RUF009
    horizons: tuple[Horizon, ...] = HORIZONS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tracks < 20 or not 0.1 <= self.held_out <= 0.6:
            raise BadInputError(
                f"{self.tracks} tracks, {self.held_out:g} held out: at least 20, and 0.1 to 0.6"
            )


def synthetic_rows(sizes: Synthetic) -> tuple[Rows, list[Units]]:
    rng = np.random.default_rng(sizes.seed)
    times = sizes.grid.times(_SECONDS, sizes.horizons)
    track, time, labels, known = [], [], [], []
    drift: dict[int, list[Floats]] = {layer: [] for layer in sizes.layers}
    for number in range(sizes.tracks):
        events = _events(rng, f"track {number}")
        starts = [event.recurrence.start_s for event in events]
        track.append(np.full(len(times), number, np.int64))
        time.append(times.astype(np.float32))
        labels.append(label_sets(starts, times, sizes.horizons))
        known.append(
            {
                "position": position_columns(times, _SECONDS),
                "acoustics": _drifting(rng, len(times), 24),
                "source": np.repeat(rng.standard_normal((1, 6)), len(times), 0).astype(np.float32),
                "past events": past_events(times, events),
            }
        )
        for layer in sizes.layers:
            drift[layer].append(_drifting(rng, len(times), sizes.width))
    rows = Rows(
        sizes.horizons,
        tuple(f"track {number}" for number in range(sizes.tracks)),
        np.arange(sizes.tracks) >= round(sizes.tracks * (1 - sizes.held_out)),
        np.concatenate(track),
        np.concatenate(time),
        np.concatenate(labels),
        {layer: np.concatenate(parts) for layer, parts in drift.items()},
        {name: np.concatenate([part[name] for part in known]) for name in known[0]},
    )
    return rows, [_units(layer, sizes, rng) for layer in sizes.layers]


def _events(rng: np.random.Generator, track: str) -> list[Event]:
    """None in two tracks of five; else a motif that returns every 5 to 25 s."""
    at, events = float(rng.uniform(0, 4)), []
    motif = Window(at, at + _MOTIF_S)
    if rng.random() < 0.4:
        return []
    while (at := at + float(rng.uniform(5, 25))) < _SECONDS - _MOTIF_S:
        events.append(Event(track, motif, Window(at, at + _MOTIF_S), "exact", True))
    return events


def _drifting(rng: np.random.Generator, count: int, width: int) -> Floats:
    """[count, width]: unit variance, and half of it the track's own."""
    own = rng.standard_normal(width) * np.sqrt(0.5)
    walk = np.empty((count, width))
    state = rng.standard_normal(width)
    for row in range(count):
        walk[row] = state
        state = _MEMORY * state + np.sqrt(1 - _MEMORY**2) * rng.standard_normal(width)
    found: Floats = (own + walk * np.sqrt(0.5)).astype(np.float32)
    return found


def _units(layer: int, sizes: Synthetic, rng: np.random.Generator) -> Units:
    """Features whose numbers in the SAE are not their places in the table; they fire at 5 % to 40 % of positions."""
    encoder = rng.standard_normal((sizes.features, sizes.width))
    encoder = (encoder / np.linalg.norm(encoder, axis=1, keepdims=True)).astype(np.float32)
    index = np.sort(rng.choice(sizes.features * 4, sizes.features, replace=False)).astype(np.int64)
    bias = -rng.uniform(0.25, 1.6, sizes.features).astype(np.float32)
    return Units(layer, index, encoder, bias, np.zeros(sizes.features, np.float32))
