"""A corpus's name -> tracks, and from each its excerpts: audio, and truth where there is any.

Composed music (``composed:N``, rendered on the fly, or a folder that ``drawbar compose`` wrote), takes that the model
plays itself (``self:N``), a folder of recordings, or a table that lists them. A track is held out whole or not at all.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbar.corpus import (
    CONCEPTS,
    DEFAULT_SOUNDFONT,
    Piece,
    annotate,
    compose,
    prompt_for,
    read_table,
    recordings_in,
    render_audio,
)
from drawbar.corpus.audio import stream_audio
from drawbar.errors import BadInputError, MissingDependencyError
from drawbar.files.json_object import JsonObject
from drawbar.files.reading import json_value
from drawbar.pipeline.inputs.own_takes import OwnTakes
from drawbar.pipeline.inputs.recorded import Recorded
from drawbar.pipeline.inputs.tracks import Excerpt, Source, Track, file_key, split_of
from drawbar.pipeline.settings import BuildSettings

TABLES = (".csv", ".tsv")
"""Suffixes of files that list recordings."""


def open_source(settings: BuildSettings) -> Source:
    """The corpus that the settings name. Raises BadInputError, MissingDependencyError."""
    if settings.corpus.startswith("composed:"):
        return _ComposedSeeds(settings, int(settings.corpus.partition(":")[2]))
    if settings.corpus.startswith("self:"):
        return OwnTakes(settings, int(settings.corpus.partition(":")[2]))
    place, audio = Path(settings.corpus), Path(settings.audio) if settings.audio else None
    if place.is_file() and place.suffix.lower() in TABLES:
        return Recorded(read_table(place, audio), settings.clip_s, settings.held_out)
    if not place.is_dir():
        raise BadInputError(
            f"corpus {settings.corpus!r} is no folder; give one with audio files, a .csv or .tsv table, "
            "composed:N or self:N"
        )
    if (place / "manifest.jsonl").is_file():
        return _ComposedFolder(settings, place)
    table = place / "manifest.csv"
    recordings = read_table(table, audio) if table.is_file() else recordings_in(place)
    return Recorded(recordings, settings.clip_s, settings.held_out)


class _ComposedSeeds:
    """Pieces composed and rendered when they are asked for."""

    concepts = CONCEPTS

    def __init__(self, settings: BuildSettings, pieces: int) -> None:
        self._settings = settings
        self._soundfont = Path(settings.soundfont or DEFAULT_SOUNDFONT)
        if not self._soundfont.is_file():
            raise MissingDependencyError(
                f"{self._soundfont} is not there: composing needs a General MIDI soundfont "
                "(Debian: apt-get install fluid-soundfont-gm), or name one"
            )
        self._seeds = range(settings.first_seed, settings.first_seed + pieces)
        self.tracks = [
            Track(f"composed-{s}", "CC0-1.0", split_of(f"composed-{s}", settings.held_out))
            for s in self._seeds
        ]
        if settings.text == "track":
            pieces_text = (prompt_for(compose(seed=s, seconds=settings.piece_s)) for s in self._seeds)
            self.tracks = [replace(t, text=p) for t, p in zip(self.tracks, pieces_text, strict=True)]

    def key(self) -> object:
        """Seeds, length and soundfont; and one piece, which changes when the composer does."""
        sample = compose(seed=self._seeds[0], seconds=self._settings.piece_s).to_json()
        return [
            list((self._seeds.start, self._seeds.stop)),
            self._settings.piece_s,
            file_key(self._soundfont),
            sample,
        ]

    def seconds(self, track: int) -> float:
        return self._settings.piece_s

    def excerpts(self, track: int, rate_hz: int) -> Iterator[Excerpt]:
        piece = compose(seed=self._seeds[track], seconds=self._settings.piece_s)
        audio = render_audio(piece, str(self._soundfont))
        yield Excerpt(self.tracks[track].id, _at_rate(audio, rate_hz), annotate(piece).concepts)


class _ComposedFolder:
    """What ``drawbar compose`` wrote: one manifest line, audio file and event file a piece."""

    concepts = CONCEPTS

    def __init__(self, settings: BuildSettings, folder: Path) -> None:
        self._folder = folder
        lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
        try:
            self._rows: list[JsonObject] = [json_value(line) for line in lines if line.strip()]
            self.tracks = [
                Track(
                    str(r["id"]),
                    str(r.get("licence", "")),
                    split_of(str(r["id"]), settings.held_out),
                    str(r.get("prompt", "")),
                )
                for r in self._rows
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise BadInputError(
                f"{folder / 'manifest.jsonl'} is damaged ({error!r}); compose the folder again"
            ) from error

    def key(self) -> object:
        """The manifest and the audio files."""
        return [self._rows, [file_key(self._path(row["audio"])) for row in self._rows]]

    def seconds(self, track: int) -> float:
        return float(self._rows[track].get("seconds", 30.0))

    def excerpts(self, track: int, rate_hz: int) -> Iterator[Excerpt]:
        """The whole piece, with the truth that follows from its events."""
        row = self._rows[track]
        audio = np.concatenate(list(stream_audio(self._path(row["audio"]), rate_hz)))
        piece_file = self._folder / "pieces" / f"{Path(row['audio']).stem}.json"
        concepts = (
            annotate(Piece.from_json(piece_file.read_text(encoding="utf-8"))).concepts
            if piece_file.is_file()
            else None
        )
        yield Excerpt(self.tracks[track].id, audio, concepts)

    def _path(self, name: str) -> Path:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise BadInputError(
                f"{self._folder / 'manifest.jsonl'} names {name!r}, which lies outside the folder"
            )
        return path


def _at_rate(audio: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    if rate_hz == 32_000:
        return audio
    import soxr

    out: NDArray[np.float32] = soxr.resample(audio, 32_000, rate_hz).astype(np.float32)
    return out
