"""Recordings, listed by a folder or a table -> tracks, and from each its excerpts, block by block."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from drawbar.corpus import Recording
from drawbar.corpus.audio import stream_audio
from drawbar.errors import AudioFileError
from drawbar.pipeline.inputs.tracks import Excerpt, Track, file_key, with_splits

_SILENT = 1e-4  # peak below which an excerpt holds nothing
_MIN_EXCERPT_S = 1.0


class Recorded:
    """Sound files, cut into excerpts of ``clip_s`` seconds; a long file is never in memory as a whole."""

    concepts: tuple[str, ...] = ()

    def __init__(self, recordings: Sequence[Recording], clip_s: float, held_out: float) -> None:
        self._recordings = recordings
        self._clip_s = clip_s
        self._keys: list[list[object]] | None = None
        self.tracks = with_splits(
            [Track(r.id, r.licence, r.split, r.text, r.tags) for r in recordings], held_out
        )

    def key(self) -> object:
        """What each track is, sizes and digests of the files, and the excerpts' length."""
        if self._keys is None:
            self._keys = [[r.id, r.start_s, r.end_s, r.text, *file_key(r.path)] for r in self._recordings]
        return [self._clip_s, self._keys]

    def seconds(self, track: int) -> float:
        """By the file's header. Raises AudioFileError where there is none that can be read."""
        import soundfile

        recording = self._recordings[track]
        try:
            whole = float(soundfile.info(str(recording.path)).duration)
        except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
            raise AudioFileError(f"{recording.path}: not a sound file that can be read ({error})") from error
        return max(0.0, min(whole, recording.end_s or whole) - recording.start_s)

    def excerpts(self, track: int, rate_hz: int) -> Iterator[Excerpt]:
        """Consecutive excerpts, without silent ones and without a remainder below 1 s.

        Raises:
            AudioFileError: a file that cannot be read, or that ends before the track starts.
        """
        recording = self._recordings[track]
        found = False
        for number, block in enumerate(self._blocks(recording, rate_hz)):
            found = True
            if np.abs(block).max() < _SILENT or (number and len(block) < _MIN_EXCERPT_S * rate_hz):
                continue
            start = recording.start_s + number * self._clip_s
            yield Excerpt(f"{recording.id}@{start:g}s", block)
        if not found:
            raise AudioFileError(
                f"{recording.path}: ends before {recording.start_s:g} s, where the track starts"
            )

    def _blocks(self, recording: Recording, rate_hz: int) -> Iterator[NDArray[np.float32]]:
        """Blocks of ``clip_s`` between the track's start and end, whatever blocks the file comes in."""
        size = round(self._clip_s * rate_hz)
        first = round(recording.start_s * rate_hz)
        last = None if recording.end_s is None else round(recording.end_s * rate_hz)
        held = np.zeros(0, np.float32)
        at = 0
        for block in stream_audio(recording.path, rate_hz, block_s=self._clip_s):
            part = block[max(0, first - at) : None if last is None else max(0, last - at)]
            at += len(block)
            held = np.concatenate([held, part]) if len(held) else part
            while len(held) >= size:
                yield held[:size]
                held = held[size:]
            if last is not None and at >= last:
                break
        if len(held):
            yield held
