"""Verified tracks and their events -> the study's table of positions, a file a track, so that a kill loses one track.

Of every track one position is read again from audio that ends there: a study that would see its own future stops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from drawbar.corpus import DEFAULT_SOUNDFONT
from drawbar.errors import BadInputError
from drawbar.files.atomic_write import atomic
from drawbar.files.json_object import JsonObject
from drawbar.musicgen import Model
from drawbar.research.horizon.acoustics import past_acoustics
from drawbar.research.horizon.events import Event, Track
from drawbar.research.horizon.features_at import check_causal, read_track
from drawbar.research.horizon.horizons import Bools, Floats, label_sets
from drawbar.research.horizon.rows import Rows, past_events, position_columns, text_columns
from drawbar.research.horizon.study.settings import HorizonSettings
from drawbar.research.horizon.track_audio import track_audio

Arrays = JsonObject


@dataclass(frozen=True)
class TrackFile:
    """Where a track's positions are kept."""

    track: Track
    path: Path


def audio_of(track: Track, settings: HorizonSettings, rate_hz: int) -> Floats:
    """The whole track at the model's rate."""
    folder = Path(settings.audio) if settings.audio else Path(settings.corpus).parent
    font = Path(settings.soundfont) if settings.soundfont else DEFAULT_SOUNDFONT
    return track_audio(track, None if settings.composed else folder, rate_hz, font)


def write_track(
    file: TrackFile,
    events: Sequence[Event],
    settings: HorizonSettings,
    layers: Sequence[int],
    model: Model,
    look_ahead: int,
) -> None:
    """One track's positions. Raises LeakError where a residual depends on what comes after its position."""
    horizons, grid = settings.ahead, settings.grid
    audio = audio_of(file.track, settings, model.codec.sample_rate_hz)
    seconds = len(audio) / model.codec.sample_rate_hz
    starts = [event.recurrence.start_s for event in events if event.kind != "none"]
    parts: list[Arrays] = []
    worst = 0.0
    for number in range(settings.excerpts):
        begins = number * grid.last_s
        inside = grid.times(seconds - begins, horizons)
        if not len(inside):
            break
        part = audio[round(begins * model.codec.sample_rate_hz) :]
        heard = read_track(model, part, inside, layers, look_ahead)
        middle = len(inside) // 2
        here = {layer: x[middle] for layer, x in heard.residuals.items()}
        worst = max(worst, check_causal(model, part, float(inside[middle]), here, look_ahead))
        times = begins + inside
        parts.append(
            {
                "time_s": times.astype(np.float32),
                "labels": label_sets(starts, times, horizons).astype(np.uint8),
                "known.position": position_columns(times, seconds, begins),
                "known.acoustics": past_acoustics(part, model.codec.sample_rate_hz, inside),
                "known.past events": past_events(times, events),
                **{f"layer.{layer}": x for layer, x in heard.residuals.items()},
            }
        )
    arrays = {
        name: np.ascontiguousarray(np.concatenate([p[name] for p in parts]))
        for name in (parts[0] if parts else ())
    }
    with atomic(file.path) as unfinished:
        save_file(arrays | {"worst": np.array([worst], np.float32)}, unfinished)


def collected(files: Sequence[TrackFile], settings: HorizonSettings) -> tuple[Rows, float, list[str]]:
    """All tracks' files -> the table, the worst difference between cut and whole audio, tracks too short to be used.

    Raises BadInputError where fewer than 20 tracks are left, or no held-out ones.
    """
    tables: list[tuple[Track, Arrays]] = []
    short: list[str] = []
    worst = 0.0
    for file in files:
        with safe_open(file.path, framework="numpy") as opened:
            arrays: Arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        worst = max(worst, float(arrays.pop("worst")[0]))
        if arrays:
            tables.append((file.track, arrays))
        else:
            short.append(file.track.id)
    tracks = [track for track, _ in tables]
    held: Bools = np.array([track.split != "train" for track in tracks], bool)
    if len(tracks) < 20 or int(held.sum()) < 5 or int((~held).sum()) < 10:
        raise BadInputError(
            f"{len(tracks)} tracks of which {int(held.sum())} are held out ({len(short)} more are too short): at least "
            "20, 10 of them of the training split and 5 of the others, are needed"
        )
    counts = [len(arrays["time_s"]) for _, arrays in tables]
    whole = {name: np.concatenate([arrays[name] for _, arrays in tables]) for name in tables[0][1]}
    words = text_columns([track.text for track in tracks], [track.source for track in tracks])
    known = {name.removeprefix("known."): x for name, x in whole.items() if name.startswith("known.")}
    rows = Rows(
        settings.ahead,
        tuple(track.id for track in tracks),
        held,
        np.repeat(np.arange(len(tracks)), counts).astype(np.int64),
        whole["time_s"],
        whole["labels"].astype(bool),
        {int(n.removeprefix("layer.")): x for n, x in whole.items() if n.startswith("layer.")},
        known | {"source": np.repeat(words, counts, axis=0)},
    )
    return rows, worst, short
