"""Positions of all tracks -> one table: labels per horizon, residuals per layer, what each control may know.

Saved and read as one file of arrays; a table whose parts do not fit together is refused. Knows no audio.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from drawbar.bank.tensors import Array
from drawbar.errors import BadInputError
from drawbar.files.atomic_write import atomic
from drawbar.files.reading import json_value
from drawbar.research.horizon.events import Event
from drawbar.research.horizon.folds import Ints
from drawbar.research.horizon.horizons import Bools, Floats, Horizon, Reals, check_labels

PLAIN_CONTROLS = ("position", "acoustics", "source", "past events")
"""Controls that know something about each position, but not the model."""


@dataclass(frozen=True, eq=False)
class Rows:
    """N positions of T tracks. Raises BadInputError for parts that do not fit together."""

    horizons: tuple[Horizon, ...]
    names: tuple[str, ...]
    """[T]: the tracks' ids."""
    held_out: Bools
    """[T]: tracks that nothing is chosen or fitted on."""
    track: Ints
    """[N]: the row's place in ``names``."""
    time_s: Floats
    """[N]."""
    labels: Bools
    """[N, H]."""
    residuals: dict[int, Floats]
    """layer -> [N, D]."""
    known: dict[str, Floats]
    """Plain control -> [N, m]."""

    def __post_init__(self) -> None:
        n = len(self.track)
        parts = {"time_s": self.time_s, "labels": self.labels, **self.known}
        parts |= {f"layer {layer}": x for layer, x in self.residuals.items()}
        for name, values in parts.items():
            if len(values) != n:
                raise BadInputError(f"table of positions: {len(values)} rows of {name} for {n} positions")
            if not np.isfinite(values).all():
                raise BadInputError(f"table of positions: {name} holds numbers that are not finite")
        missing = [name for name in PLAIN_CONTROLS if name not in self.known]
        if missing:
            raise BadInputError(f"table of positions: no columns for the controls {', '.join(missing)}")
        if len(self.held_out) != len(self.names) or (n and int(self.track.max()) >= len(self.names)):
            raise BadInputError(f"table of positions: {len(self.names)} tracks, {len(self.held_out)} splits")
        check_labels(self.labels, self.horizons)

    @property
    def held_rows(self) -> Bools:
        """[N]: rows of held-out tracks."""
        found: Bools = self.held_out[self.track]
        return found

    def save(self, path: Path) -> None:
        """Write the table, whole or not at all."""
        arrays: dict[str, Array] = {
            "held_out": self.held_out.astype(np.uint8),
            "track": self.track,
            "time_s": self.time_s,
            "labels": self.labels.astype(np.uint8),
            **{f"layer.{layer}": x for layer, x in self.residuals.items()},
            **{f"known.{name}": x for name, x in self.known.items()},
        }
        about = {
            "names": json.dumps(self.names),
            "horizons": json.dumps([[horizon.from_s, horizon.to_s] for horizon in self.horizons]),
        }
        with atomic(path) as part:
            save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, part, about)

    @classmethod
    def load(cls, path: Path) -> "Rows":
        """Read what ``save`` wrote. Raises BadInputError."""
        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            names = tuple(json_value(about["names"]))
            horizons = tuple(Horizon(*pair) for pair in json_value(about["horizons"]))
        except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
            raise BadInputError(f"{path} is no table of positions ({error}); run the study again") from error
        return cls(
            horizons,
            names,
            arrays["held_out"].astype(bool),
            arrays["track"],
            arrays["time_s"],
            arrays["labels"].astype(bool),
            {int(n.removeprefix("layer.")): x for n, x in arrays.items() if n.startswith("layer.")},
            {n.removeprefix("known."): x for n, x in arrays.items() if n.startswith("known.")},
        )


def position_columns(times_s: Reals, seconds: float, start_s: float = 0.0) -> Floats:
    """Positions [n], the track's length, where the excerpt starts -> [n, 8]: time in track and in excerpt, bent."""
    inside = (np.asarray(times_s, np.float64) - start_s) / 30.0
    share = np.asarray(times_s, np.float64) / seconds
    columns = [
        inside,
        inside**2,
        inside**3,
        share,
        share**2,
        share**3,
        np.log(inside * 30),
        np.full_like(share, seconds),
    ]
    found: Floats = np.stack(columns, axis=1).astype(np.float32)
    return found


def past_events(times_s: Reals, events: Sequence[Event]) -> Floats:
    """Positions [n], a track's recurrences -> [n, 5]: how many are over, since when, since the first one's motif ended.

    An event counts once it is over: one that is under way is not known to be one.
    """
    rows = []
    for t in np.asarray(times_s, np.float64):
        over = [event for event in events if event.kind != "none" and event.recurrence.end_s <= t]
        last = max((event.recurrence.end_s for event in over), default=t - 60.0)
        motif = min((event.motif.end_s for event in over), default=t)
        kinds = {event.kind for event in over}
        rows.append([len(over), min(len(over), 1), (t - last) / 30, (t - motif) / 30, len(kinds)])
    return np.array(rows, np.float32).reshape(len(rows), 5)


def text_columns(texts: Sequence[str], sources: Sequence[str], *, fewest: int = 3, most: int = 200) -> Floats:
    """What each track is called and comes from [T] -> bag of words [T, m], of words that several tracks share."""
    words = [
        {*text.casefold().replace(",", " ").split(), f"source={source}"}
        for text, source in zip(texts, sources, strict=True)
    ]
    counts: dict[str, int] = {}
    for bag in words:
        for word in bag:
            counts[word] = counts.get(word, 0) + 1
    kept = sorted((w for w, n in counts.items() if fewest <= n < len(words)), key=lambda w: (-counts[w], w))[
        :most
    ]
    found = np.array([[float(word in bag) for word in kept] for bag in words], np.float32)
    # With nothing to say about any track, one column of zeros: a readout of the share alone.
    return found.reshape(len(words), len(kept)) if kept else np.zeros((len(words), 1), np.float32)
