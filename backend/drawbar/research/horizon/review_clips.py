"""A queue's proposals and their tracks -> two aligned sound files a proposal, so that a folder can be handed on.

Each clip begins half a second before its window and ends half a second after it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from drawbar.corpus import DEFAULT_SOUNDFONT, SAMPLE_RATE_HZ
from drawbar.errors import AudioFileError, BadInputError
from drawbar.files.atomic_write import atomic
from drawbar.research.horizon.annotations import Annotation
from drawbar.research.horizon.events import Track, Window
from drawbar.research.horizon.track_audio import clip, track_audio

CONTEXT_S = 0.5
GAP_S = 0.4
"""Silence between two clips that are played in turn."""

Array = NDArray[np.float32]


def clip_path(folder: Path, row: Annotation, which: str) -> Path:
    """Where a clip lies; `which` is ``motif`` or ``recurrence``."""
    return folder / "clips" / f"{row.id}-{which}.flac"


def write_clips(
    folder: Path,
    rows: Sequence[Annotation],
    tracks: Sequence[Track],
    audio: Path | None = None,
    *,
    soundfont: Path = DEFAULT_SOUNDFONT,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Cut both clips of every row; what is there already is kept.

    Raises:
        BadInputError: a row of an unknown track, or a track that cannot be read.
    """
    by_id = {track.id: track for track in tracks}
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    wanted: dict[str, list[Annotation]] = {}
    for row in rows:
        if not all(clip_path(folder, row, which).is_file() for which in ("motif", "recurrence")):
            wanted.setdefault(row.track, []).append(row)
    for number, (name, mine) in enumerate(sorted(wanted.items())):
        if progress:
            progress(number, len(wanted))
        if name not in by_id:
            raise BadInputError(
                f"track {name!r} of a proposal is not in the manifest; use the study it came from"
            )
        sound = track_audio(by_id[name], audio, SAMPLE_RATE_HZ, soundfont)
        for row in mine:
            for which, window in (("motif", row.motif), ("recurrence", row.recurrence)):
                around = Window(max(0.0, window.start_s - CONTEXT_S), window.end_s + CONTEXT_S)
                lead = np.zeros(round(max(0.0, CONTEXT_S - window.start_s) * SAMPLE_RATE_HZ), np.float32)
                cut = np.concatenate([lead, clip(sound, SAMPLE_RATE_HZ, around)])
                path = clip_path(folder, row, which)
                with atomic(path) as part:
                    soundfile.write(part, cut, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    if progress:
        progress(len(wanted), len(wanted))


def read_clips(folder: Path, row: Annotation) -> tuple[Array, Array]:
    """Motif and recurrence, float32 [N] at 32 kHz. Raises AudioFileError when a clip is gone or damaged."""
    found = []
    for which in ("motif", "recurrence"):
        path = clip_path(folder, row, which)
        try:
            found.append(soundfile.read(path, dtype="float32")[0])
        except (OSError, soundfile.LibsndfileError) as error:
            raise AudioFileError(
                f"{path} cannot be read; run `drawbar review queue` for this folder again"
            ) from error
    return found[0], found[1]


def in_turn(clips: tuple[Array, Array]) -> Array:
    """One after the other, with a short silence between them."""
    return np.concatenate([clips[0], np.zeros(round(GAP_S * SAMPLE_RATE_HZ), np.float32), clips[1]])
